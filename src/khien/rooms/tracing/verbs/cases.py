"""Opening, describing, timing and closing a case."""

from __future__ import annotations

from datetime import date, datetime

from django.db.models import Q
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.language import dates
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person, Phone
from khien.kernel.people.phones import to_e164
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.events import CASE_CLOSED, CASE_OPENED
from khien.rooms.tracing.interviewed import keep_as_presence
from khien.rooms.tracing.models import (
    Case,
    CaseStep,
    HandContact,
    HeldResult,
    Landmark,
    Outbreak,
    SourceProposal,
    TracedContact,
)

TRACING = (Role.TRACER, Role.COMMUNE_OFFICER)


def case_of(actor: Actor, case_id: int) -> Case:
    """The case, locked for the act. Raises `NotFound` for one that the actor may not know of."""
    seen = Case.objects.seen_by(actor).filter(pk=case_id).exists()
    case = Case.objects.select_for_update().filter(pk=case_id).first() if seen else None
    if case is None:
        raise NotFound(_("Không có ca bệnh này."))
    return case


def must_be_open(case: Case) -> None:
    """Raise `Conflict` for a closed case: what is closed stays as it was decided."""
    if case.status == Case.Status.CLOSED:
        assert case.closed_at is not None
        raise Conflict(
            _("Ca %(case)s đã đóng lúc %(at)s.") % {"case": case.label, "at": dates.moment(case.closed_at)},
            code="case_closed",
            way_out=_("Hồ sơ đã đóng chỉ để xem."),
        )


@verb(*TRACING)
def open_case(
    actor: Actor,
    *,
    person_id: int,
    unit_id: int,
    result_id: int | None = None,
    sampled_at: datetime | None = None,
    resulted_at: datetime | None = None,
    onset_on: date | None = None,
    classification: str = Case.Classification.CONFIRMED,
    outbreak: Outbreak | None = None,
) -> Case:
    """Open the case of a person with a positive result (or, without one, by a tracer's finding).

    The same result again, or another result while the person's case is open, changes nothing and gives the
    case that is there. Somebody who was a contact is converted, and the case they met becomes the presumed
    source. Raises `Conflict` (code "case_closed") for a result sampled before the person's last case was
    closed: it belongs to that illness, which somebody has to look at (`hold_result`).
    """
    unit = AdminUnit.objects.filter(pk=unit_id).first()
    person = Person.objects.select_for_update().filter(pk=person_id).first()
    if unit is None or person is None:
        raise NotFound()
    actor.must_cover(unit, *TRACING)
    _must_be_past(sampled_at, "sampled_at")
    _must_be_past(resulted_at, "resulted_at")
    if onset_on is not None:
        _must_be_known_day(onset_on)
    known = Case.objects.filter(person=person).order_by("-opened_at", "-pk")
    same = known.filter(result_id=result_id).first() if result_id is not None else None
    standing = same or known.filter(status=Case.Status.OPEN).first()
    if standing is not None:
        unchanged()
        return standing
    last = known.first()
    if (
        last is not None
        and sampled_at is not None
        and last.closed_at is not None
        and sampled_at < last.closed_at
    ):
        raise Conflict(
            _("Kết quả này thuộc về ca %(case)s, đã đóng lúc %(at)s.")
            % {"case": last.label, "at": dates.moment(last.closed_at)},
            field="result",
            code="case_closed",
            way_out=_("Cán bộ truy vết xem và quyết định: mở lại ca cũ, mở ca mới, hoặc bỏ qua."),
        )
    case = _create(
        person,
        unit,
        result_id=result_id,
        sampled_at=sampled_at,
        resulted_at=resulted_at,
        onset_on=onset_on,
        classification=classification,
        outbreak=outbreak,
    )
    record(
        actor,
        case,
        persons=[person.pk],
        event=CASE_OPENED,
        payload={"case": case.pk, "person": person.pk, "unit": unit.pk},
        result=result_id,
    )
    return case


