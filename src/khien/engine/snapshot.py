"""What is known at one moment, ready to be asked: the segments of some days and what has changed since they were made.

A snapshot is immutable: it goes on answering as it did while a newer one takes its place. It answers what
`Presence` answers (`encounters`, `forward`, `backward` … take either), from compiled code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from khien.engine.compiled import layout, meeting
from khien.engine.encounter import Meeting, Spells, Thresholds
from khien.engine.presence import OPEN, Presence, UnknownPerson, find_ids
from khien.engine.ranges import AnyArray, IntArray
from khien.engine.segment import DAY_S, ZONE_S, DaySegment, local_day
from khien.engine.threads import THREADS, pool

_MANY_SPELLS = 64
_MUCH = 1 << 20
_STAY_AS_ROWS = 64
"""What it costs to look a stay's place up, in rows looked at."""

Dead = npt.NDArray[np.uint8]
OwnStays = tuple[IntArray, IntArray, IntArray, IntArray]
"""Columns of stays: position of the spell, place (its number), enter, leave."""


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


@dataclass(frozen=True, eq=False)
class Found:
    """Encounters as the kernel tells them, 12 octets each; the columns are int64 like everywhere else.

    `told` (3, n): target, start, end in seconds since `origin`; `groups` (4, m): spell, place, 1 for *after*, and where
    in `told` the group ends.
    """

    told: npt.NDArray[np.int32]
    groups: IntArray
    origin: int

    @classmethod
    def of(cls, parts: Sequence[tuple[npt.NDArray[np.int32], IntArray]], origin: int) -> Found:
        """One copy of what several kernels have found."""
        sizes = [one.shape[1] for one, _groups in parts]
        ends = np.cumsum(sizes).tolist()
        told = np.empty((3, sum(sizes)), np.int32)

        def copy(part: tuple[npt.NDArray[np.int32], int]) -> None:
            one, end = part
            told[:, end - one.shape[1] : end] = one

        work = zip((one for one, _groups in parts), ends, strict=True)
        # Fresh memory costs more than what is written into it: on all cores where it is much.
        list(pool().map(copy, work) if told.nbytes > _MUCH else map(copy, work))
        groups = np.concatenate([groups for _one, groups in parts], axis=1)
        if len(parts) > 1:
            before = np.array([0, *ends[:-1]], np.int64)
            groups[3] += np.repeat(before, [groups.shape[1] for _one, groups in parts])
        return cls(told, groups, origin)

    def __len__(self) -> int:
        return self.told.shape[1]

    def _of_group(self, column: int) -> IntArray:
        return np.repeat(self.groups[column], np.diff(self.groups[3], prepend=0))

    @property
    def spell(self) -> IntArray:
        """Position of the spell."""
        return self._of_group(0)

    @property
    def place(self) -> IntArray:
        """The place's number."""
        return self._of_group(1)

    @property
    def after(self) -> npt.NDArray[np.bool_]:
        """Of the kind *after*."""
        return self._of_group(2).astype(np.bool_)

    @property
    def target(self) -> IntArray:
        """The other person's number."""
        return self.told[meeting.TARGET].astype(np.int64)

    @property
    def start(self) -> IntArray:
        """Epoch seconds."""
        return self.told[meeting.START].astype(np.int64) + self.origin

    @property
    def end(self) -> IntArray:
        """Epoch seconds."""
        return self.told[meeting.END].astype(np.int64) + self.origin


