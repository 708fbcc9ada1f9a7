"""What may stand in a health certificate: one reader for each sub-claim of the claim -260, as plug-ins.

Sub-claim 1 is the EU's DCC (eu_dcc schema 1.3), -6 the WHO's Digital Vaccination Certificate (SMART ICVP, a draft).
Viet Nam's certificates of Decision 5772/QĐ-BYT (20 December 2021) are DCCs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from khien.kernel.language import fold

VACCINATION, TEST, RECOVERY = "vaccination", "test", "recovery"
DCC, WHO_DVC = 1, -6
SCHEMA_VERSION = "1.3.0"
_DCC_ENTRIES = {"v": VACCINATION, "t": TEST, "r": RECOVERY}


class ContentError(ValueError):
    """A sub-claim that does not say what its kind must say."""


@dataclass(frozen=True, slots=True)
class Content:
    """Who it is about and what it certifies. `birth` is YYYY-MM-DD, YYYY-MM, YYYY or "" (not everybody's is known);
    `unique_id` is the certificate's own id ("" where its kind has none); `entry` are the fields of the first of
    `kinds` as they stand (some issuers put a test and a vaccination into one)."""

    kinds: tuple[str, ...]
    full_name: str = field(repr=False)
    birth: str = field(repr=False)
    unique_id: str = field(repr=False)
    entry: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        return self.kinds[0]

    @property
    def birth_date(self) -> date | None:
        try:
            return date.fromisoformat(self.birth) if len(self.birth) == 10 else None
        except ValueError:
            return None

    @property
    def birth_year(self) -> int | None:
        return int(self.birth[:4]) if re.match(r"[0-9]{4}", self.birth) else None


Reader = Callable[[Mapping[Any, Any]], Content]
READERS: dict[int, Reader] = {}


def reader(number: int) -> Callable[[Reader], Reader]:
    """Register the reader of a sub-claim; it gets the sub-claim's map and raises `ContentError`."""

    def register(function: Reader) -> Reader:
        READERS[number] = function
        return function

    return register


def read(claim: Any) -> Content:
    """The content of claim -260: the first sub-claim that somebody here can read. Raises `ContentError`."""
    if not isinstance(claim, Mapping):
        raise ContentError("no certificate inside")
    for number, read_one in READERS.items():
        found = claim.get(number)
        if isinstance(found, Mapping):
            return read_one(found)
    raise ContentError("no kind of certificate that is known here")


@reader(DCC)
def _dcc(claim: Mapping[Any, Any]) -> Content:
    """`{ver, nam: {fn, gn, fnt, gnt}, dob, v | t | r: [entry]}`."""
    kinds = [key for key in _DCC_ENTRIES if claim.get(key)]
    names = claim.get("nam")
    if not kinds or not isinstance(names, Mapping):
        raise ContentError("neither a vaccination, a test nor a recovery, or of nobody")
    entries = claim[kinds[0]]
    if not isinstance(entries, list | tuple) or not isinstance(entries[0], Mapping) or not entries[0]:
        raise ContentError("an entry that is none")
    entry = entries[0]
    name = " ".join(filter(None, (_text(names.get("fn")), _text(names.get("gn")))))
    if not name:
        name = " ".join(_text(names.get(key)).replace("<", " ") for key in ("fnt", "gnt"))
    return Content(
        kinds=tuple(_DCC_ENTRIES[key] for key in kinds),
        full_name=_text(name),
        birth=_day(claim.get("dob")),
        unique_id=_text(entry.get("ci")),
        entry=_frozen(entry),
    )


@reader(WHO_DVC)
def _who(claim: Mapping[Any, Any]) -> Content:
    """`{n, dob, s, v: {…}}`: one vaccination or prophylaxis; it has no id of its own."""
    entry = claim.get("v")
    if not isinstance(entry, Mapping) or not _text(claim.get("n")):
        raise ContentError("no vaccination, or of nobody")
    return Content((VACCINATION,), _text(claim.get("n")), _day(claim.get("dob")), "", _frozen(entry))


def dcc(*, full_name: str, birth: str, kind: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """A DCC to be issued. The first word of a Vietnamese name is the family's; the machine-readable names are of
    ICAO 9303's letters. Raises `ContentError` when nobody could read it back."""
    family, _space, given = " ".join(full_name.split()).partition(" ")
    names = {"fn": family, "gn": given, "fnt": _machine_name(family), "gnt": _machine_name(given)}
    letter = {name: key for key, name in _DCC_ENTRIES.items()}[kind]
    made = {
        "ver": SCHEMA_VERSION,
        "nam": {key: unicodedata.normalize("NFC", name) for key, name in names.items() if name},
        "dob": birth,
        letter: [dict(entry)],
    }
    if not family or _dcc(made).birth != birth or not _dcc(made).unique_id:
        raise ContentError("without a name, a day of birth or an id of its own")
    return made


def _machine_name(name: str) -> str:
    return re.sub(r"[^A-Z]+", "<", fold(name).upper()).strip("<")


def _text(value: Any) -> str:
    """NFC on one line."""
    if not isinstance(value, str):
        return ""
    composed = unicodedata.normalize("NFC", value)
    if not composed.isprintable():
        composed = "".join(c if c.isprintable() else " " for c in composed)
    return " ".join(composed.split())[:300]


def _day(value: Any) -> str:
    """A day of birth as a text; some issuers write it as a moment, in CBOR's own kind or as a text."""
    if isinstance(value, date):  # a datetime is a date too
        return (value.date() if isinstance(value, datetime) else value).isoformat()
    found = re.match(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?(?![0-9-])", _text(value))
    return found.group() if found else ""


def _frozen(entry: Mapping[Any, Any]) -> Mapping[str, Any]:
    return MappingProxyType({key: value for key, value in entry.items() if isinstance(key, str)})
