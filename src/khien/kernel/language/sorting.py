from __future__ import annotations

import unicodedata
from functools import lru_cache

# The Vietnamese alphabet, then the tones in the order of Vietnamese dictionaries:
# level, grave, hook above, tilde, acute, dot below.
_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_ORDER = {letter: chr(0x30 + i) if i < 10 else chr(0x61 + i - 10) for i, letter in enumerate(_LETTERS)}
_TONES = {"\u0300": "1", "\u0309": "2", "\u0303": "3", "\u0301": "4", "\u0323": "5"}


def sort_key(text: str) -> str:
    """A plain ASCII key whose byte order is Vietnamese dictionary order: letters first, then tones.

    Words compare one by one (a tab before a space before every letter), tones only break ties.
    """
    letters: list[str] = []
    tones: list[str] = []
    for word in text.lower().split():
        if letters:
            letters.append(" ")
            tones.append(" ")
        for base in unicodedata.normalize("NFC", word):
            letter, tone = _split(base)
            letters.append(_ORDER.get(letter, letter if letter.isascii() else "~"))
            tones.append(tone)
    return "".join(letters) + "\t" + "".join(tones)


@lru_cache(maxsize=4096)
def _split(character: str) -> tuple[str, str]:
    """A letter of the alphabet and the number of its tone."""
    decomposed = unicodedata.normalize("NFD", character)
    tone = next((_TONES[mark] for mark in decomposed if mark in _TONES), "0")
    letter = unicodedata.normalize("NFC", "".join(c for c in decomposed if c not in _TONES))
    return letter, tone
