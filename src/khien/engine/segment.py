"""The stays of one day, immutable: what is read of it is read where it lies, in memory or in a file.

A stay belongs to the Vietnamese day on which it began, however long it lasts, so it is never cut: whoever asks
about a morning also looks at those who came the evening before (`over_*`).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from khien.engine.compiled import building, layout
from khien.engine.moments import VIETNAM
from khien.engine.presence import OPEN
from khien.engine.ranges import AnyArray, IntArray

DAY_S = 86_400
ZONE_S = 25_200
MAGIC = b"KHIENSEG"
FORMAT = 1
_HEAD = struct.Struct(
    "<8sIIqqqqQ"
)  # magic, format, arrays, day number, rows, shift, last end, check of all before
_PART = struct.Struct("<QQQ")  # where an array begins, its octets, its check
_ALIGNED = 64


class Damaged(Exception):
    """A segment file that does not hold what was written: it is never served, and made anew from the record."""


@dataclass(frozen=True, eq=False)
class DaySegment:
    """The stays that began on one day, sorted by (place, enter).

    `rows` packs enter, length and person of each stay (`compiled.layout`); `place_id` (ascending) with `place_first`
    says where each place's rows begin; `block_end` holds for each 8 rows the latest end, `block_place` for each 32
    the place of the first; `bucket_first` and `entry` find a person's rows; `longer_*`
    are stays of 36 hours or more and open ones; `over_*` those that outlast their day. About 13 octets a stay.
    """

    day: int
    """Days since 1970-01-01 of Viet Nam."""
    shift: int
    last_end: int
    """The latest end of any stay (epoch seconds; 2**62 when one is open)."""
    rows: npt.NDArray[np.uint64]
    block_end: npt.NDArray[np.uint16]
    block_place: npt.NDArray[np.uint32]
    place_id: npt.NDArray[np.uint32]
    place_first: npt.NDArray[np.uint32]
    bucket_first: npt.NDArray[np.uint32]
    entry: npt.NDArray[np.uint32]
    longer_row: npt.NDArray[np.uint32]
    longer_leave: IntArray
    over_place: npt.NDArray[np.uint32]
    over_person: npt.NDArray[np.uint32]
    over_enter: npt.NDArray[np.int32]
    over_leave: npt.NDArray[np.int32]
    over_row: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def rows_by_place(self) -> IntArray:
        """How many rows each place of `place_id` has."""
        first = self.place_first.astype(np.int64)
        return first[1:] - first[:-1]

    @property
    def start(self) -> int:
        """The day's midnight, epoch seconds."""
        return self.day * DAY_S - ZONE_S

    @property
    def octets(self) -> int:
        """Memory or file taken."""
        return sum(array.nbytes for _name, array in self._arrays())

    # -- making one ------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls, day: int, person: AnyArray, place: AnyArray, enter: IntArray, leave: IntArray
    ) -> DaySegment:
        """From columns of equal length; every stay begins on the day, and none ends before it begins.

        `leave` is `OPEN` while the stay lasts. People and places are numbers from 0 (at most 2**30 and 2**32).
        Raises ValueError for what does not belong here.
        """
        start = day * DAY_S - ZONE_S
        _must(len(person) == len(place) == len(enter) == len(leave), "columns differ in length")
        if len(person):
            _must(person.min() >= 0 and person.max() <= layout.MAX_PERSON, "a person's number does not fit")
            _must(place.min() >= 0 and place.max() <= layout.MAX_PLACE, "a place's number does not fit")
            _must(start <= enter.min() and enter.max() < start + DAY_S, "a stay of another day")
            _must(bool(((leave >= enter) | (leave == OPEN)).all()), "a stay ends before it begins")
        person32, place32 = person.astype(np.uint32), place.astype(np.uint32)
        packed = building.pack(person32, enter, leave, start, OPEN)
        order = building.order_by_place(place32, packed, leave)
        (rows, block_end, block_place, place_id, place_first, *rest, last_end) = building.directories(
            order, place32, packed, enter, leave, start, OPEN
        )
        shift = _shift(int(person.max()) + 1 if len(person) else 1, len(rows))
        first, entry = building.people_directory(rows, shift)
        return cls(
            day,
            shift,
            int(last_end),
            rows,
            block_end,
            block_place,
            place_id,
            place_first,
            first,
            entry,
            *rest,
        )

    def columns(self) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """The stays again: person, place, enter, leave (`OPEN` while it lasts), in the segment's order."""
        person = (self.rows & np.uint64(layout.PERSON_MASK)).astype(np.int64)
        enter = (self.rows >> np.uint64(layout.START_SHIFT)).astype(np.int64) + self.start
        length = (self.rows >> np.uint64(layout.PERSON_BITS)).astype(np.int64) & layout.LONGER
        leave = enter + length
        leave[self.longer_row] = self.longer_leave
        place = np.repeat(self.place_id.astype(np.int64), self.rows_by_place)
        return person, place, enter, leave

    @cached_property
    def highest_person(self) -> int:
        """The greatest number of a person; -1 of no stays."""
        if not len(self):
            return -1
        # It is in the last bucket, which is never empty.
        rows = self.entry[self.bucket_first[-2] :] & np.uint32((1 << (32 - self.shift)) - 1)
        return int((self.rows[rows] & np.uint64(layout.PERSON_MASK)).max())

    @cached_property
    def lasting(self) -> tuple[IntArray, npt.NDArray[np.uint32]]:
        """The stays that last beyond the midnight after their first: (place, person, enter, leave), and their rows."""
        chosen = np.flatnonzero(self.over_leave > 2 * DAY_S)
        relative = self.over_leave[chosen].astype(np.int64)
        columns = (
            self.over_place[chosen].astype(np.int64),
            self.over_person[chosen].astype(np.int64),
            self.over_enter[chosen].astype(np.int64) + self.start,
            np.where(relative == layout.NEVER, OPEN, relative + self.start),
        )
        return np.stack(columns), self.over_row[chosen]

    def entry_in_table(self, dead: npt.NDArray[np.uint8] | None) -> list[int]:
        """Its row in the kernels' table of segments; the caller keeps it (and `dead`) alive."""
        return [
            self.start,
            len(self.rows),
            self.rows.ctypes.data,
            len(self.place_id),
            self.place_id.ctypes.data,
            self.place_first.ctypes.data,
            self.block_end.ctypes.data,
            self.block_place.ctypes.data,
            self.shift,
            len(self.bucket_first) - 1,
            self.bucket_first.ctypes.data,
            self.entry.ctypes.data,
            len(self.longer_row),
            self.longer_row.ctypes.data,
            self.longer_leave.ctypes.data,
            len(self.over_row),
            self.over_place.ctypes.data,
            self.over_person.ctypes.data,
            self.over_enter.ctypes.data,
            self.over_leave.ctypes.data,
            self.over_row.ctypes.data,
            0 if dead is None else dead.ctypes.data,
            self.last_end,
        ]

    def find(self, person: int, place: int, enter: int, leave: int) -> list[int]:
        """The rows of exactly this stay (several when it was told several times)."""
        slot = int(np.searchsorted(self.place_id, place))
        if slot == len(self.place_id) or self.place_id[slot] != place:
            return []
        low, high = int(self.place_first[slot]), int(self.place_first[slot + 1])
        rows = self.rows[low:high]
        key = np.uint64(enter - self.start) << np.uint64(layout.START_SHIFT)
        following = key + (np.uint64(1) << np.uint64(layout.START_SHIFT))
        found = []
        for at in range(int(np.searchsorted(rows, key)), int(np.searchsorted(rows, following))):
            packed = int(rows[at])
            if packed & layout.PERSON_MASK != person:
                continue
            length = (packed >> layout.PERSON_BITS) & layout.LONGER
            if length == layout.LONGER:
                told = int(self.longer_leave[np.searchsorted(self.longer_row, low + at)])
            else:
                told = enter + length
            if told == leave:
                found.append(low + at)
        return found

    # -- files -----------------------------------------------------------------------------------------

    def write(self, path: Path) -> int:
        """Write to a new file and sync it; returns its octets. The caller gives it its final name."""
        arrays = [array for _name, array in self._arrays()]
        at = _aligned(_HEAD.size + _PART.size * len(arrays))
        parts = []
        for array in arrays:
            octets = np.ascontiguousarray(array).view(np.uint8)
            parts.append((at, len(octets), int(building.checksum(octets))))
            at = _aligned(at + len(octets))
        directory = b"".join(_PART.pack(*part) for part in parts)
        head = _HEAD.pack(MAGIC, FORMAT, len(arrays), self.day, len(self), self.shift, self.last_end, 0)
        check = int(building.checksum(np.frombuffer(head + directory, np.uint8)))
        with path.open("xb") as file:
            file.write(head[:-8] + struct.pack("<Q", check) + directory)
            for (begin, _size, _check), array in zip(parts, arrays, strict=True):
                file.write(bytes(begin - file.tell()))
                file.write(np.ascontiguousarray(array).view(np.uint8).data if len(array) else b"")
            file.write(bytes(at - file.tell()))
            file.flush()
            os.fsync(file.fileno())
        return at

    @classmethod
    def open(cls, path: Path) -> DaySegment:
        """Map a file and check every octet of it. Raises `Damaged` for anything but what was written, and OSError."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEAD.size:
                raise Damaged(f"{path.name}: {size} octets are no segment")
            memory = mmap(file.fileno(), 0, access=ACCESS_READ)
        octets = np.frombuffer(memory, np.uint8)
        magic, version, count, day, rows, shift, last_end, check = _HEAD.unpack_from(memory)
        begin = _HEAD.size + _PART.size * count
        if magic != MAGIC or version != FORMAT or begin > size or count != len(_DTYPES):
            raise Damaged(f"{path.name}: no segment of format {FORMAT}")
        head = np.frombuffer(
            bytes(memory[: _HEAD.size - 8]) + bytes(8) + memory[_HEAD.size : begin], np.uint8
        )
        if int(building.checksum(head)) != check:
            raise Damaged(f"{path.name}: the directory does not add up")
        arrays = []
        for number, dtype in enumerate(_DTYPES):
            at, length, wanted = _PART.unpack_from(memory, _HEAD.size + _PART.size * number)
            if at + length > size:
                raise Damaged(f"{path.name}: cut off at {size} octets")
            part = octets[at : at + length]
            if int(building.checksum(part)) != wanted:
                raise Damaged(f"{path.name}: array {number} does not add up")
            arrays.append(part.view(dtype))
        if len(arrays[0]) != rows:
            raise Damaged(f"{path.name}: {len(arrays[0])} rows where {rows} were written")
        return cls(day, shift, last_end, *arrays)

    def _arrays(self) -> Iterator[tuple[str, AnyArray]]:
        for one in fields(self)[3:]:
            yield one.name, getattr(self, one.name)


_DTYPES = (
    *(np.uint64, np.uint16, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32, np.uint32, np.int64),
    *(np.uint32, np.uint32, np.int32, np.int32, np.uint32),
)


def local_day(moment: Any) -> Any:
    """Days since 1970-01-01 of the Vietnamese day that holds an epoch second (or each of an array)."""
    return (moment + ZONE_S) // DAY_S


def _shift(people: int, rows: int) -> int:
    """How many people share a bucket, as a power of two: about 16 rows each, and the rest of a u32 holds a row."""
    shift = 0
    while (people >> shift) * 16 > max(rows, 1) and shift < 16:
        shift += 1
    _must(rows < 1 << (32 - shift), f"{rows:,} stays are too many for one segment")
    return shift


def _aligned(at: int) -> int:
    return -(-at // _ALIGNED) * _ALIGNED


def _must(holds: bool, words: str) -> None:
    if not holds:
        raise ValueError(words)


assert VIETNAM.utcoffset(None) is not None
