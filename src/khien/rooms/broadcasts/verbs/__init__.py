"""Acts of the room: composing, sending in chunks, settling, receipts."""

from khien.rooms.broadcasts.verbs.receipts import rematch_receipts, take_receipts
from khien.rooms.broadcasts.verbs.retention import forget_messages
from khien.rooms.broadcasts.verbs.sending import (
    claim_rows,
    mark_interrupted,
    requeue_unknown,
    settle_broadcast,
    settle_rows,
)
from khien.rooms.broadcasts.verbs.writing import change_template, send_to_people, send_to_phones

__all__ = [
    "change_template",
    "claim_rows",
    "forget_messages",
    "mark_interrupted",
    "rematch_receipts",
    "requeue_unknown",
    "send_to_people",
    "send_to_phones",
    "settle_broadcast",
    "settle_rows",
    "take_receipts",
]
