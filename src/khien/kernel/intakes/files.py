"""Files that people send: CSV (UTF-8; comma, semicolon or tab) and XLSX, as rows of texts.

Of a file that cannot be read nothing is taken; the answer names the way out.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.language import fold

_XLSX, _XLS = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_MOST_UNPACKED = 60 * 1024 * 1024


def table(content: bytes, *, most_rows: int, most_columns: int = 40) -> list[list[str]]:
    """All cells of a CSV or XLSX file. `most_rows` and `most_columns` bound what is looked at of a workbook. Raises
    `Invalid`."""
    return _of_xlsx(content, most_rows, most_columns) if content.startswith(_XLSX) else csv_table(content)


def csv_table(content: bytes) -> list[list[str]]:
    """All cells of a CSV file. Raises `Invalid`, for a workbook as well."""
    text = decoded(content)
    first = text.split("\n", 1)[0]
    try:
        return list(csv.reader(io.StringIO(text), delimiter=max(",;\t", key=first.count)))
    except csv.Error as fault:
        raise bad_file(
            "not_csv", _("Tệp này không phải CSV."), _("Lưu lại bảng dưới dạng “CSV UTF-8” rồi gửi.")
        ) from fault


def decoded(content: bytes) -> str:
    """A file's text. Raises `Invalid` unless it is UTF-8."""
    if content.startswith((_XLSX, _XLS)):
        raise bad_file(
            "not_csv", _("Đây là tệp Excel, không phải CSV."), _("Trong Excel chọn Lưu thành “CSV UTF-8”.")
        )
    way_out = _("Lưu lại bảng dưới dạng “CSV UTF-8” rồi gửi; chưa dòng nào được nhận.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise bad_file(
            "wrong_encoding",
            _("Tệp không dùng bảng mã UTF-8 (lỗi ở byte thứ %(place)d).") % {"place": fault.start + 1},
            way_out,
        ) from fault
    if "\0" in text:
        raise bad_file("wrong_encoding", _("Tệp không dùng bảng mã UTF-8."), way_out)
    return text


def places(header: Sequence[str], known: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Where each column of `known` stands: by its words, best first, whatever their accents and case."""
    titles = [fold(title.replace("_", " ")) for title in header]
    found = {}
    for name, words in known.items():
        place = next((titles.index(word) for word in map(fold, words) if word in titles), None)
        if place is not None:
            found[name] = place
    return found


def named(row: Sequence[str], columns: Mapping[str, int]) -> dict[str, str]:
    """The cells of a row by the names of their columns, "" where it is too short."""
    return {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}


def bad_file(code: str, message: str, way_out: str) -> Invalid:
    """The problem of a file of which nothing is taken."""
    return Invalid(message, field="file", code=code, way_out=way_out)


def empty_file() -> Invalid:
    """The problem of a file without rows."""
    return bad_file("empty_file", _("Tệp trống."), _("Gửi tệp có dòng tiêu đề và ít nhất một dòng."))


def too_many_rows(count: int, most: int) -> Invalid:
    """The problem of a file that is too long to be taken at once."""
    return bad_file(
        "too_many_rows",
        _("Có %(count)d dòng, quá nhiều cho một lần.") % {"count": count},
        _("Chia thành các phần không quá %(limit)d dòng.") % {"limit": most},
    )


def _of_xlsx(content: bytes, most_rows: int, most_columns: int) -> list[list[str]]:
    # Here, not above: a web process that reads no sheet starts a quarter of a second sooner.
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > _MOST_UNPACKED:
                raise bad_file("too_big", _("Tệp quá lớn."), _("Chia thành nhiều tệp nhỏ hơn."))
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        # Some more than may be, so that a file that is too long is told from one that just fits.
        rows = book.worksheets[0].iter_rows(max_row=most_rows + 50, max_col=most_columns, values_only=True)
        return [[_cell(value) for value in row] for row in rows]
    except Invalid:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError, IndexError, TypeError, EOFError,
            AttributeError, SyntaxError) as fault:  # fmt: skip
        # A damaged workbook breaks the library in many ways; none of them is ours to tell apart.
        raise bad_file(
            "not_xlsx", _("Không mở được tệp Excel này."), _("Mở tệp bằng Excel, lưu lại dạng .xlsx rồi gửi.")
        ) from fault


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "có" if value else "không"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime | date):
        return value.strftime("%d/%m/%Y")
    return str(value)
