"""What is known at one moment, ready to be asked: the segments of some days and what has changed since they were made.

A snapshot is immutable: it goes on answering as it did while a newer one takes its place. It answers what
`Presence` answers (`encounters`, `forward`, `backward` … take either), from compiled code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from khien.engine.compiled import layout, meeting
from khien.engine.encounter import Meeting, Spells, Thresholds
from khien.engine.presence import OPEN, Presence, UnknownPerson, find_ids
from khien.engine.ranges import AnyArray, IntArray
from khien.engine.segment import DAY_S, ZONE_S, DaySegment, local_day

Dead = npt.NDArray[np.uint8]


class SameIds:
    """Ids that are their own numbers: of people and places whom a database counts from 1."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, numbers: Any) -> Any:
        return numbers


@dataclass(frozen=True, eq=False)
class Piece:
    """A segment as it counts in a snapshot: `dead` marks (a bit a row) what later records have taken back."""

    segment: DaySegment
    dead: Dead | None = None


class Snapshot:
    """Presence of some days from segments. `now` (epoch seconds) closes what is still open.

    Several segments may hold stays of one day (a base and what came since); the same stay twice counts twice.
    """

    def __init__(
        self,
        pieces: Iterable[Piece],
        *,
        now: int,
        person_ids: AnyArray | SameIds | None = None,
        place_ids: AnyArray | SameIds | None = None,
    ) -> None:
        self.pieces = sorted((p for p in pieces if len(p.segment)), key=lambda piece: piece.segment.day)
        self.now = now
        rows = [piece.segment.entry_in_table(piece.dead) for piece in self.pieces]
        self._table = np.array(rows, np.int64).reshape(-1, layout.COLUMNS)
        days = np.array([piece.segment.day for piece in self.pieces], np.int64)
        self.first_day = int(days[0]) if len(days) else 0
        """Days since 1970-01-01 of the first day that is held."""
        self.last_day = int(days[-1]) if len(days) else -1
        self._day_first = np.searchsorted(days, np.arange(self.first_day, self.last_day + 2)).astype(np.int64)
        self._far = _far(self.pieces)
        self._places: dict[tuple[int, int], tuple[AnyArray, list[int]]] = {}
        highest = max((_highest_person(p.segment) for p in self.pieces), default=-1)
        self.person_ids = SameIds(highest + 1) if person_ids is None else person_ids
        self.place_ids = SameIds(2**32) if place_ids is None else place_ids

    def __len__(self) -> int:
        return sum(len(p.segment) - _count(p.dead) for p in self.pieces)

    @classmethod
    def of(cls, presence: Presence, *, now: int = 0) -> Snapshot:
        """The same stays as a `Presence`, laid out by day; ids stay what they were."""
        day = local_day(presence.enter)
        pieces = []
        for one in np.unique(day):
            chosen = np.flatnonzero(day == one)
            columns = (presence.person, presence.place, presence.enter, presence.leave)
            pieces.append(Piece(DaySegment.build(int(one), *(column[chosen] for column in columns))))
        return cls(pieces, now=now, person_ids=presence.person_ids, place_ids=presence.place_ids)

    # -- what `Presence` answers too -------------------------------------------------------------------

    def indexes_of_persons(self, persons: Sequence[Any] | AnyArray) -> IntArray:
        """Numbers of person ids, in the order asked. Raises UnknownPerson for an id that nobody can bear."""
        if isinstance(self.person_ids, SameIds):
            numbers = np.asarray(persons, np.int64).reshape(-1)
            for one in numbers[(numbers < 0) | (numbers > layout.MAX_PERSON)]:
                raise UnknownPerson(int(one))
            return numbers
        return find_ids(self.person_ids, persons, UnknownPerson)

    def numbers_of_places(self, places: AnyArray) -> IntArray:
        """Numbers of place ids that have records, in the order asked."""
        if isinstance(self.place_ids, SameIds):
            return np.asarray(places, np.int64)
        return np.searchsorted(self.place_ids, places).astype(np.int64)

    def meetings(
        self, spells: Spells, thresholds: Thresholds, *, backward: bool = False
    ) -> Iterator[Meeting]:
        """All encounters of the spells; see `khien.engine.encounter`."""
        out = self.raw_meetings(spells, thresholds, backward=backward)
        spell = out[meeting.SPELL]
        yield Meeting(
            spell=spell,
            source=spells.person[spell],
            target=out[meeting.TARGET],
            place=out[meeting.PLACE],
            start=out[meeting.START],
            end=out[meeting.END],
            overlap=out[meeting.OVERLAP],
            after=out[meeting.AFTER].astype(np.bool_),
        )

    def raw_meetings(self, spells: Spells, thresholds: Thresholds, *, backward: bool = False) -> IntArray:
        """As `meetings`, one array (7, n): spell, target, place, start, end, overlap, after."""
        room = _rooms
        while True:
            number, own, crowd = meeting.encounters_of(
                *self.where(),
                spells.person,
                spells.begin,
                spells.end,
                thresholds.together,
                thresholds.after,
                backward,
                room.stays,
                room.beside,
                room.out,
            )
            if not room.grow(stays=own, beside=crowd, out=number):
                return room.out[:, :number].copy()

    def stays_in(self, spells: Spells) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The stays of the spells' people that touch them: (position of the spell, place, enter, leave)."""
        room = _rooms
        while True:
            number = meeting.stays_of(
                self._table, self.now, spells.person, spells.begin, spells.end, room.stays
            )
            if not room.grow(stays=number):
                found = room.stays[:, :number].copy()
                return found[0], found[1], found[2], found[3]

    def present_at(
        self, place: IntArray, begin: IntArray, end: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Who shares a moment with each half-open [begin, end) at its place: (question, person, enter, leave)."""
        room = _rooms
        while True:
            number, crowd = meeting.present_at(*self.where(), place, begin, end, room.beside, room.out[:4])
            if not room.grow(beside=crowd, out=number):
                found = room.out[:4, :number].copy()
                return found[0], found[1], found[2], found[3]

    def average_present(self, place: IntArray, begin: IntArray, end: IntArray) -> npt.NDArray[np.float64]:
        """How many people were at each place over its [begin, end), on average."""
        room = _rooms
        people = np.empty(len(place))
        while True:
            crowd = meeting.average_present(*self.where(), place, begin, end, room.beside, people)
            if not room.grow(beside=crowd):
                return people

    # -- for the kernels -------------------------------------------------------------------------------

    def where(self) -> tuple[IntArray, IntArray, int, IntArray, int]:
        """What every kernel takes first: the table of segments, its days, the first day, what lasts long, and now."""
        return self._table, self._day_first, self.first_day, self._far, self.now

    def run(self, kernel: Callable[[Room], tuple[int, int, int]]) -> int:
        """Call a kernel that answers how many stays and how many people at once it needed room for, until it had it;
        returns the third thing that it says."""
        while True:
            stays, crowd, answer = kernel(_rooms)
            if not _rooms.grow(stays=stays, beside=crowd):
                return answer

    def run_sweep(self, kernel: Callable[[Room], int]) -> None:
        """The same for a sweep, which answers how many rows one place had."""
        while True:
            rows = kernel(_rooms)
            if not _rooms.grow(swept=rows, people=rows, kind=rows):
                return

    @property
    def start_of_last_day(self) -> int:
        """Midnight of the last day with stays, epoch seconds."""
        return self.last_day * DAY_S - ZONE_S

    def pieces_of(self, day: int) -> list[Piece]:
        """The segments with stays that begin on a day."""
        if not self.first_day <= day <= self.last_day:
            return []
        number = day - self.first_day
        return self.pieces[self._day_first[number] : self._day_first[number + 1]]

    def last_end_of(self, day: int) -> int:
        """The latest end of any stay that touches a day (2**62 when one is open)."""
        ends = [p.segment.last_end for d in (day, day - 1) for p in self.pieces_of(d)]
        if self._far.shape[1]:
            ends.append(2**62 if (self._far[3] == OPEN).any() else int(self._far[3].max()))
        return max(ends, default=0)

    def places_of(self, day: int, shares: int) -> tuple[AnyArray, list[int]]:
        """All places with somebody on a day, ascending, and where to cut them into `shares` of about equal work."""
        key = (day, shares)
        if key not in self._places:
            pieces = self.pieces_of(day)
            ids = [p.segment.place_id for p in pieces]
            ids += [np.unique(p.segment.over_place) for p in self.pieces_of(day - 1)]
            ids.append(np.unique(self._far[0]).astype(np.uint32))
            ids = [one for one in ids if len(one)] or [np.empty(0, np.uint32)]
            places = ids[0]
            if any(not np.isin(other, places, assume_unique=True).all() for other in ids[1:]):
                places = np.unique(np.concatenate(ids))
            weight = np.ones(len(places))
            for p in pieces:
                at = np.searchsorted(places, p.segment.place_id)
                weight[at] += np.diff(p.segment.place_first.astype(np.int64))
            done = np.cumsum(weight)
            cuts = np.searchsorted(done, done[-1] / shares * np.arange(1, shares)) if len(done) else []
            self._places[key] = places, [0, *(int(cut) for cut in cuts), len(places)]
        return self._places[key]

    @cached_property
    def rows_a_stay(self) -> float:
        """How many rows a place has on a day, as somebody meets it who stays there."""
        rows = squares = 0.0
        for piece in self.pieces:
            size = np.diff(piece.segment.place_first.astype(np.int64)).astype(float)
            rows += size.sum()
            squares += (size * size).sum()
        return squares / rows if rows else 0.0


class Room(threading.local):
    """What the kernels write into, a thread's own: fresh memory for every question would cost more than the answer."""

    def __init__(self) -> None:
        self.stays = np.empty((4, 1 << 12), np.int64)
        self.beside = np.empty((3, 1 << 14), np.int64)
        self.out = np.empty((7, 1 << 17), np.int64)
        self.swept = np.empty((4, 1 << 12), np.uint64)
        self.people = np.empty((4, 1 << 12), np.uint32)
        self.kind = np.empty((1, 1 << 12), np.uint8)

    def grow(self, **wanted: int) -> bool:
        """Make room for so many columns of each; False when there was room enough."""
        small = {name: size for name, size in wanted.items() if size > getattr(self, name).shape[1]}
        for name, size in small.items():
            held = getattr(self, name)
            setattr(self, name, np.empty((held.shape[0], size + (size >> 2)), held.dtype))
        return bool(small)


_rooms = Room()


def _far(pieces: Sequence[Piece]) -> IntArray:
    """The stays that last beyond the midnight after their first one: (place, person, enter, leave), by place."""
    parts = [np.empty((4, 0), np.int64)]
    for piece in pieces:
        lasting, rows = piece.segment.lasting
        if len(rows) and piece.dead is not None:
            lasting = lasting[:, ~is_set(piece.dead, rows)]
        parts.append(lasting)
    far = np.concatenate(parts, axis=1)
    return np.ascontiguousarray(far[:, np.lexsort((far[3], far[1], far[2], far[0]))])


def is_set(bits: Dead, rows: AnyArray) -> npt.NDArray[np.bool_]:
    """Which of the rows are marked."""
    return (bits[rows >> 3] >> (rows & 7).astype(np.uint8)) & 1 != 0


def _count(bits: Dead | None) -> int:
    return 0 if bits is None else int(np.bitwise_count(bits).sum())


def _highest_person(segment: DaySegment) -> int:
    """The greatest number of a person, or a little more: the last bucket's end."""
    return ((len(segment.bucket_first) - 1) << segment.shift) - 1
