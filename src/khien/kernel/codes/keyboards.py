"""What USB hand scanners make of codes while a Vietnamese keyboard (Telex or VNI) is on, or with another layout.

A scanner types. Telex turns `aa`, `dd`, `w` and a vowel's `s f r x j` into marks; VNI does it with digits behind a
letter. Digits that follow no letter stay digits in both, so the number with which a card's code begins survives, and
is enough. Letters that a mark has swallowed cannot be guessed back: a signed code must be scanned again.
"""

from __future__ import annotations

import re

from khien.kernel.codes.kinds import CardCode, CodeError
from khien.kernel.language import fold

# VNI turns the `Y` and the digit of our own prefixes into one letter.
_PREFIXES = {"YT1:": "YT1:", "ÝT:": "YT1:", "YT2:": "YT2:", "ỲT:": "YT2:", "HC1:": "HC1:", "KB1:": "KB1:"}
_EVERYTHING = ("full_name", "birth_date", "sex", "address")


def signed_prefix(text: str) -> str | None:
    """The prefix of the code of ours or of a certificate that this is, changed by a keyboard or not."""
    return next((prefix for typed, prefix in _PREFIXES.items() if text.startswith(typed)), None)


def read_damaged(text: str) -> CardCode | None:
    """The card whose code this was, by its number alone; None for anything else.

    Raises `CodeError` ("keyboard") for a card whose number a keyboard has changed: a wrong number is worse than none.
    """
    head = re.match(r"([0-9]{12})([^0-9A-Za-z .\-])", text)
    # Another layout types another sign for every bar: the same one at least six times.
    if head and head.group(2) != "|" and text.count(head.group(2)) >= 6:
        return CardCode("cccd", head.group(1), damaged=_EVERYTHING)
    if _is_insurance(text):
        raise CodeError("keyboard")
    return None


def _is_insurance(text: str) -> bool:
    """`TE1350123456789|…` as VNI types it, `TÉ350…` or `TẸ…`: each digit may have become another mark."""
    head, bar, _rest = text.partition("|")
    plain = fold(head).upper()
    return bool(bar) and not head.isascii() and re.fullmatch(r"[A-Z]{2}[0-9]{1,13}", plain) is not None
