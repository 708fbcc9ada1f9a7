"""The numbers of the situation board: counts only, within the units of who asks. No person can be read from them.

A case counts on the Vietnamese day of its result, so that the last days are not short for want of results still to
come; without one, on the day of its sample, its onset or at last its opening (line lists of the past have only an
onset, and must not look like the cases of the day on which they were taken in).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import Any

from django.db.models import Count, DateTimeField, Q, QuerySet
from django.db.models.functions import Cast, Coalesce, TruncDate

from khien.engine import rt
from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role, scope
from khien.rooms.quarantine import reads as quarantine
from khien.rooms.quarantine.models import Order
from khien.rooms.testing import reads as testing
from khien.rooms.tracing import reads as tracing
from khien.rooms.tracing.models import Case, CaseStep, TracedContact

COUNTERS = frozenset(
    {
        Role.LEADER,
        Role.TRACER,
        Role.COMMUNE_OFFICER,
        Role.COMMUNICATION_OFFICER,
        Role.ADMINISTRATOR,
        Role.LABORATORY,
        Role.SAMPLER,
    }
)
"""Who may see how many; whom, only the roles of each room."""

COUNTED = (Case.Classification.CONFIRMED, Case.Classification.PROBABLE)
RUN_IN_DAYS = 28
"""Days before the shown ones that are read so that the first shown R has its past."""


@dataclass(frozen=True, slots=True)
class DayOfCases:
    """New cases of a day, and their mean over the seven days that end with it."""

    day: date
    cases: int
    mean7: float


@dataclass(frozen=True, slots=True)
class DayOfR:
    """R over the seven days that end with `day`; `certain` when the window has at least eleven cases."""

    day: date
    mean: float
    low: float
    high: float
    certain: bool


@dataclass(frozen=True, slots=True)
class DayOfTests:
    """Results of a day; `positivity7` is positives over decided tests of the seven days that end with it."""

    day: date
    tests: int
    positive: int
    positivity7: float | None

    @property
    def percent(self) -> float | None:
        return None if self.positivity7 is None else 100 * self.positivity7


@dataclass(frozen=True, slots=True)
class Reached:
    """Approved contacts of recent cases whose people were told within `hours` of the result, of all that were
    due by now (a case told late, or not told when its time was over, counts as not in time)."""

    hours: int
    in_time: int
    due: int

    @property
    def share(self) -> float | None:
        return self.in_time / self.due if self.due else None


@dataclass(frozen=True, slots=True)
class SlowStep:
    """The step that takes a commune longest: the median hours from the step before it over recent cases
    (a step still missing counts with the time waited so far), and how many cases wait for it now."""

    unit_id: int
    unit: str
    cases: int
    step: str
    label: str
    hours: float
    waiting: int


@dataclass(frozen=True, slots=True)
class Board:
    """Everything on the board, as of one moment."""

    as_of: datetime
    start: date
    end: date
    cases: list[DayOfCases]
    r: list[DayOfR]
    tests: list[DayOfTests]
    orders: quarantine.UnderOrder
    reached: Reached
    steps: list[SlowStep]
    waiting_specimens: int

    @property
    def today(self) -> DayOfCases:
        return self.cases[-1]

    @property
    def cases7(self) -> int:
        return sum(day.cases for day in self.cases[-7:])

    @property
    def before7(self) -> int:
        """Cases of the seven days before those."""
        return sum(day.cases for day in self.cases[-14:-7])

    @property
    def r_now(self) -> DayOfR | None:
        """R of the seven days that ended yesterday."""
        return self.r[-1] if self.r and self.r[-1].day == self.end - timedelta(days=1) else None

    @property
    def latest_r(self) -> list[DayOfR]:
        return self.r[::-1]

    @property
    def positivity_percent(self) -> float | None:
        return self.tests_today.percent

    @property
    def reached_percent(self) -> float | None:
        share = self.reached.share
        return None if share is None else 100 * share

    @property
    def tests_today(self) -> DayOfTests:
        return self.tests[-1]


def board(actor: Actor, days: int = 42) -> Board:
    """The board of the last `days` Vietnamese days, today included."""
    end = clock.today()
    start = end - timedelta(days=days - 1)
    counts = case_counts(actor, start - timedelta(days=RUN_IN_DAYS), end)
    return Board(
        as_of=clock.now(),
        start=start,
        end=end,
        cases=[day for day in with_means(counts) if day.day >= start],
        # Today is not over: counting it would pull R down.
        r=[
            day for day in reproduction({d: n for d, n in counts.items() if d < end}, end) if day.day >= start
        ],
        tests=tests(actor, start, end),
        orders=quarantine.under_order(actor),
        reached=reached(actor, end),
        steps=slow_steps(actor, end),
        waiting_specimens=testing.waiting_count(actor),
    )


def case_counts(actor: Actor, start: date, end: date) -> dict[date, int]:
    """New cases by Vietnamese day of [start, end], zeros included."""
    rows = (
        _counted(actor)
        .filter(
            happened__gte=clock.start_of_day(start),
            happened__lt=clock.start_of_day(end + timedelta(days=1)),
        )
        .annotate(day=TruncDate("happened", tzinfo=clock.reads.ZONE))
        .values_list("day")
        .annotate(Count("pk"))
    )
    found = dict(rows)
    every = (start + timedelta(days=number) for number in range((end - start).days + 1))
    return {day: found.get(day, 0) for day in every}


def with_means(counts: dict[date, int]) -> list[DayOfCases]:
    """Each day with its seven-day mean (of as many days as there are at the beginning)."""
    days = sorted(counts)
    values = [counts[day] for day in days]
    return [
        DayOfCases(day, values[i], sum(values[max(0, i - 6) : i + 1]) / min(i + 1, 7))
        for i, day in enumerate(days)
    ]


def reproduction(counts: dict[date, int], on: date) -> list[DayOfR]:
    """R by Cori et al. 2013 with the serial interval in force on `on`, from the first day with a case."""
    days = sorted(counts)
    first = next((i for i, day in enumerate(days) if counts[day]), len(days))
    days = days[first:]
    interval = rules.on("surveillance.serial_interval", on).value
    found = rt.estimate(
        [counts[day] for day in days], mean_days=interval["mean_days"], sd_days=interval["sd_days"]
    )
    return [
        DayOfR(
            days[found.last[i]],
            float(found.mean[i]),
            float(found.low[i]),
            float(found.high[i]),
            bool(found.cases[i] >= 11),
        )
        for i in range(len(found))
    ]


def tests(actor: Actor, start: date, end: date) -> list[DayOfTests]:
    """Results and positivity by day of [start, end]."""
    days = testing.daily_counts(actor, start - timedelta(days=6), end)
    answer = []
    for i in range(6, len(days)):
        week = days[i - 6 : i + 1]
        positive = sum(day.positive for day in week)
        decided = positive + sum(day.negative for day in week)
        answer.append(
            DayOfTests(days[i].day, days[i].tests, days[i].positive, positive / decided if decided else None)
        )
    return answer


def reached(actor: Actor, end: date, days: int = 14) -> Reached:
    """Whether the contacts of the cases of the last `days` days were told in time."""
    hours = int(rules.on("surveillance.targets", end).value["contacts_reached_hours"])
    limit = timedelta(hours=hours)
    now = clock.now()
    recent = _recent(actor, end, days)
    contacts = dict(
        TracedContact.objects.filter(case__in=[case.pk for case in recent], state="approved")
        .values_list("case_id")
        .annotate(Count("pk"))
    )
    told = dict(CaseStep.objects.filter(case__in=list(contacts), step="told").values_list("case_id", "at"))
    in_time = due = 0
    for case in recent:
        begun = case.resulted_at or case.opened_at
        number = contacts.get(case.pk, 0)
        at = told.get(case.pk)
        if at is not None and at - begun <= limit:
            in_time += number
            due += number
        elif at is not None or now - begun > limit:
            due += number
    return Reached(hours, in_time, due)


def slow_steps(actor: Actor, end: date, days: int = 14) -> list[SlowStep]:
    """For each commune with cases in the last `days` days its slowest step, the slowest commune first."""
    recent = _recent(actor, end, days)
    steps: dict[int, list[CaseStep]] = defaultdict(list)
    for row in CaseStep.objects.filter(case__in=[case.pk for case in recent]):
        steps[row.case_id].append(row)
    by_unit: dict[int, list[Case]] = defaultdict(list)
    for case in recent:
        by_unit[case.unit_id].append(case)
    answer = []
    for unit_id, cases in by_unit.items():
        waits: dict[str, list[float]] = defaultdict(list)
        waiting: dict[str, int] = defaultdict(int)
        for case in cases:
            for done in tracing.clock_of(case, steps[case.pk]):
                if done.after is not None:
                    waits[done.step].append(done.after.total_seconds() / 3600)
                    waiting[done.step] += done.blocking
        if not waits:
            continue
        step = max(waits, key=lambda name: median(waits[name]))
        answer.append(
            SlowStep(
                unit_id,
                cases[0].unit.full_name,
                len(cases),
                step,
                str(CaseStep.Step(step).label),
                median(waits[step]),
                waiting[step],
            )
        )
    return sorted(answer, key=lambda row: (-row.hours, row.unit))


def units_counted(actor: Actor, measure: str, end: date, days: int = 14) -> dict[int, int]:
    """Counts by commune (unit id): `cases` and `tests` of the last `days` days, or `orders` in force now.

    Raises `NotFound` for another measure.
    """
    start = end - timedelta(days=days - 1)
    if measure == "cases":
        rows = _counted(actor).filter(happened__gte=clock.start_of_day(start))
        return dict(rows.values_list("unit_id").annotate(Count("pk")))
    if measure == "tests":
        return {row.unit_id: row.tests for row in testing.unit_counts(actor, start, end)}
    if measure == "orders":
        now = clock.now()
        orders = Order.objects.filter(
            within(actor, "unit__path"), state="issued", starts_at__lte=now, ends_at__gt=now
        ).exclude(kind=Order.Kind.WATCH)
        return dict(orders.values_list("unit_id").annotate(Count("pk")))
    raise NotFound()


def within(actor: Actor, path: str) -> Q:
    """The rows of the units in which the actor may count."""
    return scope.within(actor, path, *COUNTERS)


def _counted(actor: Actor) -> QuerySet[Any]:
    """The cases that count, each with the moment `happened` by which it counts."""
    return Case.objects.filter(within(actor, "unit__path"), classification__in=COUNTED).annotate(
        happened=Coalesce("resulted_at", "sampled_at", Cast("onset_on", DateTimeField()), "opened_at")
    )


def _recent(actor: Actor, end: date, days: int) -> list[Case]:
    since = clock.start_of_day(end - timedelta(days=days - 1))
    return list(_counted(actor).filter(happened__gte=since).select_related("unit"))
