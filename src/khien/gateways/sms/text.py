"""What a text costs: its alphabet and the number of parts in which a phone network carries it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

# 3GPP TS 23.038: the default alphabet and its extension table (two septets each).
GSM_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The letter of each of the 128 codes; 0x1B leads to the extension table."""
GSM_EXTENDED = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}
_GSM_SINGLE = frozenset(GSM_BASIC) - {"\x1b"}

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
    encoding, weights, room = _weighed(normalise(text))
    return Measure(encoding, sum(weights), len(_ends(weights, *room)))


def encoding_of(text: str) -> Encoding:
    """The alphabet that holds the whole text, which is taken as it is."""
    return "GSM-7" if all(letter in _GSM_SINGLE or letter in GSM_EXTENDED for letter in text) else "UCS-2"


def split(text: str) -> list[str]:
    """The normalised text in the parts that `measure` counts.

    >>> [len(part) for part in split("a" * 161)]
    [153, 8]
    """
    text = normalise(text)
    _encoding, weights, room = _weighed(text)
    ends = _ends(weights, *room)
    return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]


def strip_accents(text: str) -> str:
    """The same text in plain letters, đ as d: offered beside the original, never done without the author.

    >>> strip_accents("Đề nghị ở tại nhà")
    'De nghi o tai nha'
    """
    letters = unicodedata.normalize("NFD", normalise(text).replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _weighed(text: str) -> tuple[Encoding, list[int], tuple[int, int]]:
    """Alphabet, units of each letter, and the units that a single part and a part of several hold."""
    if encoding_of(text) == "GSM-7":
        return "GSM-7", [2 if letter in GSM_EXTENDED else 1 for letter in text], (160, 153)
    return "UCS-2", [2 if ord(letter) > 0xFFFF else 1 for letter in text], (70, 67)


def _ends(weights: list[int], single: int, part: int) -> list[int]:
    """Where each part ends: the number of letters before its end."""
    if sum(weights) <= single:
        return [len(weights)]
    ends, room = [], part
    for place, weight in enumerate(weights):
        if weight > room:
            ends.append(place)
            room = part
        room -= weight
    return [*ends, len(weights)]
