"""The room's machine door: follow-ups due, for the commune's own tools."""

from __future__ import annotations

from datetime import date, datetime

from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.doors.api import PROBLEMS, StaffAuth
from khien.kernel.errors import Invalid
from khien.rooms.quarantine import reads, verbs
from khien.rooms.quarantine.models import FollowUp

router = Router(tags=["quarantine"], auth=StaffAuth())


class FollowUpOut(Schema):
    """One day of one order."""

    id: int
    order: int
    number: str
    name: str
    phone: str
    unit: int
    unit_name: str
    kind: str
    due_on: date
    state: str
    test_due: bool
    temperature: float | None
    symptoms: list[str]


class FollowUpsOut(Schema):
    """A page of the follow-ups of a day, with the whole count and the moment it holds for."""

    day: date
    count: int
    as_of: datetime
    items: list[FollowUpOut]


class FollowUpIn(Schema):
    """What was found. `reached` false: nobody was met, then nothing else is said."""

    day: date | None = None
    reached: bool = True
    temperature: str = Field("", max_length=8, description="°C, with point or comma")
    symptoms: list[str] = Field(default_factory=list, max_length=20)
    notes: str = Field("", max_length=500)
    channel: str = Field("phone", description="phone or visit")


@router.get("/follow-ups", response={200: FollowUpsOut, **PROBLEMS}, operation_id="quarantine_follow_ups")
def follow_ups(
    request: HttpRequest,
    day: date | None = None,
    state: str = Query("", max_length=12),
    unit: int | None = Query(None, ge=1, le=2**62),
    offset: int = Query(0, ge=0, le=1_000_000),
    limit: int = Query(100, ge=1, le=500),
) -> FollowUpsOut:
    """The follow-ups of a day (today when none is given) within the units of the member of staff."""
    if state and state not in FollowUp.State.values:
        raise Invalid(_("Không có trạng thái này."), field="state", way_out=", ".join(FollowUp.State.values))
    actor = request.actor  # type: ignore[attr-defined]
    wanted = day or clock.today()
    rows = reads.follow_ups_of_day(actor, wanted, state=state, unit=unit)
    shown = list(rows[offset : offset + limit])
    phones = reads.phones([f.order.person_id for f in shown])
    read(
        actor,
        "quarantine.follow_ups",
        persons=[f.order.person_id for f in shown],
        day=wanted.isoformat(),
        state=state,
    )
    return FollowUpsOut(
        day=wanted,
        count=rows.count(),
        as_of=clock.now(),
        items=[_out(f, phones.get(f.order.person_id, "")) for f in shown],
    )


@router.post(
    "/orders/{order_id}/follow-ups",
    response={200: FollowUpOut, **PROBLEMS},
    operation_id="quarantine_record_follow_up",
)
def record_follow_up(request: HttpRequest, order_id: int, answer: FollowUpIn) -> FollowUpOut:
    """Write down one day of an order; the same answer again changes nothing."""
    actor = request.actor  # type: ignore[attr-defined]
    if not 0 < order_id < 2**62:
        raise Invalid(_("Số thứ tự không đúng."), field="order_id")
    row = verbs.record_follow_up(
        actor,
        order_id=order_id,
        day=answer.day,
        reached=answer.reached,
        temperature=answer.temperature,
        symptoms=answer.symptoms,
        notes=answer.notes,
        channel=answer.channel,
    )
    phone = reads.phones([row.order.person_id]).get(row.order.person_id, "")
    return _out(row, phone)


def _out(row: FollowUp, phone: str) -> FollowUpOut:
    return FollowUpOut(
        id=row.pk,
        order=row.order_id,
        number=row.order.number or "",
        name=row.order.person.full_name,
        phone=phone,
        unit=row.order.unit_id,
        unit_name=row.order.unit.full_name,
        kind=row.order.kind,
        due_on=row.due_on,
        state=row.state,
        test_due=row.test_due,
        temperature=float(row.temperature) if row.temperature is not None else None,
        symptoms=row.symptoms,
    )
