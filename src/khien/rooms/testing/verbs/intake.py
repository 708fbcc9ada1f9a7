"""Batches of results: every row is stored, found already there, or held with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, Problem
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing import reads
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.models import HeldRow, Intake, Result
from khien.rooms.testing.rows import ResultRow, read_moment, read_value
from khien.rooms.testing.verbs.results import record_result

MAX_ROWS = 5000


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of one row: "stored", "duplicate" or "held" with a problem's code, text and way out."""

    line: int
    barcode: str
    state: str
    code: str = ""
    field: str = ""
    message: str = ""
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class IntakeAnswer:
    """received = stored + duplicate + held."""

    intake: Intake
    rows: list[RowAnswer] = field(default_factory=list)


@verb(Role.LABORATORY)
def import_results(actor: Actor, *, rows: Sequence[ResultRow], source: str) -> IntakeAnswer:
    """Take in a batch of results (`source` "csv" or "api", at most `MAX_ROWS`).

    A tube that stands in the batch with two different values is held in every row: nobody knows which is
    right. So is the second tube of one person sampled on one day, which is mostly a label put on twice.
    """
    if not rows:
        raise Invalid(_("Không có dòng nào."), field="rows", way_out=_("Gửi ít nhất một kết quả."))
    if len(rows) > MAX_ROWS:
        raise Invalid(
            _("Có %(count)d dòng, quá nhiều cho một lần.") % {"count": len(rows)},
            field="rows",
            code="too_many_rows",
            way_out=_("Chia thành các phần không quá %(limit)d dòng.") % {"limit": MAX_ROWS},
        )
    contradictions = _contradictions(rows)
    seen_people: dict[tuple[int, str], tuple[int, str]] = {}
    answers: list[RowAnswer] = []
    problems: list[tuple[ResultRow, Problem]] = []
    stored: list[Result] = []
    for row in rows:
        try:
            with transaction.atomic():
                result, is_new = _take(actor, row, contradictions, seen_people)
        except Problem as problem:
            problems.append((row, problem))
            answers.append(_held(row, problem))
            continue
        if is_new:
            stored.append(result)
        answers.append(RowAnswer(row.line, result.specimen.barcode, "stored" if is_new else "duplicate"))
    intake = Intake.objects.create(
        unit=_unit_of(actor),
        source=source,
        at=clock.now(),
        by=actor.id,
        received=len(rows),
        stored=len(stored),
        duplicate=len(rows) - len(stored) - len(problems),
        held=len(problems),
    )
    for row, why in problems:
        _hold(intake, row, why)
    record(
        actor,
        intake,
        persons=[result.specimen.person_id for result in stored],
        received=intake.received,
        stored=intake.stored,
        duplicate=intake.duplicate,
        held=intake.held,
    )
    return IntakeAnswer(intake, answers)


@verb(Role.LABORATORY)
def retry_held(actor: Actor, *, held: HeldRow) -> Result:
    """Try a held row again, as it is; raises the problem that still stands."""
    row = _open(actor, held)
    result, _is_new = _take(actor, ResultRow.from_stored(row.line, row.row), {}, {})
    row.state, row.settled_at, row.settled_by = HeldRow.State.STORED, clock.now(), actor.id
    row.save(update_fields=["state", "settled_at", "settled_by"])
    record(actor, row, persons=[result.specimen.person_id])
    return result


@verb(Role.LABORATORY)
def dismiss_held(actor: Actor, *, held: HeldRow, reason: str) -> HeldRow:
    """Say that a held row will not be taken in, and why; it stays readable until the retention rule."""
    if not reason.strip():
        raise Invalid(_("Chưa ghi lý do."), field="reason", way_out=_("Ghi ngắn gọn vì sao bỏ dòng này."))
    if held.state == HeldRow.State.DISMISSED:
        unchanged()
        return held
    row = _open(actor, held)
    row.state, row.settled_at, row.settled_by = HeldRow.State.DISMISSED, clock.now(), actor.id
    row.note = reason.strip()[:300]
    row.save(update_fields=["state", "settled_at", "settled_by", "note"])
    record(actor, row)
    return row


def _take(
    actor: Actor,
    row: ResultRow,
    contradictions: dict[str, list[int]],
    seen_people: dict[tuple[int, str], tuple[int, str]],
) -> tuple[Result, bool]:
    """The result of one row and whether it is new. Raises the row's problem."""
    barcode = normalise(row.barcode)
    if barcode in contradictions:
        raise Conflict(
            _("Ống %(barcode)s có kết quả khác nhau trong cùng lần gửi (các dòng %(lines)s).")
            % {"barcode": barcode, "lines": ", ".join(map(str, contradictions[barcode]))},
            field="barcode",
            code="tube_twice",
            way_out=_("Giữ lại dòng đúng rồi gửi lại."),
        )
    specimen = reads.specimen_by_barcode(actor, barcode)
    person_day = (specimen.person_id, clock.local(specimen.sampled_at).date().isoformat())
    line, other = seen_people.setdefault(person_day, (row.line, barcode))
    if other != barcode:
        raise Conflict(
            _("Cùng một người, lấy mẫu cùng ngày, đã có ống khác ở dòng %(line)d.") % {"line": line},
            field="barcode",
            code="person_twice",
            way_out=_("Kiểm tra nhãn hai ống; nếu đúng là hai mẫu, nhận dòng này ở trang dòng bị giữ."),
        )
    had = Result.objects.filter(specimen=specimen, is_current=True).exists()
    result = record_result(
        actor,
        specimen=specimen,
        value=read_value(row.value),
        resulted_at=read_moment(row.resulted_at),
        ct_value=row.ct_value,
        assay=row.assay,
    )
    return result, not had


def _contradictions(rows: Sequence[ResultRow]) -> dict[str, list[int]]:
    """Tubes with more than one value in the batch, and the lines where they stand."""
    values: dict[str, set[str]] = {}
    lines: dict[str, list[int]] = {}
    for row in rows:
        try:
            barcode, value = normalise(row.barcode), read_value(row.value)
        except Invalid:
            continue
        values.setdefault(barcode, set()).add(value)
        lines.setdefault(barcode, []).append(row.line)
    return {barcode: lines[barcode] for barcode, found in values.items() if len(found) > 1}


def _hold(intake: Intake, row: ResultRow, problem: Problem) -> None:
    stored = row.as_stored()
    digest = hashlib.sha256(json.dumps([intake.unit_id, stored], sort_keys=True).encode()).hexdigest()
    HeldRow.objects.get_or_create(
        digest=digest,
        state=HeldRow.State.OPEN,
        defaults={
            "intake": intake,
            "line": row.line,
            "row": stored,
            "code": problem.code,
            "reason": str(problem)[:400],
        },
    )


def _held(row: ResultRow, problem: Problem) -> RowAnswer:
    told = problem.as_dict()
    return RowAnswer(row.line, row.barcode[:32], "held", **told)


def _open(actor: Actor, held: HeldRow) -> HeldRow:
    row = HeldRow.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=held.pk).first()
    if row is None or row.state != HeldRow.State.OPEN:
        raise Conflict(_("Dòng này đã được xử lý."), way_out=_("Tải lại trang để xem danh sách mới."))
    return row


def _unit_of(actor: Actor) -> AdminUnit | None:
    """Where the laboratory stands: the highest unit of its grant; None for the system."""
    paths = sorted(actor.paths(Role.LABORATORY), key=len)
    return AdminUnit.objects.filter(path=paths[0]).first() if paths else None