@verb(*TRACING)
def hold_result(
    actor: Actor,
    *,
    result_id: int,
    person_id: int,
    unit_id: int,
    sampled_at: datetime,
    resulted_at: datetime,
    reason: str,
) -> HeldResult:
    """Keep a positive result that `open_case` could not take, until somebody decides. Once for a result."""
    case = Case.objects.filter(person_id=person_id).order_by("-opened_at", "-pk").first()
    if case is None:
        raise NotFound()
    row, made = HeldResult.objects.get_or_create(
        result_id=result_id,
        defaults={
            "person_id": person_id,
            "unit_id": unit_id,
            "case": case,
            "sampled_at": sampled_at,
            "resulted_at": resulted_at,
            "reason": reason[:300],
            "held_at": clock.now(),
        },
    )
    if made:
        record(actor, row, persons=[person_id], result=result_id, case=case.pk)
    else:
        unchanged()
    return row


@verb(Role.TRACER)
def settle_held_result(actor: Actor, *, held_id: int, decision: str) -> Case:
    """Decide on a held result: "reopen" the closed case, open a "new" one, or "dismiss" it."""
    if not HeldResult.objects.seen_by(actor).filter(pk=held_id).exists():
        raise NotFound()
    row = HeldResult.objects.select_for_update().get(pk=held_id)
    case = Case.objects.select_for_update().get(pk=row.case_id)
    if row.settled_at is not None:
        unchanged()
        return case
    if decision not in ("reopen", "new", "dismiss"):
        raise Invalid(_("Chưa chọn cách xử lý."), field="decision", way_out=_("Chọn một trong ba cách."))
    if decision != "dismiss" and Case.objects.filter(person=row.person, status=Case.Status.OPEN).exists():
        raise Conflict(
            _("Người này đang có ca khác đang mở."), way_out=_("Bỏ qua kết quả này, xử lý ở ca đang mở.")
        )
    if decision == "reopen":
        case.status, case.closed_at = Case.Status.OPEN, None
        case.save(update_fields=["status", "closed_at"])
    elif decision == "new":
        case = _create(
            row.person,
            row.unit,
            result_id=row.result_id,
            sampled_at=row.sampled_at,
            resulted_at=row.resulted_at,
        )
    row.settled_at, row.settled_by = clock.now(), actor.id
    row.save(update_fields=["settled_at", "settled_by"])
    new = decision == "new"
    record(
        actor,
        row,
        persons=[row.person_id],
        event=CASE_OPENED if new else None,
        payload={"case": case.pk, "person": row.person_id, "unit": row.unit_id} if new else None,
        decision=decision,
        case=case.pk,
    )
    return case


@verb(*TRACING)
def enter_symptoms(
    actor: Actor,
    *,
    case_id: int,
    onset_on: date | None,
    symptoms: str = "",
    classification: str | None = None,
) -> Case:
    """Write down onset (null: no symptom) and symptoms; the infectious window follows by the rule of the day."""
    case = case_of(actor, case_id)
    must_be_open(case)
    if onset_on is not None:
        _must_be_known_day(onset_on)
    if classification is not None and classification not in Case.Classification.values:
        raise Invalid(_("Phân loại không đúng."), field="classification")
    before = (case.onset_on, case.symptoms, case.classification)
    case.onset_on, case.symptoms = onset_on, symptoms.strip()[:300]
    case.classification = classification or case.classification
    if before == (case.onset_on, case.symptoms, case.classification):
        unchanged()
        return case
    _set_window(case)
    case.save()
    record(actor, case, persons=[case.person_id], columns=["onset_on", "symptoms", "classification"])
    return case


@verb(*TRACING)
def mark_isolated(actor: Actor, *, case_id: int, at: datetime) -> Case:
    """The case is isolated from `at` on, which may end the infectious window by the rule of the day."""
    case = case_of(actor, case_id)
    _must_be_past(at, "isolated_at")
    if case.isolated_at is not None and case.isolated_at <= at:
        unchanged()
        return case
    case.isolated_at = at
    _set_window(case)
    case.save(update_fields=["isolated_at", "infectious_from", "infectious_until", "window_rule"])
    record(actor, case, persons=[case.person_id])
    return case


