"""Sheets of companies: what the columns are called, how a row becomes the answers of the health form."""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.http import QueryDict
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.forms.fields import plain
from khien.kernel.intakes import files
from khien.kernel.language import fold
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier

MAX_ROWS = 5000

COLUMNS: dict[str, tuple[str, ...]] = {
    "full_name": ("Họ và tên", "họ tên", "full name", "name"),
    "birth_year": ("Năm sinh", "ngày sinh", "birth year", "year of birth"),
    "sex": ("Giới tính", "sex"),
    "phone": ("Điện thoại", "số điện thoại", "phone"),
    "number": ("Số căn cước", "cccd", "số cccd", "cmnd", "identity number"),
    "commune": ("Xã, phường đang ở", "xã phường", "xã", "mã xã", "commune"),
    "address": ("Địa chỉ", "thôn, tổ, số nhà", "address"),
    "has_symptoms": ("Có triệu chứng", "triệu chứng", "symptoms"),
    "contact": ("Gặp ca bệnh", "tiếp xúc", "contact"),
    "visited": ("Mã xã đã đến", "đã đến", "visited"),
    "visited_from": ("Đến từ ngày", "visited from"),
    "declared_on": ("Ngày khai", "declared on"),
}
"""The first word of each is the column's title in the template; the others are understood too."""

