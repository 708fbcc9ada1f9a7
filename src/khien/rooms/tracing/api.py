"""The room's machine door: cases and contacts for the tools of the province's own staff."""

from __future__ import annotations

from datetime import date, datetime

from django.http import HttpRequest
from ninja import Query, Router, Schema

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors.api import PROBLEMS, StaffAuth
from khien.kernel.errors import NotAllowed
from khien.kernel.staff import Actor
from khien.rooms.tracing import reads
from khien.rooms.tracing.models import TRACERS, Case, TracedContact
from khien.rooms.tracing.reads import CaseFilter

router = Router(tags=["tracing"], auth=StaffAuth())


class CaseOut(Schema):
    """One case. Times are UTC; the infectious window is [from, until), null without a rule for its day."""

    id: int
    label: str
    person: int
    name: str
    unit: int
    unit_name: str
    classification: str
    status: str
    onset_on: date | None
    sampled_at: datetime | None
    resulted_at: datetime | None
    infectious_from: datetime | None
    infectious_until: datetime | None
    source_case: int | None
    blocking_step: str


class CasesOut(Schema):
    """A page of cases, with the whole count and the moment it holds for."""

    count: int
    as_of: datetime
    items: list[CaseOut]


class ExposureOut(Schema):
    """Why somebody is on the list: one meeting."""

    kind: str
    place: int | None
    place_name: str
    start: datetime
    end: datetime
    minutes: float
    clause: str


class ContactOut(Schema):
    """One contact. `clause` is empty where there is no legal ground; `score` is the expected probability."""

    id: int
    person: int
    name: str
    degree: int
    clause: str
    legal: bool
    score: float
    minutes: float
    longest_minutes: float
    encounters: int
    first_exposure: datetime
    last_exposure: datetime
    from_person: int
    state: str
    converted_case: int | None
    why: list[ExposureOut]


class ContactsOut(Schema):
    """The contacts of a case in the order of the page: F1 by law first, then by expected risk."""

    case: int
    version: int | None
    listed_at: datetime | None
    rules: dict[str, str]
    coverage: dict[str, int | None]
    count: int
    as_of: datetime
    items: list[ContactOut]


def _tracer(request: HttpRequest) -> Actor:
    actor: Actor = request.actor  # type: ignore[attr-defined]
    if not actor.has(*TRACERS):
        raise NotAllowed()
    return actor


@router.get("/cases", response={200: CasesOut, **PROBLEMS}, operation_id="tracing_cases")
def cases(
    request: HttpRequest,
    q: str = Query("", max_length=80),
    status: str = Query("", max_length=10),
    step: str = Query("", max_length=10),
    limit: int = Query(100, ge=1, le=500),
    offset: int = Query(0, ge=0, le=1_000_000),
) -> CasesOut:
    """Cases within the units of who asks, newest first."""
    actor = _tracer(request)
    found = reads.cases(
        actor, CaseFilter(text=q.replace("\0", ""), status=status.replace("\0", ""), step=step)
    )
    rows = list(found[offset : offset + limit])
    blocking = reads.blocking_steps(actor, [c.pk for c in rows])
    read(actor, "tracing.api.cases", persons=[c.person_id for c in rows], status=status, step=step)
    return CasesOut(
        count=found.count(),
        as_of=clock.now(),
        items=[_case(c, blocking.get(c.pk, "")) for c in rows],
    )


@router.get(
    "/cases/{int:case_id}/contacts", response={200: ContactsOut, **PROBLEMS}, operation_id="tracing_contacts"
)
def contacts(request: HttpRequest, case_id: int) -> ContactsOut:
    """The contacts of one case with the evidence of each."""
    actor = _tracer(request)
    case = reads.case(actor, min(case_id, 2**62))
    made = reads.latest_list(actor, case.pk)  # before its rows, as on the page
    rows = reads.contacts(actor, case.pk)
    read(actor, "tracing.api.contacts", persons=[c.person_id for c in rows], subject=case)
    return ContactsOut(
        case=case.pk,
        version=None if made is None else made.version,
        listed_at=None if made is None else made.listed_at,
        rules={} if made is None else {key: str(rule["decision"]) for key, rule in made.rules.items()},
        coverage={} if made is None else made.coverage,
        count=len(rows),
        as_of=clock.now(),
        items=[_contact(c) for c in rows],
    )


def _case(case: Case, blocking: str) -> CaseOut:
    return CaseOut(
        id=case.pk,
        label=case.label,
        person=case.person_id,
        name=case.person.full_name,
        unit=case.unit_id,
        unit_name=case.unit.full_name,
        classification=case.classification,
        status=case.status,
        onset_on=case.onset_on,
        sampled_at=case.sampled_at,
        resulted_at=case.resulted_at,
        infectious_from=case.infectious_from,
        infectious_until=case.infectious_until,
        source_case=case.source_case_id,
        blocking_step=blocking,
    )


def _contact(contact: TracedContact) -> ContactOut:
    return ContactOut(
        id=contact.pk,
        person=contact.person_id,
        name=contact.person.full_name,
        degree=contact.degree,
        clause=contact.clause,
        legal=bool(contact.clause),
        score=contact.score,
        minutes=contact.minutes,
        longest_minutes=contact.longest_minutes,
        encounters=contact.encounters,
        first_exposure=contact.first_exposure,
        last_exposure=contact.last_exposure,
        from_person=contact.from_person_id,
        state=contact.state,
        converted_case=contact.converted_case_id,
        why=[
            ExposureOut(
                kind=e.kind,
                place=e.place_id,
                place_name="" if e.place is None else e.place.name,
                start=e.start,
                end=e.end,
                minutes=e.minutes,
                clause=e.clause,
            )
            for e in contact.exposures.all()
        ],
    )
