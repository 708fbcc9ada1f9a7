"""Files of ported numbers as carriers and the national centre write them: columns, delimiters, days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.intakes import files

COLUMNS = {
    "number": ("so dien thoai", "so thue bao", "so", "sdt", "thue bao", "number", "msisdn", "phone"),
    "carrier": ("nha mang", "nha mang nhan", "mang", "mang moi", "carrier", "recipient", "network"),
    "since": ("ngay chuyen", "ngay", "tu ngay", "since", "date", "ported on"),
}
MAX_ROWS = 500_000
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")


@dataclass(frozen=True, slots=True)
class PortedRow:
    """One row as it came, every cell text; `line` is its number in the file, the first data row being 2."""

    line: int
    number: str
    carrier: str
    since: str = ""


def read_csv(content: bytes) -> Iterator[PortedRow]:
    """The rows of a CSV file with a header line (comma, semicolon or tab). Raises `Invalid` for a file that is not
    UTF-8, not CSV, too long, or lacks a column: nothing of it is then taken."""
    table = files.csv_table(content)
    if len(table) < 2:
        raise files.empty_file()
    if len(table) > MAX_ROWS + 1:
        raise files.too_many_rows(len(table) - 1, MAX_ROWS)
    places = files.places(table[0], COLUMNS)
    if not {"number", "carrier"} <= set(places):
        raise files.bad_file(
            "missing_column",
            _("Tệp thiếu cột số điện thoại hoặc nhà mạng."),
            _("Dòng đầu của tệp ghi tên cột: Số điện thoại, Nhà mạng; có thể thêm Ngày chuyển."),
        )
    for line, cells in enumerate(table[1:], start=2):
        if any(cell.strip() for cell in cells):
            yield PortedRow(line, **files.named(cells, places))


def read_day(text: str) -> date | None:
    """A day as 2022-01-31 or 31/01/2022; empty gives None. Raises `Invalid`."""
    if not text.strip():
        return None
    found = _DAY_FIRST.fullmatch(text.strip())
    try:
        if found is not None:
            return date(int(found[3]), int(found[2]), int(found[1]))
        return date.fromisoformat(text.strip())
    except ValueError as fault:
        raise Invalid(
            _("Không hiểu ngày đã ghi."),
            field="since",
            code="bad_date",
            way_out=_("Ghi như 31/01/2022 hoặc 2022-01-31."),
        ) from fault
