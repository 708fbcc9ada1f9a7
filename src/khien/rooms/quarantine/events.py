"""What the room announces."""

from khien.kernel.events import declare

ORDERS_ISSUED = declare(
    "orders_issued",
    "orders came into force; payload: orders [{order, person, unit}], case (null for one issued by hand), "
    "kind (contacts, isolation or hand)",
)
ORDER_CHANGED = declare(
    "order_changed", "an order was extended or its place changed; payload: order, person, unit, reason (code)"
)
ORDER_ENDED = declare(
    "order_ended",
    "an order ended, early or on time, or was cancelled; payload: order, person, unit, "
    "reason (time, early, replaced, cancelled)",
)
SYMPTOMS_REPORTED = declare(
    "symptoms_reported",
    "a person under order reported symptoms or fever; payload: order, person, unit, follow_up",
)
CASE_FOLLOWED = declare(
    "case_followed",
    "everybody under order because of a case has answered at least once; payload: case, orders (count)",
)
