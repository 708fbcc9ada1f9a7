"""What has changed in presence since somebody last looked: in one statement, so in one picture of the database."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from django.db import connection

from khien.engine.presence import OPEN
from khien.kernel import partitions
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import Int

_HEAD = 19
_FIELDS = ("sort", "number", "replaces", "person", "place", "enter", "leave")
_ROW = np.dtype(
    [("n", ">i2"), *[(f"{p}{name}", ">i8" if p == "" else ">i4") for name in _FIELDS for p in ("_", "")]]
)
_LEDGER, _ADDED, _REMOVED = 0, 1, 2
_OPEN_US = -(2**62)

_SELECT = """
SELECT {ledger}::bigint, position, complete_since, 0::bigint, 0::bigint, 0::bigint, 0::bigint FROM presence_ledger
UNION ALL
SELECT {added}, commit_order, 0, person_id, place_id, floor(extract(epoch FROM enter))::bigint,
       coalesce(floor(extract(epoch FROM leave))::bigint, {open})
FROM presence_record WHERE day >= '{first}' AND {added_when}
UNION ALL
SELECT {removed}, commit_order, replaces, person_id, place_id, floor(extract(epoch FROM enter))::bigint,
       coalesce(floor(extract(epoch FROM leave))::bigint, {open})
FROM presence_retraction WHERE commit_order > {after} AND day >= '{first}' AND {removed_when}
"""

_DAY = """
SELECT {added}::bigint, commit_order, 0::bigint, person_id, place_id, floor(extract(epoch FROM enter))::bigint,
       coalesce(floor(extract(epoch FROM leave))::bigint, {open})
FROM presence_record WHERE day = '{day}'
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where presence stands: `position` grows with every change; changes are complete from `complete_since` on; days
    before `forgotten_before` are gone; another `lineage` is another history (after a restore)."""

    position: int
    complete_since: int
    forgotten_before: date | None
    lineage: str


@dataclass(frozen=True, slots=True)
class Told:
    """Stays as columns (seconds since 1970 UTC, fractions cut off; `khien.engine.OPEN` while it lasts)."""

    person: Int
    place: Int
    enter: Int
    leave: Int


@dataclass(frozen=True, slots=True)
class Difference:
    """`added` and `removed` after a position, up to `position`; `removed` are versions that stood there then."""

    position: int
    complete_since: int
    added: Told
    removed: Told


def ledger() -> Ledger:
    """Where presence stands now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT position, complete_since, forgotten_before, lineage::text FROM presence_ledger"
        )
        return Ledger(*cursor.fetchone())


def since(position: int, first_day: date, whole_days: Sequence[date] = ()) -> Difference:
    """What changed after `position`, of the days from `first_day` on; with position 0 everything there is.

    Of `whole_days` all stays are told as added, and none as removed: for days that somebody holds nothing of.
    """
    added_when, removed_when = f"commit_order > {int(position)}", "true"
    if whole_days:
        days = ",".join(f"'{day.isoformat()}'" for day in whole_days)
        added_when = f"({added_when} AND day NOT IN ({days}) OR day IN ({days}))"
        removed_when = f"day NOT IN ({days})"
    rows = _copied(
        _SELECT.format(
            ledger=_LEDGER,
            added=_ADDED,
            removed=_REMOVED,
            open=_OPEN_US,
            after=int(position),
            first=first_day.isoformat(),
            added_when=added_when,
            removed_when=removed_when,
        )
    )
    head = rows[rows["sort"] == _LEDGER][0]
    added = rows[rows["sort"] == _ADDED]
    removed = rows[rows["sort"] == _REMOVED]
    # What replaced something that was itself written after the last look was never seen.
    removed = removed[removed["replaces"] <= position]
    return Difference(int(head["number"]), int(head["replaces"]), _told(added), _told(removed))


def days(first_day: date) -> list[date]:
    """The days from `first_day` on that have stays."""
    table = PresenceRecord._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT day FROM {table}_default")  # noqa: S608 - own names
        known = {row[0] for row in cursor.fetchall()} | set(partitions.days_of(table))
    return sorted(day for day in known if day >= first_day)


def of_day(day: date) -> Told:
    """All stays that began on a day."""
    return _told(_copied(_DAY.format(added=_ADDED, open=_OPEN_US, day=day.isoformat())))


def discard_before(position: int) -> int:
    """Drop what was kept for those who follow, up to a position; whoever has not read so far begins anew."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM presence_retraction WHERE commit_order <= %s", [position])
        gone = cursor.rowcount
        cursor.execute("UPDATE presence_ledger SET complete_since = greatest(complete_since, %s)", [position])
        return gone


def _copied(select: str) -> np.ndarray:
    buffer = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({select}) TO STDOUT (FORMAT BINARY)") as copy:
        for block in copy:
            buffer.write(block)
    count = (buffer.tell() - _HEAD - 2) // _ROW.itemsize
    return np.frombuffer(buffer.getbuffer(), _ROW, offset=_HEAD, count=count)


def _told(rows: np.ndarray) -> Told:
    leave = rows["leave"].astype(np.int64)
    return Told(
        rows["person"].astype(np.int64),
        rows["place"].astype(np.int64),
        rows["enter"].astype(np.int64),
        np.where(leave == _OPEN_US, OPEN, leave),
    )
