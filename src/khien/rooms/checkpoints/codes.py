"""What a guard's field may read: our pass, the identity card's QR, an insurance card, a typed number, a poster.

Pure functions. Only our own pass is signed; everything else is a claim that fills a form. Nothing here keeps or
repeats an identity number in a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from khien.kernel.people import cards
from khien.kernel.people.cards import CardCode

MAX_LENGTH = 2_000


class CodeError(ValueError):
    """A text that is none of the codes known here; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = ("empty", "too_long", "card_incomplete", "unknown_code")


@dataclass(frozen=True, slots=True)
class PassCode:
    """Our own pass, not yet verified."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PosterCode:
    """The poster of a place, its check not yet verified."""

    place: str
    check: str


Code = CardCode | PassCode | PosterCode


def parse(text: str) -> Code:
    """What this text is. Raises `CodeError`."""
    if len(text) > MAX_LENGTH:
        raise CodeError("too_long")
    text = cards.clean(text)
    if not text:
        raise CodeError("empty")
    if text.startswith(("YT1:", "YT2:")):
        return PassCode(text)
    if "://" in text:
        return _poster(text)
    try:
        card = cards.read_card(text)
    except cards.CardIncomplete as fault:
        raise CodeError("card_incomplete") from fault
    if card is None:
        raise CodeError("unknown_code")
    return card


def _poster(text: str) -> PosterCode:
    try:
        address = urlsplit(text)
        found = re.fullmatch(r"/checkpoints/at/([0-9A-Z]{8,12})/?", address.path)
        check = parse_qs(address.query).get("m", [""])[0]
    except ValueError as fault:
        raise CodeError("unknown_code") from fault
    if found is None:
        raise CodeError("unknown_code")
    return PosterCode(found.group(1), check[:16])
