"""Rooms within buildings: who shared a space when one was seen at the gate and the other in a room.

Somebody seen in a room was in the building too; somebody seen at the building's gate may have been in any of its rooms.
So two people share the larger of the two places at which they were seen, if the smaller lies within it. People seen in
two different rooms were apart. Who was seen both in a room and at the gate shares the smallest space that explains it,
minute by minute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from khien.engine.compiled import layout
from khien.engine.encounter import Spells, Thresholds
from khien.engine.ranges import AnyArray, BoolArray, IntArray, expand, merge_intervals

if TYPE_CHECKING:
    from khien.engine.snapshot import Known


@dataclass(frozen=True, eq=False)
class Spaces:
    """Which places lie within which: pairs of numbers (`inner`, `outer`), by inner; one for every outer place."""

    inner: IntArray
    outer: IntArray

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, int]]) -> Spaces:
        """From (inner, outer) pairs."""
        both = np.array(sorted(set(pairs)), np.int64).reshape(-1, 2)
        return cls(both[:, 0], both[:, 1])

    def beside(self, place: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """For each place itself and everything around and within it: (position, where others were seen, shared)."""
        number = np.arange(len(place), dtype=np.int64)
        around, outer = self.around(place)
        within, inner = self._look_up(self.outer, self.inner, place)
        return (
            np.concatenate((number, around, within)),
            np.concatenate((place, outer, inner)),
            np.concatenate((place, outer, place[within])),
        )

    def around(self, place: IntArray) -> tuple[IntArray, IntArray]:
        """The places around each place: (position, the outer place)."""
        return self._look_up(self.inner, self.outer, place)

    def with_rooms(self, place: IntArray) -> tuple[IntArray, IntArray]:
        """Each place and everything within it, in the order of the places: (position, the place or a room of it)."""
        within, inner = self._look_up(self.outer, self.inner, place)
        position = np.concatenate((np.arange(len(place), dtype=np.int64), within))
        order = np.argsort(position, kind="stable")
        return position[order], np.concatenate((place, inner))[order]

    def outermost(self, place: IntArray) -> IntArray:
        """The place around everything: the last of those around it, or the place itself."""
        if not len(self.inner):
            return place
        # What lies around nothing else is an end; of nested places only the pair with the end counts.
        ends = ~np.isin(self.outer, self.inner)
        inner, outer = self.inner[ends], self.outer[ends]
        at = np.minimum(np.searchsorted(inner, place), max(len(inner) - 1, 0))
        return np.where(inner[at] == place, outer[at], place) if len(inner) else place

    def _look_up(self, keys: IntArray, values: IntArray, place: IntArray) -> tuple[IntArray, IntArray]:
        order = np.argsort(keys, kind="stable")
        sorted_keys = keys[order]
        low, high = (np.searchsorted(sorted_keys, place, side) for side in ("left", "right"))
        position, at = expand(low, high)
        return position, values[order[at]]


@dataclass(frozen=True, eq=False)
class Shared:
    """Meetings in a space, one per entry: position of the spell, the other person's number, the shared space, from
    when to when, and how many `seconds` of it are not in a smaller space that the two shared at that time."""

    spell: IntArray
    person: IntArray
    place: IntArray
    start: IntArray
    end: IntArray
    seconds: IntArray

    def __len__(self) -> int:
        return len(self.person)

    def where(self, chosen: AnyArray | slice) -> Shared:
        """Only some of them."""
        return Shared(*(column[chosen] for column in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Own:
    """Stays of the people of some spells: position of the spell, place (its number), enter, leave."""

    spell: IntArray
    place: IntArray
    enter: IntArray
    leave: IntArray

    @classmethod
    def of(cls, snapshot: Known, spells: Spells, told: Iterable[tuple[int, int, int, int]] = ()) -> Own:
        """What the records say and what was `told` (rows as the columns), overlapping stays at a place made one."""
        recorded = np.stack(snapshot.stays_in(spells))
        further = np.array(list(told), np.int64).reshape(-1, 4).T
        spell, place, enter, leave = np.concatenate((recorded, further), axis=1)
        (spell, place), enter, leave = merged((spell, place), enter, leave)
        return cls(spell, place, enter, leave)

    def __len__(self) -> int:
        return len(self.place)

    def where(self, chosen: AnyArray | slice) -> Own:
        """Only some of them."""
        return Own(*(column[chosen] for column in vars(self).values()))

    def touching(self, low: int, high: int) -> Own:
        """Those that share a moment with [low, high), epoch seconds."""
        return self.where((self.enter < high) & (np.maximum(self.leave, self.enter + 1) > low))


def meet(
    snapshot: Known,
    spells: Spells,
    own: Own,
    spaces: Spaces,
    *,
    min_seconds: int = 0,
) -> Shared:
    """Everybody whom the people of the spells shared a space with for at least `min_seconds`, themselves at `own`.

    What several records say of one person at one place, overlapping or touching, is one meeting: nobody is there twice
    at once. Each of them must reach `min_seconds` by itself.
    """
    position, at, shared = spaces.beside(own.place)
    (spell, at, shared), enter, leave = merged(
        (own.spell[position], at, shared), own.enter[position], own.leave[position]
    )
    # Each stay is a spell of its own: the answer then says of which stay, and so of which space, a meeting is.
    each = Spells(spells.person[spell], spells.begin[spell], spells.end[spell])
    found = snapshot.found(
        each,
        Thresholds(together=min_seconds, after=0),
        stays=(np.arange(len(spell), dtype=np.int64), at, enter, leave),
    )
    stay, person, start, end = _joined(found.spell, found.target, found.start, found.end)
    answer = Shared(spell[stay], person, shared[stay], start, end, end - start)
    return _once(answer, at[stay] != shared[stay], spaces) if len(spaces.inner) else answer


def merged(
    keys: tuple[IntArray, ...], enter: IntArray, leave: IntArray
) -> tuple[tuple[IntArray, ...], IntArray, IntArray]:
    """Stretches of the same keys that overlap or touch made one, sorted by keys and enter."""
    distinct, owner = np.unique(np.stack(keys), axis=1, return_inverse=True)
    owner, enter, leave = merge_intervals(owner.reshape(-1), enter, leave)
    return tuple(distinct[:, owner]), enter, leave


def _joined(
    stay: IntArray, person: IntArray, start: IntArray, end: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Meetings of one stay with one person that overlap or touch made one; most often there are none."""
    key = stay << layout.PERSON_BITS | person
    ordered = np.sort(key)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(repeated):
        return stay, person, start, end
    several = np.isin(key, repeated)
    key, begin, until = merge_intervals(key[several], start[several], end[several])
    if len(key) == np.count_nonzero(several):
        return stay, person, start, end
    return (
        np.concatenate((stay[~several], key >> layout.PERSON_BITS)),
        np.concatenate((person[~several], key & layout.PERSON_MASK)),
        np.concatenate((start[~several], begin)),
        np.concatenate((end[~several], until)),
    )


