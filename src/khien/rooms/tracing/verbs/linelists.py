"""Taking in a line list: every row is stored, found already there, or held with its reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, verb
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import linelist, rulebook
from khien.rooms.tracing.events import CASE_OPENED
from khien.rooms.tracing.linelist import CaseRow, LinkRow, Refusal
from khien.rooms.tracing.models import (
    Case,
    CaseStep,
    HeldLine,
    LineListImport,
    Outbreak,
    SourceProposal,
)


@dataclass(frozen=True, slots=True)
class LineListAnswer:
    """What became of a line list: the counts stand in `intake`, the refused rows with reasons in `held`."""

    intake: LineListImport
    held: list[Refusal] = field(default_factory=list)


@verb(Role.ADMINISTRATOR)
def import_line_list(
    actor: Actor,
    *,
    outbreak_name: str,
    unit: AdminUnit,
    cases: bytes,
    contacts: bytes | None = None,
    mapping: Mapping[str, str] | None = None,
) -> LineListAnswer:
    """Take in a CSV line list, with its infector column or a second file of contacts, as one outbreak.

    `mapping` names columns (`{"onset": "dt_onset"}`), the rest is guessed. Cases whose infectious time is over
    come in closed; others open and announce themselves. A second source of a case is kept beside the first.
    Raises `Invalid` for a file that cannot be read as a whole; then nothing is written.
    """
    given = dict(mapping or {})
    table = linelist.read_table(cases)
    columns = linelist.guess(table.header, "cases", given)
    read = linelist.read_cases(table, columns, clock.today())
    if contacts is None:
        links = linelist.links_within(read.cases)
    else:
        link_table = linelist.read_table(contacts)
        links = linelist.read_links(link_table, linelist.guess(link_table.header, "links", given))
    outbreak, _made = Outbreak.objects.get_or_create(
        name=outbreak_name.strip()[:120], unit=unit, defaults={"opened_at": clock.now()}
    )
    known = {c.registered_number: c for c in outbreak.cases.exclude(registered_number="")}
    held = [*read.refused, *links.refused]
    new: list[CaseRow] = []
    duplicate = read.repeated
    for row in read.cases:
        if row.number not in known:
            new.append(row)
        elif _same(known[row.number], row):
            duplicate += 1
        else:
            reason = _("Mã ca %(number)s đã có trong ổ dịch với nội dung khác.") % {"number": row.number}
            held.append(Refusal("cases", row.line, {"number": row.number, **row.details}, reason))
    stored = _store_cases(outbreak, unit, new)
    known |= {c.registered_number: c for c in stored}
    linked, links_repeated, links_held = _store_links(known, links.links)
    held += links_held
    intake = LineListImport.objects.create(
        outbreak=outbreak,
        unit=unit,
        at=clock.now(),
        encoding=table.encoding,
        mapping={**columns, **{f"links.{k}": v for k, v in links.mapping.items()}},
        sha256=hashlib.sha256(cases).hexdigest(),
        received=read.received,
        stored=len(stored),
        duplicate=duplicate,
        held=sum(r.sheet == "cases" for r in held),
        links_received=links.received,
        links_stored=linked,
        links_duplicate=links.repeated + links_repeated,
        links_held=sum(r.sheet == "links" for r in held),
    )
    HeldLine.objects.bulk_create(
        HeldLine(intake=intake, sheet=r.sheet, line=r.line, row=r.row, reason=r.reason[:300]) for r in held
    )
    record(
        actor,
        intake,
        persons=[c.person_id for c in stored],
        received=intake.received,
        stored=intake.stored,
        duplicate=intake.duplicate,
        held=intake.held,
        links=linked,
    )
    for case in stored:
        if case.status == Case.Status.OPEN:
            record(
                actor,
                case,
                persons=[case.person_id],
                event=CASE_OPENED,
                payload={"case": case.pk, "person": case.person_id, "unit": case.unit_id},
            )
    return LineListAnswer(intake, held)


def _same(case: Case, row: CaseRow) -> bool:
    confirmed = None if case.resulted_at is None else clock.local(case.resulted_at).date()
    return (case.onset_on, confirmed, case.age, case.details) == (
        row.onset,
        row.confirmed,
        row.age,
        row.details,
    )


def _store_cases(outbreak: Outbreak, unit: AdminUnit, rows: list[CaseRow]) -> list[Case]:
    """People and cases of the rows. A line list names no Vietnamese unit: all stand in the one given."""
    if not rows:
        return []
    now = clock.now()
    persons = [_person(row, unit) for row in rows]
    people.load_people(system_actor("linelist"), people=persons, numbers=[], phones=[], since=clock.today())
    cases = [_case(row, person, outbreak, unit, now) for row, person in zip(rows, persons, strict=True)]
    Case.objects.bulk_create(cases, batch_size=2000)
    CaseStep.objects.bulk_create(
        (
            CaseStep(case=case, step=step, at=at)
            for case in cases
            for step, at in (("result", case.resulted_at), ("opened", now))
            if at is not None
        ),
        batch_size=5000,
    )
    return cases


def _person(row: CaseRow, unit: AdminUnit) -> Person:
    born = None if row.age is None or row.day is None else row.day.year - row.age
    return Person(
        full_name=(row.name or _("Ca %(number)s") % {"number": row.number})[:120],
        sex=row.sex,
        birth_year=born if born is not None and born >= 1880 else None,
        unit=unit,
        source="linelist",
    )


def _case(row: CaseRow, person: Person, outbreak: Outbreak, unit: AdminUnit, now: datetime) -> Case:
    case = Case(
        person=person,
        unit=unit,
        outbreak=outbreak,
        registered_number=row.number,
        onset_on=row.onset,
        resulted_at=None if row.confirmed is None else clock.start_of_day(row.confirmed),
        age=row.age,
        details=row.details,
        opened_at=now,
    )
    window = rulebook.infectious_window(case)
    if window is not None:
        case.infectious_from, case.infectious_until = window.start, window.end
        case.window_rule_id = window.rule.id
    if window is None or window.end <= now:
        case.status, case.closed_at = Case.Status.CLOSED, now
        case.closing_note = _("Nhập từ danh sách ca đã qua")
    return case


def _store_links(known: Mapping[str, Case], links: list[LinkRow]) -> tuple[int, int, list[Refusal]]:
    """Links stored, links that were there, and those refused."""
    now = clock.now()
    targets = [known[link.target].pk for link in links if link.target in known]
    there = set(
        SourceProposal.objects.filter(case__in=targets, state="linked").values_list(
            "case_id", "source_case_id"
        )
    )
    # Each case's sources, to refuse a link that would make somebody their own ancestor.
    sources: dict[int, set[int]] = {}
    for case_id, source_id in there:
        if source_id is not None:
            sources.setdefault(case_id, set()).add(source_id)
    made: list[SourceProposal] = []
    first: list[Case] = []
    repeated = 0
    refused = []
    for link in links:
        cells = {"from": link.source, "to": link.target}
        absent = next((n for n in (link.source, link.target) if n not in known), None)
        if absent is not None:
            reason = _("Không có ca %(number)s trong danh sách.") % {"number": absent}
            refused.append(Refusal("links", link.line, cells, reason))
            continue
        source, target = known[link.source], known[link.target]
        if (target.pk, source.pk) in there:
            repeated += 1
            continue
        if _is_ancestor(target.pk, source.pk, sources):
            reason = _("Ca %(number)s lại là nguồn của ca nguồn này.") % {"number": link.target}
            refused.append(Refusal("links", link.line, cells, reason))
            continue
        there.add((target.pk, source.pk))
        sources.setdefault(target.pk, set()).add(source.pk)
        made.append(
            SourceProposal(
                case=target,
                person_id=source.person_id,
                source_case=source,
                state=SourceProposal.State.LINKED,
                how=SourceProposal.How.IMPORT,
                exposure=link.exposure,
                proposed_at=now,
                decided_at=now,
            )
        )
        if target.source_case_id is None:
            target.source_case = source
            first.append(target)
    SourceProposal.objects.bulk_create(made, batch_size=2000)
    Case.objects.bulk_update(first, ["source_case"], batch_size=2000)
    return len(made), repeated, refused


def _is_ancestor(one: int, of: int, sources: Mapping[int, set[int]]) -> bool:
    todo, seen = [of], set()
    while todo:
        case_id = todo.pop()
        if case_id == one:
            return True
        if case_id not in seen:
            seen.add(case_id)
            todo += sources.get(case_id, ())
    return False
