"""Who came together: a family or a bus at a gate, somebody with companions at a poster. Questions only.

The app gives all scans of a group one id. A group that is scanned at two places, on the way out and back for
instance, is two parties.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor

MOST = 20
"""Parties of a person that are shown, the latest ones; and people of a party that are named."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who came together to a place, from the first scan on. `others` counts those who are not named: nobody in the
    ledger yet, or out of the actor's sight."""

    group_id: UUID
    at: datetime
    place: Place | None
    people: tuple[Person, ...]
    others: int

    @property
    def size(self) -> int:
        return len(self.people) + self.others

    def without_one(self) -> Party:
        """The same but for somebody who is nobody in the ledger."""
        return replace(self, others=max(0, self.others - 1))


def of_person(actor: Actor, person_id: int, since: datetime) -> list[Party]:
    """With whom a person came to places since a moment, the latest first, at most 20 times. The person is left out.

    The caller has seen to it that the actor may know the person's whereabouts.
    """
    day = clock.local(since).date()
    rows = _asked(
        "SELECT group_id FROM checkpoints_scan WHERE person_id = %s AND at >= %s AND day >= %s"
        " AND group_id IS NOT NULL",
        [person_id, since, day],
    )
    groups = {group for (group,) in rows}
    parties = _parties(actor, groups, without=person_id)
    return [party for party in parties if party.size and party.at >= since][:MOST]


def of_groups(actor: Actor, group_ids: Iterable[UUID]) -> dict[UUID, Party]:
    """The latest party of each of these groups, by its id."""
    found: dict[UUID, Party] = {}
    for party in _parties(actor, set(group_ids)):
        found.setdefault(party.group_id, party)
    return found


_PARTIES = """
SELECT group_id, place_id, min(at), array_agg(DISTINCT person_id) FILTER (WHERE person_id IS NOT NULL),
    count(DISTINCT (subject_kind, subject)) FILTER (WHERE person_id IS NULL)
FROM checkpoints_scan WHERE group_id = ANY(%s::uuid[]) AND group_id IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""


def _parties(actor: Actor, groups: set[UUID], without: int | None = None) -> list[Party]:
    """The parties of these groups, the latest first, with the people whom the actor sees; the look is written down."""
    if not groups:
        return []
    rows = _asked(_PARTIES, [sorted(groups)])
    wanted = {pk for *_rest, persons, _n in rows for pk in persons or ()} - {without}
    seen = Person.objects.seen_by(actor).filter(pk__in=wanted).order_by("name_sort", "pk").in_bulk()
    places = Place.objects.select_related("unit").in_bulk({place for _group, place, *_rest in rows})
    parties = []
    for group, place, at, persons, unknown in rows:
        present = set(persons or ()) - {without}
        named = _in_order(seen, present)[:MOST]
        parties.append(Party(group, at, places.get(place), named, len(present) - len(named) + unknown))
    shown = sorted({person.pk for party in parties for person in party.people})
    if shown:
        read(actor, "checkpoints.came_together", persons=shown)
    return parties


def _in_order(seen: dict[int, Person], present: set[int]) -> tuple[Person, ...]:
    return tuple(person for pk, person in seen.items() if pk in present)


def _asked(statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()
