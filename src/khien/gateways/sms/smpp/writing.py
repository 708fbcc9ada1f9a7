"""Texts to the bodies of `submit_sm`, as one carrier wants them."""

from __future__ import annotations

import itertools
import random
from collections import OrderedDict

from khien.gateways.sms.smpp import coding, pdu

_INTERNATIONAL, _ISDN = 1, 1
_RECEIPT_WANTED = 1
_REMEMBERED = 256
_REFERENCE = 3
"""Where the reference of a long message stands in its user data header (05 00 03 reference parts part)."""


class Writer:
    """Writes bodies for one sender's name. The octets of the last texts are remembered, so that one text to many phones
    costs little more than its number."""

    def __init__(
        self, sender: str, sender_ton: int, sender_npi: int, alphabet: coding.DefaultAlphabet = "gsm-7"
    ) -> None:
        self._sender, self._sender_ton, self._sender_npi = sender, sender_ton, sender_npi
        self._alphabet: coding.DefaultAlphabet = alphabet
        self._references = itertools.count(random.randrange(256))  # noqa: S311 - no secret
        self._known: OrderedDict[str, tuple[bytes, list[bytes], int]] = OrderedDict()

    def bodies(self, number: str, text: str) -> list[bytes]:
        """One for each part. `number` is E.164, `text` is sent as `text.normalise` leaves it. Raises `CannotEncode`."""
        before, tails, place = self._known.get(text) or self._learn(text)
        head = before + pdu.destination(number.removeprefix("+"))
        if not place:
            return [head + tails[0]]
        reference = bytes((next(self._references) & 0xFF,))
        return [head + tail[:place] + reference + tail[place + 1 :] for tail in tails]

    def _learn(self, text: str) -> tuple[bytes, list[bytes], int]:
        """What stands before the number, what behind it for each part, and where in that the reference is to be set
        (0: nowhere)."""
        before, tails, place = b"", [], 0
        for part in coding.parts_of(text, 0, self._alphabet):
            before, tail = pdu.around_destination(
                pdu.Message(
                    source=self._sender,
                    source_ton=self._sender_ton,
                    source_npi=self._sender_npi,
                    destination_ton=_INTERNATIONAL,
                    destination_npi=_ISDN,
                    short_message=part.octets,
                    data_coding=part.data_coding,
                    esm_class=coding.UDHI if part.long else 0,
                    registered_delivery=_RECEIPT_WANTED,
                )
            )
            tails.append(tail)
            if part.long:
                place = len(tail) - len(part.octets) + _REFERENCE
        if len(self._known) >= _REMEMBERED:
            self._known.popitem(last=False)
        known = self._known[text] = before, tails, place
        return known
