"""Results as other programs and people write them: columns, words for values, times, encodings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.intakes import files
from khien.kernel.language import fold
from khien.rooms.testing.models import Value

COLUMNS = {
    "barcode": ("ma ong", "ma ong mau", "ma mau", "ma vach", "barcode", "tube", "tube barcode", "specimen"),
    "value": ("ket qua", "ket luan", "result", "value"),
    "ct_value": ("ct", "gia tri ct", "ct value"),
    "assay": ("phuong phap", "ky thuat", "sinh pham", "assay", "method"),
    "resulted_at": (
        "ngay tra ket qua",
        "ngay co ket qua",
        "gio tra ket qua",
        "ngay ket qua",
        "resulted at",
        "result date",
    ),
}
_REQUIRED = ("barcode", "value")
_VALUES = {
    Value.POSITIVE: ("positive", "pos", "p", "+", "duong tinh", "duong", "dt", "detected"),
    Value.NEGATIVE: ("negative", "neg", "n", "-", "am tinh", "am", "at", "not detected"),
    Value.INDETERMINATE: ("indeterminate", "inconclusive", "?", "khong xac dinh", "kxd", "nghi ngo"),
}
_WORDS = {word: str(value) for value, words in _VALUES.items() for word in words}
_DAY_FIRST = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?:[ T](\d{1,2})[:hg](\d{2})?(?::(\d{2}))?)?")
_DAY_ONLY = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[/.-]\d{1,2}[/.-]\d{4}")


@dataclass(frozen=True, slots=True)
class ResultRow:
    """One row as it came, every cell text; `line` is its number in what was sent."""

    line: int
    barcode: str
    value: str
    resulted_at: str = ""
    ct_value: str = ""
    assay: str = ""

    def as_stored(self) -> dict[str, str]:
        """What a held row keeps; a card scanned into the barcode column is not kept."""
        barcode = self.barcode if "|" not in self.barcode else "(thẻ căn cước)"
        return {
            "barcode": barcode[:64],
            "value": self.value[:40],
            "resulted_at": self.resulted_at[:40],
            "ct_value": self.ct_value[:20],
            "assay": self.assay[:60],
        }

    @classmethod
    def from_stored(cls, line: int, row: dict[str, Any]) -> Self:
        return cls(line=line, **row)


def read_value(text: str) -> str:
    """One of `Value` from the words in use ("Dương tính", "POS", "+" …). Raises `Invalid`."""
    value = _WORDS.get(fold(text))
    if value is None:
        raise Invalid(
            _("Không hiểu kết quả đã ghi."),
            field="value",
            code="bad_value",
            way_out=_("Ghi Dương tính, Âm tính hoặc Không xác định."),
        )
    return value


def read_moment(text: str) -> datetime | None:
    """A time as aware datetime: ISO 8601, or day first (`10/01/2022 14:30`); Viet Nam where no zone is given.

    A day alone means its end, or now if that is earlier, so that it never lies before a sampling of the
    same day. Empty gives None. Raises `Invalid`.
    """
    text = text.strip()
    if not text:
        return None
    moment = _iso(text) or _day_first(text)
    if moment is None:
        raise Invalid(
            _("Không hiểu ngày giờ đã ghi."),
            field="resulted_at",
            code="bad_date",
            way_out=_("Ghi như 10/01/2022 14:30 hoặc 2022-01-10T14:30+07:00."),
        )
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=clock.reads.ZONE)
    if _DAY_ONLY.fullmatch(text) and moment <= clock.now():
        return min(moment + timedelta(days=1, seconds=-1), clock.now())
    return moment


def read_csv(content: bytes) -> list[ResultRow]:
    """The rows of a CSV file with a header line (comma, semicolon or tab). Raises `Invalid` for a file that is
    not UTF-8, not CSV, or lacks a column: nothing of it is then taken."""
    table = files.csv_table(content)
    if not table:
        raise files.empty_file()
    places = _places(table[0])
    return [
        ResultRow(line=number, **files.named(cells, places))
        for number, cells in enumerate(table[1:], start=2)
        if any(cell.strip() for cell in cells)
    ]


def _places(header: Sequence[str]) -> dict[str, int]:
    places = files.places(header, COLUMNS)
    missing = [name for name in _REQUIRED if name not in places]
    if missing:
        wanted = {"barcode": _("Mã ống"), "value": _("Kết quả")}
        raise files.bad_file(
            "missing_column",
            _("Tệp thiếu cột: %(columns)s.") % {"columns": ", ".join(wanted[name] for name in missing)},
            _(
                "Dòng đầu của tệp ghi tên cột: Mã ống, Kết quả; có thể thêm CT, Phương pháp, Ngày trả kết quả."
            ),
        )
    return places


def _iso(text: str) -> datetime | None:
    try:
        return parse_datetime(text if len(text) > 10 else f"{text}T00:00:00")
    except ValueError:
        return None


def _day_first(text: str) -> datetime | None:
    found = _DAY_FIRST.fullmatch(text)
    if found is None:
        return None
    day, month, year, hour, minute, second = (int(part or 0) for part in found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=clock.reads.ZONE)
    except ValueError:
        return None
