"""Acts of the room; the names here are those about messages to named people, other ideas are modules of their own
(`from khien.rooms.broadcasts.verbs import bulletins`)."""

from khien.rooms.broadcasts.verbs import approving, audio, bulletins, dispatch, templates
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
    "approving",
    "audio",
    "bulletins",
    "change_template",
    "claim_rows",
    "dispatch",
    "forget_messages",
    "mark_interrupted",
    "rematch_receipts",
    "requeue_unknown",
    "send_to_people",
    "send_to_phones",
    "settle_broadcast",
    "settle_rows",
    "take_receipts",
    "templates",
]
