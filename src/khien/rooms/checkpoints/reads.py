"""Questions about scans: what was held, how much was scanned, what a gate has seen today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.errors import NotFound
from khien.kernel.people import reads as people
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.presence import reads as presence
from khien.kernel.registries import SearchHit
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.models import Device
from khien.kernel.staff.scope import within
from khien.rooms.checkpoints import groups, typed
from khien.rooms.checkpoints.models import HeldScan, PassCard, TypedPerson

PANEL_DAYS = 14


@dataclass(frozen=True, slots=True)
class PlaceDay:
    """Scans received of one place on one Vietnamese day of the scan."""

    place_id: int
    unit_id: int
    day: date
    scans: int


def coverage(
    actor: Actor, start: datetime, end: datetime, *, places: Sequence[int] | None = None
) -> list[PlaceDay]:
    """Scans by place and day within [start, end), of the actor's places (all of them, or those named): a place
    with none is left out. Counts only."""
    seen = Place.objects.seen_by(actor)
    if places is not None:
        seen = seen.filter(pk__in=places)
    units = dict(seen.values_list("pk", "unit_id"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place_id, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS on_day, count(*) FROM checkpoints_scan"
            " WHERE at >= %s AND at < %s AND day >= %s AND place_id = ANY(%s) GROUP BY 1, 2 ORDER BY 1, 2",
            [start, end, clock.local(start).date(), list(units)],
        )
        return [PlaceDay(place, units[place], day, scans) for place, day, scans in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Activity:
    """Of `places` open places, how many were scanned at on `day`, and how often; `by_unit` in the same terms."""

    day: date
    places: int
    active: int
    scans: int


def activity(actor: Actor, day: date) -> Activity:
    """How alive the scanning is on a Vietnamese day within the actor's units."""
    start = clock.start_of_day(day)
    rows = coverage(actor, start, start + timedelta(days=1))
    open_places = Place.objects.seen_by(actor).filter(closed_at__isnull=True).count()
    return Activity(day, open_places, len(rows), sum(row.scans for row in rows))


def held(actor: Actor, *, settled: bool = False) -> QuerySet[HeldScan]:
    """What the batch door held in the actor's units, newest first; what was looked at only when asked."""
    found = (
        HeldScan.objects.seen_by(actor)
        .select_related("device", "unit")
        .filter(settled_at__isnull=not settled)
    )
    rows: QuerySet[HeldScan] = found.order_by("-received_at", "-pk")
    return rows


def devices(actor: Actor) -> QuerySet[Device]:
    """The devices of the units that the actor administers, or whose commune the actor works for."""
    inside = within(actor, "unit__path", Role.ADMINISTRATOR, Role.COMMUNE_OFFICER)
    return Device.objects.filter(inside).select_related("unit").order_by("state", "name")


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """What a device has sent: of its numbers 1 … `last`, `missing` are the ranges (first, last) that never came.

    `stored`, `duplicate` and `held` count answers; `clashes` counts its numbers and ids that came for two events.
    """

    device: Device
    last: int
    missing: tuple[tuple[int, int], ...]
    stored: int
    duplicate: int
    held: int
    clashes: int
    clashed_at: datetime | None
    last_batch_at: datetime | None

    @property
    def missing_count(self) -> int:
        return sum(last - first + 1 for first, last in self.missing)


MOST_RANGES = 100


def gaps(actor: Actor, device_ids: Sequence[int] | None = None) -> list[DeviceLine]:
    """What each device in the actor's units (all, or those named) has sent and what is missing, by name of the
    device. A number that is missing now may still lie in the device's queue; of many gaps the oldest 100 are told."""
    found = devices(actor)
    if device_ids is not None:
        found = found.filter(pk__in=device_ids)
    by_id = {device.pk: device for device in found}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT device_id, coalesce(upper(seen) - 1, 0), ARRAY(SELECT ARRAY[lower(gap), upper(gap) - 1]"
            " FROM unnest(int8multirange(int8range(1, coalesce(upper(seen), 1))) - seen) AS gap LIMIT %s),"
            " stored, duplicate, held, seqs_reused + ids_reused, clashed_at, last_batch_at"
            " FROM checkpoints_devicetally WHERE device_id = ANY(%s)",
            [MOST_RANGES, list(by_id)],
        )
        rows = cursor.fetchall()
    lines = [
        DeviceLine(by_id[pk], last, tuple((low, high) for low, high in missing), *rest)
        for pk, last, missing, *rest in rows
    ]
    return sorted(lines, key=lambda line: (line.device.name, line.device.pk))


def clashes(actor: Actor) -> list[DeviceLine]:
    """Devices that used a number or an id for two events, the latest first: perhaps somebody copied them."""
    found = [line for line in gaps(actor) if line.clashed_at is not None]
    return sorted(found, key=lambda line: line.clashed_at or line.device.enrolled_at, reverse=True)


