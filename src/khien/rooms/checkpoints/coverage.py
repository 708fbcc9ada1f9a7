"""Questions about coverage: per place, commune and day, in counts; which places are silent; what tracing can see.

The counts are those of `PlaceCoverage` and `CommuneCoverage`, renewed every few minutes for the last three days and
kept after the scans are forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum

from khien.kernel import clock, limits
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.people.phones import to_e164
from khien.kernel.places.models import Place
from khien.kernel.registries import MeetingsSeen, meetings_seen
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.models import Device
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.checkpoints.models import CommuneCoverage, PlaceCoverage, SilentNotice

RULE = "checkpoints.silent_place"
READERS = (Role.COMMUNE_OFFICER, Role.ADMINISTRATOR, Role.LEADER, Role.TRACER)
TREND_DAYS = 14


@dataclass(frozen=True, slots=True)
class Numbers:
    """Counts of some places over `days` days. `open` and `active` are place-days: a place that is open on two days and
    scanned at on one counts 2 and 1."""

    scans: int = 0
    open: int = 0
    active: int = 0
    stays: int = 0
    exits: int = 0
    devices: int = 0
    silent: int = 0
    behind: int = 0

    @property
    def active_share(self) -> float | None:
        """Share of open places with a scan, 0 to 1; None without places."""
        return self.active / self.open if self.open else None

    @property
    def exit_share(self) -> float | None:
        """Share of stays with an exit that was scanned and not inferred."""
        return self.exits / self.stays if self.stays else None

    @property
    def silent_share(self) -> float | None:
        """Share of device-days on which nothing was received from the device."""
        return self.silent / self.devices if self.devices else None

    @property
    def blind(self) -> int:
        """Place-days without a scan: no meeting there and then can be seen."""
        return self.open - self.active


@dataclass(frozen=True, slots=True)
class Effect:
    """What coverage does to tracing: `percent` of the meetings away from home are seen. `measured` by interviews of
    `cases` cases; otherwise a bound from above (no more can be seen than at places that scan)."""

    percent: int
    measured: bool
    cases: int


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a unit, a place or a day, with its counts and what they do to tracing there."""

    label: str
    numbers: Numbers
    unit: AdminUnit | None = None
    place: Place | None = None
    day: date | None = None
    effect: Effect | None = None


@dataclass(frozen=True, slots=True)
class SilentRule:
    """After so many days without a scan an owner is asked; again only after `again_days`."""

    days: int
    again_days: int


@dataclass(frozen=True, slots=True)
class SilentPlace:
    """An open place without a scan since the day `since`; `phone` is "" when none can be written to, `asked_at` says
    when its owner was last written to."""

    place: Place
    since: date
    days: int
    phone: str
    asked_at: datetime | None
    may_ask: bool


def seen_rows(actor: Actor, first: date, last: date, path: str = "") -> QuerySet[CommuneCoverage]:
    """The counted communes and days within the actor's units."""
    rows: QuerySet[CommuneCoverage] = CommuneCoverage.objects.seen_by(actor).filter(day__range=(first, last))
    return rows.filter(unit__path__startswith=path) if path else rows


def total(actor: Actor, first: date, last: date, path: str = "") -> Numbers:
    """All of the actor's communes (below `path`) together."""
    return _numbers(seen_rows(actor, first, last, path).aggregate(**_SUMS))


def communes(actor: Actor, first: date, last: date, path: str = "") -> list[Row]:
    """Commune by commune, those with the smallest share of active places first."""
    counted = seen_rows(actor, first, last, path).values("unit").annotate(**_SUMS)
    sums: dict[int, dict[str, Any]] = {row["unit"]: dict(row) for row in counted}
    units = AdminUnit.objects.select_related("parent").in_bulk(list(sums))
    now = clock.now()
    # Where nothing was told in all of these units together, nothing was told in any: one question instead of hundreds.
    ask = _told(path, now) is not None
    rows = []
    for pk, found in sums.items():
        numbers = _numbers(found)
        seen = effect(units[pk].path, numbers, now) if ask else bound(numbers)
        rows.append(Row(units[pk].full_name, numbers, unit=units[pk], effect=seen))
    return sorted(rows, key=lambda r: (r.numbers.active_share or 0, r.unit.sort_key if r.unit else ""))


