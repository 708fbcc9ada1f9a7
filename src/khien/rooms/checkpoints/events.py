from __future__ import annotations

from khien.kernel.events import declare

PERSON_UNDER_ORDER_SCANNED = declare(
    "person_under_order_scanned",
    "somebody for whom an order holds was scanned at a place: `scan`, `person`, `place`, `unit`, `at` (ISO)",
)
