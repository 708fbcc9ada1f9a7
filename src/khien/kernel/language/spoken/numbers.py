"""Vietnamese words for numbers: cardinals with every special case, digits, decimals, Roman numerals."""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGITS = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín")
_THOUSAND, _MILLION, _MILLIARD = 10**3, 10**6, 10**9

# The strict form: I to MMMCMXCIX.
ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


@dataclass(frozen=True, slots=True)
class Numerals:
    """The words in which regions differ: `odd` stands for missing tens, `thousand` for 1,000."""

    odd: str = "linh"
    thousand: str = "nghìn"


NORTH = Numerals()
SOUTH = Numerals(odd="lẻ", thousand="ngàn")


def cardinal(number: int, numerals: Numerals = NORTH) -> str:
    """A whole number in words; a negative one starts with "âm".

    >>> cardinal(21), cardinal(105), cardinal(2_024)
    ('hai mươi mốt', 'một trăm linh năm', 'hai nghìn không trăm hai mươi tư')
    """
    if number < 0:
        return f"âm {cardinal(-number, numerals)}"
    if number >= _MILLIARD:
        above, rest = divmod(number, _MILLIARD)
        words = [cardinal(above, numerals), "tỷ"]
    else:
        rest, words = number, []
    for size, name in ((_MILLION, "triệu"), (_THOUSAND, numerals.thousand), (1, "")):
        group, rest = divmod(rest, size)
        if group:
            words += [_hundreds(group, numerals, full=bool(words)), name]
    return " ".join(word for word in words if word) or _DIGITS[0]


def ordinal(number: int, numerals: Numerals = NORTH) -> str:
    """What follows "thứ": nhất, hai, ba, tư, năm …"""
    return {1: "nhất", 4: "tư"}.get(number) or cardinal(number, numerals)


def digits(text: str) -> str:
    """Every digit by its name; anything else in `text` is left out."""
    return " ".join(_DIGITS[int(character)] for character in text if character in "0123456789")


def decimal(whole: str, fraction: str, numerals: Numerals = NORTH) -> str:
    """`whole` and `fraction` are digits: 37 and 5 are "ba mươi bảy phẩy năm".

    One or two digits after the comma are read as a number, a longer row and one that starts with zero digit by
    digit.
    """
    short = len(fraction) <= 2 and not fraction.startswith("0")
    tail = cardinal(int(fraction), numerals) if short else digits(fraction)
    return f"{cardinal(int(whole), numerals)} phẩy {tail}"


def roman(text: str) -> int:
    """The value of a Roman numeral in capitals. Raises `ValueError` for what is none."""
    if not ROMAN.fullmatch(text):
        raise ValueError(f"{text!r} is no Roman numeral")
    values = [_ROMAN[letter] for letter in text]
    following = [*values[1:], 0]
    return sum(value if value >= after else -value for value, after in zip(values, following, strict=True))


def _hundreds(group: int, numerals: Numerals, *, full: bool) -> str:
    """1 to 999; `full` says that something stands before it, so that missing hundreds are named too."""
    hundreds, rest = divmod(group, 100)
    tens, units = divmod(rest, 10)
    words = [_DIGITS[hundreds], "trăm"] if hundreds or full else []
    if tens == 0:
        if units:
            words += [numerals.odd, _DIGITS[units]] if words else [_DIGITS[units]]
        return " ".join(words)
    words += ["mười"] if tens == 1 else [_DIGITS[tens], "mươi"]
    if units == 1 and tens > 1:
        words.append("mốt")
    elif units == 4 and tens > 1:
        words.append("tư")
    elif units == 5:
        words.append("lăm")
    elif units:
        words.append(_DIGITS[units])
    return " ".join(words)
