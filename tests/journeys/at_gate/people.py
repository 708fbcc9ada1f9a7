"""Somebody whom a gate must stop, and what a guard sees."""

from __future__ import annotations

from datetime import timedelta

from khien.kernel import clock
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.places.models import Place
from khien.kernel.staff import system_actor
from khien.kernel.standing import verbs as standing
from tests.journeys import pictures
from tests.journeys.conftest import WIDTHS, Visitor

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


def seen(visitor: Visitor, name: str, *, answered: int = 200) -> None:
    """Nothing is wrong with the page as it stands at both widths, whose pictures KHIEN_PICTURES keeps; every act is
    high enough for a thumb."""
    found = []
    for width in WIDTHS:
        visitor.widen(width)
        # Of a network that is cut the browser always complains.
        faults = [fault for fault in visitor.faults(answered=answered) if "net::ERR_" not in fault]
        found += [f"{name} at {width} px: {fault}" for fault in faults]
        pictures.keep(visitor.page, f"{name}-{width}")
    small = visitor.page.evaluate(
        "[...document.querySelectorAll('button, .field, .ways label')]"
        ".filter((e) => e.offsetParent && e.offsetHeight < 48).map((e) => e.id || e.textContent)"
    )
    visitor.widen(390)
    assert found + small == []
