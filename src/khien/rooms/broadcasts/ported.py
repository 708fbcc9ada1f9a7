"""Files of ported numbers as carriers and the national centre write them: columns, delimiters, days."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.language import fold

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
    text = decoded(content)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter(text))
    try:
        table = list(reader)
    except csv.Error as fault:
        raise bad_file(
            "not_csv", _("Tệp này không phải CSV."), _("Lưu lại bảng dưới dạng “CSV UTF-8” rồi gửi.")
        ) from fault
    if len(table) < 2:
        raise bad_file("empty_file", _("Tệp trống."), _("Gửi tệp có dòng tiêu đề và ít nhất một dòng."))
    if len(table) > MAX_ROWS + 1:
        raise bad_file(
            "too_many_rows",
            _("Có %(count)d dòng, quá nhiều cho một lần.") % {"count": len(table) - 1},
            _("Chia thành các phần không quá %(limit)d dòng.") % {"limit": MAX_ROWS},
        )
    places = columns(table[0], COLUMNS)
    if not {"number", "carrier"} <= set(places):
        raise bad_file(
            "missing_column",
            _("Tệp thiếu cột số điện thoại hoặc nhà mạng."),
            _("Dòng đầu của tệp ghi tên cột: Số điện thoại, Nhà mạng; có thể thêm Ngày chuyển."),
        )
    for line, cells in enumerate(table[1:], start=2):
        if any(cell.strip() for cell in cells):
            yield PortedRow(
                line,
                **{n: cells[place].strip() if place < len(cells) else "" for n, place in places.items()},
            )


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


def decoded(content: bytes) -> str:
    """A file's text. Raises `Invalid` unless it is UTF-8."""
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise bad_file(
            "not_csv", _("Đây là tệp Excel, không phải CSV."), _("Trong Excel chọn Lưu thành “CSV UTF-8”.")
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise bad_file(
            "wrong_encoding",
            _("Tệp không dùng bảng mã UTF-8 (lỗi ở byte thứ %(place)d).") % {"place": fault.start + 1},
            _("Lưu lại bảng dưới dạng “CSV UTF-8” rồi gửi; chưa dòng nào được nhận."),
        ) from fault
    if "\0" in text:
        raise bad_file(
            "not_csv", _("Tệp này không phải CSV."), _("Lưu lại bảng dưới dạng “CSV UTF-8” rồi gửi.")
        )
    return text


def delimiter(text: str) -> str:
    """Of comma, semicolon and tab the one that the first line has most of."""
    first = text.split("\n", 1)[0]
    return max(",;\t", key=first.count)


def columns(head: list[str], known: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """Where each column stands, by its names."""
    places: dict[str, int] = {}
    for place, cell in enumerate(head):
        said = fold(cell).replace("_", " ")
        for name, words in known.items():
            if said in words:
                places.setdefault(name, place)
    return places


def bad_file(code: str, message: str, way_out: str) -> Invalid:
    """A file of which nothing is taken."""
    return Invalid(message, field="file", code=code, way_out=way_out)
