"""An order to a carrier as it is handed over: the signed file, the letter, the packet of both; and its report."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils.translation import gettext as _

from khien.gateways.sms.text import measure
from khien.kernel import clock, keys
from khien.kernel.documents import pdf
from khien.kernel.errors import Invalid
from khien.kernel.intakes import files
from khien.kernel.language import dates
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import CarrierOrder

PURPOSE = "carrier-order"
TEMPLATE = Path(__file__).with_name("typst") / "carrier_order.typ"
FORMAT = "khien-carrier-order/1"
FIGURES = ("subscribers", "accepted", "delivered", "failed")
_REPORT_COLUMNS = {
    "code": ("ma don vi", "ma dia ban", "ma xa", "area code", "code"),
    "subscribers": ("so thue bao", "thue bao", "subscribers"),
    "accepted": ("so tin da gui", "da gui", "accepted", "sent"),
    "delivered": ("so tin den may", "den may", "delivered"),
    "failed": ("so tin khong den", "khong den", "failed"),
}
_REPORT_HEAD = ("Mã đơn vị", "Số thuê bao", "Số tin đã gửi", "Số tin đến máy", "Số tin không đến")


@dataclass(frozen=True, slots=True)
class Report:
    """What a carrier counted, in all and by area where it says so."""

    subscribers: int
    accepted: int
    delivered: int
    failed: int
    by_area: tuple[dict[str, Any], ...] = ()


def areas_of(units: Sequence[AdminUnit]) -> list[dict[str, Any]]:
    """Units as carriers read them: the official code, its tier, the name, and the names of what it lies in."""
    above = {
        unit.pk: unit
        for unit in AdminUnit.objects.filter(
            pk__in={int(step) for unit in units for step in unit.path.split(".") if step}
        )
    }
    return [
        {
            "code": unit.code,
            "tier": unit.tier,
            "name": unit.full_name,
            "inside": [
                above[int(step)].full_name
                for step in unit.path.split(".")[:-1]
                if int(step) != unit.pk and int(step) in above and above[int(step)].tier > 0
            ],
        }
        for unit in units
    ]


def file_of(order: CarrierOrder, issuer: str) -> bytes:
    """The order as JSON in UTF-8, the same octets for the same order; moments in +07:00, whole seconds."""
    size = measure(order.text)
    content = {
        "format": FORMAT,
        "reference": order.reference,
        "issuer": issuer,
        "issued_at": _iso(order.created_at),
        "carrier": order.carrier.code,
        "text": order.text,
        "encoding": size.encoding,
        "parts": size.parts,
        "areas": order.areas,
        "not_before": _iso(order.not_before),
        "not_after": _iso(order.not_after),
        "report_due_at": _iso(order.report_due_at),
        "report_counts": list(FIGURES),
    }
    return json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n"


def document_of(order: CarrierOrder, issuer: str, digest: str) -> bytes:
    """The letter that goes with the file (A4): what to send, where, when, and what to report."""
    size = measure(order.text)
    return pdf.render(
        TEMPLATE,
        {
            "issuer": issuer,
            "reference": order.reference,
            "day": dates.official(clock.local(order.created_at).date()),
            "carrier": order.carrier.name,
            "text": order.text,
            "size": f"{size.encoding}, {size.parts} phần",
            "areas": [
                {"code": area["code"], "name": ", ".join([area["name"], *reversed(area["inside"])])}
                for area in order.areas
            ],
            "not_before": dates.moment(order.not_before),
            "not_after": dates.moment(order.not_after),
            "report_due": dates.moment(order.report_due_at),
            "digest": digest,
            "key": order.key_id,
            "file": f"{order.reference}.json",
        },
    )


def sign(octets: bytes, key: keys.Key) -> bytes:
    """ECDSA P-256 over SHA-256, DER."""
    return key.es256().sign(octets, ec.ECDSA(hashes.SHA256()))


def public_key(key_id: str) -> bytes:
    """The public key that carriers verify with, PEM."""
    public = keys.get(PURPOSE, key_id).es256().public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def is_genuine(order: CarrierOrder) -> bool:
    """Whether file and letter are still what was signed."""
    public = keys.get(PURPOSE, order.key_id).es256().public_key()
    try:
        for octets, signature in (
            (order.file, order.signature),
            (order.document, order.document_signature),
        ):
            public.verify(bytes(signature), bytes(octets), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def packet(order: CarrierOrder) -> bytes:
    """All that goes to the carrier as a ZIP: file, letter, both signatures, the areas and the form of the report as
    CSV. The public key is not in it: a carrier has it from elsewhere."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as out:
        for name, octets in (
            (f"{order.reference}.json", bytes(order.file)),
            (f"{order.reference}.json.sig", bytes(order.signature)),
            (f"{order.reference}.pdf", bytes(order.document)),
            (f"{order.reference}.pdf.sig", bytes(order.document_signature)),
            (f"{order.reference}-dia-ban.csv", areas_csv(order)),
            (f"{order.reference}-bao-cao.csv", report_form(order)),
        ):
            info = zipfile.ZipInfo(name, clock.local(order.created_at).timetuple()[:6])
            out.writestr(info, octets)
    return whole.getvalue()


