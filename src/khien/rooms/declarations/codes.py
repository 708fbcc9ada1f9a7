"""The code of a declaration: `KB1:` and twelve characters by which it is found again. It identifies, no more.

Eleven characters are random (55 bits), the twelfth is a check: over GF(32) it tells every wrong character and every
two neighbours that changed places. The alphabet of RFC 4648: 0, 1 and 8 are never in it, so they are read as O, I, B.
"""

from __future__ import annotations

import re
import secrets
import unicodedata

PREFIX = "KB1:"
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_READ_AS = str.maketrans("018", "OIB")


def new() -> str:
    """A new code without its prefix."""
    body = "".join(secrets.choice(_ALPHABET) for _place in range(11))
    return body + _check(body)


def parsed(text: str) -> str | None:
    """The twelve characters in a text as scanned, typed or read out; None for anything else."""
    text = unicodedata.normalize("NFKC", text).upper()
    text = re.sub(r"[\s.\-]", "", text).removeprefix(PREFIX)
    text = text.translate(_READ_AS)
    if len(text) != 12 or any(c not in _ALPHABET for c in text) or _check(text[:11]) != text[11]:
        return None
    return text


def shown(code: str) -> str:
    """As people read it: `KB1:7F3K-QXMD-2TAB`."""
    return PREFIX + "-".join(code[at : at + 4] for at in (0, 4, 8))


def _check(body: str) -> str:
    total, weight = 0, 1
    for letter in body:
        weight = _times(weight, 2)
        total ^= _times(weight, _ALPHABET.index(letter))
    return _ALPHABET[total]


def _times(a: int, b: int) -> int:
    """Product in GF(32), modulo x^5 + x^2 + 1."""
    product = 0
    while b:
        if b & 1:
            product ^= a
        a <<= 1
        if a & 32:
            a ^= 0b100101
        b >>= 1
    return product
