"""Reading logs of pair contacts (Bluetooth): columns named or guessed, rows understood or refused. No database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.rooms.tracing import linelist

PAIR_FIELDS: dict[str, tuple[str, ...]] = {
    "person": ("person", "person_id", "user", "device_owner", "nguoi", "ma_nguoi"),
    "other": (
        "other",
        "other_id",
        "contact",
        "contact_id",
        "nguoi_kia",
        "nguoi_tiep_xuc",
        "ma_nguoi_tiep_xuc",
    ),
    "start": ("start", "begin", "start_time", "first_seen", "bat_dau", "tu"),
    "end": ("end", "stop", "end_time", "last_seen", "ket_thuc", "den"),
}
"""What a log must say, and the names of columns by which it is guessed, best first. Other columns are ignored."""

PORTION = 5_000
CLOCK_TOLERANCE = timedelta(minutes=2)
LONGEST = timedelta(hours=24)
_TIMED = re.compile(r"\d[T ]\d")


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row as it stands in the file: cells by field, and how many cells there were if not as many as columns."""

    line: int
    cells: Mapping[str, str]
    wrong_cells: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """A row that says something: who, as written, and when, aware UTC."""

    line: int
    person: str
    other: str
    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row is not taken: its field, the reason and the way out, in the reader's language."""

    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class Log:
    """A log whose columns are known."""

    sheet: linelist.Sheet
    mapping: dict[str, str]

    def portions(self) -> Iterator[list[LogRow]]:
        """All rows, `PORTION` at a time."""
        rows = self._rows()
        while portion := list(islice(rows, PORTION)):
            yield portion

    def _rows(self) -> Iterator[LogRow]:
        header = self.sheet.header
        at = {name: header.index(column) for name, column in self.mapping.items()}
        for line, row in self.sheet.rows():
            cells = {name: row[place].strip() if place < len(row) else "" for name, place in at.items()}
            wrong = None if len(row) == len(header) else (len(row), len(header))
            yield LogRow(line, cells, wrong)


def read_log(data: bytes, given: Mapping[str, str] | None = None) -> Log:
    """A CSV log; `given` names columns (`{"start": "first_seen"}`), the rest is guessed. Raises `Invalid` for a file
    that cannot be read to its end."""
    sheet = linelist.open_sheet(data)
    mapping = linelist.guess_columns(sheet.header, PAIR_FIELDS, PAIR_FIELDS, given or {})
    for _row in sheet.rows():  # a file that breaks off is refused before any of it is written
        pass
    return Log(sheet, mapping)


def understood(row: LogRow, *, now: datetime, first_day: date) -> Contact | Fault:
    """What a row says, or why it cannot be taken. Days before `first_day` are forgotten."""
    if row.wrong_cells is not None:
        got, want = row.wrong_cells
        text = _("Dòng có %(got)d ô, tên cột có %(want)d. Kiểm tra dấu phân cách và dấu nháy kép.")
        return Fault("row", text % {"got": got, "want": want})
    for name in PAIR_FIELDS:
        if not row.cells[name]:
            return Fault(
                name, _("Cột %(name)s: để trống. Ghi đủ hai người, lúc đầu và lúc cuối.") % {"name": name}
            )
    moments = {}
    for name in ("start", "end"):
        moment = _moment(row.cells[name])
        if moment is None:
            text = _(
                "Cột %(name)s: “%(text)s” không phải thời điểm. Viết 2022-01-31T08:00 hoặc 2022-01-31T08:00+07:00."
            )
            return Fault(name, text % {"name": name, "text": masked(row.cells[name])})
        moments[name] = moment
    begin, end = moments["start"], moments["end"]
    fault = _fault_of_times(begin, end, now, first_day)
    return fault or Contact(row.line, row.cells["person"], row.cells["other"], begin, end)


def masked(text: str) -> str:
    """A cell for people to look at: a long number, which may be an identity number, masked but its end."""
    return re.sub(r"\d(?:[ .]?\d){5,}((?:[ .]?\d){3})", r"•••\1", text)[:60]


def _fault_of_times(begin: datetime, end: datetime, now: datetime, first_day: date) -> Fault | None:
    if end < begin:
        return Fault("end", _("Kết thúc trước khi bắt đầu. Đổi lại hai cột, hoặc sửa dòng này."))
    if end > now + CLOCK_TOLERANCE:
        return Fault(
            "end",
            _("Kết thúc lúc %(at)s, ở tương lai. Kiểm tra đồng hồ và múi giờ của thiết bị rồi nhập lại.")
            % {"at": f"{clock.local(end):%H:%M %d/%m/%Y}"},
        )
    if end - begin > LONGEST:
        return Fault(
            "end",
            _("Dài quá %(hours)d giờ. Kiểm tra đồng hồ của thiết bị, hoặc chia thành từng ngày.")
            % {"hours": LONGEST // timedelta(hours=1)},
        )
    day = clock.local(begin).date()
    if day < first_day:
        return Fault(
            "start",
            _("Ngày %(day)s đã quá hạn lưu và đã bị xóa; chỉ nhận từ ngày %(first)s.")
            % {"day": f"{day:%d/%m/%Y}", "first": f"{first_day:%d/%m/%Y}"},
        )
    return None


def _moment(text: str) -> datetime | None:
    """ISO 8601 with day and hour; what names no zone is a Vietnamese wall clock's."""
    if len(text) > 40 or not _TIMED.search(text):
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=clock.ZONE)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    # What no calendar of ours reaches would overflow further on.
    return moment if 1900 <= moment.year <= 9000 else None
