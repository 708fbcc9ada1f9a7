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
_GSM_EXTENDED = frozenset(GSM_EXTENDED)
_GSM_LETTERS = frozenset(GSM_BASIC) - {"\x1b"} | _GSM_EXTENDED

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
    encoding = encoding_of(text)
    units, parts = _weigh(text, encoding)
    return Measure(encoding, units, len(parts))


def encoding_of(text: str) -> Encoding:
    """The alphabet that holds the whole text, which is taken as it is."""
    return "GSM-7" if _GSM_LETTERS.issuperset(text) else "UCS-2"


def split(text: str) -> tuple[Encoding, list[str]]:
    """The alphabet of the normalised text, and its parts as `measure` counts them.

    >>> encoding, parts = split("a" * 161)
    >>> encoding, [len(part) for part in parts]
    ('GSM-7', [153, 8])
    """
    text = normalise(text)
    encoding = encoding_of(text)
    return encoding, _weigh(text, encoding)[1]


def strip_accents(text: str) -> str:
    """The same text in plain letters, đ as d: offered beside the original, never done without the author.

    >>> strip_accents("Đề nghị ở tại nhà")
    'De nghi o tai nha'
    """
    letters = unicodedata.normalize("NFD", normalise(text).replace("đ", "d").replace("Đ", "D"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _weigh(text: str, encoding: Encoding) -> tuple[int, list[str]]:
    """Units of the whole text, and its parts."""
    single, part = (160, 153) if encoding == "GSM-7" else (70, 67)
    heavy = _GSM_EXTENDED if encoding == "GSM-7" else _beyond_16_bits(text)
    if heavy.isdisjoint(text):
        if len(text) <= single:
            return len(text), [text]
        return len(text), [text[begin : begin + part] for begin in range(0, len(text), part)]
    weights = [2 if letter in heavy else 1 for letter in text]
    units = sum(weights)
    if units <= single:
        return units, [text]
    parts, begin, room = [], 0, part
    for place, weight in enumerate(weights):
        if weight > room:
            parts.append(text[begin:place])
            begin, room = place, part
        room -= weight
    return units, [*parts, text[begin:]]


def _beyond_16_bits(text: str) -> frozenset[str]:
    return frozenset(letter for letter in text if letter > "\uffff") if max(text) > "\uffff" else frozenset()