def days(actor: Actor, first: date, last: date, path: str = "") -> list[Row]:
    """Day by day, oldest first; a day that was not counted is there with nothing."""
    counted = seen_rows(actor, first, last, path).values("day").annotate(**_SUMS)
    sums: dict[date, dict[str, Any]] = {row["day"]: dict(row) for row in counted}
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [
        Row(day.strftime("%d/%m"), numbers, day=day, effect=bound(numbers))
        for day in every
        for numbers in (_numbers(sums.get(day, {})),)
    ]


def places(actor: Actor, unit: AdminUnit, first: date, last: date) -> list[Row]:
    """The open places of a commune with their counts, silent ones first. Devices are those enrolled for the place alone
    or among others, as they are today: silent when nothing was heard from them since midnight."""
    found = Place.objects.seen_by(actor).filter(unit__path__startswith=unit.path, closed_at__isnull=True)
    found = found.exclude(kind_id="home").select_related("kind", "unit")
    counts = (
        PlaceCoverage.objects.seen_by(actor)
        .filter(place__in=found, day__range=(first, last))
        .values("place")
        .annotate(
            of_scans=Sum("scans"),
            of_stays=Sum("stays"),
            of_exits=Sum("exits"),
            active=Count("pk", filter=Q(scans__gt=0)),
        )
    )
    sums: dict[int, dict[str, Any]] = {row["place"]: dict(row) for row in counts}
    held = _devices_of([place.pk for place in found])
    rows = []
    for place in found:
        counted = sums.get(place.pk, {})
        length = (last - max(first, clock.local(place.opened_at).date())).days + 1
        numbers = Numbers(
            counted.get("of_scans", 0),
            max(length, 0),
            counted.get("active", 0),
            counted.get("of_stays", 0),
            counted.get("of_exits", 0),
            *held.get(place.pk, (0, 0, 0)),
        )
        rows.append(Row(place.name, numbers, place=place, effect=bound(numbers)))
    return sorted(rows, key=lambda r: (r.numbers.scans, r.label))


def as_of(actor: Actor) -> datetime | None:
    """When the newest count was made."""
    moment: datetime | None = CommuneCoverage.objects.seen_by(actor).aggregate(at=Max("counted_at"))["at"]
    return moment


def effect(path: str, numbers: Numbers, now: datetime) -> Effect | None:
    """What this coverage means for tracing.

    Where tracing has lists with interviews of the last 14 days, theirs is the figure: scans are judged against what
    cases told (`engine.seen`: capture and recapture). Without them only a bound can be said: a meeting is seen when
    both were scanned, so no more than the share of active places among open ones, if people were spread evenly.
    """
    told = _told(path, now)
    return bound(numbers) if told is None else Effect(round(100 * told.share), True, told.cases)


def bound(numbers: Numbers) -> Effect | None:
    """The most that these counts allow, without anything that cases told."""
    share = numbers.active_share
    return None if share is None else Effect(round(100 * share), False, 0)


def _told(path: str, now: datetime) -> MeetingsSeen | None:
    for _key, ask in meetings_seen.items():
        told = ask(path, now - timedelta(days=TREND_DAYS))
        if told is not None:
            return told
    return None


def unit_of(actor: Actor, unit_id: int) -> AdminUnit:
    """A unit whose coverage the actor may read. Raises `NotFound`."""
    unit = AdminUnit.objects.filter(pk=unit_id).first()
    if unit is None or not actor.covers(unit, *READERS):
        raise NotFound()
    return unit


