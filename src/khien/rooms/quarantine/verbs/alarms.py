"""Alarms: raised by software, decided by a named officer. Nothing follows from an alarm by itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Actor, Role
from khien.rooms.quarantine.models import Alarm, Order

OFFICERS = (Role.TRACER, Role.COMMUNE_OFFICER)
EVIDENCE_KEPT = 20


@verb(*OFFICERS)
def raise_alarm(actor: Actor, *, person_id: int, kind: str, evidence: dict[str, Any]) -> Alarm | None:
    """Raise an alarm about the order that a person is under; what happens again joins the open alarm.

    `evidence` holds ids and times, and `at` (ISO) when it happened, now where it is left out; the same
    evidence twice counts once. None when no order that forbids it held for the person then (watching one's
    own health forbids nothing), or when they were scanned at the site of their own order.
    """
    at = datetime.fromisoformat(evidence["at"]) if "at" in evidence else clock.now()
    # A device that was offline reports late: what counts is the order that held when the scan was made.
    order = (
        Order.objects.seen_by(actor)
        .filter(
            person_id=person_id,
            state__in=[Order.State.ISSUED, Order.State.ENDED],
            starts_at__lte=at,
            ends_at__gt=at,
        )
        .exclude(kind=Order.Kind.WATCH)
        .order_by("-starts_at")
        .first()
    )
    if order is None or (order.site_id is not None and evidence.get("place") == order.site_id):
        unchanged()
        return None
    return open_or_add(actor, order, kind, evidence)


@verb(*OFFICERS)
def handle_alarm(actor: Actor, *, alarm_id: int, outcome: str, note: str) -> Alarm:
    """Close an alarm with what was found and done. Only a named member of staff does; the order stays as it is.

    Raises `Invalid` without an outcome or a note, `Conflict` when somebody else closed it before.
    """
    if actor.kind != "staff":
        raise Invalid(_("Báo động phải do một cán bộ xử lý."), code="needs_a_person")
    alarm = Alarm.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=alarm_id).first()
    if alarm is None:
        raise NotFound()
    note = " ".join(note.split())
    if outcome not in Alarm.Outcome.values:
        raise Invalid(_("Chưa chọn kết quả xử lý."), field="outcome")
    if len(note) < 5:
        raise Invalid(_("Chưa ghi đã xử lý thế nào."), field="note")
    if alarm.handled_at is not None:
        if (alarm.outcome, alarm.outcome_note, alarm.handled_by) == (outcome, note, actor.id):
            unchanged()
            return alarm
        raise Conflict(
            _("%(name)s đã xử lý báo động này.") % {"name": alarm.handled_by_name},
            way_out=_("Tải lại trang để xem kết quả."),
        )
    alarm.outcome, alarm.outcome_note = outcome, note[:500]
    alarm.handled_at = clock.now()
    alarm.handled_by, alarm.handled_by_name = actor.id, actor.name
    alarm.save()
    record(actor, alarm, persons=[alarm.order.person_id], outcome=outcome)
    return alarm


def open_or_add(actor: Actor, order: Order, kind: str, evidence: dict[str, Any]) -> Alarm:
    """Inside a verb: the open alarm of this kind with the evidence added, or a new one."""
    now = clock.now()
    alarm = Alarm.objects.select_for_update().filter(order=order, kind=kind, handled_at__isnull=True).first()
    if alarm is None:
        earlier = Alarm.objects.filter(order=order, kind=kind, evidence__contains=[evidence]).first()
        if earlier is not None:
            unchanged()
            return earlier
        alarm = Alarm.objects.create(order=order, kind=kind, evidence=[evidence], raised_at=now, last_at=now)
    elif evidence in alarm.evidence:
        unchanged()
        return alarm
    else:
        _add(alarm, evidence, now)
        alarm.save(update_fields=["evidence", "times", "last_at"])
    record(actor, alarm, persons=[order.person_id], kind=kind, times=alarm.times)
    return alarm


def open_or_add_many(kind: str, seen: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Inside a verb that records the people: as `open_or_add`, for evidence (order id, evidence) that is new."""
    now = clock.now()
    orders = {order_id for order_id, _evidence in seen}
    standing = Alarm.objects.select_for_update().filter(order__in=orders, kind=kind, handled_at__isnull=True)
    alarms = {alarm.order_id: alarm for alarm in standing}
    known = set(alarms)
    for order_id, evidence in seen:
        alarm = alarms.get(order_id)
        if alarm is None:
            alarms[order_id] = Alarm(
                order_id=order_id, kind=kind, evidence=[evidence], raised_at=now, last_at=now
            )
        else:
            _add(alarm, evidence, now)
    Alarm.objects.bulk_create([alarms[pk] for pk in orders - known], batch_size=1000)
    Alarm.objects.bulk_update([alarms[pk] for pk in known], ["evidence", "times", "last_at"], batch_size=1000)


def _add(alarm: Alarm, evidence: dict[str, Any], now: datetime) -> None:
    alarm.evidence = [*alarm.evidence, evidence][-EVIDENCE_KEPT:]
    alarm.times += 1
    alarm.last_at = now
