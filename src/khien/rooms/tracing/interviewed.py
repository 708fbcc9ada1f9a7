"""Contacts named in an interview, as pair contacts in presence: so that they count in every later search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from khien.kernel import clock
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.pairs import PairContacts, places_of, store_pairs
from khien.rooms.tracing.models import HandContact

SOURCE = PresenceRecord.Source.INTERVIEW


def keep_as_presence(row: HandContact, case_person_id: int) -> None:
    """Of an interview only the day and the minutes are known: counted from the day's midnight on, which is never later
    than it was."""
    begin = int(clock.start_of_day(row.day).timestamp())
    micro = np.array([begin, begin + row.minutes * 60], np.int64) * 1_000_000
    people = np.array([case_person_id, row.person_id], np.int64)
    store_pairs(PairContacts(people[:1], people[1:], micro[:1], micro[1:], [_key(row)]), source=SOURCE)


def places_of_interviewed(rows: Sequence[HandContact]) -> list[int]:
    """The pair places under which these stand in presence."""
    keys = [_key(row) for row in rows]
    return list(places_of(keys, source=SOURCE, days={row.day for row in rows}).values())


def _key(row: HandContact) -> str:
    return f"hand:{row.pk}"
