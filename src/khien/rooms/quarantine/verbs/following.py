"""The daily follow-up: made each morning, answered by the person or by the commune officer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.rooms.quarantine import reads, terms
from khien.rooms.quarantine.events import CASE_FOLLOWED, SYMPTOMS_REPORTED
from khien.rooms.quarantine.models import Alarm, FollowUp, Order, OrderGround, Symptom
from khien.rooms.quarantine.verbs import alarms, steps

OFFICERS = (Role.COMMUNE_OFFICER, Role.TRACER)
BACK_DAYS = 3
"""How many days back an officer may still write down a follow-up made on paper."""
LINK_TRIES = 5


@verb()
def make_due_follow_ups(actor: Actor) -> int:
    """Make today's follow-ups of the orders in force, and mark those of past days that nobody answered.

    Returns how many were made. Idempotent; a job calls it through the day, so that an order issued at
    noon has its follow-up the same day. A missed or unreachable day raises an alarm.
    """
    today = clock.today()
    missed = _mark_missed(actor, today)
    start, end = clock.start_of_day(today), clock.start_of_day(today + timedelta(days=1))
    orders = (
        Order.objects.filter(state=Order.State.ISSUED, starts_at__lt=end, ends_at__gt=max(start, clock.now()))
        .exclude(follow_ups__due_on=today)
        .only("id", "degree", "starts_at", "person_id")
    )
    rows = list(orders)
    if not rows:
        if not missed:
            unchanged()
        return 0
    tests = rules.on("testing.contact_test_days", today)
    FollowUp.objects.bulk_create(
        [
            FollowUp(
                order=order,
                due_on=today,
                test_due=order.degree > 0
                and today
                in terms.test_days(tests, degree=order.degree, first_day=clock.local(order.starts_at).date()),
            )
            for order in rows
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    record(actor, "quarantine.followup", day=today.isoformat(), made=len(rows))
    return len(rows)


def _mark_missed(actor: Actor, today: date) -> int:
    allowed = int(rules.on("quarantine.follow_up", today).value["missed_days"])
    past = FollowUp.objects.select_for_update(of=("self",)).filter(due_on__lt=today)
    silent = list(
        past.filter(state=FollowUp.State.DUE)
        .exclude(order__kind=Order.Kind.WATCH)
        .select_related("order")
        .order_by("pk")[:1000]
    )
    past.filter(state=FollowUp.State.DUE).filter(order__kind=Order.Kind.WATCH).update(
        state=FollowUp.State.MISSED
    )
    FollowUp.objects.filter(pk__in=[f.pk for f in silent]).update(state=FollowUp.State.MISSED)
    in_force = [f for f in silent if f.order.state == Order.State.ISSUED]
    days = reads.silent_days([f.order_id for f in in_force], until=today)
    due = [f for f in in_force if days.get(f.order_id, 0) >= allowed]
    alarms.open_or_add_many(
        Alarm.Kind.MISSED_FOLLOW_UP,
        [(f.order_id, {"follow_up": f.pk, "day": f.due_on.isoformat()}) for f in due],
    )
    if silent:
        record(
            actor,
            "quarantine.followup",
            persons=[f.order.person_id for f in silent],
            missed=len(silent),
            alarms=len(due),
        )
    return len(silent)


@verb(*OFFICERS, residents=True)
def record_follow_up(
    actor: Actor,
    *,
    order_id: int,
    day: date | None = None,
    reached: bool = True,
    temperature: str | Decimal | None = None,
    symptoms: Sequence[str] = (),
    notes: str = "",
    channel: str = "",
) -> FollowUp:
    """Write down one day of an order: by the person for today, by an officer also for days just past.

    `temperature` is in °C with point or comma; `symptoms` are codes of `Symptom`. `reached=False` says that
    the officer tried and met nobody. Fever (by the rule of the day) or any symptom raises an alarm and is
    announced once for each day that it is new. The same answer again changes nothing.

    Raises `NotFound` for somebody else's order, `Conflict` when it is not in force that day, `Invalid`.
    """
    order = steps.locked(actor, order_id)
    today = clock.today()
    day = day or today
    by_person = actor.kind == "resident"
    _must_be_open(order, day, today, by_person=by_person)
    answer = {
        "state": FollowUp.State.DONE if reached else FollowUp.State.UNREACHABLE,
        "temperature": _temperature(temperature),
        "symptoms": _symptoms(symptoms),
        "notes": notes.strip()[:500],
        "channel": FollowUp.Channel.PAGE if by_person else channel or FollowUp.Channel.PHONE,
    }
    if answer["channel"] not in FollowUp.Channel.values:
        raise Invalid(_("Không có cách liên lạc này."), field="channel")
    if not reached and (answer["symptoms"] or answer["temperature"] is not None):
        raise Invalid(
            _("Không liên lạc được thì không có nhiệt độ hay triệu chứng."),
            field="reached",
            way_out=_("Bỏ dấu “không liên lạc được” hoặc xóa nhiệt độ, triệu chứng."),
        )
    heard_before = FollowUp.objects.filter(order=order, state=FollowUp.State.DONE).exists()
    follow_up, _made = FollowUp.objects.select_for_update().get_or_create(order=order, due_on=day)
    if all(getattr(follow_up, name) == value for name, value in answer.items()):
        unchanged()
        return follow_up
    known = set(follow_up.symptoms) | ({"hot"} if _is_fever(follow_up.temperature, day) else set())
    for name, value in answer.items():
        setattr(follow_up, name, value)
    follow_up.recorded_at = clock.now()
    follow_up.recorded_by = actor.id if actor.kind == "staff" else None
    follow_up.recorded_by_name = actor.name if actor.kind == "staff" else ""
    follow_up.save()
    found = set(follow_up.symptoms) | ({"hot"} if _is_fever(follow_up.temperature, day) else set())
    is_new = bool(found - known)
    record(
        actor,
        follow_up,
        persons=[order.person_id],
        event=SYMPTOMS_REPORTED if is_new else None,
        payload=steps.fact(order) | {"follow_up": follow_up.pk},
        state=follow_up.state,
    )
    if is_new:
        alarms.open_or_add(
            actor,
            order,
            Alarm.Kind.SYMPTOMS,
            {"follow_up": follow_up.pk, "day": day.isoformat(), "symptoms": sorted(found - {"hot"})}
            | ({"temperature": str(follow_up.temperature)} if "hot" in found else {}),
        )
    if reached and not heard_before:
        _announce_followed(actor, order)
    return follow_up


@verb(residents=True)
def check_birth_year(actor: Actor, *, order_id: int, year: int) -> bool:
    """Whether this is the birth year of the person of the order: asked before a link's page shows a name.

    After five wrong answers the link shows no name any more: the commune officer is called instead
    (raises `Conflict`).
    """
    order = steps.locked(actor, order_id)
    if order.wrong_birth_years >= LINK_TRIES:
        raise Conflict(
            _("Đã trả lời sai nhiều lần, trang này không hiện tên nữa."),
            way_out=_("Bạn vẫn báo sức khỏe được. Cần xem tên và quyết định thì gọi trạm y tế."),
            code="too_many_tries",
        )
    right = order.person.birth_year == year
    if not right:
        order.wrong_birth_years += 1
        order.save(update_fields=["wrong_birth_years"])
    record(actor, order, persons=[order.person_id], right=right)
    return right


def _announce_followed(actor: Actor, order: Order) -> None:
    """Say of each case of this order that everybody has now answered once, if so."""
    cases = (
        OrderGround.objects.filter(order=order, case_id__gt=0)
        .exclude(degree=0)
        .values_list("case_id", flat=True)
    )
    for case_id in cases:
        if not reads.unheard(case_id):
            record(
                actor,
                f"tracing.case:{case_id}",
                event=CASE_FOLLOWED,
                payload={"case": case_id, "orders": reads.orders_of_case(case_id).count()},
            )


def _must_be_open(order: Order, day: date, today: date, *, by_person: bool) -> None:
    if day > today:
        raise Invalid(_("Ngày này chưa đến."), field="day", way_out=_("Chọn hôm nay hoặc ngày trước."))
    if by_person and day != today:
        raise Invalid(_("Chỉ báo sức khỏe cho hôm nay."), field="day")
    if day < today - timedelta(days=BACK_DAYS):
        raise Invalid(
            _("Ngày này đã quá %(days)s ngày.") % {"days": BACK_DAYS},
            field="day",
            way_out=_("Ghi vào ghi chú của hôm nay."),
        )
    first = clock.local(order.starts_at).date()
    last = max(reads.last_day(order), order.watch_until or date.min)
    if order.state not in (Order.State.ISSUED, Order.State.ENDED) or not first <= day <= last:
        raise Conflict(
            _("Quyết định này không thi hành vào ngày đó."),
            way_out=_("Nếu thấy không khỏe, gọi trạm y tế hoặc 115."),
            code="not_in_force",
        )


def _temperature(value: str | Decimal | None) -> Decimal | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        degrees = Decimal(str(value).strip().replace(",", ".")).quantize(Decimal("0.1"))
    except InvalidOperation as fault:
        raise Invalid(
            _("Nhiệt độ không phải là số."), field="temperature", way_out=_("Ghi như 36,8.")
        ) from fault
    if not degrees.is_finite() or not Decimal(34) <= degrees <= Decimal(43):
        raise Invalid(
            _("Nhiệt độ ngoài khoảng 34 đến 43 °C."), field="temperature", way_out=_("Đo lại, ghi như 36,8.")
        )
    return degrees


def _symptoms(codes: Sequence[str]) -> list[str]:
    unknown = set(codes) - set(Symptom.values)
    if unknown:
        raise Invalid(_("Không có triệu chứng này trong danh mục."), field="symptoms")
    return sorted(set(codes), key=list(Symptom.values).index)


def _is_fever(degrees: Decimal | None, day: date) -> bool:
    if degrees is None:
        return False
    return degrees >= Decimal(str(rules.on("quarantine.follow_up", day).value["fever_c"]))
