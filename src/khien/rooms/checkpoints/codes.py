"""What a guard's field may read: our pass, the identity card's QR, an insurance card, a typed number, a poster.

Pure functions. Only our own pass is signed; everything else is a claim that fills a form. Nothing here keeps or
repeats an identity number in a text.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import parse_qs, urlsplit

MAX_LENGTH = 2_000


class CodeError(ValueError):
    """A text that is none of the codes known here; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


REASONS = ("empty", "too_long", "card_incomplete", "unknown_code")


@dataclass(frozen=True, slots=True)
class CardCode:
    """An identity document as its QR code or somebody's fingers say it.

    `kind` is "cccd", "cmnd" or "insurance". What could not be read is None or "", and named in `damaged`:
    the number alone is enough.
    """

    kind: str
    number: str = field(repr=False)
    full_name: str = field(default="", repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str = ""
    address: str = field(default="", repr=False)
    issued_on: date | None = None
    damaged: tuple[str, ...] = ()


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
    # Control characters and halves of surrogate pairs come from scanners and programs, never from a card.
    printable = "".join(c if c.isprintable() else " " for c in unicodedata.normalize("NFC", text))
    text = printable.strip()
    if not text:
        raise CodeError("empty")
    if text.startswith("YT1:"):
        return PassCode(text)
    if re.match(r"\d{12}\|", text):
        return _identity_card(text)
    if re.match(r"(?:[A-Z]{2}\d{13}|\d{10})\|", text):
        return _insurance_card(text)
    if "://" in text:
        return _poster(text)
    number = re.sub(r"[ .\-]", "", text)
    if re.fullmatch(r"[0-9]{12}", number):
        return CardCode("cccd", number)
    if re.fullmatch(r"[0-9]{9}", number):
        return CardCode("cmnd", number)
    if re.fullmatch(r"(?:[A-Z]{2}[0-9]{3})?[0-9]{10}", number):
        return CardCode("insurance", number[-10:])
    raise CodeError("unknown_code")


def _identity_card(text: str) -> CardCode:
    """`number|old number|name|ddmmyyyy|sex|address|ddmmyyyy|…`: seven fields or more, the rest is not kept."""
    fields = [part.strip() for part in text.split("|")]
    number = fields[0]
    if len(fields) < 7 or not re.fullmatch(r"[0-9]{12}", number):
        raise CodeError("card_incomplete")
    damaged = []
    name = " ".join(fields[2].split())
    if not _is_name(name):
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
    return CardCode(
        "cccd", number, name, birth, sex, " ".join(fields[5].split())[:200], _day(fields[6]), tuple(damaged)
    )


def _insurance_card(text: str) -> CardCode:
    """`card number|name as hex of UTF-8|birth day or year|1 or 2|…`."""
    fields = [part.strip() for part in text.split("|")]
    if len(fields) < 4 or not fields[0].isascii():
        raise CodeError("card_incomplete")
    try:
        name = unicodedata.normalize("NFC", " ".join(bytes.fromhex(fields[1]).decode("utf-8").split()))
    except ValueError:
        name = ""
    damaged = []
    if not _is_name(name):
        name = ""
        damaged.append("full_name")
    birth = _slashed_day(fields[2])
    if birth is None:
        damaged.append("birth_date")
    sex = {"1": "m", "2": "f"}.get(fields[3], "")
    if not sex:
        damaged.append("sex")
    return CardCode("insurance", fields[0][-10:], name, birth, sex, damaged=tuple(damaged))


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


def _is_name(text: str) -> bool:
    """Letters, spaces and a few marks; scanners with a Vietnamese keyboard on leave digits and signs."""
    return (
        2 <= len(text) <= 120
        and all(c.isalpha() or c in " '’.-" for c in text)
        and any(map(str.isalpha, text))
    )


def _day(text: str) -> date | None:
    return _date(text[4:], text[2:4], text[:2]) if re.fullmatch(r"[0-9]{8}", text) else None


def _slashed_day(text: str) -> date | None:
    found = re.fullmatch(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})", text)
    return _date(found.group(3), found.group(2), found.group(1)) if found else None


def _date(year: str, month: str, day: str) -> date | None:
    try:
        made = date(int(year), int(month), int(day))
    except ValueError:
        return None
    return made if made.year >= 1880 else None
