"""Who was where. The array reads serve the engine and the verbs of rooms; what people see goes through scope."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Count, Q, QuerySet

from khien.kernel.errors import NotFound
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.presence import changes
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import OPEN, Int, Stays
from khien.kernel.staff import Actor, Role

SEES_PRESENCE = (Role.TRACER, Role.COMMUNE_OFFICER)
"""Who may look at the stays of the people, and at the places, of their units."""

_HEAD = 19  # signature, flags and an empty extension of PostgreSQL's binary COPY
_ROW = np.dtype(
    [
        ("fields", ">i2"),
        *[
            (name, dtype)
            for column in ("person", "place", "enter", "leave", "id", "commit_order")
            for name, dtype in ((f"{column}_size", ">i4"), (column, ">i8"))
        ],
        ("exit_size", ">i4"),
        ("exit", "i1"),
        ("entry_size", ">i4"),
        ("entry", "i1"),
    ]
)


@dataclass(frozen=True, slots=True)
class Found:
    """Stays with the `id` and `commit_order` of their rows (arrays as long as the stays)."""

    stays: Stays
    id: Int
    commit_order: Int


def window(
    start: datetime,
    end: datetime,
    *,
    persons: Iterable[int] | None = None,
    places: Iterable[int] | None = None,
    after_commit: int = 0,
) -> Found:
    """The stays that touch [start, end), all or only of some people or places, in order of enter.

    A kernel fact without scope: the caller narrows who is shown. `source_key` is left empty.
    `after_commit` gives only what was written after that commit order.
    """
    where = ["enter < %(end)s", "(leave IS NULL OR leave >= %(start)s)", "day <= %(last)s"]
    values: dict[str, Any] = {
        "start": start,
        "end": end,
        "last": end.date() + timedelta(days=1),
        "open": OPEN,
    }
    if persons is not None:
        where.append("person_id = ANY(%(persons)s)")
        values["persons"] = list(persons)
    if places is not None:
        where.append("place_id = ANY(%(places)s)")
        values["places"] = list(places)
    if after_commit:
        where.append("commit_order > %(after)s")
        values["after"] = after_commit
    select = (
        "SELECT person_id, place_id, (extract(epoch FROM enter) * 1000000)::bigint,"  # noqa: S608 - fixed clauses
        " coalesce((extract(epoch FROM leave) * 1000000)::bigint, %(open)s::bigint), id, commit_order,"
        f" exit_inferred, entry_inferred FROM presence_record WHERE {' AND '.join(where)} ORDER BY enter, id"
    )
    buffer = io.BytesIO()
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT BINARY)", values) as copy,
    ):
        for block in copy:
            buffer.write(block)
    # Every column is fixed in width and never null, so the rows are an array as they come.
    rows = np.frombuffer(
        buffer.getbuffer(), _ROW, offset=_HEAD, count=(buffer.tell() - _HEAD - 2) // _ROW.itemsize
    )

    def ints(name: str) -> Int:
        return rows[name].astype(np.int64)

    stays = Stays(
        ints("person"),
        ints("place"),
        ints("enter"),
        ints("leave"),
        rows["exit"].astype(np.bool_),
        rows["entry"].astype(np.bool_),
        [],
    )
    return Found(stays, ints("id"), ints("commit_order"))


def of_person(
    actor: Actor, person_id: int, start: datetime, end: datetime, *, limit: int = 200
) -> list[PresenceRecord]:
    """The stays of one person that touch [start, end), newest first. The door writes the read line.

    Raises `NotFound` unless the actor traces or cares for the person's commune, or is that person.
    """
    person = Person.objects.select_related("unit").filter(pk=person_id).first()
    own = actor.person_id is not None and actor.person_id == person_id
    if person is None or not (
        own
        or actor.sees_everything
        or (
            person.unit is not None
            and actor.covers(person.unit, *SEES_PRESENCE)
            and actor.has(*SEES_PRESENCE)
        )
    ):
        raise NotFound()
    return list(_touching(start, end).filter(person_id=person_id).order_by("-enter", "-id")[:limit])


def at_place(
    actor: Actor, place_id: int, start: datetime, end: datetime, *, limit: int = 500
) -> list[PresenceRecord]:
    """The stays at one place that touch [start, end), oldest first. The door writes the read line.

    Raises `NotFound` unless the place lies in a unit where the actor traces or cares for people.
    """
    place = Place.objects.select_related("unit").filter(pk=place_id).first()
    if place is None or not (actor.sees_everything or actor.covers(place.unit, *SEES_PRESENCE)):
        raise NotFound()
    return list(_touching(start, end).filter(place_id=place_id).order_by("enter", "id")[:limit])


def _touching(start: datetime, end: datetime) -> QuerySet[PresenceRecord]:
    return PresenceRecord.objects.filter(Q(leave__isnull=True) | Q(leave__gte=start), enter__lt=end)


@dataclass(frozen=True, slots=True)
class PlaceDay:
    """What is known of one place on one Vietnamese day."""

    place_id: int
    day: date
    stays: int
    people: int
    inferred_exits: int


def coverage(place_ids: Sequence[int], start: datetime, end: datetime) -> list[PlaceDay]:
    """Stays that began at each place on each Vietnamese day within [start, end); days without any are left out.

    Counts only, so no scope is needed: "of the 14 places of this case, 9 have scans".
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT place_id, day, count(*), count(DISTINCT person_id), count(*) FILTER (WHERE exit_inferred)"
            " FROM presence_record WHERE place_id = ANY(%s) AND enter >= %s AND enter < %s"
            " GROUP BY place_id, day ORDER BY place_id, day",
            [list(place_ids), start, end],
        )
        return [PlaceDay(*row) for row in cursor.fetchall()]


def forgotten_before() -> date | None:
    """The Vietnamese day before which presence has been forgotten; None when nothing was ever."""
    return changes.ledger().forgotten_before


def own_exits(person_id: int, start: datetime, end: datetime) -> tuple[int, int]:
    """How many scanned stays of a person touch [start, end), and of how many the end is inferred. Counts only."""
    found = _touching(start, end).filter(person_id=person_id, source=PresenceRecord.Source.SCAN)
    told = found.aggregate(all=Count("id"), inferred=Count("id", filter=Q(exit_inferred=True)))
    return told["all"], told["inferred"]


def last_commit_order() -> int:
    """The greatest commit order so far; 0 when nothing was ever written."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(commit_order), 0) FROM presence_record")
        row = cursor.fetchone()
        return int(row[0]) if row else 0
