"""Sheets: every row is stored, found already there, or held with its reasons until somebody mends it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, Problem
from khien.kernel.forms.sheet import Sheet
from khien.kernel.forms.units import Country
from khien.kernel.intakes import waiting
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations import codes, reads
from khien.rooms.declarations.models import HELPERS, Company, Declaration, HeldRow, Intake, Kind
from khien.rooms.declarations.rows import Communes, SheetRow, as_typed, declared_on
from khien.rooms.declarations.verbs.declaring import declare


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of one row: "stored" or "duplicate" with its code, or "held" with the reasons."""

    line: int
    name: str
    state: str
    code: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SheetAnswer:
    """received = stored + duplicate + held."""

    intake: Intake
    rows: list[RowAnswer] = field(default_factory=list)


@verb(*HELPERS, residents=True)
def import_sheet(
    actor: Actor,
    *,
    rows: Sequence[SheetRow],
    unit: AdminUnit | None,
    agreed: bool,
    company: Company | None = None,
) -> SheetAnswer:
    """Take in a sheet of health declarations for `unit`'s officers. `agreed`: the sender says that each person gave
    their answers and agrees. A row that was sent before for the same day is a duplicate.

    A company without an account comes with its secret address, and so with `company`.
    """
    if company is None:
        actor.must_have(HELPERS)
    elif company.closed_at is not None:
        raise Conflict(_("Địa chỉ gửi này đã đóng."), way_out=_("Liên hệ y tế xã để xin địa chỉ mới."))
    if not agreed:
        raise Invalid(
            _("Chưa xác nhận người lao động đồng ý."),
            field="agreed",
            way_out=_("Đánh dấu xác nhận rồi gửi lại."),
        )
    if not rows:
        raise Invalid(_("Không có dòng nào."), field="file", way_out=_("Gửi ít nhất một dòng."))
    sender = f"company:{company.pk}" if company is not None else f"unit:{unit.pk if unit else 0}"
    reader = _Reader(actor, unit)
    answers: list[RowAnswer] = []
    problems: list[tuple[SheetRow, str]] = []
    taken: list[Declaration] = []
    for row in rows:
        name = row.cells.get("full_name", "")[:60]
        try:
            declaration, is_new = reader.take(row, sender)
        except Problem as problem:
            problems.append((row, str(problem)))
            answers.append(RowAnswer(row.line, name, "held", reason=str(problem)))
            continue
        if is_new:
            taken.append(declaration)
        answers.append(
            RowAnswer(row.line, name, "stored" if is_new else "duplicate", codes.shown(declaration.code))
        )
    intake = Intake.objects.create(
        unit=unit,
        company=company,
        at=clock.now(),
        by=actor.id if actor.kind == "staff" else None,
        received=len(rows),
        stored=len(taken),
        duplicate=len(rows) - len(taken) - len(problems),
        held=len(problems),
    )
    Declaration.objects.filter(pk__in=[one.pk for one in taken]).update(intake=intake)
    for row, why in problems:
        waiting.hold(HeldRow, intake, line=row.line, row=row.stored(), digest=row.digest(sender), reason=why)
    record(actor, intake, persons=[one.person_id for one in taken], **intake.counts)
    return SheetAnswer(intake, answers)


@verb(*HELPERS)
def mend_row(actor: Actor, *, held: HeldRow, cells: Mapping[str, str]) -> Declaration:
    """Take a held row as somebody has mended it; raises the problem that still stands (the row stays)."""
    row = waiting.locked(actor, held, "intake__company", "intake__unit")
    company = row.intake.company
    sender = f"company:{company.pk}" if company is not None else f"unit:{row.intake.unit_id or 0}"
    declaration, _new = _Reader(actor, row.intake.unit).take(
        SheetRow(row.line, {**row.row, **cells}), sender, day=clock.local(row.intake.at).date()
    )
    waiting.settle(actor, row)
    Declaration.objects.filter(pk=declaration.pk, intake=None).update(intake=row.intake)
    record(actor, row, persons=[declaration.person_id])
    return declaration


@verb(*HELPERS)
def dismiss_row(actor: Actor, *, held: HeldRow, reason: str) -> HeldRow:
    """Say that a held row will not be taken in, and why."""
    return waiting.dismiss(actor, held, reason)


@verb(*HELPERS)
def open_company(actor: Actor, *, unit: AdminUnit, name: str, phone: str = "") -> tuple[Company, str]:
    """Give a company its secret address; the token is shown once and kept only as a hash."""
    actor.must_cover(unit, *HELPERS)
    if not name.strip():
        raise Invalid(_("Thiếu tên cơ quan."), field="name", way_out=_("Ghi tên cơ quan, doanh nghiệp."))
    token = secrets.token_urlsafe(18)
    made = Company.objects.create(
        unit=unit,
        name=name.strip()[:120],
        phone=to_e164(phone, textable=False) if phone.strip() else "",
        token_hash=hash_of(token),
        made_at=clock.now(),
        made_by=actor.id,
    )
    record(actor, made, unit=unit.pk)
    return made, token


@verb(*HELPERS)
def close_company(actor: Actor, *, company: Company) -> Company:
    """A company's address takes nothing any more."""
    row = Company.objects.select_for_update(of=("self",)).select_related("unit").get(pk=company.pk)
    actor.must_cover(row.unit, *HELPERS)
    if row.closed_at is not None:
        unchanged()
        return row
    row.closed_at = clock.now()
    row.save(update_fields=["closed_at"])
    record(actor, row)
    return row


def hash_of(token: str) -> str:
    """What is kept of a token: it is long and random, so a plain hash is enough."""
    return hashlib.sha256(token.encode()).hexdigest()


class _Reader:
    """Reads rows by the health form of today."""

    def __init__(self, actor: Actor, unit: AdminUnit | None) -> None:
        self.actor = actor
        self.form = reads.form_in_force(Kind.HEALTH)
        self.communes = Communes(unit)
        self.country = Country()

    def take(self, row: SheetRow, sender: str, *, day: date | None = None) -> tuple[Declaration, bool]:
        """The declaration of one row, and whether it is new. Raises the row's problem."""
        told_on = declared_on(row)
        day = told_on or day or clock.today()
        sheet = Sheet(self.form.spec, data=as_typed(row, self.communes, True), country=self.country)
        if not sheet.is_valid():
            raise Invalid(
                " ".join(
                    f"{sheet.form.fields[name].label}: {error}" if name in sheet.form.fields else str(error)
                    for name, errors in sheet.form.errors.items()
                    for error in errors
                ),
                field="row",
            )
        made_at = clock.now() if day == clock.today() else clock.start_of_day(day) + timedelta(hours=12)
        declared = declare(
            self.actor,
            form=self.form,
            value=sheet.value,
            client_id=row.client_id(sender, day),
            channel=Declaration.Channel.SHEET,
            made_at=made_at,
        )
        return declared.declaration, declared.is_new