class Known:
    """What is known of presence at one moment, however it is kept: in one process (`Snapshot`) or shared out between
    machines (`khien.engine.cluster`). It answers what `Presence` answers."""

    person_ids: AnyArray | SameIds
    place_ids: AnyArray | SameIds
    now: int

    def found(
        self, spells: Spells, thresholds: Thresholds, *, backward: bool = False, stays: OwnStays | None = None
    ) -> Found:
        """All encounters of the spells. With `stays` the spells' people were there, not where their records say."""
        raise NotImplementedError

    def stays_in(self, spells: Spells) -> OwnStays:
        """The stays of the spells' people that touch them: (position of the spell, place, enter, leave)."""
        raise NotImplementedError

    def present_at(
        self, place: IntArray, begin: IntArray, end: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Who shares a moment with each half-open [begin, end) at its place: (question, person, enter, leave)."""
        raise NotImplementedError

    @property
    def days_with_stays(self) -> tuple[int, int]:
        """The first and the last day (since 1970-01-01) on which stays begin; (0, -1) without any."""
        raise NotImplementedError

    def people_seen(self) -> Dead:
        """Who has stays, a bit a number, most significant first (also who has none but such as were taken back)."""
        raise NotImplementedError

    @cached_property
    def number_of_people(self) -> int:
        """How many people have stays."""
        return _count(self.people_seen())

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
        self, spells: Spells, thresholds: Thresholds, *, backward: bool = False, stays: OwnStays | None = None
    ) -> Iterator[Meeting]:
        """All encounters of the spells; see `khien.engine.encounter`."""
        found = self.found(spells, thresholds, backward=backward, stays=stays)
        spell = found.spell
        yield Meeting(
            spell=spell,
            source=spells.person[spell],
            target=found.target,
            place=found.place,
            start=found.start,
            end=found.end,
            overlap=np.where(found.after, 0, found.end - found.start),
            after=found.after,
        )


class Snapshot(Known):
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
        self.origin = self.first_day * DAY_S - ZONE_S
        """Midnight of the first day, epoch seconds."""
        self._day_first = np.searchsorted(days, np.arange(self.first_day, self.last_day + 2)).astype(np.int64)
        self._far = _far(self.pieces)
        self._places: dict[tuple[int, int], tuple[AnyArray, list[int]]] = {}
        highest = max((p.segment.highest_person for p in self.pieces), default=-1)
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
            columns: list[AnyArray] = [presence.person, presence.place, presence.enter, presence.leave]
            pieces.append(Piece(DaySegment.build(int(one), *(column[chosen] for column in columns))))
        return cls(pieces, now=now, person_ids=presence.person_ids, place_ids=presence.place_ids)

    # -- answering -------------------------------------------------------------------------------------

    def found(
        self, spells: Spells, thresholds: Thresholds, *, backward: bool = False, stays: OwnStays | None = None
    ) -> Found:
        """As `meetings`, as compact as the kernel tells it. With `stays` the spells' people were there instead of where
        their records say.

        The stays of many spells are looked at in the order of their places, whose rows are then at hand, and shared
        between the processor's cores.
        """
        about = (spells.person, spells.begin, spells.end, thresholds.together, thresholds.after, backward)
        if stays is None and len(spells.person) < _MANY_SPELLS:
            with rooms.one() as room:
                while True:
                    space = (room.stays, room.beside, room.hits, room.groups, room.out)
                    number, own, crowd, rows, groups = meeting.encounters_of(
                        *self.where(), self.origin, *about, *space
                    )
                    if not room.grow(stays=own, groups=2 * own, beside=crowd, hits=rows, out=number):
                        return Found.of([(room.out[:, :number], room.groups[:, :groups])], self.origin)
        own = np.stack(self.stays_in(spells) if stays is None else stays)
        own = np.ascontiguousarray(own[:, np.lexsort((own[2], own[1]))])
        cuts = self._shares(own[1])

        def find(work: tuple[Room, tuple[int, int]]) -> tuple[npt.NDArray[np.int32], IntArray]:
            room, (low, high) = work
            room.grow(groups=2 * (high - low))
            while True:
                space = (room.beside, room.hits, room.groups, room.out)
                number, crowd, rows, groups = meeting.encounters_at(
                    *self.where(), self.origin, *about, own, low, high, *space
                )
                if not room.grow(beside=crowd, hits=rows, out=number):
                    return room.out[:, :number], room.groups[:, :groups]

        with ExitStack() as stack:
            mine = [stack.enter_context(rooms.one()) for _ in range(THREADS)]
            return Found.of(list(pool().map(find, zip(mine, pairwise(cuts), strict=True))), self.origin)

    def stays_in(self, spells: Spells) -> OwnStays:
        """The stays of the spells' people that touch them: (position of the spell, place, enter, leave)."""
        asked = (self._table, self.now, spells.person, spells.begin, spells.end)
        with rooms.one() as room:
            while True:
                number = meeting.stays_of(*asked, room.stays)
                if not room.grow(stays=number):
                    found = room.stays[:, :number].copy()
                    return found[0], found[1], found[2], found[3]

    def _shares(self, place: IntArray) -> list[int]:
        """Where to cut stays at these places, ascending, into a share of about equal work for each core: a few places
        may have most of all rows. The day with most stays says how many a place has."""
        work = np.full(len(place), float(_STAY_AS_ROWS))
        if self.pieces and len(place):
            segment = max((piece.segment for piece in self.pieces), key=len)
            at = np.minimum(np.searchsorted(segment.place_id, place), len(segment.place_id) - 1)
            work += np.where(segment.place_id[at] == place, segment.rows_by_place[at], 0)
        done = np.cumsum(work)
        total = done[-1] if len(done) else 0.0
        inner = np.searchsorted(done, total / THREADS * np.arange(1, THREADS))
        return [0, *inner.tolist(), len(place)]

    def present_at(
        self, place: IntArray, begin: IntArray, end: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Who shares a moment with each half-open [begin, end) at its place: (question, person, enter, leave)."""
        with rooms.one() as room:
            while True:
                number, crowd = meeting.present_at(*self.where(), place, begin, end, room.beside, room.there)
                if not room.grow(beside=crowd, there=number):
                    found = room.there[:, :number].copy()
                    return found[0], found[1], found[2], found[3]

    # -- for the kernels -------------------------------------------------------------------------------

    def where(self) -> tuple[IntArray, IntArray, int, IntArray, int]:
        """What every kernel takes first: the table of segments, its days, the first day, what lasts long, and now."""
        return self._table, self._day_first, self.first_day, self._far, self.now

    @cached_property
    def days_with_stays(self) -> tuple[int, int]:
        """The first and the last day (since 1970-01-01) on which a stay began that still counts."""
        days = [piece.segment.day for piece in self.pieces if len(piece.segment) > _count(piece.dead)]
        return (days[0], days[-1]) if days else (0, -1)

    def people_seen(self) -> Dead:
        """As `Known`."""
        seen = np.zeros(max((p.segment.highest_person for p in self.pieces), default=-1) + 1, bool)
        for piece in self.pieces:
            seen[piece.segment.rows & np.uint64(layout.PERSON_MASK)] = True
        return np.packbits(seen)

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
                weight[at] += p.segment.rows_by_place
            done = np.cumsum(weight)
            cuts = np.searchsorted(done, done[-1] / shares * np.arange(1, shares)) if len(done) else []
            self._places[key] = places, [0, *(int(cut) for cut in cuts), len(places)]
        return self._places[key]

    @cached_property
    def rows_a_stay(self) -> float:
        """How many rows a place has on a day, as somebody meets it who stays there."""
        rows = squares = 0.0
        for piece in self.pieces:
            size = piece.segment.rows_by_place.astype(float)
            rows += size.sum()
            squares += (size * size).sum()
        return squares / rows if rows else 0.0


class Room:
    """What the kernels write into: fresh memory for every question would cost more than the answer."""

    def __init__(self, least: int = 1 << 12) -> None:
        self.stays = np.empty((4, least), np.int64)
        self.beside = np.empty((3, 4 * least), np.int64)
        self.there = np.empty((4, 4 * least), np.int64)
        self.out = np.empty((3, 32 * least), np.int32)
        self.groups = np.empty((4, 2 * least), np.int64)
        self.hits = np.empty(4 * least, np.uint64)
        self.swept = np.empty((4, least), np.uint64)
        self.people = np.empty((4, least), np.uint32)
        self.kind = np.empty(least, np.uint8)

    def grow(self, **wanted: int) -> bool:
        """Make room for so many columns of each; False when there was room enough."""
        small = {name: size for name, size in wanted.items() if size > getattr(self, name).shape[-1]}
        for name, size in small.items():
            held = getattr(self, name)
            setattr(self, name, np.empty((*held.shape[:-1], size + (size >> 2)), held.dtype))
        return bool(small)


class Rooms:
    """Rooms that nobody uses now; there come to be as many as are ever used at once."""

    def __init__(self) -> None:
        self._free: list[Room] = []

    @contextmanager
    def one(self) -> Iterator[Room]:
        """A room for this caller alone."""
        try:
            room = self._free.pop()
        except IndexError:
            room = Room()
        try:
            yield room
        finally:
            self._free.append(room)


rooms = Rooms()


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