def oldest_due_s() -> float:
    """Age in real seconds of the oldest mark that presence is to be derived; 0 when there is none. A count only."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(extract(epoch FROM clock_timestamp() - made_at), 0)::float"
            " FROM checkpoints_due ORDER BY id LIMIT 1"
        )
        row = cursor.fetchone()
    return float(row[0]) if row else 0.0


def device(actor: Actor, device_id: int) -> Device:
    """One of them. Raises `NotFound`."""
    found = devices(actor).filter(pk=device_id).first()
    if found is None:
        raise NotFound()
    return found


LATE = timedelta(hours=1)
MANY_UNSENT = 500


def is_behind(device: Device, now: datetime) -> bool:
    """Whether a device has held scans for more than an hour, or more than 500 of them, when last heard of."""
    if not device.unsent:
        return False
    return device.unsent > MANY_UNSENT or (
        device.unsent_since is not None and now - device.unsent_since > LATE
    )


@dataclass(frozen=True, slots=True)
class TypedIn:
    """Somebody whom a guard typed in, with the people whom it may be, and with whom they came."""

    row: TypedPerson
    said: typed.Typed
    place: Place | None
    likely: list[Person]
    party: groups.Party | None = None


def typed_people(actor: Actor) -> QuerySet[TypedPerson]:
    """Who was typed in within the actor's units and is nobody yet, newest first."""
    found = TypedPerson.objects.seen_by(actor).filter(person__isnull=True, dropped_at__isnull=True)
    rows: QuerySet[TypedPerson] = found.order_by("-at", "-pk")
    return rows


def with_candidates(actor: Actor, rows: Sequence[TypedPerson]) -> list[TypedIn]:
    """What was typed, opened for the one who links it; the look is written down."""
    places = Place.objects.in_bulk({row.place_id for row in rows})
    parties = groups.of_groups(actor, {row.group_id for row in rows if row.group_id is not None})
    found = []
    for row in rows:
        said = typed.opened(row)
        text = f"{said.name} {said.year or ''}"
        likely = people.find_by_number(actor, said.phone) if said.phone else []
        near = people.search(actor, text, limit=MOST_CANDIDATES).people
        likely = [*likely, *(one for one in near if one not in likely)][:MOST_CANDIDATES]
        party = None if row.group_id is None else parties.get(row.group_id)
        with_them = None if party is None else party.without_one()
        found.append(TypedIn(row, said, places.get(row.place_id), likely, with_them))
    persons = sorted({one.pk for row in found for one in row.likely})
    read(actor, "checkpoints.typed_people", persons=persons, rows=[row.pk for row in rows])
    return found


MOST_CANDIDATES = 5


def card(actor: Actor, card_id: int) -> PassCard:
    """The pass that the actor may see. Raises `NotFound`."""
    found: PassCard | None = (
        PassCard.objects.seen_by(actor).select_related("person").filter(pk=card_id).first()
    )
    if found is None:
        raise NotFound()
    return found


def valid_card(person_id: int, kind: str, at: datetime) -> PassCard | None:
    """The pass of this kind that a person holds at a moment."""
    return (
        PassCard.objects.select_related("person")
        .filter(person_id=person_id, kind=kind, revoked_at__isnull=True, expires_at__gt=at)
        .first()
    )


def recent_stays(actor: Actor, person_id: int) -> dict[str, Any] | None:
    """For the person page: where the person was in the last 14 days and with whom they came, for those who trace or
    care for them."""
    now = clock.now()
    try:
        stays = presence.of_person(actor, person_id, now - timedelta(days=PANEL_DAYS), now, limit=50)
    except NotFound:
        return None
    places = Place.objects.select_related("kind", "unit").in_bulk([stay.place_id for stay in stays])
    can_issue = actor.has(Role.COMMUNE_OFFICER, Role.CLERK)
    cards = list(PassCard.objects.seen_by(actor).filter(person_id=person_id, revoked_at__isnull=True))
    return {
        "stays": [(stay, places.get(stay.place_id)) for stay in stays],
        "parties": groups.of_person(actor, person_id, now - timedelta(days=PANEL_DAYS)),
        "days": PANEL_DAYS,
        "cards": cards,
        "can_issue": can_issue,
        "person": Person.objects.filter(pk=person_id).first(),
    }


def find_places(actor: Actor, text: str, limit: int) -> list[SearchHit]:
    """For the one search: places by words of their name, or by poster code."""
    from django.urls import reverse

    from khien.kernel.language import fold
    from khien.kernel.places.reads import listed

    if not text.strip():
        return []
    wanted = fold(text)
    return [
        SearchHit(
            label=place.name,
            detail=f"{place.kind.name} · {place.unit.full_name}",
            url=reverse("checkpoints:place", args=[place.pk]),
            rank=1.0 if place.name_folded == wanted else 0.5,
        )
        for place in listed(actor, text=text)[:limit]
    ]


def cards(actor: Actor, *, state: str, kind: str = "") -> QuerySet[PassCard]:
    """Passes of the actor's people: valid, expired, or revoked as lost, reissued or withdraw; newest change first."""
    found: QuerySet[PassCard] = PassCard.objects.seen_by(actor).select_related("person__unit")
    now = clock.now()
    if kind:
        found = found.filter(kind=kind)
    if state == "valid":
        return found.filter(revoked_at__isnull=True, expires_at__gt=now).order_by("-issued_at", "-pk")
    if state == "expired":
        return found.filter(revoked_at__isnull=True, expires_at__lte=now).order_by("-expires_at", "-pk")
    return found.filter(revoked_at__isnull=False, revoked_for=state).order_by("-revoked_at", "-pk")
