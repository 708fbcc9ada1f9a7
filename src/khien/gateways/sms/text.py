"""What a text costs: its alphabet and the number of parts in which a phone network carries it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

# 3GPP TS 23.038: the default alphabet and its extension table (two septets each).
_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")

Encoding = Literal["GSM-7", "UCS-2"]


@dataclass(frozen=True, slots=True)
class Measure:
    """`units` are septets (GSM-7) or 16-bit units (UCS-2) without the headers of a long message."""

    encoding: Encoding
    units: int
    parts: int


def normalise(text: str) -> str:
    """NFC with plain line ends: some phones and desktops paste decomposed accents that double the cost."""
    return unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip()


def measure(text: str) -> Measure:
    """Alphabet and parts of a text after normalising it: one part holds 160 septets or 70 units, each part
    of a longer message 153 or 67, and a two-unit character is never cut in two.

    >>> measure("Khai bao y te").encoding, measure("Khai báo y tế").encoding
    ('GSM-7', 'UCS-2')
    """
    text = normalise(text)
    if all(letter in _GSM_BASIC or letter in _GSM_EXTENDED for letter in text):
        weights = [2 if letter in _GSM_EXTENDED else 1 for letter in text]
        return _packed("GSM-7", weights, single=160, part=153)
    weights = [2 if ord(letter) > 0xFFFF else 1 for letter in text]
    return _packed("UCS-2", weights, single=70, part=67)


def strip_accents(text: str) -> str:
    """The same text in plain letters, đ as d: offered beside the original, never done without the author.

    >>> strip_accents("Đề nghị ở tại nhà")
    'De nghi o tai nha'
    """
    letters = unicodedata.normalize("NFD", normalise(text).replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _packed(encoding: Encoding, weights: list[int], *, single: int, part: int) -> Measure:
    units = sum(weights)
    if units <= single:
        return Measure(encoding, units, 1)
    parts, room = 1, part
    for weight in weights:
        if weight > room:
            parts, room = parts + 1, part
        room -= weight
    return Measure(encoding, units, parts)
