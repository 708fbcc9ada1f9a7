"""The acts of the room: issuing, changing, following up, alarms. Each file is one chapter."""

from khien.rooms.quarantine.verbs.alarms import handle_alarm, raise_alarm
from khien.rooms.quarantine.verbs.changing import (
    cancel_order,
    end_due_orders,
    end_order_early,
    extend_order,
    move_order,
)
from khien.rooms.quarantine.verbs.following import (
    check_birth_year,
    make_due_follow_ups,
    record_follow_up,
)
from khien.rooms.quarantine.verbs.forgetting import forget_orders
from khien.rooms.quarantine.verbs.issuing import (
    Exposed,
    IssueOutcome,
    issue_orders,
    propose_isolation,
    sign_order,
)

__all__ = [
    "Exposed",
    "IssueOutcome",
    "cancel_order",
    "check_birth_year",
    "end_due_orders",
    "end_order_early",
    "extend_order",
    "forget_orders",
    "handle_alarm",
    "issue_orders",
    "make_due_follow_ups",
    "move_order",
    "propose_isolation",
    "raise_alarm",
    "record_follow_up",
    "sign_order",
]