@verb(*TRACING)
def add_landmark(
    actor: Actor,
    *,
    case_id: int,
    start: datetime,
    end: datetime,
    place: Place | None = None,
    text: str = "",
    masked: bool | None = None,
) -> Landmark:
    """Write down where the case was (a place of the register, or free text), when, and whether it wore a mask."""
    case = case_of(actor, case_id)
    must_be_open(case)
    if place is None and not text.strip():
        raise Invalid(_("Chưa ghi nơi."), field="text", way_out=_("Nhập mã địa điểm hoặc ghi nơi bằng lời."))
    if end <= start:
        raise Invalid(_("Giờ rời đi phải sau giờ đến."), field="end", way_out=_("Sửa một trong hai giờ."))
    _must_be_past(start, "start")
    if (end - start).days >= 7:
        raise Invalid(
            _("Một mốc dịch tễ không dài quá 7 ngày."), field="end", way_out=_("Chia thành nhiều mốc.")
        )
    row = Landmark.objects.create(
        case=case, place=place, text=text.strip()[:200], start=start, end=end, masked=masked
    )
    record(actor, row, persons=[case.person_id], place=None if place is None else place.pk)
    return row


@verb(*TRACING)
def remove_landmark(actor: Actor, *, landmark_id: int) -> None:
    """Take back a landmark that was written down wrongly."""
    row = Landmark.objects.filter(pk=landmark_id).first()
    if row is None:
        raise NotFound()
    case = case_of(actor, row.case_id)
    must_be_open(case)
    record(actor, row, persons=[case.person_id])
    row.delete()


@verb(*TRACING)
def add_hand_contact(
    actor: Actor,
    *,
    case_id: int,
    kind: str,
    day: date,
    minutes: int,
    person: Person | None = None,
    full_name: str = "",
    phone: str = "",
    relation: str = "",
    closed_space: bool | None = None,
    masked: bool | None = None,
) -> HandContact:
    """Write down somebody whom the case named: a person of the ledger, or a name and phone, which are
    registered (found again by the same phone and name) with the case's unit."""
    case = case_of(actor, case_id)
    must_be_open(case)
    if kind not in HandContact.Kind.values:
        raise Invalid(
            _("Chưa chọn cách tiếp xúc."), field="kind", way_out=_("Chọn một cách trong danh sách.")
        )
    if not 0 <= minutes <= 1440:
        raise Invalid(
            _("Số phút phải từ 0 đến 1440."), field="minutes", way_out=_("Ước lượng trong một ngày.")
        )
    _must_be_known_day(day, field="day")
    if person is None:
        person = _person_by_interview(actor, case, full_name, phone)
    if person.pk == case.person_id:
        raise Invalid(
            _("Ca bệnh không tiếp xúc với chính mình."), field="person", way_out=_("Chọn người khác.")
        )
    row, made = HandContact.objects.update_or_create(
        case=case,
        person=person,
        day=day,
        kind=kind,
        defaults={
            "relation": relation.strip()[:80],
            "minutes": minutes,
            "closed_space": closed_space,
            "masked": masked,
        },
    )
    keep_as_presence(row, case.person_id)
    record(actor, row, persons=[case.person_id, person.pk], new=made)
    return row


@verb(*TRACING)
def mark_step(actor: Actor, *, case_id: int, step: str, at: datetime | None = None) -> CaseStep:
    """Stop the clock of a step: the first time counts, later ones change nothing."""
    case = case_of(actor, case_id)
    if step not in CaseStep.Step.values:
        raise Invalid(_("Không có bước này."), field="step")
    row, made = CaseStep.objects.get_or_create(case=case, step=step, defaults={"at": at or clock.now()})
    if made:
        record(actor, row, case=case.pk, step=step)
    else:
        unchanged()
    return row


@verb(*TRACING)
def close_case(actor: Actor, *, case_id: int, note: str) -> Case:
    """Close a case. Raises `Conflict` while close contacts by law still wait for a decision."""
    case = case_of(actor, case_id)
    if case.status == Case.Status.CLOSED:
        unchanged()
        return case
    if not note.strip():
        raise Invalid(
            _("Chưa ghi lý do đóng."), field="note", way_out=_("Ví dụ: khỏi bệnh, âm tính hai lần.")
        )
    waiting = case.contacts.filter(Q(state=TracedContact.State.PROPOSED), ~Q(clause=""), degree=1).count()
    if waiting:
        raise Conflict(
            _("Còn %(count)d người tiếp xúc gần chưa được duyệt.") % {"count": waiting},
            way_out=_("Duyệt danh sách tiếp xúc, hoặc loại từng người kèm lý do, rồi đóng ca."),
        )
    case.status, case.closed_at = Case.Status.CLOSED, clock.now()
    case.closing_note = note.strip()[:300]
    case.save(update_fields=["status", "closed_at", "closing_note"])
    record(
        actor,
        case,
        persons=[case.person_id],
        event=CASE_CLOSED,
        payload={"case": case.pk, "person": case.person_id, "unit": case.unit_id},
    )
    return case