def _once(found: Shared, elsewhere: BoolArray, spaces: Spaces) -> Shared:
    """Minutes shared in a smaller space are not counted again in the larger ones around it."""
    root = spaces.outermost(found.place)
    depth = np.searchsorted(spaces.inner, found.place, "right") - np.searchsorted(spaces.inner, found.place)
    order = np.lexsort((found.start, -depth, root, found.person, found.spell))
    seconds = found.seconds.copy()
    key = np.stack((found.spell, found.person, root))[:, order]
    begins = np.flatnonzero(np.concatenate(([True], (key[:, 1:] != key[:, :-1]).any(axis=0))))
    ends = np.append(begins[1:], len(order))
    several = np.flatnonzero(ends - begins > 1)
    for first, last in zip(begins[several].tolist(), ends[several].tolist(), strict=True):
        rows = order[first:last]
        if (found.place[rows] == found.place[rows[0]]).all() and not elsewhere[rows].any():
            continue
        covered: list[tuple[int, int]] = []
        for row in rows.tolist():
            start, end = int(found.start[row]), int(found.end[row])
            seconds[row] -= _covered(covered, start, end)
            covered = _with(covered, start, end)
    told_elsewhere = (seconds == 0) & (found.end > found.start)
    return replace(found, seconds=seconds).where(~told_elsewhere)


def _covered(stretches: list[tuple[int, int]], start: int, end: int) -> int:
    return sum(max(min(end, high) - max(start, low), 0) for low, high in stretches)


def _with(stretches: list[tuple[int, int]], start: int, end: int) -> list[tuple[int, int]]:
    kept: list[tuple[int, int]] = []
    for low, high in stretches:
        if high < start or low > end:
            kept.append((low, high))
        else:
            start, end = min(start, low), max(end, high)
    return [*kept, (start, end)]
