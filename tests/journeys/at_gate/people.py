"""Somebody whom a gate must stop."""

from __future__ import annotations

from datetime import timedelta

from khien.kernel import clock
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.places.models import Place
from khien.kernel.staff import system_actor
from khien.kernel.standing import verbs as standing

SYSTEM = system_actor("test")
RED = "035090000017"


def under_order(place: Place, number: str = RED, name: str = "Trần Thị Bình") -> Person:
    person = people.register_person(
        SYSTEM, full_name=name, unit=place.unit, documents=[NewDocument("cccd", number)]
    )
    standing.impose(
        person.pk,
        "under_order",
        start=clock.now() - timedelta(hours=1),
        end=None,
        colour="red",
        reason="Đang cách ly tại nhà.",
        authority=person,
    )
    return person
