"""Presence of two people beside each other, wherever it was: a Bluetooth log, somebody named in an interview.

A pair contact is kept as what it is to tracing: a stay of both at a place of its own. Such places have numbers of their
own range and no row in the register of places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
from django.db import connection

from khien.kernel.presence.stays import Int, Stays, array_text, local_days, to_day
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


@dataclass(frozen=True, eq=False)
class Sightings:
    """What devices say of n pairs that were near each other: ids of both people, [begin, end) in microseconds since
    1970 UTC."""

    first: Int
    second: Int
    begin: Int
    end: Int

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


def join_pairs(sightings: Sightings, *, source: str) -> npt.NDArray[np.bool_]:
    """Write sightings, each joined with what it overlaps or touches of the same pair and source: two devices that tell
    of one hour, or one that tells of each five minutes, tell of one contact.

    Returns which of them said anything new; what lies within a known contact changes nothing. The same sightings give
    the same contacts in whatever order and portions they come. Every interval ends no earlier than it begins.
    """
    if not len(sightings):
        return np.zeros(0, np.bool_)
    lock()
    known = _known(sightings, source)
    new = np.zeros(len(sightings), np.bool_)
    columns = (sightings.first, sightings.second, sightings.begin, sightings.end)
    for at, (one, other, begin, end) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        contacts = known.setdefault((min(one, other), max(one, other)), [])
        beside = [c for c in contacts if c.begin <= end and begin <= c.end]
        if any(c.begin <= begin and end <= c.end for c in beside):
            continue
        new[at] = True
        joined = _Contact(
            min([begin, *(c.begin for c in beside)]), max([end, *(c.end for c in beside)]), is_new=True
        )
        joined.rows = [row for c in beside for row in c.rows]
        contacts[:] = [*(c for c in contacts if c not in beside), joined]
    changed = [(pair, c) for pair, contacts in known.items() for c in contacts if c.is_new]
    keys = [f"{first}-{second}-{c.begin}" for (first, second), c in changed]
    gone = [row for key, (_pair, c) in zip(keys, changed, strict=True) for row in c.rows if row[1] != key]
    _take_back(gone, source)
    store_pairs(
        PairContacts(
            np.array([pair[0] for pair, _c in changed], np.int64),
            np.array([pair[1] for pair, _c in changed], np.int64),
            np.array([c.begin for _pair, c in changed], np.int64),
            np.array([c.end for _pair, c in changed], np.int64),
            keys,
        ),
        source=source,
    )
    return new


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


@dataclass(slots=True, eq=False)
class _Contact:
    """One contact of a pair: known, or made of known ones whose `rows` (day, key) it replaces."""

    begin: int
    end: int
    is_new: bool = False
    rows: list[tuple[date, str]] = field(default_factory=list)


def _known(sightings: Sightings, source: str) -> dict[tuple[int, int], list[_Contact]]:
    """The contacts of these pairs that lie within or touch the time of the sightings."""
    low = np.minimum(sightings.first, sightings.second)
    high = np.maximum(sightings.first, sightings.second)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.person_id, b.person_id, (extract(epoch FROM a.enter) * 1000000)::bigint,"
            " (extract(epoch FROM a.leave) * 1000000)::bigint, a.day, a.source_key"
            " FROM presence_record a JOIN presence_record b"
            " ON b.day = a.day AND b.place_id = a.place_id AND b.person_id > a.person_id"
            " WHERE a.source = %(source)s AND b.source = %(source)s AND a.place_id >= %(first_pair)s"
            " AND a.person_id = ANY(%(low)s::bigint[]) AND b.person_id = ANY(%(high)s::bigint[])"
            " AND a.enter <= timestamptz 'epoch' + %(end)s * interval '1 microsecond'"
            " AND a.leave >= timestamptz 'epoch' + %(begin)s * interval '1 microsecond'",
            {
                "source": source,
                "first_pair": FIRST_PAIR,
                "low": array_text(np.unique(low)),
                "high": array_text(np.unique(high)),
                "begin": int(sightings.begin.min()),
                "end": int(sightings.end.max()),
            },
        )
        rows = cursor.fetchall()
    wanted = set(zip(low.tolist(), high.tolist(), strict=True))
    found: dict[tuple[int, int], list[_Contact]] = {}
    for one, other, begin, end, day, key in rows:
        if (one, other) in wanted:
            contact = _Contact(begin, end, rows=[(day, key.rsplit(":", 1)[0])])
            found.setdefault((one, other), []).append(contact)
    return found


def _take_back(rows: Sequence[tuple[date, str]], source: str) -> None:
    """Remove contacts that have become part of longer ones."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM presence_record r"
            " USING unnest(%(days)s::date[], %(keys)s::text[]) AS gone (day, key),"
            " unnest(ARRAY[':a', ':b']) AS side (of)"
            " WHERE r.day = gone.day AND r.source = %(source)s AND r.source_key = gone.key || side.of",
            {"days": [day for day, _key in rows], "keys": [key for _day, key in rows], "source": source},
        )
