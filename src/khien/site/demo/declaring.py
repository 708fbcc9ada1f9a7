"""The demo's people declare: nearly everybody every two and a half days, so that most cards at a gate are green.

Who declares in which hour follows from their number, so the demo goes the same way every time; an hour told twice
stores nothing twice.
"""

from __future__ import annotations

import uuid
import zlib
from datetime import timedelta

from khien.kernel import clock
from khien.kernel.people.models import Person, Phone
from khien.kernel.staff import system_actor
from khien.rooms.declarations import reads, verbs
from khien.site.models import DemoState

EVERY_H = 60
"""A little less than the 72 hours for which a declaration is valid."""

_DECLARE_SHARE = 0.94
_ILL_SHARE = 0.001
_PORTION = 10_000


def declare_hours(state: DemoState, first: int, last: int) -> int:
    """Tell what was declared in the hours [first, last) of the demo; returns how many declarations."""
    told = 0
    waiting: list[verbs.Known] = []
    for hour in range(first, last):
        waiting += _lines(state, hour)
        if len(waiting) >= _PORTION or hour == last - 1:
            told += verbs.load_declarations(
                system_actor("demo"), form=reads.form_in_force("health"), lines=waiting
            )
            waiting = []
    return told


def _lines(state: DemoState, hour: int) -> list[verbs.Known]:
    """What was declared in one hour."""
    numbers = [
        number
        for number in range(state.people)
        if zlib.crc32(b"%d" % number) % EVERY_H == hour % EVERY_H
        and _draw(f"declares:{number}") < _DECLARE_SHARE
    ]
    people = list(
        Person.objects.filter(
            pk__in=[state.first_person_id + number for number in numbers],
            merged_into__isnull=True,
            unit__isnull=False,
            birth_year__isnull=False,
        )
    )
    own: dict[int, str] = {}
    of_home: dict[int, str] = {}
    homes = {person.household_id for person in people if person.household_id is not None}
    for pk, home, number in Phone.objects.filter(person__household__in=homes).values_list(
        "person_id", "person__household_id", "number"
    ):
        own[pk] = number
        of_home.setdefault(home, number)
    start = clock.start_of_day(state.start) + timedelta(hours=hour)
    lines = []
    for person in people:
        phone = own.get(person.pk) or of_home.get(person.household_id or 0)
        if phone is None:
            continue
        ill = _draw(f"ill:{person.pk}:{hour}") < _ILL_SHARE
        content = {
            "filled_by": "self",
            "been_elsewhere": False,
            "has_symptoms": ill,
            "contact": False,
            "consent": True,
        } | ({"symptoms": ["cough", "sore_throat"]} if ill else {})
        lines.append(
            verbs.Known(
                client_id=uuid.uuid5(uuid.NAMESPACE_OID, f"khien-demo:{state.seed}:{person.pk}:{hour}"),
                person=person,
                phone=phone,
                at=start + timedelta(seconds=int(3600 * _draw(f"minute:{person.pk}"))),
                content=content,
            )
        )
    return lines


def _draw(text: str) -> float:
    """A number in [0, 1) that is always the same for the same text."""
    return zlib.crc32(text.encode()) / 2**32
