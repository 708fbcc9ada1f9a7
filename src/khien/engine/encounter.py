"""Who met whom: the one question that every search of the engine asks.

Two stays of different persons at one place *meet* when they share a moment. Stays are half-open, so
touching ones (one leaves as the other enters) do not meet; a stay of no length is the instant of its
`enter` and meets a stay [s, e) when s <= instant < e, and another instant when both are the same. The
case's stay is first cut to the window; a stay of which nothing lies in the window does not count.

- *together*: the stays meet, and what they share lasts at least `min_minutes`. The threshold holds for
  each encounter by itself; several short ones never add up to one that counts. With 0, an instant counts.
- *after*: the contact enters within `after_minutes` once the case has left: leave <= enter < leave + after.
  The case's leaving must lie within the window (a stay cut by its end has not been left). No minimum
  applies, and an after-encounter has 0 seconds together. A pair of stays never counts twice: an instant
  at which both kinds hold is *together*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from khien.engine.moments import Moment, seconds
from khien.engine.presence import _PORTION, Presence
from khien.engine.ranges import AnyArray, BoolArray, IntArray, expand, portions

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

Window = tuple[Moment, Moment]
"""A half-open stretch of time [from, to)."""

TOGETHER, AFTER = "together", "after"


@dataclass(frozen=True, eq=False)
class Encounters:
    """Encounters, one per entry of each array, by (start, end, person, place).

    `case` and `person` (the other one) and `place` are ids as given to `Presence`; `start`, `end` int64
    epoch seconds: what was shared, or for *after* the stay of the later person; `overlap` seconds
    together (0 for *after*); `after` True where the encounter is of the kind *after*.
    """

    case: AnyArray
    person: AnyArray
    place: AnyArray
    start: IntArray
    end: IntArray
    overlap: IntArray
    after: BoolArray

    def __len__(self) -> int:
        return len(self.start)

    @property
    def kind(self) -> npt.NDArray[np.str_]:
        """'together' or 'after', for each encounter."""
        return np.where(self.after, AFTER, TOGETHER)


@dataclass(frozen=True)
class Spells:
    """Stretches [begin, end) in which persons (indexes, repeats allowed) are looked at."""

    person: IntArray
    begin: IntArray
    end: IntArray


@dataclass(frozen=True)
class Meeting:
    """Encounters as indexes: `source` is the person of the spell, `target` the other; `spell` its position."""

    spell: IntArray
    source: IntArray
    target: IntArray
    place: IntArray
    start: IntArray
    end: IntArray
    overlap: IntArray
    after: BoolArray


@dataclass(frozen=True)
class Thresholds:
    """What counts: seconds together, and seconds after the earlier person left (0: never)."""

    together: int
    after: int

    @classmethod
    def of_minutes(cls, min_minutes: float, after_minutes: float) -> Thresholds:
        if min_minutes < 0 or after_minutes < 0:
            raise ValueError("min_minutes and after_minutes must not be negative")
        return cls(round(min_minutes * 60), round(after_minutes * 60))


def encounters(
    presence: Presence | Known,
    case: Any | Sequence[Any] | AnyArray,
    window: Window | Sequence[Window],
    *,
    min_minutes: float = 15,
    after_minutes: float = 0,
) -> Encounters:
    """Every encounter of a case (or of several) with anybody else within the window.

    `window` is one [from, to) for all cases, or one for each. Raises UnknownPerson for a case without
    records, ValueError for a window that ends before it begins.
    """
    spells = spells_of(presence, case, window)
    parts = list(meetings(presence, spells, Thresholds.of_minutes(min_minutes, after_minutes)))
    return named(presence, parts)


def spells_of(
    presence: Presence | Known, case: Any | Sequence[Any] | AnyArray, window: Window | Sequence[Window]
) -> Spells:
    """The spells of cases given by id."""
    cases = [case] if isinstance(case, str | int | np.integer) else list(case)
    person = presence.indexes_of_persons(cases)
    one_for_all = len(window) == 2 and not isinstance(window[0], tuple | list | np.ndarray)
    windows: Sequence[Any] = [window] * len(cases) if one_for_all else list(window)
    if len(windows) != len(cases):
        raise ValueError(f"{len(cases)} cases but {len(windows)} windows")
    limits = np.array([[seconds(begin), seconds(end)] for begin, end in windows], np.int64).reshape(-1, 2)
    if (limits[:, 1] < limits[:, 0]).any():
        raise ValueError("the window ends before it begins")
    return Spells(person, limits[:, 0], limits[:, 1])


def meetings(
    presence: Presence | Known, spells: Spells, thresholds: Thresholds, *, backward: bool = False
) -> Iterator[Meeting]:
    """All encounters of the spells, in portions that bound the memory; vectorised over records.

    Forward, the person of the spell is the earlier one of an *after* encounter; backward, the later one,
    whose entering must then lie in the spell.
    """
    if not isinstance(presence, Presence):
        yield from presence.meetings(spells, thresholds, backward=backward)
        return
    slot, row = presence.rows_of(spells.person)
    begin, end = spells.begin[slot], spells.end[slot]
    touches = (presence.enter[row] < end) & (presence._end[row] > begin) & (begin < end)
    slot, row, begin, end = slot[touches], row[touches], begin[touches], end[touches]
    place = presence.place[row].astype(np.int64)
    reach = np.minimum(end, presence._end[row]) + thresholds.after
    for part in portions(presence.rows_at_most(place, reach), _PORTION):
        asked = _Asked(slot[part], spells.person[slot[part]], row[part], place[part], begin[part], end[part])
        yield _together(presence, asked, thresholds)
        if thresholds.after:
            yield (_before if backward else _afterwards)(presence, asked, thresholds)


@dataclass(frozen=True)
class _Asked:
    """Stays of the spells' persons: position of the spell, person, row of the stay, its place, the spell's limits."""

    spell: IntArray
    person: IntArray
    row: IntArray
    place: IntArray
    begin: IntArray
    end: IntArray


def _together(presence: Presence, asked: _Asked, thresholds: Thresholds) -> Meeting:
    start = np.maximum(presence.enter[asked.row], asked.begin)
    stop = np.minimum(presence.leave[asked.row], asked.end)
    query, row = presence.rows_present(asked.place, start, np.maximum(stop, start + 1))
    shared_from = np.maximum(start[query], presence.enter[row])
    shared_to = np.maximum(np.minimum(stop[query], presence.leave[row]), shared_from)
    counts = shared_to - shared_from >= thresholds.together
    return _meeting(
        presence, asked, query, row, shared_from, shared_to, shared_to - shared_from, False, counts
    )


def _afterwards(presence: Presence, asked: _Asked, thresholds: Thresholds) -> Meeting:
    left = presence.leave[asked.row]
    low, high = presence.rows_entered(asked.place, left, left + thresholds.after)
    query, row = expand(low, np.where(left <= asked.end, high, low))
    enter, leave = presence.enter[row], presence.leave[row]
    instant = (
        presence.enter[asked.row][query] == enter
    )  # the case's stay is the instant at which the other enters
    counts = ~instant if thresholds.together == 0 else np.ones(len(row), bool)
    return _meeting(presence, asked, query, row, enter, leave, np.zeros(len(row), np.int64), True, counts)


def _before(presence: Presence, asked: _Asked, thresholds: Thresholds) -> Meeting:
    entered, leaves = presence.enter[asked.row], presence.leave[asked.row]
    within = np.flatnonzero(entered >= asked.begin)  # `entered < end` holds already
    query, row = presence.rows_present(
        asked.place[within], entered[within] - thresholds.after, entered[within] + 1
    )
    query = within[query]
    left = presence.leave[row]
    counts = (left <= entered[query]) & (left > entered[query] - thresholds.after)
    if thresholds.together == 0:
        counts &= presence.enter[row] != entered[query]
    none = np.zeros(len(row), np.int64)
    return _meeting(presence, asked, query, row, entered[query], leaves[query], none, True, counts)


def _meeting(
    presence: Presence,
    asked: _Asked,
    query: IntArray,
    row: IntArray,
    start: IntArray,
    end: IntArray,
    overlap: IntArray,
    after: bool,
    counts: BoolArray,
) -> Meeting:
    target = presence.person[row].astype(np.int64)
    counts = counts & (target != asked.person[query])
    query = query[counts]
    return Meeting(
        spell=asked.spell[query],
        source=asked.person[query],
        target=target[counts],
        place=asked.place[query],
        start=start[counts],
        end=end[counts],
        overlap=overlap[counts],
        after=np.full(len(query), after),
    )


def named(presence: Presence | Known, parts: Sequence[Meeting]) -> Encounters:
    """Encounters with ids instead of indexes, in their documented order."""

    def column(name: str, kind: type) -> AnyArray:
        return np.concatenate([np.empty(0, kind), *(getattr(part, name) for part in parts)])

    source, target, place = (column(name, np.int64) for name in ("source", "target", "place"))
    start, end, overlap = (column(name, np.int64) for name in ("start", "end", "overlap"))
    after = column("after", np.bool_)
    order = np.lexsort((overlap, after, source, place, target, end, start))
    return Encounters(
        case=presence.person_ids[source[order]],
        person=presence.person_ids[target[order]],
        place=presence.place_ids[place[order]],
        start=start[order],
        end=end[order],
        overlap=overlap[order],
        after=after[order],
    )
