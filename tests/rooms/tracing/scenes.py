"""A small outbreak: people who were at places, written as presence the way the product keeps it."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.stays import columns
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Actor, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import verbs
from khien.rooms.tracing.models import Case

SYSTEM = system_actor("test")
_key = itertools.count(1)


def at(day: int, hour: int, minute: int = 0, *, month: int = 1, year: int = 2022) -> datetime:
    """A moment of a Vietnamese wall clock."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=7)


def load_rules() -> None:
    load_seed(SYSTEM)


def stay(person: Person, place: Place, start: datetime, minutes: float | None) -> None:
    """A stay in the presence table; `minutes` None while it lasts."""
    end = None if minutes is None else start + timedelta(minutes=minutes)
    presence.store(columns([person.pk], [place.pk], [start], [end], [f"t{next(_key)}"]), source="scan")


def open_case(person: Person, unit: AdminUnit, actor: Actor = SYSTEM, **more: Any) -> Case:
    return verbs.open_case(actor, person_id=person.pk, unit_id=unit.pk, **more)
