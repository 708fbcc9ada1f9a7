"""Batches of results: every row is stored, found already there, or held with its reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.errors import Conflict, Invalid, Problem
from khien.kernel.intakes import waiting
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing import reads
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.events import RESULT_RECORDED
from khien.rooms.testing.models import HeldRow, Intake, Result, Specimen
from khien.rooms.testing.rows import ResultRow, read_moment, read_value
from khien.rooms.testing.verbs.results import first_result, payload_of, record_result

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
    batch = _Batch(actor, rows)
    answers: list[RowAnswer] = []
    problems: list[tuple[ResultRow, Problem]] = []
    stored: list[Result] = []
    for row in rows:
        try:
            result, is_new = batch.take(row)
        except Problem as problem:
            problems.append((row, problem))
            answers.append(_held(row, problem))
            continue
        if is_new:
            stored.append(result)
        answers.append(RowAnswer(row.line, result.specimen.barcode, "stored" if is_new else "duplicate"))
    Result.objects.bulk_create(stored)
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
        event=RESULT_RECORDED,
        payloads=[payload_of(result, result.specimen) for result in stored],
        **intake.counts,
    )
    return IntakeAnswer(intake, answers)


@verb(Role.LABORATORY)
def retry_held(actor: Actor, *, held: HeldRow) -> Result:
    """Try a held row again, as it is; raises the problem that still stands."""
    row = waiting.locked(actor, held)
    again = ResultRow.from_stored(row.line, row.row)
    result = record_result(
        actor,
        specimen=reads.specimen_by_barcode(actor, again.barcode),
        value=read_value(again.value),
        resulted_at=read_moment(again.resulted_at),
        ct_value=again.ct_value,
        assay=again.assay,
    )
    waiting.settle(actor, row)
    record(actor, row, persons=[result.specimen.person_id])
    return result


@verb(Role.LABORATORY)
def dismiss_held(actor: Actor, *, held: HeldRow, reason: str) -> HeldRow:
    """Say that a held row will not be taken in, and why; it stays readable until the retention rule."""
    return waiting.dismiss(actor, held, reason)


class _Batch:
    """A batch's tubes and their results so far, read and locked in two queries however many rows there are."""

    def __init__(self, actor: Actor, rows: Sequence[ResultRow]) -> None:
        self.actor = actor
        barcodes = {barcode for row in rows if (barcode := _barcode(row))}
        specimens = (
            Specimen.objects.seen_by(actor)
            .select_related("unit")
            .select_for_update(of=("self",))
            .filter(barcode__in=barcodes)
            .order_by("pk")
        )
        self.specimens: dict[str, Specimen] = {specimen.barcode: specimen for specimen in specimens}
        self.current: dict[int, Result] = reads.current_results(self.specimens.values())
        self.contradictions = _contradictions(rows)
        self.people: dict[tuple[int, date], tuple[int, str]] = {}

    def take(self, row: ResultRow) -> tuple[Result, bool]:
        """The result of one row, and whether it is to be stored (it may be there already, or come from an
        earlier row). Raises the row's problem."""
        barcode = normalise(row.barcode)
        if barcode in self.contradictions:
            raise Conflict(
                _("Ống %(barcode)s có kết quả khác nhau trong cùng lần gửi (các dòng %(lines)s).")
                % {"barcode": barcode, "lines": ", ".join(map(str, self.contradictions[barcode]))},
                field="barcode",
                code="tube_twice",
                way_out=_("Giữ lại dòng đúng rồi gửi lại."),
            )
        specimen = self.specimens.get(barcode)
        if specimen is None:
            raise reads.unknown_tube(barcode)
        self.actor.must_cover(specimen.unit, Role.LABORATORY)
        day = clock.local(specimen.sampled_at).date()
        line, other = self.people.get((specimen.person_id, day), (row.line, barcode))
        if other != barcode:
            raise Conflict(
                _("Cùng một người, lấy mẫu cùng ngày, đã có ống khác ở dòng %(line)d.") % {"line": line},
                field="barcode",
                code="person_twice",
                way_out=_("Kiểm tra nhãn hai ống; nếu đúng là hai mẫu, nhận dòng này ở trang dòng bị giữ."),
            )
        current = self.current.get(specimen.pk)
        result = first_result(
            self.actor,
            specimen,
            current,
            value=read_value(row.value),
            resulted_at=read_moment(row.resulted_at),
            ct_value=row.ct_value,
            assay=row.assay,
        )
        result.specimen = specimen
        self.people[specimen.person_id, day] = (line, barcode)
        self.current[specimen.pk] = result
        return result, result is not current


def _barcode(row: ResultRow) -> str:
    try:
        return normalise(row.barcode)
    except Invalid:
        return ""


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
    waiting.hold(
        HeldRow,
        intake,
        line=row.line,
        row=stored,
        digest=digest,
        code=problem.code,
        reason=str(problem),
    )


def _held(row: ResultRow, problem: Problem) -> RowAnswer:
    told = problem.as_dict()
    return RowAnswer(row.line, row.barcode[:32], "held", **told)


def _unit_of(actor: Actor) -> AdminUnit | None:
    """Where the laboratory stands: the highest unit of its grant; None for the system."""
    paths = sorted(actor.paths(Role.LABORATORY), key=len)
    return AdminUnit.objects.filter(path=paths[0]).first() if paths else None
