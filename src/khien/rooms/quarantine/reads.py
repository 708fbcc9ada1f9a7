"""Questions about orders, follow-ups and alarms; always through the actor's scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.language import dates, fold
from khien.kernel.people.models import Phone
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.scope import within
from khien.kernel.units.models import AdminUnit
from khien.rooms.quarantine import links
from khien.rooms.quarantine.models import Alarm, FollowUp, Order, OrderChange, OrderGround

COUNTERS = (Role.LEADER, Role.TRACER, Role.COMMUNE_OFFICER)
"""Who may read counts: leaders see numbers, never rows."""


def last_day(order: Order) -> date:
    """The last Vietnamese day of an order: its end is midnight after it."""
    return clock.local(order.ends_at - timedelta(microseconds=1)).date()


def legal_basis(rule: rules.RuleFact) -> list[str]:
    """The lines "Căn cứ …" of an order: the law of today, then the decision that gives the length."""
    lines = [str(line) for line in rules.on("quarantine.legal_basis", clock.today()).value["lines"]]
    return [*lines, f"{rule.decision}: {rule.summary}"[:400]]


# Orders -------------------------------------------------------------------------------------------


def order(actor: Actor, order_id: int) -> Order:
    """One order in scope. Raises `NotFound`."""
    row = (
        Order.objects.seen_by(actor)
        .select_related("person", "unit__parent", "site")
        .filter(pk=order_id)
        .first()
    )
    if row is None:
        raise NotFound()
    return row


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """What a list of orders is narrowed to; every part may be empty. Kept in the address of the page."""

    text: str = ""
    state: str = ""
    kind: str = ""
    degree: str = ""
    unit: int | None = None
    case: int | None = None


def orders(actor: Actor, wanted: OrderFilter) -> QuerySet[Order]:
    """The orders in scope that fit, the latest first. `text` is a number or words of a name."""
    rows = Order.objects.seen_by(actor).select_related("person", "unit", "site")
    if wanted.state:
        rows = rows.filter(state=wanted.state)
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    if wanted.degree.isdigit():
        rows = rows.filter(degree=int(wanted.degree))
    if wanted.unit:
        path = AdminUnit.objects.filter(pk=wanted.unit).values_list("path", flat=True).first()
        rows = rows.filter(unit__path__startswith=path) if path else rows.none()
    if wanted.case:
        rows = rows.filter(grounds__case_id=wanted.case).distinct()
    if wanted.text:
        words = Q()
        for word in fold(wanted.text).split():
            words &= Q(person__search_tokens__contains=[word])
        rows = rows.filter(words | Q(number__istartswith=wanted.text.strip()))
    return rows.order_by("-created_at", "-pk")


def orders_by_number(actor: Actor, beginning: str) -> QuerySet[Order]:
    """Orders in scope whose number begins so, the latest first."""
    return (
        Order.objects.seen_by(actor)
        .select_related("person", "unit")
        .filter(number__istartswith=beginning)
        .order_by("-signed_at", "-pk")
    )


def orders_of_person(actor: Actor, person_id: int) -> QuerySet[Order]:
    """The orders of one person that the actor may see, the latest first (a resident: their own)."""
    return (
        Order.objects.seen_by(actor)
        .filter(person_id=person_id)
        .select_related("unit", "site", "person")
        .order_by("-created_at", "-pk")
    )


def orders_of_case(case_id: int) -> QuerySet[Order]:
    """The orders of contacts that stand because of a case, in force or not. A fact for verbs and the
    protocol, without names."""
    return Order.objects.filter(
        pk__in=OrderGround.objects.filter(case_id=case_id, order__isnull=False)
        .exclude(degree=0)
        .values("order_id")
    ).exclude(state=Order.State.CANCELLED)


def draft_of_case(case_id: int) -> int | None:
    """The isolation order of a case that waits for a signature. A fact for the protocol."""
    return (
        Order.objects.filter(case_id=case_id, degree=0, state=Order.State.PROPOSED)
        .values_list("pk", flat=True)
        .first()
    )


def unheard(case_id: int) -> int:
    """How many people in force because of a case have not answered once."""
    heard = FollowUp.objects.filter(order=OuterRef("pk"), state=FollowUp.State.DONE)
    return orders_of_case(case_id).filter(~Exists(heard), state=Order.State.ISSUED).count()


def grounds(actor: Actor, order_row: Order) -> list[OrderGround]:
    """Why an order that the actor may see was issued or made longer, oldest first."""
    return list(order_row.grounds.order_by("recorded_at", "pk"))


def held(actor: Actor) -> list[OrderGround]:
    """People of approved lists for whom no order could be made, with the reason; for somebody to look at."""
    rows = (
        OrderGround.objects.filter(outcome=OrderGround.Outcome.HELD, order__isnull=True)
        .select_related("person__unit")
        .order_by("-recorded_at")
    )
    seen = within(actor, "person__unit__path", *Order.scope_roles)
    if seen and actor.has(Role.TRACER):
        seen |= Q(person__unit__isnull=True)
    return list(rows.filter(seen)[:100])


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an order: a change, a follow-up or an alarm."""

    at: datetime
    sort: str
    row: OrderChange | FollowUp | Alarm