def areas_csv(order: CarrierOrder) -> bytes:
    """The order as a table: a row for each area."""
    rows = [
        ["Mã lệnh", "Mã đơn vị", "Cấp", "Tên", "Thuộc", "Từ", "Đến", "Nội dung"],
        *(
            [
                order.reference,
                area["code"],
                area["tier"],
                area["name"],
                ", ".join(reversed(area["inside"])),
                _iso(order.not_before),
                _iso(order.not_after),
                order.text,
            ]
            for area in order.areas
        ),
    ]
    return _csv(rows)


def report_form(order: CarrierOrder) -> bytes:
    """The table that a carrier fills in and sends back."""
    return _csv([list(_REPORT_HEAD), *([area["code"], "", "", "", ""] for area in order.areas)])


def read_report(order: CarrierOrder, content: bytes) -> Report:
    """A report as CSV (the form, filled in) or JSON (`reference` and the four counts). Raises `Invalid` that names the
    line and column; nothing is then taken."""
    text = files.decoded(content).strip()
    return _from_json(order, text) if text.startswith("{") else _from_csv(order, content)


def checked_report(report: Report) -> Report:
    """The same, when its counts can be true. Raises `Invalid`."""
    for name in FIGURES:
        if not 0 <= getattr(report, name) < 10**12:
            raise Invalid(_("Con số không đúng."), field=name, code="bad_count", way_out=_("Nhập số từ 0."))
    if report.accepted > report.subscribers:
        raise Invalid(
            _("Số tin đã gửi nhiều hơn số thuê bao."),
            field="accepted",
            code="bad_count",
            way_out=_("Hỏi lại nhà mạng; mỗi thuê bao tính một tin."),
        )
    if report.delivered + report.failed > report.accepted:
        raise Invalid(
            _("Số tin đến máy và không đến cộng lại nhiều hơn số tin đã gửi."),
            field="delivered",
            code="bad_count",
            way_out=_("Hỏi lại nhà mạng."),
        )
    return report


def as_stored(report: Report) -> dict[str, Any]:
    """The columns of `CarrierOrder` that a report fills."""
    stored = asdict(report)
    stored["by_area"] = list(report.by_area)
    return stored


def _from_json(order: CarrierOrder, text: str) -> Report:
    try:
        told = json.loads(text)
    except ValueError as fault:
        raise files.bad_file("not_json", _("Tệp JSON bị hỏng."), _("Xin nhà mạng gửi lại.")) from fault
    if not isinstance(told, dict) or told.get("reference") != order.reference:
        raise files.bad_file(
            "other_order",
            _("Báo cáo này của lệnh khác."),
            _("Mở lệnh có mã ghi trong tệp, rồi tải lên ở đó."),
        )
    return checked_report(report_of({name: _count(told.get(name), name, 1) for name in FIGURES}))


def _from_csv(order: CarrierOrder, content: bytes) -> Report:
    table = files.csv_table(content)
    places = files.places(table[0], _REPORT_COLUMNS) if table else {}
    if set(_REPORT_COLUMNS) - set(places):
        raise files.bad_file(
            "missing_column",
            _("Tệp thiếu cột của mẫu báo cáo."),
            _("Dùng mẫu báo cáo gửi kèm lệnh: %(columns)s.") % {"columns": ", ".join(_REPORT_HEAD)},
        )
    known = {area["code"] for area in order.areas}
    areas: list[dict[str, Any]] = []
    for line, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        row = files.named(cells, places)
        if row["code"] not in known or row["code"] in {area["code"] for area in areas}:
            raise files.bad_file(
                "bad_area",
                _("Dòng %(line)d: mã đơn vị không có trong lệnh hoặc ghi hai lần.") % {"line": line},
                _("Giữ các mã như trong mẫu báo cáo."),
            )
        areas.append({"code": row["code"], **{name: _count(row[name], name, line) for name in FIGURES}})
    if not areas:
        raise files.bad_file("empty_file", _("Tệp trống."), _("Ghi ít nhất một dòng."))
    totals = {name: sum(area[name] for area in areas) for name in FIGURES}
    return checked_report(report_of(totals, tuple(areas)))


def report_of(counts: dict[str, int], areas: tuple[dict[str, Any], ...] = ()) -> Report:
    """A report from its four counts by name."""
    return Report(counts["subscribers"], counts["accepted"], counts["delivered"], counts["failed"], areas)


def _count(value: object, name: str, line: int) -> int:
    text = re.sub(r"(?<=\d)[.,\s](?=\d{3}\b)", "", str(value).strip())
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,12}", text, re.ASCII):
        raise files.bad_file(
            "bad_count",
            _("Dòng %(line)d, cột %(column)s: không phải số nguyên.")
            % {"line": line, "column": _REPORT_HEAD[1 + FIGURES.index(name)]},
            _("Ghi số, ví dụ 12500; không có thì ghi 0."),
        )
    return int(text)


def _iso(moment: datetime) -> str:
    return clock.local(moment).replace(microsecond=0).isoformat()


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return b"\xef\xbb\xbf" + out.getvalue().encode()
