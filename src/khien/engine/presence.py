"""Who was where, when, laid out so that "who else was there?" is a range of rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from khien.engine.moments import Moment, seconds
from khien.engine.ranges import AnyArray, IntArray, expand

if TYPE_CHECKING:
    from khien.engine.encounter import Spells

OPEN = int(np.iinfo(np.int64).min)
"""The leave time of a stay that has not ended (the same bits as NumPy's NaT)."""

_DAY_S, _ZONE_S = 86_400, 25_200
_BLOCKS = (10, 5)  # rows per block as powers of two, coarse to fine
_PORTION = 4_000_000  # rows looked at in one go: bounds the memory of a busy query


class UnknownPerson(LookupError):
    """A person who has no presence record. `person` is the id asked for."""

    def __init__(self, person: object) -> None:
        super().__init__(f"no presence record of person {person!r}")
        self.person = person


@dataclass(frozen=True)
class Refused:
    """A record that was not taken: its row (0 is the first record), the column at fault, and why."""

    row: int
    column: str
    reason: str


@dataclass(frozen=True, eq=False)
class Presence:
    """Stays [enter, leave) of persons at places, sorted by (place, enter).

    Arrays of one entry per stay: `person` and `place` (uint32 indexes into `person_ids` and `place_ids`,
    which are sorted), `enter` and `leave` (int64 epoch seconds, `leave >= enter`; an open stay has been
    closed at `as_of`). A stay of no length is the instant `enter`. `refused` lists the records that were
    not taken, so `received == len(presence) + len(presence.refused)`. Build one with `from_arrays` or with
    `khien.engine.read_presence`; nothing in it changes afterwards.
    """

    person: npt.NDArray[np.uint32]
    place: npt.NDArray[np.uint32]
    enter: IntArray
    leave: IntArray
    person_ids: AnyArray
    place_ids: AnyArray
    refused: tuple[Refused, ...] = ()
    open_stays: int = 0
    # A zero-length stay lasts one second here, so that "meets" is the plain test of half-open intervals.
    _end: IntArray = field(init=False, repr=False)
    _key: IntArray = field(init=False, repr=False)  # place * _span + enter - _origin, ascending
    _origin: int = field(init=False, repr=False)
    _span: int = field(init=False, repr=False)
    _place_offsets: IntArray = field(init=False, repr=False)
    _person_offsets: IntArray = field(init=False, repr=False)
    _person_rows: npt.NDArray[np.uint32] = field(init=False, repr=False)
    _latest: tuple[IntArray, ...] = field(init=False, repr=False)  # per level of _BLOCKS: latest _end

    def __post_init__(self) -> None:
        origin = int(self.enter.min()) if len(self.enter) else 0
        span = int(self.enter.max()) - origin + 1 if len(self.enter) else 1
        if span * (len(self.place_ids) + 1) >= 2**62:
            raise ValueError(f"{len(self.place_ids)} places over {span} s do not fit one sort key")
        key = self.place.astype(np.int64) * span + (self.enter - origin)
        order = np.argsort(key, kind="stable")
        arrays = {name: getattr(self, name)[order] for name in ("person", "place", "enter", "leave")}
        person = arrays["person"]
        arrays["_key"] = key[order]
        arrays["_end"] = np.maximum(arrays["leave"], arrays["enter"] + 1)
        arrays["_place_offsets"] = _offsets(arrays["place"], len(self.place_ids))
        arrays["_person_offsets"] = _offsets(person, len(self.person_ids))
        arrays["_person_rows"] = np.argsort(person, kind="stable").astype(np.uint32)
        for array in arrays.values():
            array.setflags(write=False)
        for name, value in arrays.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "_origin", origin)
        object.__setattr__(self, "_span", span)
        object.__setattr__(self, "_latest", tuple(_block_maxima(self._end, bits) for bits in _BLOCKS))

    # -- making one ------------------------------------------------------------------------------------

    @classmethod
    def from_arrays(
        cls,
        person_ids: npt.ArrayLike,
        place_ids: npt.ArrayLike,
        enter: npt.ArrayLike,
        leave: npt.ArrayLike,
        *,
        as_of: Moment | None = None,
    ) -> Presence:
        """From four columns of equal length: any integer or text ids, times in epoch seconds (or datetime64, UTC).

        `leave` is `OPEN` (or NaT) while the person is still there: such a stay runs until `as_of`, and is
        an instant when it began later. Records which end before they begin land in `refused`. Raises
        ValueError for columns of unequal length, and for open stays without `as_of`.
        """
        columns = [pa.array(np.asarray(person_ids)), pa.array(np.asarray(place_ids))]
        times = [_epoch_seconds(np.asarray(enter)), _epoch_seconds(np.asarray(leave))]
        if len({len(column) for column in [*columns, *times]}) != 1:
            raise ValueError("person, place, enter and leave differ in length")
        return cls.from_columns(columns[0], columns[1], times[0], times[1], as_of=as_of)

    @classmethod
    def from_columns(
        cls,
        person: pa.Array,
        place: pa.Array,
        enter: IntArray,
        leave: IntArray,
        *,
        as_of: Moment | None = None,
        refused: Iterable[Refused] = (),
    ) -> Presence:
        """As `from_arrays`, from Arrow id columns. Rows in `refused` are skipped."""
        refused = list(refused)
        is_open = leave == OPEN
        good = np.ones(len(enter), bool)
        good[[one.row for one in refused]] = False
        for name, column in (("person", person), ("place", place)):
            for row in np.flatnonzero(good & column.is_null().to_numpy(zero_copy_only=False)):
                refused.append(Refused(int(row), name, "empty"))
                good[row] = False
        backwards = good & ~is_open & (leave < enter)
        refused += [
            Refused(int(row), "leave", f"ends {enter[row] - leave[row]} s before it begins")
            for row in np.flatnonzero(backwards)
        ]
        good &= ~backwards
        is_open &= good
        if is_open.any():
            if as_of is None:
                raise ValueError(f"leave: {is_open.sum()} open stays: say until when, with as_of")
            leave = np.where(is_open, np.maximum(enter, seconds(as_of)), leave)
        keep = slice(None) if good.all() else np.flatnonzero(good)
        person_codes, person_ids = _encode(person, keep)
        place_codes, place_ids = _encode(place, keep)
        return cls(
            person=person_codes,
            place=place_codes,
            enter=enter[keep],
            leave=leave[keep],
            person_ids=person_ids,
            place_ids=place_ids,
            refused=tuple(sorted(refused, key=lambda one: one.row)),
            open_stays=int(is_open.sum()),
        )

    def __len__(self) -> int:
        return len(self.enter)

    @property
    def received(self) -> int:
        """Records handed in: those kept and those refused."""
        return len(self) + len(self.refused)

    @property
    def number_of_people(self) -> int:
        """Of how many people there are stays."""
        return len(self.person_ids)

    @cached_property
    def days_with_stays(self) -> tuple[int, int]:
        """The first and the last day (of Viet Nam, since 1970-01-01) on which a stay began."""
        if not len(self):
            return 0, -1
        first, last = int(self.enter.min()), int(self.enter.max())
        return (first + _ZONE_S) // _DAY_S, (last + _ZONE_S) // _DAY_S

    # -- asking ----------------------------------------------------------------------------------------

    def indexes_of_persons(self, persons: Sequence[Any] | AnyArray) -> IntArray:
        """Indexes of person ids, in the order asked. Raises UnknownPerson for the first without a record."""
        return find_ids(self.person_ids, persons, UnknownPerson)

    def numbers_of_places(self, places: AnyArray) -> IntArray:
        """Indexes of place ids that have records, in the order asked."""
        return np.searchsorted(self.place_ids, places).astype(np.int64)

    def rows_of(self, person: IntArray) -> tuple[IntArray, IntArray]:
        """All rows of several persons (indexes, repeats allowed): (position in `person`, row)."""
        owner, slot = expand(self._person_offsets[person], self._person_offsets[person + 1])
        return owner, self._person_rows[slot].astype(np.int64)

    def rows_entered(self, place: IntArray, begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """Range of rows of each place index entered within [begin, end): arrays (first, after last)."""
        return self._row_at(place, begin), self._row_at(place, end)

    def rows_present(self, place: IntArray, begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray]:
        """Rows at each place which share a moment with the half-open [begin, end): (query, row), in order.

        No bound on the length of stays is needed: blocks of rows that had all left by `begin` are skipped
        by the latest end in each, so one very long stay spoils its own block only.
        """
        low = self._place_offsets[place]
        high = np.maximum(self._row_at(place, end), low)
        query = np.arange(len(place), dtype=np.int64)
        lows, highs = low, high
        for bits, latest in zip(_BLOCKS, self._latest, strict=True):
            part, block = expand(lows >> bits, -(-highs >> bits))
            part = query[part]
            kept = latest[block] > begin[part]
            query, block = part[kept], block[kept]
            lows = np.maximum(block << bits, low[query])
            highs = np.minimum((block + 1) << bits, high[query])
        part, row = expand(lows, highs)
        query = query[part]
        kept = self._end[row] > begin[query]
        return query[kept], row[kept]

    def stays_in(self, spells: Spells) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The stays of the spells' people that touch them: (position of the spell, place, enter, leave)."""
        slot, row = self.rows_of(spells.person)
        begin, end = spells.begin[slot], spells.end[slot]
        touches = (self.enter[row] < end) & (self._end[row] > begin) & (begin < end)
        slot, row = slot[touches], row[touches]
        return slot, self.place[row].astype(np.int64), self.enter[row], self.leave[row]

    def present_at(
        self, place: IntArray, begin: IntArray, end: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """Who shares a moment with each half-open [begin, end) at its place: (question, person, enter, leave)."""
        query, row = self.rows_present(place, begin, end)
        return query, self.person[row].astype(np.int64), self.enter[row], self.leave[row]

    def rows_at_most(self, place: IntArray, end: IntArray) -> IntArray:
        """How many rows `rows_present` may have to look at, for cutting a large question into portions."""
        return np.maximum(self._row_at(place, end) - self._place_offsets[place], 0)

    def _row_at(self, place: IntArray, moment: IntArray) -> IntArray:
        """First row of the place entered at `moment` or later."""
        key = place * self._span + np.clip(moment - self._origin, 0, self._span)
        return np.searchsorted(self._key, key).astype(np.int64)


def find_ids(ids: AnyArray, wanted: Sequence[Any] | AnyArray, missing: type[UnknownPerson]) -> IntArray:
    found = np.empty(len(wanted), np.int64)
    for slot, one in enumerate(wanted):
        try:
            value = int(one) if ids.dtype.kind in "iu" else str(one)
        except ValueError:
            raise missing(one) from None
        at = int(np.searchsorted(ids, value)) if len(ids) else 0
        if at == len(ids) or ids[at] != value:
            raise missing(one)
        found[slot] = at
    return found


def _encode(column: pa.Array, keep: slice | IntArray) -> tuple[npt.NDArray[np.uint32], AnyArray]:
    """Codes into the sorted distinct ids (int64, or str objects)."""
    if not isinstance(keep, slice):
        column = column.take(pa.array(keep))
    column = column.cast(pa.int64() if pa.types.is_integer(column.type) else pa.large_string())
    encoded = column.dictionary_encode()
    order = pc.sort_indices(encoded.dictionary)
    ids = encoded.dictionary.take(order).to_numpy(zero_copy_only=False)
    rank = np.empty(len(ids), np.uint32)
    rank[order.to_numpy()] = np.arange(len(ids), dtype=np.uint32)
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    return (rank[codes] if len(ids) else np.empty(0, np.uint32)), ids


def _epoch_seconds(times: AnyArray) -> IntArray:
    if times.dtype.kind == "M":
        return times.astype("datetime64[s]").astype(np.int64)
    if times.dtype.kind in "iu" or not len(times):
        return times.astype(np.int64)
    raise ValueError(f"times must be whole epoch seconds or datetime64, not {times.dtype}")


def _offsets(codes: npt.NDArray[np.uint32], size: int) -> IntArray:
    return np.concatenate(([0], np.cumsum(np.bincount(codes, minlength=size)))).astype(np.int64)


def _block_maxima(values: IntArray, bits: int) -> IntArray:
    if not len(values):
        return values
    return np.maximum.reduceat(values, np.arange(0, len(values), 1 << bits))