def timeline(order_row: Order) -> list[TimelineEntry]:
    """Everything that happened to an order, the latest first."""
    entries = [TimelineEntry(c.at, "change", c) for c in order_row.changes.all()]
    entries += [
        TimelineEntry(f.recorded_at or clock.start_of_day(f.due_on), "follow_up", f)
        for f in order_row.follow_ups.all()
    ]
    entries += [TimelineEntry(a.raised_at, "alarm", a) for a in order_row.alarms.all()]
    return sorted(entries, key=lambda e: e.at, reverse=True)


# Follow-ups and alarms ----------------------------------------------------------------------------


def follow_ups_of_day(
    actor: Actor, day: date, *, state: str = "", unit: int | None = None
) -> QuerySet[FollowUp]:
    """The follow-ups of a day in scope: the unanswered first, those with symptoms before the healthy."""
    rows = (
        FollowUp.objects.seen_by(actor)
        .filter(due_on=day)
        .select_related("order__person", "order__unit", "order__site")
    )
    if state:
        rows = rows.filter(state=state)
    if unit:
        path = AdminUnit.objects.filter(pk=unit).values_list("path", flat=True).first()
        rows = rows.filter(order__unit__path__startswith=path) if path else rows.none()
    return rows.order_by("recorded_at", "order__unit__sort_key", "order__person__name_sort", "pk")


@dataclass(frozen=True, slots=True)
class DayCount:
    """How far the follow-ups of a day are."""

    due: int
    done: int
    unreachable: int
    tests: int


def day_count(actor: Actor, day: date) -> DayCount:
    """The same day in numbers, for everybody who may read counts in their units."""
    rows = FollowUp.objects.filter(_units(actor, "order__unit__path"), due_on=day)
    found = rows.aggregate(
        due=Count("pk", filter=Q(state=FollowUp.State.DUE)),
        done=Count("pk", filter=Q(state=FollowUp.State.DONE)),
        unreachable=Count("pk", filter=Q(state=FollowUp.State.UNREACHABLE)),
        tests=Count("pk", filter=Q(test_due=True)),
    )
    return DayCount(**found)


def silent_days(order_ids: Iterable[int], *, until: date) -> dict[int, int]:
    """How many days in a row before `until` each order had no answer; orders without such a day are left out."""
    past = FollowUp.objects.filter(order__in=list(order_ids), due_on__lt=until)
    answered = past.filter(order=OuterRef("order"), state=FollowUp.State.DONE, due_on__gt=OuterRef("due_on"))
    silent = past.exclude(state=FollowUp.State.DONE).exclude(Exists(answered))
    return dict(silent.values("order").annotate(days=Count("pk")).values_list("order", "days"))


def open_alarms(actor: Actor) -> QuerySet[Alarm]:
    """The alarms in scope that nobody has handled, the gravest kind first, then the oldest."""
    return (
        Alarm.objects.seen_by(actor)
        .filter(handled_at__isnull=True)
        .select_related("order__person", "order__unit")
        .order_by("-kind", "raised_at")
    )


