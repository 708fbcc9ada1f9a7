from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile("[\u0300-\u036f]")


def fold(text: str) -> str:
    """Lower case without accents, đ as d, spaces squeezed: what somebody types who has no Vietnamese keyboard.

    >>> fold("  Đặng  Thị Hường ")
    'dang thi huong'
    """
    plain = _MARKS.sub("", unicodedata.normalize("NFD", text)).replace("đ", "d").replace("Đ", "d")
    return " ".join(plain.lower().split())


def trigrams(text: str) -> list[str]:
    """The distinct three-letter pieces of each folded word, padded as pg_trgm does (`"  a"`, `" an"`, `"an "`)."""
    pieces: set[str] = set()
    for word in fold(text).split():
        padded = f"  {word} "
        pieces.update(padded[i : i + 3] for i in range(len(padded) - 2))
    return sorted(pieces)
