"""Listing contacts and deciding on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Max
from django.utils.translation import gettext as _

import khien
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Actor
from khien.rooms.tracing import finding
from khien.rooms.tracing.events import CONTACTS_APPROVED, CONTACTS_LISTED
from khien.rooms.tracing.finding import Finding, FoundContact, FoundSource
from khien.rooms.tracing.models import (
    Case,
    CaseStep,
    ContactList,
    Exposure,
    SourceProposal,
    TracedContact,
)
from khien.rooms.tracing.verbs.cases import TRACING, case_of, must_be_open

State = TracedContact.State

_RENEWED = [
    "contact_list",
    "degree",
    "clause",
    "clause_text",
    "score",
    "minutes",
    "longest_minutes",
    "encounters",
    "first_exposure",
    "last_exposure",
    "from_person",
    "state",
    "converted_case",
]


@verb(*TRACING)
def list_contacts(actor: Actor, *, case_id: int) -> ContactList:
    """Search F1, F2 and possible sources by the rules of the case's day; each run is a version that stays.

    What still waits for a decision is renewed; what is no longer found is withdrawn; what was approved or
    rejected keeps the evidence it was decided on.
    """
    case = case_of(actor, case_id)
    must_be_open(case)
    found = finding.find(case, clock.now())
    version = (case.lists.aggregate(last=Max("version"))["last"] or 0) + 1
    made = ContactList.objects.create(
        case=case,
        version=version,
        listed_at=clock.now(),
        listed_by=actor.id,
        window_from=found.window_from,
        window_until=found.window_until,
        rules=found.rules.as_json(),
        engine_version=f"khien {khien.__version__}",
        coverage=found.coverage,
        counts=found.counts,
        took_ms=found.took_ms,
    )
    _renew(case, made, found)
    _propose_sources(case, found.sources)
    CaseStep.objects.get_or_create(case=case, step=CaseStep.Step.LISTED, defaults={"at": clock.now()})
    record(
        actor,
        made,
        persons=[case.person_id],
        event=CONTACTS_LISTED,
        payload={"case": case.pk, "list": made.pk, "count": len(found.contacts)},
        counts=found.counts,
    )
    return made


@verb(*TRACING)
def approve_contacts(
    actor: Actor,
    *,
    case_id: int,
    contact_ids: Iterable[int],
    list_id: int | None = None,
    reason: str = "",
) -> list[TracedContact]:
    """Approve a selection of the proposed contacts; what follows (orders, messages) follows from this.

    Every proposed close contact by law that is not selected is rejected, which needs a `reason`; further
    proposals stay proposed. `list_id` is the version that the tracer saw: raises `Conflict` when a newer
    one has come. Approving what is approved changes nothing. Where no close contact by law waits, nobody
    need be selected: that the case has none is a decision too, and the clock goes on.
    """
    case = case_of(actor, case_id)
    must_be_open(case)
    latest = case.lists.order_by("-version").first()
    if latest is None:
        raise Conflict(_("Chưa có danh sách tiếp xúc."), way_out=_("Lập danh sách trước khi duyệt."))
    if list_id is not None and list_id != latest.pk:
        raise Conflict(
            _("Danh sách đã được lập lại (bản %(version)d) sau khi trang này mở ra.")
            % {"version": latest.version},
            code="list_changed",
            way_out=_("Xem lại danh sách mới rồi duyệt."),
        )
    wanted = set(contact_ids)
    rows = list(case.contacts.select_for_update().filter(state=State.PROPOSED))
    known = set(case.contacts.values_list("pk", flat=True))
    if wanted - known:
        raise NotFound(_("Có người không thuộc danh sách của ca này."))
    chosen = [row for row in rows if row.pk in wanted]
    dropped = [row for row in rows if row.is_legal_f1 and row.pk not in wanted]
    if dropped and not reason.strip():
        raise Invalid(
            _("%(count)d người tiếp xúc gần (F1) theo quy định đang bị bỏ ra mà chưa có lý do.")
            % {"count": len(dropped)},
            field="reason",
            code="legal_contact_needs_reason",
            way_out=_("Ghi lý do bỏ, hoặc đánh dấu lại những người đó."),
        )
    if not chosen and not dropped and (wanted or case.steps.filter(step=CaseStep.Step.APPROVED).exists()):
        unchanged()
        return []
    now = clock.now()
    for row in chosen:
        row.state, row.decided_at, row.decided_by = State.APPROVED, now, actor.id
    for row in dropped:
        row.state, row.decided_at, row.decided_by = State.REJECTED, now, actor.id
        row.reason = reason.strip()[:300]
    TracedContact.objects.bulk_update(
        [*chosen, *dropped], ["state", "decided_at", "decided_by", "reason"], batch_size=1000
    )
    CaseStep.objects.get_or_create(case=case, step=CaseStep.Step.APPROVED, defaults={"at": now})
    # Somebody who has become a case is isolated as a case, not put under order as a contact.
    told = [row for row in chosen if row.converted_case_id is None]
    record(
        actor,
        case,
        persons=[row.person_id for row in [*chosen, *dropped]],
        event=CONTACTS_APPROVED,
        payload={
            "case": case.pk,
            "contacts": [
                {
                    "contact": row.pk,
                    "person": row.person_id,
                    "degree": row.degree,
                    "last_exposure": row.last_exposure.isoformat(),
                }
                for row in told
            ],
        },
        approved=len(chosen),
        dropped=len(dropped),
        list=latest.pk,
    )
    return chosen


@verb(*TRACING)
def reject_contact(actor: Actor, *, contact_id: int, reason: str) -> TracedContact:
    """Take one person off the list, with the reason."""
    row = TracedContact.objects.seen_by(actor).filter(pk=contact_id).first()
    if row is None:
        raise NotFound()
    case = case_of(actor, row.case_id)
    must_be_open(case)
    if not reason.strip():
        raise Invalid(
            _("Chưa ghi lý do loại."), field="reason", way_out=_("Ghi ngắn gọn vì sao không phải tiếp xúc.")
        )
    row = TracedContact.objects.select_for_update().get(pk=contact_id)
    if row.state == State.REJECTED:
        unchanged()
        return row
    if row.state == State.APPROVED:
        raise Conflict(
            _("Người này đã được duyệt, quyết định có thể đã ban hành."),
            way_out=_("Kết thúc quyết định cách ly ở phần Cách ly, kèm lý do."),
        )
    row.state, row.reason = State.REJECTED, reason.strip()[:300]
    row.decided_at, row.decided_by = clock.now(), actor.id
    row.save(update_fields=["state", "reason", "decided_at", "decided_by"])
    record(actor, row, persons=[row.person_id], legal=row.is_legal_f1)
    return row


def _renew(case: Case, made: ContactList, found: Finding) -> None:
    existing = {row.person_id: row for row in case.contacts.select_for_update()}
    open_cases = _cases_after(case, found.contacts)
    new: list[tuple[TracedContact, FoundContact]] = []
    renewed: list[tuple[TracedContact, FoundContact]] = []
    for contact in found.contacts:
        row = existing.get(contact.person_id)
        if row is not None and row.state not in (State.PROPOSED, State.WITHDRAWN):
            continue
        target = new if row is None else renewed
        row = row or TracedContact(case=case, person_id=contact.person_id)
        row.contact_list = made
        row.degree, row.clause, row.clause_text = contact.degree, contact.clause, contact.clause_text[:300]
        row.score = min(max(contact.score, 0.0), 1.0)
        row.minutes, row.longest_minutes = contact.minutes, contact.longest
        row.encounters = contact.encounters
        row.first_exposure, row.last_exposure = contact.first, contact.last
        row.from_person_id = contact.from_person_id
        row.state = State.PROPOSED
        row.converted_case_id = open_cases.get(contact.person_id)
        target.append((row, contact))
    TracedContact.objects.bulk_create([row for row, _c in new], batch_size=2000)
    TracedContact.objects.bulk_update([row for row, _c in renewed], _RENEWED, batch_size=500)
    Exposure.objects.filter(contact__in=[row.pk for row, _c in renewed]).delete()
    Exposure.objects.bulk_create(
        (
            Exposure(
                contact=row,
                kind=meeting.kind,
                place_id=meeting.place_id,
                start=meeting.start,
                end=meeting.end,
                minutes=meeting.minutes,
                clause=meeting.clause,
                mask=meeting.mask,
                note=meeting.note,
            )
            for row, contact in [*new, *renewed]
            for meeting in contact.meetings
        ),
        batch_size=5000,
    )
    listed = {contact.person_id for contact in found.contacts}
    gone = [
        row.pk for row in existing.values() if row.state == State.PROPOSED and row.person_id not in listed
    ]
    TracedContact.objects.filter(pk__in=gone).update(state=State.WITHDRAWN)


def _cases_after(case: Case, contacts: Sequence[FoundContact]) -> dict[int, int]:
    """Which of the people have a case that is open now, or began after they met this one: person → case."""
    first = {c.person_id: c.first for c in contacts}
    rows = Case.objects.filter(person_id__in=list(first)).exclude(
        classification=Case.Classification.NOT_A_CASE
    )
    return {
        row.person_id: row.pk
        for row in rows.exclude(pk=case.pk).order_by("opened_at")
        if (row.sampled_at or row.opened_at) > first[row.person_id]
    }


def _propose_sources(case: Case, sources: Sequence[FoundSource]) -> None:
    """Renew what is only proposed; what a person decided, or a line list says, stays."""
    case.sources.filter(state=SourceProposal.State.PROPOSED).delete()
    kept = set(case.sources.values_list("person_id", flat=True))
    now = clock.now()
    SourceProposal.objects.bulk_create(
        SourceProposal(
            case=case,
            person_id=source.person_id,
            source_case_id=source.source_case_id,
            how=source.how,
            minutes=source.minutes,
            encounters=source.encounters,
            first_at=source.first,
            last_at=source.last,
            place_id=source.place_id,
            proposed_at=now,
        )
        for source in sources
        if source.person_id not in kept and source.person_id != case.person_id
    )