def _create(
    person: Person,
    unit: AdminUnit,
    *,
    result_id: int | None,
    sampled_at: datetime | None,
    resulted_at: datetime | None,
    onset_on: date | None = None,
    classification: str = Case.Classification.CONFIRMED,
    outbreak: Outbreak | None = None,
) -> Case:
    """The row of a new case with its window, its first steps, and what it changes for contacts it was among."""
    now = clock.now()
    case = Case(
        person=person,
        unit=unit,
        outbreak=outbreak,
        classification=classification,
        onset_on=onset_on,
        sampled_at=sampled_at,
        resulted_at=resulted_at,
        result_id=result_id,
        opened_at=now,
    )
    _set_window(case)
    case.save()
    times = {"sampled": sampled_at, "result": resulted_at, "opened": now}
    CaseStep.objects.bulk_create(
        CaseStep(case=case, step=step, at=at) for step, at in times.items() if at is not None
    )
    _convert(case)
    return case


def _convert(case: Case) -> None:
    """Whoever was a contact and is now a case: mark it in those lists, and presume the nearest as source."""
    reference = case.sampled_at or case.opened_at
    rows = (
        TracedContact.objects.select_for_update(of=("self",))
        .filter(person=case.person, converted_case__isnull=True, first_exposure__lt=reference)
        .exclude(case=case)
        .exclude(state=TracedContact.State.WITHDRAWN)
        .select_related("case")
        .order_by("degree", "-score", "pk")
    )
    contacts = list(rows)
    TracedContact.objects.filter(pk__in=[c.pk for c in contacts]).update(converted_case=case)
    first = [c for c in contacts if c.degree == 1]
    now = clock.now()
    for place, contact in enumerate(first):
        SourceProposal.objects.create(
            case=case,
            person_id=contact.case.person_id,
            source_case=contact.case,
            state=SourceProposal.State.LINKED if place == 0 else SourceProposal.State.PROPOSED,
            how=SourceProposal.How.CONTACT,
            minutes=contact.minutes,
            encounters=contact.encounters,
            first_at=contact.first_exposure,
            last_at=contact.last_exposure,
            proposed_at=now,
        )
    if first:
        case.source_case = first[0].case
        case.outbreak = case.outbreak or first[0].case.outbreak
        case.save(update_fields=["source_case", "outbreak"])


def _set_window(case: Case) -> None:
    if case.opened_at is None:
        case.opened_at = clock.now()
    window = rulebook.infectious_window(case)
    case.infectious_from = None if window is None else window.start
    case.infectious_until = None if window is None else window.end
    case.window_rule_id = None if window is None else window.rule.id


def _person_by_interview(actor: Actor, case: Case, full_name: str, phone: str) -> Person:
    name = " ".join(full_name.split())
    if not name:
        raise Invalid(
            _("Chưa có tên người tiếp xúc."),
            field="full_name",
            way_out=_("Nhập tên, hoặc chọn người trong sổ."),
        )
    if phone.strip():
        number = to_e164(phone, textable=False)
        for row in Phone.objects.filter(number=number).select_related("person"):
            if row.person.full_name.casefold() == name.casefold() and row.person.merged_into_id is None:
                return row.person
    return people.register_person(
        actor,
        full_name=name,
        unit=case.unit,
        phones=[phone] if phone.strip() else [],
        source="interview",
    )


def _must_be_past(moment: datetime | None, field: str) -> None:
    if moment is not None and moment > clock.now():
        raise Invalid(
            _("Thời điểm ở tương lai."), field=field, way_out=_("Nhập thời điểm không sau bây giờ.")
        )


def _must_be_known_day(day: date, field: str = "onset_on") -> None:
    if day > clock.today():
        raise Invalid(_("Ngày ở tương lai."), field=field, way_out=_("Nhập ngày không sau hôm nay."))
    if day.year < 1800:
        raise Invalid(_("Ngày quá xa trong quá khứ."), field=field, way_out=_("Kiểm tra lại năm."))
