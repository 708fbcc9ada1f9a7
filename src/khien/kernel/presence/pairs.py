"""Presence of two people beside each other, wherever it was: a Bluetooth log, somebody named in an interview.

A pair contact is kept as what it is to tracing: a stay of both at a place of its own. Such places have numbers of their
own range and no row in the register of places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
from django.db import connection

from khien.kernel.presence.stays import Int, Stays, local_days, to_day
from khien.kernel.presence.verbs import lock, store

FIRST_PAIR, LAST_PAIR = 2**31, 2**32 - 1
"""Place ids of pair contacts; those of the register lie below."""


@dataclass(frozen=True, eq=False)
class PairContacts:
    """Contacts of n pairs: ids of both people, [begin, end) in microseconds since 1970 UTC, and what tells each from
    all others of its source (at most 60 characters)."""

    first: Int
    second: Int
    begin: Int
    end: Int
    key: Sequence[str]

    def __len__(self) -> int:
        return len(self.first)


def is_pair(place_id: Int) -> npt.NDArray[np.bool_]:
    """Which place ids are those of pair contacts."""
    return np.asarray(place_id) >= FIRST_PAIR


def store_pairs(pairs: PairContacts, *, source: str) -> int:
    """Write pair contacts, each once by (day, source, key): the same again changes nothing, a changed one replaces its
    own. Returns how many pairs were written. Keys must be unique within the call."""
    if not len(pairs):
        return 0
    lock()
    place = _places(pairs, source)
    nothing = np.zeros(2 * len(pairs), np.bool_)
    stays = Stays(
        np.concatenate((pairs.first, pairs.second)),
        np.tile(place, 2),
        np.tile(pairs.begin, 2),
        np.tile(pairs.end, 2),
        nothing,
        nothing,
        [*(f"{key}:a" for key in pairs.key), *(f"{key}:b" for key in pairs.key)],
    )
    return -(-store(stays, source=source) // 2)


def places_of(keys: Iterable[str], *, source: str, days: Iterable[date]) -> dict[str, int]:
    """The place of each pair contact that is known, by its key; `days` are the Vietnamese days on which they began."""
    wanted = {f"{key}:a": key for key in keys}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT source_key, place_id FROM presence_record"
            " WHERE day = ANY(%s::date[]) AND source = %s AND source_key = ANY(%s::text[])",
            [list(days), source, list(wanted)],
        )
        return {wanted[key]: place for key, place in cursor.fetchall()}


def _places(pairs: PairContacts, source: str) -> Int:
    """The place of each pair: the one it had, else a new one."""
    days = [to_day(day) for day in np.unique(local_days(pairs.begin)).tolist()]
    known = places_of(pairs.key, source=source, days=days)
    missing = [key for key in pairs.key if key not in known]
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('presence_pair') FROM generate_series(1, %s)", [len(missing)])
        known.update(zip(missing, (row[0] for row in cursor.fetchall()), strict=True))
    return np.array([known[key] for key in pairs.key], np.int64)
