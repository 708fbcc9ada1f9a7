"""The national personal QR code: `SoGiayTo|HoTen|NgaySinh|LoaiDinhDanh|QID|EXT`.

Source: Decision 1405/QĐ-BTTTT of 11 September 2021 (specification 1.1). The name is in capitals without accents; the
first six characters of the number and the day and month of birth may be stars. EXT joins the declarer's QID, the sex
(1 male, 2 female), the insurance number, the phone and a signature with `<`; no public key was ever published, so the
code is a claim like a card's.
"""

from __future__ import annotations

import re
from datetime import date

from khien.kernel.codes import cards
from khien.kernel.codes.kinds import NationalCode

_BORN = re.compile(r"([0-9]{4}|\*{4})(?:-([0-9]{2}|\*{2}))?(?:-([0-9]{2}|\*{2}))?")
_NUMBERS = (
    ("cccd", re.compile(r"[0-9]{12}")),
    ("cmnd", re.compile(r"[0-9]{9}")),
    ("insurance", re.compile(r"(?:[A-Z]{2}[0-9]{3})?[0-9]{10}")),
    ("passport", re.compile(r"[A-Z]{1,2}[0-9]{6,8}")),
)


def read(text: str) -> NationalCode | None:
    """The national code that this (clean) text is; None for anything else. Raises `cards.CardIncomplete`."""
    fields = [part.strip() for part in text.split("|")]
    born = _BORN.fullmatch(fields[2]) if len(fields) > 2 else None
    if born is None or "-" not in fields[2]:
        return None
    if len(fields) < 6:
        raise cards.CardIncomplete
    name = " ".join(fields[1].split())
    if not cards.is_name(name):
        name = ""
    day, year = _birth(*born.groups())
    kind, number = _number(fields[0].upper())
    # A number that says another year of birth is somebody else's, the declarer's for instance.
    if kind == "cccd" and year is not None and number is not None and int(number[4:6]) != year % 100:
        kind, number = "", None
    extension = "|".join(fields[5:]).split("<")
    return NationalCode(
        number=number,
        number_kind=kind,
        full_name=name,
        birth_date=day,
        year_only=year if day is None else None,
        sex={"1": "m", "2": "f"}.get(extension[1].strip(), "") if len(extension) > 1 else "",
        starred="*" in fields[0],
        declared_by_another=fields[3] == "1",
    )


def _birth(year: str, month: str | None, day: str | None) -> tuple[date | None, int | None]:
    """(day, year) of birth, as far as they are not starred and are a day at all."""
    if not year.isdigit() or not 1880 <= int(year) <= 2200:
        return None, None
    made = cards.day_of(year, month or "", day or "")
    return made, int(year)


def _number(text: str) -> tuple[str, str | None]:
    """(kind, number); stars are no number."""
    for kind, shape in _NUMBERS:
        if shape.fullmatch(text):
            return kind, text[-10:] if kind == "insurance" else text
    return "", None
