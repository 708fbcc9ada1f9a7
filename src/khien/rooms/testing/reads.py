"""Questions about tests, always within what the actor may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.people.models import Person
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.rooms.testing.barcodes import normalise
from khien.rooms.testing.models import WORKERS, HeldRow, Intake, Result, SamplingRequest, Specimen, Value


@dataclass(frozen=True, slots=True)
class DayCount:
    """Results of one Vietnamese day (by `resulted_at`). `positivity` is positives over positives and
    negatives; None when there were neither."""

    day: date
    tests: int
    positive: int
    negative: int
    indeterminate: int

    @property
    def positivity(self) -> float | None:
        decided = self.positive + self.negative
        return self.positive / decided if decided else None


@dataclass(frozen=True, slots=True)
class UnitCount:
    """Results in one commune during a time."""

    unit_id: int
    name: str
    tests: int
    positive: int


COUNTERS = WORKERS | {Role.LEADER, Role.ADMINISTRATOR, Role.COMMUNICATION_OFFICER}
"""Who may see how many, without seeing whom."""


def specimen_by_barcode(actor: Actor, text: str) -> Specimen:
    """The specimen in a tube. Raises `Invalid` for what is no barcode and `NotFound` for an unknown tube."""
    barcode = normalise(text)
    found = Specimen.objects.seen_by(actor).select_related("person", "unit").filter(barcode=barcode).first()
    if found is None:
        raise unknown_tube(barcode)
    return found


def unknown_tube(barcode: str) -> NotFound:
    return NotFound(
        _("Không có ống mẫu %(barcode)s.") % {"barcode": barcode},
        field="barcode",
        code="unknown_tube",
        way_out=_("Xem lại mã in trên ống; nếu mã đúng, báo nơi lấy mẫu nhập ống này trước."),
    )


def specimens(
    actor: Actor,
    *,
    start: date | None = None,
    end: date | None = None,
    unit_path: str = "",
    state: str = "",
    text: str = "",
) -> QuerySet[Specimen]:
    """Specimens sampled on the Vietnamese days [start, end], latest first, narrowed by unit, by state
    ("waiting" or a result's value) and by the beginning of a barcode."""
    rows = Specimen.objects.seen_by(actor).select_related("person", "unit")
    if start is not None:
        rows = rows.filter(sampled_at__gte=clock.start_of_day(start))
    if end is not None:
        rows = rows.filter(sampled_at__lt=clock.start_of_day(end + timedelta(days=1)))
    if unit_path:
        rows = rows.filter(unit__path__startswith=unit_path)
    if state == "waiting":
        rows = rows.exclude(results__is_current=True)
    elif state in Value.values:
        rows = rows.filter(results__is_current=True, results__value=state)
    if text:
        rows = rows.filter(barcode__startswith=text.strip().upper())
    return rows.order_by("-sampled_at", "-pk")


def current_results(specimens: Iterable[Specimen]) -> dict[int, Result]:
    """The current result of each specimen that has one, by specimen id (the specimens are already narrowed)."""
    found = Result.objects.filter(specimen__in=[s.pk for s in specimens], is_current=True)
    return {result.specimen_id: result for result in found}


def result_of(actor: Actor, specimen: Specimen) -> Result | None:
    """The current result of one specimen."""
    return Result.objects.seen_by(actor).filter(specimen=specimen, is_current=True).first()


def versions(actor: Actor, specimen: Specimen) -> list[Result]:
    """Every version of a specimen's result, the current one first."""
    return list(Result.objects.seen_by(actor).filter(specimen=specimen).order_by("-version"))


def latest_entries(actor: Actor, limit: int = 20) -> list[Result]:
    """What this actor entered last, latest first."""
    rows = Result.objects.seen_by(actor).filter(recorded_by=actor.id).select_related("specimen__person")
    return list(rows.order_by("-recorded_at", "-pk")[:limit])


def specimens_of(actor: Actor, person_id: int) -> list[tuple[Specimen, Result | None]]:
    """A person's specimens with their current results, latest first."""
    rows = list(
        Specimen.objects.seen_by(actor)
        .select_related("unit")
        .filter(person_id=person_id)
        .order_by("-sampled_at")
    )
    results = current_results(rows)
    return [(row, results.get(row.pk)) for row in rows]


def open_requests(
    actor: Actor, *, until: date | None = None, unit_path: str = "", reason: str = ""
) -> QuerySet[SamplingRequest]:
    """People to sample on or before `until`, by day, then commune, then name in Vietnamese order."""
    rows = SamplingRequest.objects.seen_by(actor).select_related("person", "unit").filter(state="open")
    if until is not None:
        rows = rows.filter(due_on__lte=until)
    if unit_path:
        rows = rows.filter(unit__path__startswith=unit_path)
    if reason:
        rows = rows.filter(reason=reason)
    return rows.order_by("due_on", "unit__sort_key", "person__name_sort", "pk")


def requests_of(actor: Actor, person_id: int) -> list[SamplingRequest]:
    """A person's open requests, the next one first."""
    rows = SamplingRequest.objects.seen_by(actor).filter(person_id=person_id, state="open")
    return list(rows.order_by("due_on"))


def contact_test_days(degree: int, day: date) -> list[int]:
    """The days of quarantine (the first is 1) on which a contact of that degree is tested, by the rule in
    force on `day`."""
    days = rules.on("testing.contact_test_days", day).value.get(str(degree), [])
    return [int(number) for number in days]


def daily_counts(actor: Actor, start: date, end: date) -> list[DayCount]:
    """Results by Vietnamese day of [start, end], zeros included, in the actor's units. Leaders too: no
    person can be read from it."""
    rows = (
        _countable(actor, start, end)
        .annotate(day=TruncDate("resulted_at", tzinfo=clock.reads.ZONE))
        .values("day")
        .annotate(**_by_value())
    )
    by_day: dict[date, dict[str, int]] = {row["day"]: row for row in rows}
    answer = []
    for number in range((end - start).days + 1):
        day = start + timedelta(days=number)
        row = by_day.get(day, {})
        answer.append(
            DayCount(
                day,
                tests=row.get("tests", 0),
                positive=row.get("positive", 0),
                negative=row.get("negative", 0),
                indeterminate=row.get("indeterminate", 0),
            )
        )
    return answer


def unit_counts(actor: Actor, start: date, end: date) -> list[UnitCount]:
    """Results by commune during the Vietnamese days [start, end], most positives first. Leaders too."""
    rows = (
        _countable(actor, start, end)
        .values("specimen__unit_id", "specimen__unit__kind", "specimen__unit__name")
        .annotate(**_by_value())
        .order_by("-positive", "-tests", "specimen__unit__sort_key")
    )
    return [
        UnitCount(
            row["specimen__unit_id"],
            f"{row['specimen__unit__kind']} {row['specimen__unit__name']}".strip(),
            row["tests"],
            row["positive"],
        )
        for row in rows
    ]


def waiting_count(actor: Actor) -> int:
    """Specimens without a result, in the actor's units. Leaders too."""
    rows = _in_units(Specimen.objects.all(), actor, "unit__path")
    return rows.exclude(results__is_current=True).count()


def held_rows(actor: Actor, state: str = HeldRow.State.OPEN) -> QuerySet[HeldRow]:
    """Rows that no intake could take, latest first."""
    return HeldRow.objects.seen_by(actor).select_related("intake").filter(state=state).order_by("-pk")


def intakes(actor: Actor) -> QuerySet[Intake]:
    """Batches of results, latest first."""
    return Intake.objects.seen_by(actor).order_by("-at", "-pk")


def person_ids(rows: Iterable[Specimen | SamplingRequest]) -> list[int]:
    """Whose data a list shows, for its audit line."""
    return sorted({row.person_id for row in rows})


def standing_person(person: Person) -> Person:
    """The person that a merged record points to."""
    while person.merged_into is not None:
        person = person.merged_into
    return person


def _by_value() -> dict[str, Any]:
    return {"tests": Count("pk")} | {value: Count("pk", filter=Q(value=value)) for value in Value.values}


def _countable(actor: Actor, start: date, end: date) -> QuerySet[Any]:
    rows = Result.objects.filter(
        is_current=True,
        resulted_at__gte=clock.start_of_day(start),
        resulted_at__lt=clock.start_of_day(end + timedelta(days=1)),
    )
    return _in_units(rows, actor, "specimen__unit__path")


def _in_units(rows: QuerySet[Any], actor: Actor, path: str) -> QuerySet[Any]:
    if actor.sees_everything:
        return rows
    allowed = Q(pk__in=[])
    for prefix in actor.paths(*COUNTERS):
        allowed |= Q(**{f"{path}__startswith": prefix})
    return rows.filter(allowed)
