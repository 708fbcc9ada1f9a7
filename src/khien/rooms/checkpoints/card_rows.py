"""Lists of people for whom cards are ordered: rows from pasted text, CSV or XLSX.

A row has a number, or a name and a year of birth; columns come in any order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.intakes import files
from khien.kernel.language import fold
from khien.kernel.people import identity

MOST = 2000
"""Rows of one list."""
_TITLES = frozenset(
    {"stt", "tt", "ho ten", "ho va ten", "ten", "nam sinh", "ngay sinh", "so", "so cccd", "cccd", "so dinh danh",
     "so can cuoc", "dien thoai", "so dien thoai", "the bhyt", "name", "full name", "year", "birth year", "number",
     "phone"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CardLine:
    """One row: what was read in it; `line` is its number in what was sent."""

    line: int
    number: str
    name: str
    year: int | None

    def digest(self, sender: str) -> str:
        """The same for the same row of the same unit. Keyed: a number could be guessed back from a plain hash."""
        text = f"{sender}|{self.number}|{fold(self.name)}|{self.year or ''}"
        return salted_hmac("khien.checkpoints.card_row", text, algorithm="sha256").hexdigest()

    def stored(self) -> dict[str, Any]:
        """What a held row keeps: of a number the last four characters."""
        shown = f"•••• {self.number[-4:]}" if self.number else ""
        return {"name": self.name[:120], "year": self.year, "number": shown}


def of_text(text: str) -> list[CardLine]:
    """Pasted lines; cells are divided by semicolons, commas or tabs. Raises `Invalid`."""
    return _lines((number, re.split(r"[;,\t]", line)) for number, line in enumerate(text.splitlines(), 1))


def of_file(content: bytes) -> list[CardLine]:
    """A CSV (UTF-8) or XLSX file, with or without titles. Raises `Invalid`: nothing of it is then taken."""
    return _lines(enumerate(files.table(content, most_rows=MOST, most_columns=20), 1))


def _lines(rows: Iterable[tuple[int, Sequence[str]]]) -> list[CardLine]:
    found: list[CardLine] = []
    for number, cells in rows:
        given = [" ".join(cell.split()) for cell in cells if cell.strip()]
        if not given or (not found and all(fold(cell) in _TITLES for cell in given)):
            continue
        found.append(_line(number, given))
        if len(found) > MOST:
            raise Invalid(
                _("Quá nhiều dòng cho một danh sách."),
                field="file",
                way_out=_("Chia thành các danh sách không quá %(most)d dòng.") % {"most": MOST},
            )
    return found


def _line(line: int, cells: list[str]) -> CardLine:
    number, name, year = "", "", None
    for cell in cells:
        born = re.fullmatch(r"(?:\d{1,2}[/.-]\d{1,2}[/.-])?((?:19|20)\d\d)", cell)
        if born:
            year = year or int(born[1])
        elif sum(letter.isdigit() for letter in cell) >= 7 and (
            identity.possible_kinds(cell) or re.fullmatch(r"\+?\d[\d .\-]{7,18}", cell)
        ):
            number = number or cell
        elif any(letter.isalpha() for letter in cell):
            name = name or cell
    return CardLine(line, number, name, year)
