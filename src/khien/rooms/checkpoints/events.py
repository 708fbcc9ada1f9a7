from __future__ import annotations

from khien.kernel.events import declare

PERSON_UNDER_ORDER_SCANNED = declare(
    "person_under_order_scanned",
    "somebody for whom an order holds was scanned at a place: `scan`, `person`, `place`, `unit`, `at` (ISO)",
)
SILENT_PLACES_APPROVED = declare(
    "silent_places_approved",
    "an officer has the owners of silent places written to: `notices` (ids of checkpoints.SilentNotice)",
)
