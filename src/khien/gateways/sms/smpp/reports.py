"""What carriers say later of a message: delivery receipts in their many forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, get_args

from khien.gateways.sms.interface import Delivery
from khien.gateways.sms.smpp import coding, pdu

ReceiptIds = Literal["same", "decimal", "hex"]
"""How receipts write the id that the answer gave: the same, or the answer's hexadecimal number in decimal, or the other
way round."""
RECEIPT_IDS: tuple[ReceiptIds, ...] = get_args(ReceiptIds)

_KIND = 0x3C
_RECEIPT_KINDS = {0x04, 0x08, 0x10, 0x20}

# The specification's appendix B is an example, not a rule: fields come in any order, any case, with or without spaces.
_FIELD = re.compile(r"\b(id|stat|err|done[ _]?date)\s*:\s*([^\s:]+)", re.IGNORECASE)
_END_OF_FIELDS = re.compile(r"\btext\s*:", re.IGNORECASE)


class State(StrEnum):
    """Message states of SMPP 3.4, table 5-2."""

    ENROUTE = "enroute"
    DELIVERED = "delivered"
    EXPIRED = "expired"
    DELETED = "deleted"
    UNDELIVERABLE = "undeliverable"
    ACCEPTED = "accepted"
    UNKNOWN = "unknown"
    REJECTED = "rejected"


_BY_NUMBER = dict(enumerate(State, start=1))
_BY_WORD = {
    "ENROUTE": State.ENROUTE,
    "DELIVRD": State.DELIVERED,
    "DELIVERD": State.DELIVERED,
    "DELIVERED": State.DELIVERED,
    "EXPIRED": State.EXPIRED,
    "DELETED": State.DELETED,
    "UNDELIV": State.UNDELIVERABLE,
    "UNDELIVERED": State.UNDELIVERABLE,
    "UNDELIVERABLE": State.UNDELIVERABLE,
    "ACCEPTD": State.ACCEPTED,
    "ACCEPTED": State.ACCEPTED,
    "UNKNOWN": State.UNKNOWN,
    "REJECTD": State.REJECTED,
    "REJECTED": State.REJECTED,
}
_FINAL = {
    State.DELIVERED: Delivery.DELIVERED,
    State.EXPIRED: Delivery.EXPIRED,
    State.DELETED: Delivery.UNDELIVERED,
    State.UNDELIVERABLE: Delivery.UNDELIVERED,
    State.REJECTED: Delivery.UNDELIVERED,
}


@dataclass(frozen=True, slots=True)
class Report:
    """A receipt as read: the carrier's id, what became of the message (None: nothing final), its error code."""

    message_id: str
    state: State | None
    error: str = ""

    @property
    def delivery(self) -> Delivery | None:
        """What this house says of it; None for a word that settles nothing (on its way, accepted, unknown)."""
        return _FINAL.get(self.state) if self.state else None


def read(message: pdu.Message, alphabet: coding.DefaultAlphabet = "gsm-7") -> Report | None:
    """The receipt in a `deliver_sm`, or None when it is something else, such as a person's reply.

    The optional parts count before the text. A text that merely looks like a receipt is none: anybody can send one.
    """
    told = message.tlv(pdu.TAG_RECEIPTED_MESSAGE_ID)
    if (message.esm_class & _KIND) not in _RECEIPT_KINDS and told is None:
        return None
    text, _part = coding.text_of(message, alphabet)
    fields = _fields(text)
    message_id = told.split(b"\0", 1)[0].decode("latin-1").strip() if told else ""
    numbered = message.tlv(pdu.TAG_MESSAGE_STATE)
    state = _BY_NUMBER.get(numbered[0]) if numbered else None
    if state is None:
        state = _BY_WORD.get(fields.get("stat", "").upper())
    return Report(message_id or fields.get("id", ""), state, fields.get("err", "")[:20])


def canonical(message_id: str, form: ReceiptIds, *, in_receipt: bool) -> str:
    """The id in the form under which answer and receipt agree: with `same`, as it is; else as a decimal number.

    >>> canonical("1A", "decimal", in_receipt=False), canonical("0026", "decimal", in_receipt=True)
    ('26', '26')
    """
    if form == "same":
        return message_id
    written_in_hex = (form == "hex") is in_receipt
    try:
        return str(int(message_id, 16 if written_in_hex else 10))
    except ValueError:
        return message_id


def _fields(text: str) -> dict[str, str]:
    """The fields in front of `text:`, where the message itself is quoted; the first of each name counts."""
    quoted = _END_OF_FIELDS.search(text)
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(text[: quoted.start()] if quoted else text):
        found.setdefault(name.lower(), value)
    return found
