"""What has changed since the segments were made, in the order in which it was committed.

    live = Live(store.read())
    live.apply(changes)              # again and again, cheap: each batch becomes a small segment of its own
    live.snapshot(now)               # what is known at this moment

A record that replaces or takes back another is told as the old stay removed and the new one added; a stay is known by
what it says (person, place, enter, leave), so nothing but the stays themselves is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from khien.engine.ranges import AnyArray, IntArray
from khien.engine.segment import DaySegment, local_day
from khien.engine.snapshot import Piece, Snapshot, is_set
from khien.engine.store import State

_PIECES = 6
"""Small segments of one day that are kept apart before they become one."""


class Inconsistent(Exception):
    """Something was taken back that was never told: what is held is not what the record says. Begin anew."""


@dataclass(frozen=True, eq=False)
class Stays:
    """Columns of n stays: person, place (numbers), enter, leave (epoch seconds, `OPEN` while it lasts)."""

    person: IntArray
    place: IntArray
    enter: IntArray
    leave: IntArray

    def __len__(self) -> int:
        return len(self.person)

    def where(self, chosen: AnyArray | slice) -> Stays:
        """Only some of them."""
        return Stays(self.person[chosen], self.place[chosen], self.enter[chosen], self.leave[chosen])

    @classmethod
    def none(cls) -> Stays:
        """No stays."""
        return cls(*(np.empty(0, np.int64),) * 4)


@dataclass(frozen=True, eq=False)
class Changes:
    """What the record says has changed up to `position`; `removed` are stays that were told before."""

    position: int
    added: Stays
    removed: Stays


class Live:
    """Segments and what came since. Not for several threads at once; the snapshots are."""

    def __init__(self, state: State) -> None:
        self.position = state.manifest.position
        self.forgotten_before = state.manifest.forgotten_before
        self._pieces: dict[int, list[Piece]] = {day: [Piece(s)] for day, s in state.segments.items()}
        self.changed = 0
        """Stays added and removed since the segments were made."""
        self.changed_days: set[int] = set()

    def apply(self, changes: Changes) -> None:
        """Take in a batch. Raises `Inconsistent` when a removed stay is not there; nothing else may be asked then."""
        for day, stays in _by_day(changes.removed):
            if self._is_forgotten(day):
                continue
            self._remove(day, stays)
            self.changed_days.add(day)
        for day, stays in _by_day(changes.added):
            if self._is_forgotten(day):
                continue
            pieces = self._pieces.setdefault(day, [])
            pieces.append(Piece(DaySegment.build(day, stays.person, stays.place, stays.enter, stays.leave)))
            if len(pieces) > _PIECES + 1:
                # The first may be a whole day of some hundred thousand; the others are put together.
                self._pieces[day] = [pieces[0], merged(day, pieces[1:])]
            self.changed_days.add(day)
        self.changed += len(changes.added) + len(changes.removed)
        self.position = changes.position

    def forget(self, before: int) -> None:
        """Forget the days (numbers since 1970-01-01) before one: from now on they are in no answer."""
        self.forgotten_before = max(before, self.forgotten_before or before)
        for day in [day for day in self._pieces if day < before]:
            del self._pieces[day]

    def replace_day(self, day: int, segment: DaySegment) -> None:
        """What is held of a day is exactly this segment."""
        self._pieces[day] = [Piece(segment)]

    def snapshot(self, now: int) -> Snapshot:
        """What is known at `now` (epoch seconds)."""
        return Snapshot((piece for pieces in self._pieces.values() for piece in pieces), now=now)

    def day(self, day: int) -> DaySegment:
        """All stays of one day in a segment of its own (possibly empty)."""
        return merged(day, self._pieces.get(day, [])).segment

    def days(self) -> list[int]:
        """The days that have stays, ascending."""
        return sorted(self._pieces)

    def _is_forgotten(self, day: int) -> bool:
        return self.forgotten_before is not None and day < self.forgotten_before

    def _remove(self, day: int, stays: Stays) -> None:
        pieces = self._pieces.get(day, [])
        dead = [None if p.dead is None else p.dead.copy() for p in pieces]
        rows = zip(*(column.tolist() for column in vars(stays).values()), strict=True)
        for person, place, enter, leave in rows:
            for number in reversed(range(len(pieces))):
                segment = pieces[number].segment
                marks = dead[number]
                row = next(
                    (
                        row
                        for row in segment.find(person, place, enter, leave)
                        if marks is None or not marks[row >> 3] >> (row & 7) & 1
                    ),
                    None,
                )
                if row is None:
                    continue
                if marks is None:
                    marks = dead[number] = np.zeros((len(segment) >> 3) + 1, np.uint8)
                marks[row >> 3] |= np.uint8(1 << (row & 7))
                break
            else:
                raise Inconsistent(f"a stay of day {day} was taken back that is not held")
        self._pieces[day] = [Piece(p.segment, marks) for p, marks in zip(pieces, dead, strict=True)]


def merged(day: int, pieces: Iterable[Piece]) -> Piece:
    """Several pieces of one day as one segment, without what is dead."""
    columns: list[tuple[IntArray, ...]] = [(np.empty(0, np.int64),) * 4]
    for piece in pieces:
        found = piece.segment.columns()
        if piece.dead is not None:
            alive = ~is_set(piece.dead, np.arange(len(piece.segment)))
            found = (found[0][alive], found[1][alive], found[2][alive], found[3][alive])
        columns.append(found)
    return Piece(DaySegment.build(day, *(np.concatenate(column) for column in zip(*columns, strict=True))))


def days_of(stays: Stays) -> Mapping[int, DaySegment]:
    """Whole days from stays in any order: for a first write, or for a file."""
    return {
        day: DaySegment.build(day, part.person, part.place, part.enter, part.leave)
        for day, part in _by_day(stays)
    }


def _by_day(stays: Stays) -> list[tuple[int, Stays]]:
    if not len(stays):
        return []
    day = local_day(stays.enter)
    return [(int(one), stays.where(np.flatnonzero(day == one))) for one in np.unique(day)]
