"""Identity documents as their QR codes or somebody's fingers say them: a claim that fills a form, never a proof.

Pure functions. Nothing here keeps or repeats an identity number in a text.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date

from khien.kernel.codes.kinds import CardCode

__all__ = ["CardCode", "CardIncomplete", "clean", "day_of", "is_name", "read_card"]


class CardIncomplete(ValueError):
    """A text that begins as a card's code and lacks the rest: it was read in part."""


def clean(text: str) -> str:
    """NFC on one line: control characters and halves of surrogate pairs come from scanners and programs, never from
    a card."""
    composed = unicodedata.normalize("NFC", text)
    if composed.isprintable():
        return composed.strip()
    return "".join(c if c.isprintable() else " " for c in composed).strip()


def read_card(text: str) -> CardCode | None:
    """The card whose QR code this is, or whose number was typed; None for anything else. Raises `CardIncomplete`."""
    text = clean(text)
    if re.match(r"\d{12}\|", text):
        return _identity_card(text)
    if re.match(r"(?:[A-Z]{2}\d{13}|\d{10})\|", text):
        return _insurance_card(text)
    number = re.sub(r"[ .\-]", "", text)
    if re.fullmatch(r"[0-9]{12}", number):
        return CardCode("cccd", number)
    if re.fullmatch(r"[0-9]{9}", number):
        return CardCode("cmnd", number)
    if re.fullmatch(r"(?:[A-Z]{2}[0-9]{3})?[0-9]{10}", number):
        return CardCode("insurance", number[-10:])
    return None


def _identity_card(text: str) -> CardCode:
    """`number|old number|name|ddmmyyyy|sex|address|ddmmyyyy|…`: seven fields or more, the rest is not kept."""
    fields = [part.strip() for part in text.split("|")]
    number = fields[0]
    if len(fields) < 7 or not re.fullmatch(r"[0-9]{12}", number):
        raise CardIncomplete
    # No card is without any accent: a hand scanner has typed it through a keyboard that lost them, and may have lost
    # letters too. The number and the days are digits and came through.
    typed = text.isascii()
    damaged = []
    name = " ".join(fields[2].split())
    if typed or not is_name(name):
        name = ""
        damaged.append("full_name")
    birth = _day(fields[3])
    # The number says the year of birth; a scanner that garbles digits would say another.
    if birth is not None and birth.year % 100 != int(number[4:6]):
        birth = None
    if birth is None:
        damaged.append("birth_date")
    sex = {"nam": "m", "nữ": "f", "nu": "f"}.get(fields[4].lower(), "")
    if not sex:
        damaged.append("sex")
    address = " ".join(fields[5].split())[:200]
    if typed and address:
        address = ""
        damaged.append("address")
    return CardCode("cccd", number, name, birth, sex, address, _day(fields[6]), tuple(damaged))


def _insurance_card(text: str) -> CardCode:
    """`card number|name as hex of UTF-8|birth day or year|1 or 2|address as hex|…`: 13 fields and a check part."""
    fields = [part.strip() for part in text.split("|")]
    if len(fields) < 4 or not fields[0].isascii():
        raise CardIncomplete
    name = _from_hex(fields[1])
    damaged = []
    if not is_name(name):
        name = ""
        damaged.append("full_name")
    birth = _slashed_day(fields[2])
    year = re.fullmatch(r"(?:18[89]|19[0-9]|20[0-9])[0-9]", fields[2])
    if birth is None:
        damaged.append("birth_date")
    sex = {"1": "m", "2": "f"}.get(fields[3], "")
    if not sex:
        damaged.append("sex")
    return CardCode(
        "insurance",
        fields[0][-10:],
        name,
        birth,
        sex,
        _from_hex(fields[4])[:200] if len(fields) > 4 else "",
        damaged=tuple(damaged),
        year_only=int(year.group()) if year else None,
    )


def _from_hex(text: str) -> str:
    """The text whose UTF-8 is written in hex, on one line; "" for anything else."""
    try:
        return " ".join(clean(bytes.fromhex(text).decode("utf-8")).split())
    except ValueError:
        return ""


def is_name(text: str) -> bool:
    """Letters, spaces and a few marks; scanners with a Vietnamese keyboard on leave digits and signs."""
    return (
        2 <= len(text) <= 120
        and all(c.isalpha() or c in " '’.-" for c in text)
        and any(map(str.isalpha, text))
    )


def _day(text: str) -> date | None:
    return day_of(text[4:], text[2:4], text[:2]) if re.fullmatch(r"[0-9]{8}", text) else None


def _slashed_day(text: str) -> date | None:
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", text)
    return day_of(found.group(3), found.group(2), found.group(1)) if found else None


def day_of(year: str, month: str, day: str) -> date | None:
    """The day of these digits; None when there is no such day, or nobody living was born on it."""
    try:
        made = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return made if made.year >= 1880 else None