def proposals(actor: Actor) -> QuerySet[Order]:
    """Drafts in scope that wait for a signature, the oldest first."""
    return (
        Order.objects.seen_by(actor)
        .filter(state=Order.State.PROPOSED)
        .select_related("person", "unit")
        .order_by("created_at")
    )


def phones(person_ids: Iterable[int]) -> dict[int, str]:
    """The main phone of each person. For pages that have already narrowed whom they show."""
    return {
        phone.person_id: phone.number
        for phone in Phone.objects.filter(person_id__in=list(person_ids)).order_by("is_main", "pk")
    }


# Counts for leaders -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class UnderOrder:
    """People under order now, by kind, and what is open, within the actor's units."""

    home: int
    site: int
    isolation: int
    watch: int
    proposed: int
    ending_today: int
    alarms: int
    as_of: datetime

    @property
    def total(self) -> int:
        """People who are told to stay where they are (those who only watch their health are not)."""
        return self.home + self.site + self.isolation


def under_order(actor: Actor) -> UnderOrder:
    """Counts for the situation board."""
    now = clock.now()
    end_of_today = clock.start_of_day(clock.today() + timedelta(days=1))
    running = Q(state=Order.State.ISSUED, starts_at__lte=now, ends_at__gt=now)
    found = Order.objects.filter(_units(actor, "unit__path")).aggregate(
        home=Count("pk", filter=running & Q(kind=Order.Kind.HOME)),
        site=Count("pk", filter=running & Q(kind=Order.Kind.SITE)),
        isolation=Count("pk", filter=running & Q(kind=Order.Kind.ISOLATION)),
        watch=Count("pk", filter=running & Q(kind=Order.Kind.WATCH)),
        proposed=Count("pk", filter=Q(state=Order.State.PROPOSED)),
        ending_today=Count("pk", filter=running & Q(ends_at__lte=end_of_today) & ~Q(kind=Order.Kind.WATCH)),
    )
    alarms = Alarm.objects.filter(_units(actor, "order__unit__path"), handled_at__isnull=True).count()
    return UnderOrder(**found, alarms=alarms, as_of=now)


def _units(actor: Actor, path: str) -> Q:
    if actor.sees_everything:
        return Q()
    inside = Q(pk__in=[])
    for prefix in actor.paths(*COUNTERS):
        inside |= Q(**{f"{path}__startswith": prefix})
    return inside


# What a person may see without an account ---------------------------------------------------------


def by_link(text: str) -> Order:
    """The order that a person's own link opens. Raises `NotFound`."""
    return _by_token("f", text)


def by_verify_code(text: str) -> Order:
    """The order that the code of a printed order names. Raises `NotFound`."""
    return _by_token("v", text)


def _by_token(purpose: str, text: str) -> Order:
    order_id = links.order_id_of(purpose, text)
    row = (
        Order.objects.select_related("person", "unit")
        .filter(pk=order_id)
        .exclude(state=Order.State.PROPOSED)
        .first()
        if order_id is not None
        else None
    )
    if row is None:
        raise NotFound()
    return row


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """What the response needs to know of an order to tell the person and to plan their tests; no names."""

    order_id: int
    person_id: int
    unit_id: int
    case_id: int | None
    kind: str
    degree: int
    first_day: date
    until: str
    link: str


def notices(order_ids: Iterable[int]) -> list[OrderNotice]:
    """Facts for messages, oldest order first: the last day as it is written, the link of the daily form."""
    return [
        OrderNotice(
            order_id=row.pk,
            person_id=row.person_id,
            unit_id=row.unit_id,
            case_id=row.case_id,
            kind=row.kind,
            degree=row.degree,
            first_day=clock.local(row.starts_at).date(),
            until=dates.short(last_day(row)),
            link=links.follow_up_url(row.pk),
        )
        for row in Order.objects.filter(pk__in=list(order_ids)).order_by("pk")
    ]