def is_commune(unit: AdminUnit) -> bool:
    return unit.tier == Tier.COMMUNE


# Silence


def rule() -> SilentRule:
    """The rule of today."""
    value = rules.on(RULE, clock.today()).value
    return SilentRule(int(value["days"]), int(value["again_days"]))


def silent_places(actor: Actor) -> list[SilentPlace]:
    """Open places of the actor's units without a scan for the days of the rule, the longest silent first."""
    asked, today, now = rule(), clock.today(), clock.now()
    found = (
        Place.objects.seen_by(actor)
        .filter(
            closed_at__isnull=True, opened_at__lt=clock.start_of_day(today - timedelta(days=asked.days - 1))
        )
        .exclude(kind_id="home")
        .select_related("kind", "unit")
    )
    last = dict(
        PlaceCoverage.objects.filter(place__in=found, scans__gt=0)
        .values_list("place")
        .annotate(last=Max("day"))
    )
    told = dict(
        SilentNotice.objects.filter(place__in=found).values_list("place").annotate(last=Max("asked_at"))
    )
    rows = []
    for place in found:
        since = last.get(place.pk) or clock.local(place.opened_at).date()
        if (today - since).days < asked.days:
            continue
        asked_at = told.get(place.pk)
        may_ask = asked_at is None or asked_at <= now - timedelta(days=asked.again_days)
        phone = phone_of(place)
        rows.append(SilentPlace(place, since, (today - since).days, phone, asked_at, may_ask and bool(phone)))
    return sorted(rows, key=lambda r: (-r.days, r.place.name_folded))


def phone_of(place: Place) -> str:
    """The owner's phone that can receive a message, E.164, or ""."""
    if not place.contact_phone:
        return ""
    try:
        return to_e164(place.contact_phone)
    except Invalid:
        return ""


def phone_hash(text: str) -> str:
    """One owner is one phone, however it is written."""
    try:
        text = to_e164(text, textable=False)
    except Invalid:
        text = text.strip()
    return limits.keyed("owner", text)[:32]


def notices(ids: Iterable[int]) -> list[SilentNotice]:
    """For the response: the notices with their places."""
    return list(SilentNotice.objects.filter(pk__in=list(ids)).select_related("place__unit").order_by("pk"))


# Devices


def _devices_of(place_ids: list[int]) -> dict[int, tuple[int, int, int]]:
    """Of each place: active devices enrolled for it, how many of them are silent today, how many hold scans."""
    found: dict[int, tuple[int, int, int]] = {}
    midnight, wanted = clock.start_of_day(clock.today()), set(place_ids)
    devices = (
        Device.objects.filter(state=Device.State.ACTIVE, place_ids__overlap=place_ids) if place_ids else ()
    )
    for device in devices:
        silent = device.last_seen_at is None or device.last_seen_at < midnight
        for place in wanted.intersection(device.place_ids):
            number, quiet, behind = found.get(place, (0, 0, 0))
            found[place] = number + 1, quiet + silent, behind + bool(device.unsent)
    return found


def devices_behind() -> list[int]:
    """Ids of active devices that said at their last word that scans wait on them."""
    if not any(field.name == "unsent" for field in Device._meta.get_fields()):
        return []
    waiting: dict[str, Any] = {"unsent__gt": 0}
    found = Device.objects.filter(state=Device.State.ACTIVE, **waiting)
    return list(found.values_list("pk", flat=True))


_SUMS = {
    "sum_scans": Sum("scans"),
    "sum_open": Sum("open_places"),
    "sum_active": Sum("active_places"),
    "sum_stays": Sum("stays"),
    "sum_exits": Sum("exits"),
    "sum_devices": Sum("devices"),
    "sum_silent": Sum("silent_devices"),
    "sum_behind": Sum("behind_devices"),
}


def _numbers(found: Mapping[str, Any]) -> Numbers:
    return Numbers(*(int(found.get(key) or 0) for key in _SUMS))
