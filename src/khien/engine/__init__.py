"""Contact tracing over presence records: arrays in, contacts out. No database, no network.

    from khien.engine import Presence, encounters, forward, backward
    presence = Presence.from_arrays(person_ids, place_ids, enter, leave, as_of=now)
    forward(presence, [case], (from_, to), hops=2, latency_days=2, min_minutes=15)

`README.md` beside this file says what counts as an encounter; `khien.engine.scoring` ranks exposures by
expected risk.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from khien.engine.encounter import Encounters, encounters
from khien.engine.origins import (
    Ill,
    Incubation,
    PlaceHours,
    PossibleSources,
    known_sources,
    occasions,
    place_hours,
    possible_sources,
)
from khien.engine.presence import OPEN, Presence, Refused, UnknownPerson
from khien.engine.reading import UnreadableFile, read_presence
from khien.engine.search import Sources, Traced, backward, contacts, forward

if TYPE_CHECKING:
    from khien.engine.reaching import Reached, reach
    from khien.engine.snapshot import Snapshot

__all__ = [
    "OPEN",
    "Encounters",
    "Ill",
    "Incubation",
    "PlaceHours",
    "PossibleSources",
    "Presence",
    "Reached",
    "Refused",
    "Snapshot",
    "Sources",
    "Traced",
    "UnknownPerson",
    "UnreadableFile",
    "backward",
    "contacts",
    "encounters",
    "forward",
    "known_sources",
    "occasions",
    "place_hours",
    "possible_sources",
    "reach",
    "read_presence",
]

_COMPILED = {
    "Reached": "khien.engine.reaching",
    "Snapshot": "khien.engine.snapshot",
    "reach": "khien.engine.reaching",
}


def __getattr__(name: str) -> Any:
    """What needs the compiler is loaded when first asked for: a second that most processes never need."""
    if name in _COMPILED:
        return getattr(import_module(_COMPILED[name]), name)
    raise AttributeError(name)
