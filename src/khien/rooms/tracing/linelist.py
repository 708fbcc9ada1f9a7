"""Reading line lists: encodings, columns named or guessed, rows taken or refused with a reason. No database."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.language import fold

CASE_FIELDS: dict[str, tuple[str, ...]] = {
    "number": ("id", "case_id", "caseid", "ma_ca", "so_ca", "ma_benh_nhan", "stt"),
    "onset": (
        "dt_onset",
        "date_of_onset",
        "onset",
        "onset_date",
        "date_onset",
        "date_of_prodrome",
        "symptom_onset",
        "ngay_khoi_phat",
    ),
    "confirmed": (
        "dt_diag",
        "dt_report",
        "date_of_diagnosis",
        "date_confirmed",
        "date_of_report",
        "report_date",
        "ngay_xac_dinh",
        "ngay_co_ket_qua",
        "ngay_bao_cao",
    ),
    "infector": ("infector", "infector_id", "source_case", "nguon_lay", "ma_nguon_lay"),
    "exposure": ("exposure", "place_infect", "noi_lay"),
    "sex": ("sex", "gender", "gioi", "gioi_tinh"),
    "age": ("age", "tuoi"),
    "name": ("name", "full_name", "ho_ten", "ho_va_ten"),
}
"""What a line list may say, and the names of columns by which it is guessed, best first."""

LINK_FIELDS: dict[str, tuple[str, ...]] = {
    "from": ("from", "infector", "source", "source_case", "nguon"),
    "to": ("to", "case_id", "infectee", "id", "ma_ca"),
    "exposure": ("exposure", "source", "place", "noi_lay"),
}
_REQUIRED = {"cases": ("number",), "links": ("from", "to")}
_SEXES = {
    "m": "m",
    "male": "m",
    "nam": "m",
    "f": "f",
    "female": "f",
    "nu": "f",
    "": "",
    "unknown": "",
    "na": "",
}
_EMPTY = {"", "na", "n/a", "null", "none"}
MAX_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Table:
    """A file as text: header and rows with the line on which each ends (the header is line 1)."""

    header: list[str]
    rows: list[tuple[int, list[str]]]
    encoding: str


@dataclass(frozen=True, slots=True)
class CaseRow:
    """One case of a line list. Days are Vietnamese days as written; `details` the columns without a field."""

    line: int
    number: str
    onset: date | None
    confirmed: date | None
    infector: str
    exposure: str
    sex: str
    age: int | None
    name: str
    details: dict[str, str]

    @property
    def day(self) -> date | None:
        """The day by which the case is dated: onset, else confirmation."""
        return self.onset or self.confirmed


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One probable source (`source`) of one case (`target`), by their numbers."""

    line: int
    source: str
    target: str
    exposure: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that is not taken, and why."""

    sheet: str
    line: int
    row: dict[str, str]
    reason: str


@dataclass(slots=True)
class Read:
    """What a file gave: `received` rows are `cases` or `links`, identical repeats and refusals."""

    mapping: dict[str, str]
    received: int = 0
    cases: list[CaseRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    repeated: int = 0
    refused: list[Refusal] = field(default_factory=list)


def decode(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding: UTF-8, with or without a byte order mark. Raises `Invalid`."""
    way_out = _("Lưu lại tệp ở dạng CSV UTF-8 rồi nhập lại; chưa có gì được ghi.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Invalid(_("Tệp ở bảng mã UTF-16."), field="file", code="encoding", way_out=way_out)
    encoding = "utf-8-sig" if data.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise Invalid(
            _("Tệp không phải UTF-8: dòng %(line)d có ký tự không đọc được.") % {"line": line},
            field="file",
            code="encoding",
            way_out=way_out,
        ) from fault
    if "\0" in text:
        raise Invalid(_("Tệp không phải văn bản."), field="file", code="encoding", way_out=way_out)
    return text, encoding


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file whose header has been read; `rows` reads the rest, as often as asked."""

    header: list[str]
    encoding: str
    text: str
    delimiter: str

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Rows that are not empty, each with the line on which it ends. Raises `Invalid`."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter)
        try:
            next(reader, None)
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield reader.line_num, row
        except csv.Error as fault:
            raise Invalid(
                _("Dòng %(line)d không đúng dạng CSV.") % {"line": reader.line_num},
                field="file",
                way_out=_("Kiểm tra dấu nháy kép trong dòng đó."),
            ) from fault


def open_sheet(data: bytes) -> Sheet:
    """A CSV file (separated by comma, semicolon or tab) with a header whose names are there once. Raises `Invalid`."""
    text, encoding = decode(data)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        header = [
            column.strip()
            for column in next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
        ]
    except csv.Error as fault:
        raise Invalid(
            _("Dòng %(line)d không đúng dạng CSV.") % {"line": 1},
            field="file",
            way_out=_("Kiểm tra dấu nháy kép trong dòng đó."),
        ) from fault
    sheet = Sheet(header, encoding, text, delimiter)
    if not any(header) or next(sheet.rows(), None) is None:
        raise Invalid(
            _("Tệp không có dòng nào."),
            field="file",
            way_out=_("Dòng đầu là tên cột, mỗi dòng sau là một bản ghi."),
        )
    doubled = sorted({column for column in header if column and header.count(column) > 1})
    if doubled:
        raise Invalid(
            _("Cột “%(column)s” có hai lần.") % {"column": doubled[0]},
            field="file",
            way_out=_("Đổi tên một trong hai cột."),
        )
    return sheet


def read_table(data: bytes) -> Table:
    """The rows of a CSV file of at most `MAX_ROWS` rows. Raises `Invalid`."""
    sheet = open_sheet(data)
    rows = list(sheet.rows())
    if len(rows) > MAX_ROWS:
        raise Invalid(
            _("Tệp có hơn %(limit)d dòng.") % {"limit": MAX_ROWS},
            field="file",
            way_out=_("Chia thành nhiều tệp."),
        )
    return Table(sheet.header, rows, sheet.encoding)


def guess(header: list[str], sheet: str, given: Mapping[str, str]) -> dict[str, str]:
    """Which column of a line list or of its links is which field. Raises `Invalid`, as `guess_columns`."""
    return guess_columns(header, CASE_FIELDS if sheet == "cases" else LINK_FIELDS, _REQUIRED[sheet], given)


def guess_columns(
    header: list[str],
    fields: Mapping[str, Sequence[str]],
    required: Iterable[str],
    given: Mapping[str, str],
) -> dict[str, str]:
    """Which column is which field: as given, the rest by name. Raises `Invalid` for columns that are not there."""
    mapping: dict[str, str] = {}
    for name, column in given.items():
        if name not in fields:
            continue
        if column not in header:
            raise Invalid(
                _("Không có cột “%(column)s”.") % {"column": column},
                field=name,
                way_out=_("Các cột của tệp: %(columns)s.") % {"columns": ", ".join(header)},
            )
        mapping[name] = column
    plain = {re.sub(r"[^a-z0-9]+", "_", fold(column)).strip("_"): column for column in reversed(header)}
    for name, synonyms in fields.items():
        taken = set(mapping.values())
        if name not in mapping:
            found = next((plain[s] for s in synonyms if s in plain and plain[s] not in taken), None)
            if found is not None:
                mapping[name] = found
    missing = [name for name in required if name not in mapping]
    if missing:
        raise Invalid(
            _("Không đoán được cột cho “%(name)s”.") % {"name": missing[0]},
            field=missing[0],
            way_out=_("Chỉ ra bằng --map %(name)s=TÊN_CỘT; các cột của tệp: %(columns)s.")
            % {"name": missing[0], "columns": ", ".join(header)},
        )
    return mapping


def read_cases(table: Table, mapping: dict[str, str], today: date) -> Read:
    """The cases of a table. A number that comes again with other content is refused; identical rows repeat."""
    answer = Read(mapping)
    seen: dict[str, tuple[int, dict[str, str]]] = {}
    for line, cells, refusal in _rows(table, "cases"):
        answer.received += 1
        if refusal is not None:
            answer.refused.append(refusal)
            continue
        number = cells.get(mapping["number"], "")
        if number and number in seen:
            first, content = seen[number]
            if content == cells:
                answer.repeated += 1
            else:
                reason = _("Mã ca %(number)s đã có ở dòng %(line)d với nội dung khác.") % {
                    "number": number,
                    "line": first,
                }
                answer.refused.append(Refusal("cases", line, cells, reason))
            continue
        try:
            answer.cases.append(_case(line, cells, mapping, today))
        except ValueError as fault:
            answer.refused.append(Refusal("cases", line, cells, str(fault)))
            continue
        seen[number] = (line, cells)
    return answer


def read_links(table: Table, mapping: dict[str, str]) -> Read:
    """The links of a table of contacts."""
    answer = Read(mapping)
    seen: set[tuple[str, str]] = set()
    for line, cells, refusal in _rows(table, "links"):
        answer.received += 1
        if refusal is not None:
            answer.refused.append(refusal)
            continue
        source, target = cells.get(mapping["from"], ""), cells.get(mapping["to"], "")
        exposure = cells.get(mapping["exposure"], "") if "exposure" in mapping else ""
        reason = _link_fault(source, target)
        if reason:
            answer.refused.append(Refusal("links", line, cells, reason))
        elif (source, target) in seen:
            answer.repeated += 1
        else:
            seen.add((source, target))
            answer.links.append(LinkRow(line, source, target, exposure[:120]))
    return answer


def links_within(cases: Iterable[CaseRow]) -> Read:
    """The links that the infector column of a line list says."""
    answer = Read({})
    for row in cases:
        if not row.infector:
            continue
        answer.received += 1
        reason = _link_fault(row.infector, row.number)
        if reason:
            cells = {"from": row.infector, "to": row.number}
            answer.refused.append(Refusal("links", row.line, cells, reason))
        else:
            answer.links.append(LinkRow(row.line, row.infector, row.number, row.exposure))
    return answer


def _rows(table: Table, sheet: str) -> Iterator[tuple[int, dict[str, str], Refusal | None]]:
    for line, row in table.rows:
        cells = {column: cell.strip() for column, cell in zip(table.header, row, strict=False) if column}
        refusal = None
        if len(row) != len(table.header):
            reason = _("Dòng có %(got)d ô, tên cột có %(want)d.") % {
                "got": len(row),
                "want": len(table.header),
            }
            refusal = Refusal(sheet, line, cells, reason)
        yield line, cells, refusal


def _case(line: int, cells: dict[str, str], mapping: dict[str, str], today: date) -> CaseRow:
    def cell(name: str) -> str:
        text = cells.get(mapping[name], "") if name in mapping else ""
        return "" if text.casefold() in _EMPTY else text

    number = cell("number")
    if not number:
        raise ValueError(_("Thiếu mã ca."))
    if len(number) > 40:
        raise ValueError(_("Mã ca dài quá 40 ký tự."))
    sex = fold(cell("sex"))
    if sex not in _SEXES:
        raise ValueError(_("Giới tính “%(text)s” không hiểu được.") % {"text": cell("sex")})
    age = None
    if cell("age"):
        try:
            years = float(cell("age").replace(",", "."))
        except ValueError:
            years = -1.0
        if not 0 <= years <= 130:
            raise ValueError(_("Tuổi “%(text)s” không đúng.") % {"text": cell("age")})
        age = int(years)
    used = {mapping[name] for name in mapping}
    return CaseRow(
        line=line,
        number=number,
        onset=_day(cell("onset"), mapping.get("onset", ""), today),
        confirmed=_day(cell("confirmed"), mapping.get("confirmed", ""), today),
        infector=cell("infector"),
        exposure=cell("exposure")[:120],
        sex=_SEXES[sex],
        age=age,
        name=cell("name"),
        details={k: v for k, v in cells.items() if k not in used and v.casefold() not in _EMPTY},
    )


def _day(text: str, column: str, today: date) -> date | None:
    if not text:
        return None
    for shape in ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%Y/%m/%d"):
        try:
            day = datetime.strptime(text, shape).date()
        except ValueError:
            continue
        if day > today:
            raise ValueError(
                _("Cột %(column)s: ngày %(text)s ở tương lai.") % {"column": column, "text": text}
            )
        if day.year < 1800:
            break
        return day
    raise ValueError(
        _("Cột %(column)s: “%(text)s” không phải ngày (viết 2022-01-31 hoặc 31/01/2022).")
        % {"column": column, "text": text}
    )


def _link_fault(source: str, target: str) -> str:
    if not source or not target:
        return _("Thiếu mã ca nguồn hoặc ca lây.")
    if source == target:
        return _("Một ca không thể lây cho chính mình.")
    return ""
