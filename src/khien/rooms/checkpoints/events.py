from __future__ import annotations

from khien.kernel.events import declare

PERSON_UNDER_ORDER_SCANNED = declare(
    "person_under_order_scanned",
    "somebody for whom an order holds was scanned at a place: `scan`, `person`, `place`, `unit`, `at` (ISO)",
)

SCANS_CLASHED = declare(
    "scans_clashed",
    "a sender used an id for two events, or a device a number for two ids (a copy of the device?): `sender`, `device`"
    " (null for others), `ids_reused`, `seqs_reused` (counts), `id`, `seq` (an example)",
)

SILENT_PLACES_APPROVED = declare(
    "silent_places_approved",
    "an officer has the owners of silent places written to: `notices` (ids of checkpoints.SilentNotice)",
)
