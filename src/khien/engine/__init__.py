"""Contact tracing over presence records: arrays in, contacts out. No database, no network.

    from khien.engine import Presence, encounters, forward, backward
    presence = Presence.from_arrays(person_ids, place_ids, enter, leave, as_of=now)
    forward(presence, [case], (from_, to), hops=2, latency_days=2, min_minutes=15)

`README.md` beside this file says what counts as an encounter; `khien.engine.scoring` ranks exposures by
expected risk.
"""

from khien.engine.encounter import Encounters, encounters
from khien.engine.presence import OPEN, Presence, Refused, UnknownPerson
from khien.engine.reaching import Reached, reach
from khien.engine.reading import UnreadableFile, read_presence
from khien.engine.search import (
    PlaceHours,
    Sources,
    Traced,
    backward,
    contacts,
    forward,
    shared_place_hours,
)

__all__ = [
    "OPEN",
    "Encounters",
    "PlaceHours",
    "Presence",
    "Reached",
    "Refused",
    "Sources",
    "Traced",
    "UnknownPerson",
    "UnreadableFile",
    "backward",
    "contacts",
    "encounters",
    "forward",
    "reach",
    "read_presence",
    "shared_place_hours",
]
