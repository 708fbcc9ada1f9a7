"""Asking that somebody be sampled."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.people.models import Person
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.testing import reads
from khien.rooms.testing.events import SAMPLING_REQUESTED
from khien.rooms.testing.models import SamplingRequest

ASKERS = (Role.TRACER, Role.COMMUNE_OFFICER, Role.SAMPLER)


@verb(*ASKERS)
def request_sampling(
    actor: Actor,
    *,
    person: Person,
    reason: str,
    unit: AdminUnit | None = None,
    due_on: date | None = None,
    reference: str = "",
) -> SamplingRequest:
    """Put a person on the list of those to sample on a Vietnamese day (today when none is given).

    `unit` is the commune that does it (the person's own by default). A second request for the same day
    answers with the first, which becomes one for symptoms when that is the new reason.
    """
    person = reads.standing_person(person)
    unit = unit or person.unit
    if unit is None:
        raise Invalid(
            _("Chưa biết người này ở xã nào."),
            field="unit",
            way_out=_("Cập nhật nơi ở của người này, hoặc chọn xã sẽ lấy mẫu."),
        )
    actor.must_cover(unit, *ASKERS)
    if reason not in SamplingRequest.Reason.values:
        raise Invalid(_("Lý do lấy mẫu không có trong danh mục."), field="reason")
    due_on = due_on or clock.today()
    same = SamplingRequest.objects.filter(person=person, due_on=due_on, state="open").first()
    if same is not None and reason == SamplingRequest.Reason.SYMPTOMS != same.reason:
        # Whoever has fallen ill is sampled as such, whatever they had been listed for.
        same.reason, same.reference = reason, reference
        same.save(update_fields=["reason", "reference"])
        record(actor, same, persons=[person.pk], reason=reason)
        return same
    if same is not None:
        unchanged()
        return same
    row = SamplingRequest.objects.create(
        person=person,
        unit=unit,
        reason=reason,
        due_on=due_on,
        reference=reference,
        requested_at=clock.now(),
    )
    record(
        actor,
        row,
        persons=[person.pk],
        event=SAMPLING_REQUESTED,
        payload={
            "request": row.pk,
            "person": person.pk,
            "unit": unit.pk,
            "due_on": due_on.isoformat(),
            "reason": reason,
        },
        reason=reason,
    )
    return row


@verb(*ASKERS)
def request_contact_tests(
    actor: Actor,
    *,
    person: Person,
    degree: int,
    start: date,
    unit: AdminUnit | None = None,
    reference: str = "",
) -> list[SamplingRequest]:
    """Requests for every test day of a contact whose quarantine begins on the Vietnamese day `start`, by the
    rule in force on that day. Days that have passed are not asked for. Returns
    what it added: nothing when run again."""
    today = clock.today()
    days = [start + timedelta(days=number - 1) for number in reads.contact_test_days(degree, start)]
    person = reads.standing_person(person)
    asked = set(
        SamplingRequest.objects.filter(person=person, due_on__in=days).values_list("due_on", flat=True)
    )
    rows = [
        request_sampling(
            actor, person=person, reason="contact_day", unit=unit, due_on=day, reference=reference
        )
        for day in days
        if day >= today and day not in asked
    ]
    if rows:
        record(actor, rows[0], persons=[person.pk], requests=[row.pk for row in rows])
    else:
        unchanged()
    return rows


@verb(*ASKERS)
def cancel_request(actor: Actor, *, request: SamplingRequest, reason: str) -> SamplingRequest:
    """Take a person off the list, with the reason."""
    actor.must_cover(request.unit, *ASKERS)
    if not reason.strip():
        raise Invalid(
            _("Chưa ghi lý do."), field="reason", way_out=_("Ghi ngắn gọn vì sao không lấy mẫu nữa.")
        )
    row = SamplingRequest.objects.select_for_update().get(pk=request.pk)
    if row.state == SamplingRequest.State.CANCELLED:
        unchanged()
        return row
    if row.state == SamplingRequest.State.DONE:
        raise Conflict(_("Người này đã được lấy mẫu."), way_out=_("Không cần bỏ yêu cầu nữa."))
    row.state, row.settled_at, row.note = SamplingRequest.State.CANCELLED, clock.now(), reason.strip()
    row.save(update_fields=["state", "settled_at", "note"])
    record(actor, row, persons=[row.person_id])
    return row