_REQUIRED = ("full_name", "birth_year", "phone", "commune", "has_symptoms", "contact")
_YES = {"co", "c", "x", "yes", "y", "1", "true", "dung"}
_NO = {"khong", "k", "no", "n", "0", "false", "-", "sai"}
_SYMPTOMS = {
    "sot": "fever",
    "ho": "cough",
    "dau hong": "sore_throat",
    "kho tho": "breathless",
    "met moi": "tired",
    "mat vi giac": "taste",
    "mat khuu giac": "taste",
}


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row as it came, every cell text; `line` is its number in the sheet."""

    line: int
    cells: dict[str, str]

    def digest(self, of: str) -> str:
        """The same for the same row of the same sender, and of nothing else. Keyed: the row holds an identity number,
        which could be guessed back from a plain hash."""
        text = json.dumps([of, self.cells], sort_keys=True)
        return salted_hmac("khien.declarations.row", text, algorithm="sha256").hexdigest()

    def stored(self) -> dict[str, str]:
        """What a held row keeps: the identity number is not kept."""
        return {name: text[:200] for name, text in self.cells.items() if name != "number"}

    def client_id(self, of: str, day: date) -> uuid.UUID:
        """The id of the declaration: the same row, declared for the same day, is the same declaration."""
        return uuid.uuid5(uuid.NAMESPACE_URL, f"khien:declarations:{self.digest(of)}:{day.isoformat()}")


def read(name: str, content: bytes) -> list[SheetRow]:
    """The rows of a CSV (UTF-8) or XLSX file with a header. Raises `Invalid` for a file that cannot be read, lacks a
    column or is too long: nothing of it is then taken."""
    table = [[plain(cell) for cell in row] for row in files.table(content, most_rows=MAX_ROWS)]
    table_rows = [(number, row) for number, row in enumerate(table, start=1) if any(row)]
    if len(table_rows) < 2:
        raise files.empty_file()
    if len(table_rows) - 1 > MAX_ROWS:
        raise files.too_many_rows(len(table_rows) - 1, MAX_ROWS)
    places = _places(table_rows[0][1])
    return [SheetRow(number, files.named(row, places)) for number, row in table_rows[1:]]


def _places(header: Sequence[str]) -> dict[str, int]:
    places = files.places([re.sub(r"[(*].*", "", title) for title in header], COLUMNS)
    missing = [COLUMNS[name][0] for name in _REQUIRED if name not in places]
    if missing:
        raise files.bad_file(
            "missing_column",
            _("Tệp thiếu cột: %(columns)s.") % {"columns": ", ".join(missing)},
            _("Tải mẫu và giữ nguyên dòng tiêu đề."),
        )
    return places


def declared_on(row: SheetRow) -> date | None:
    """The day in the row; None when the cell is empty. Raises `Invalid`."""
    text = row.cells.get("declared_on", "")
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})", text)
    iso = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)
    try:
        if found:
            day = date(int(found[3]), int(found[2]), int(found[1]))
        elif iso:
            day = date(int(iso[1]), int(iso[2]), int(iso[3]))
        else:
            raise ValueError
        if day > clock.today():
            raise ValueError
    except ValueError as fault:
        raise Invalid(
            _("Ngày khai không đúng."),
            field="declared_on",
            way_out=_("Ghi như 05/01/2022, không sau hôm nay."),
        ) from fault
    return day


class Communes:
    """Communes by code or name, first near the sender (same commune, district, province), asked for once."""

    def __init__(self, near: AdminUnit | None) -> None:
        self.near = near
        self._by_code: dict[str, list[AdminUnit]] = {}
        self._by_name: dict[str, list[AdminUnit]] = {}
        for unit in units.on(clock.today()).filter(tier=Tier.COMMUNE):
            self._by_code.setdefault(unit.code, []).append(unit)
            self._by_name.setdefault(unit.name_folded, []).append(unit)
            self._by_name.setdefault(fold(unit.full_name), []).append(unit)

    def find(self, text: str) -> AdminUnit:
        """One commune. Raises `Invalid` when there is none, or several equally near."""
        code = text.strip()
        found = self._by_code.get(code.zfill(5) if code.isdigit() else code, [])
        found = found or self._by_name.get(fold(text), [])
        if len(found) > 1 and self.near is not None:
            here = self.near.path.split(".")
            shared = [_common(here, unit.path.split(".")) for unit in found]
            found = [unit for unit, length in zip(found, shared, strict=True) if length == max(shared)]
        if len(found) != 1:
            raise Invalid(
                _("Không rõ xã, phường nào: “%(text)s”.") % {"text": text[:60]},
                field="commune",
                way_out=_("Ghi mã xã 5 chữ số, hoặc tên đầy đủ như “Phường Quang Trung”."),
            )
        return found[0]


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return length


def as_typed(row: SheetRow, communes: Communes, agreed: bool) -> QueryDict:
    """The row as somebody would have typed it into the health form. Raises `Invalid`."""
    cells = row.cells
    typed = QueryDict(mutable=True)
    typed["filled_by"] = "self"
    for name in ("full_name", "phone", "number", "address"):
        typed[name] = cells.get(name, "")
    born = cells.get("birth_year", "")
    year = re.search(r"(?:^|[/.\-])(\d{4})$", born) or re.match(r"(\d{4})(?:-|$)", born)
    typed["birth_year"] = year[1] if year else born
    typed["sex"] = {"nam": "m", "m": "m", "nu": "f", "f": "f"}.get(fold(cells.get("sex", "")), "")
    typed["unit"] = str(communes.find(cells.get("commune", "")).pk)
    symptoms = _symptoms(cells.get("has_symptoms", ""))
    typed["has_symptoms"] = "yes" if symptoms else "no"
    typed.setlist("symptoms", symptoms)
    typed["contact"] = "yes" if _yes_no(cells.get("contact", ""), "contact") else "no"
    visited = [part for part in re.split(r"[;,\s]+", cells.get("visited", "")) if part]
    typed["been_elsewhere"] = "yes" if visited else "no"
    for number, code in enumerate(visited):
        typed.appendlist("visited-row", str(number))
        typed[f"visited-{number}-unit"] = str(communes.find(code).pk)
        typed[f"visited-{number}-from"] = cells.get("visited_from", "") or clock.today().strftime("%d/%m/%Y")
    typed["consent"] = "on" if agreed else ""
    return typed


def _symptoms(text: str) -> list[str]:
    """The symptoms in a cell: "Không", "Có", or which ("sốt; ho"). Raises `Invalid` for an empty one."""
    folded = fold(text)
    if folded in _NO:
        return []
    found = list(dict.fromkeys(code for word, code in _SYMPTOMS.items() if re.search(rf"\b{word}\b", folded)))
    if found:
        return found
    if folded in _YES:
        return ["other"]
    raise Invalid(
        _("Chưa rõ có triệu chứng hay không."),
        field="has_symptoms",
        way_out=_("Ghi Không, Có, hoặc tên triệu chứng như “sốt; ho”."),
    )


def _yes_no(text: str, name: str) -> bool:
    folded = fold(text)
    if folded in _YES:
        return True
    if folded in _NO:
        return False
    raise Invalid(
        _("Cột “%(column)s” chưa rõ.") % {"column": COLUMNS[name][0]},
        field=name,
        way_out=_("Ghi Có hoặc Không."),
    )


def template() -> bytes:
    """An empty sheet with the columns, a row that shows how, and text cells so that Excel keeps leading zeros."""
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Khai y tế"
    titles = [f"{words[0]}{' *' if name in _REQUIRED else ''}" for name, words in COLUMNS.items()]
    sheet.append(titles)
    for place in range(1, len(titles) + 1):
        letter = get_column_letter(place)
        sheet.cell(1, place).font = Font(bold=True)
        sheet.column_dimensions[letter].width = 20
        for line in range(2, 502):
            sheet.cell(line, place).number_format = "@"
    sheet.freeze_panes = "A2"
    told = book.create_sheet("Hướng dẫn")
    for told_line in (
        "Mỗi người một dòng. Cột có dấu * phải điền.",
        "Xã, phường: mã 5 chữ số hoặc tên đầy đủ, ví dụ Phường Quang Trung.",
        "Có triệu chứng: Không, Có, hoặc tên triệu chứng, ví dụ sốt; ho.",
        "Gặp ca bệnh: Có hoặc Không.",
        "Mã xã đã đến: mã 5 chữ số, cách nhau bằng dấu chấm phẩy; để trống nếu không đi đâu.",
        "Ngày khai: ví dụ 05/01/2022; để trống là hôm nay. Gửi lại cùng một dòng không ghi hai lần.",
    ):
        told.append([told_line])
    told.column_dimensions["A"].width = 100
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
