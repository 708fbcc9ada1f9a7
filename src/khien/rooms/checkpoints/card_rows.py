"""Lists of people for whom cards are ordered: rows from pasted text, CSV or XLSX.

A row has a number, or a name and a year of birth; columns come in any order.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.language import fold
from khien.kernel.people import identity

MOST = 2000
"""Rows of one list."""
_MAX_UNPACKED = 40 * 1024 * 1024
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
    if content.startswith(b"PK\x03\x04"):
        return _lines(enumerate(_xlsx(content), 1))
    try:
        text = content.decode("utf-8-sig")
        if "\0" in text:
            raise ValueError
        first = text.split("\n", 1)[0]
        return _lines(enumerate(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count)), 1))
    except (ValueError, csv.Error) as fault:
        raise Invalid(
            _("Tệp không phải Excel (.xlsx) và cũng không phải CSV dùng bảng mã UTF-8."),
            field="file",
            way_out=_("Lưu lại dạng .xlsx, hoặc dán danh sách vào ô."),
        ) from fault


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


def _xlsx(content: bytes) -> list[list[str]]:
    # Here, not above: a web process that reads no sheet starts a quarter of a second sooner.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MAX_UNPACKED:
                raise ValueError("too big")
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        rows = book.worksheets[0].iter_rows(max_row=MOST + 50, max_col=20, values_only=True)
        return [[_cell(value) for value in row] for row in rows]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError, TypeError, EOFError,
            AttributeError, SyntaxError) as fault:  # fmt: skip
        # A damaged workbook breaks the library in many ways; none of them is ours to tell apart.
        raise Invalid(
            _("Không mở được tệp Excel này."), field="file", way_out=_("Lưu lại dạng .xlsx, không quá 40 MB.")
        ) from fault


def _cell(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.strftime("%d/%m/%Y")
    return str(value)
