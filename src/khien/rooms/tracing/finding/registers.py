"""What presence says of people and places that are not in the registers: it cannot stand on a list, and breaks none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.rooms.tracing.finding.answer import FoundContact, FoundSource


def registered(contacts: Sequence[FoundContact]) -> tuple[list[FoundContact], set[int]]:
    """Contacts who are in the ledger, without places that are not in the register; and the people left out."""
    unknown = _unknown_people(c.person_id for c in contacts)
    kept = [c for c in contacts if c.person_id not in unknown]
    gone = _unknown_places(m.place_id for c in kept for m in c.meetings)
    if gone:
        for contact in kept:
            contact.meetings = [
                replace(m, place_id=None) if m.place_id in gone else m for m in contact.meetings
            ]
    return kept, unknown


def registered_sources(sources: Sequence[FoundSource]) -> tuple[list[FoundSource], set[int]]:
    """The same of possible sources."""
    unknown = _unknown_people(s.person_id for s in sources)
    gone = _unknown_places(s.place_id for s in sources)
    kept = [
        replace(s, place_id=None) if s.place_id in gone else s for s in sources if s.person_id not in unknown
    ]
    return kept, unknown


def _unknown_people(ids: Iterable[int]) -> set[int]:
    wanted = set(ids)
    return wanted - set(Person.objects.filter(pk__in=wanted).values_list("pk", flat=True))


def _unknown_places(ids: Iterable[int | None]) -> set[int]:
    wanted = {one for one in ids if one is not None}
    return wanted - set(Place.objects.filter(pk__in=wanted).values_list("pk", flat=True))
