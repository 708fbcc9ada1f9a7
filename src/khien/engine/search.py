"""Searches over encounters: forward from cases, and backward to whom they met before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from khien.engine.encounter import Meeting, Spells, Thresholds, Window, meetings, spells_of
from khien.engine.moments import Moment, seconds
from khien.engine.presence import Presence
from khien.engine.ranges import AnyArray, IntArray

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

DAY = 86_400


@dataclass(frozen=True, eq=False)
class Traced:
    """Persons reached from cases, one per entry, by (degree, most seconds, first_at, person).

    `degree` is the least number of encounters that lead from a case to the person in time order.
    `seconds` (together, summed over the encounters that count), `longest` (of one encounter), `encounters`
    (how many), `first_at` and `last_at` (start of the first, end of the last) describe the encounters
    through which the person has that degree; `from_person` is whom the first of them was with (the longer
    of two at the same time). `earliest` is the earliest possible infection over every chain within the
    hops: it is never later than `first_at`, and earlier where a longer chain was quicker.
    All times int64 epoch seconds.
    """

    person: AnyArray
    degree: npt.NDArray[np.int64]
    seconds: IntArray
    longest: IntArray
    encounters: IntArray
    first_at: IntArray
    last_at: IntArray
    from_person: AnyArray
    earliest: IntArray

    def __len__(self) -> int:
        return len(self.degree)


@dataclass(frozen=True, eq=False)
class Sources:
    """Possible sources, one per entry, by (most cases, most seconds, first_at, person).

    `cases` says how many of the cases asked about the person may have infected; the other columns as in `Traced`.
    """

    person: AnyArray
    cases: IntArray
    seconds: IntArray
    longest: IntArray
    encounters: IntArray
    first_at: IntArray
    last_at: IntArray

    def __len__(self) -> int:
        return len(self.cases)


def contacts(
    presence: Presence | Known,
    case: Any | Sequence[Any] | AnyArray,
    window: Window | Sequence[Window],
    *,
    min_minutes: float = 15,
    after_minutes: float = 0,
) -> Traced:
    """Everybody who met a case within the window: `forward` with one hop."""
    return forward(presence, case, window, min_minutes=min_minutes, after_minutes=after_minutes)


def forward(
    presence: Presence | Known,
    cases: Any | Sequence[Any] | AnyArray,
    window: Window | Sequence[Window],
    *,
    hops: int = 1,
    latency_days: float = 0,
    duration_days: float | None = None,
    min_minutes: float = 15,
    after_minutes: float = 0,
    until: Moment | None = None,
) -> Traced:
    """Whom the cases may have infected, through at most `hops` encounters in time order.

    A case is infectious in its window. Somebody who met an infectious person may have been infected at any
    moment of that encounter [start, end]; they may be infectious from `latency_days` after the earliest such
    moment until `latency_days` + `duration_days` after the latest (None: for good), but never at `until` (the end
    of the latest window unless given) or later. Cases are not reported and stay infectious in their own windows
    only.

    For hops that reach a large part of everybody use `reach`, which leaves the encounters out. Raises UnknownPerson
    and ValueError as `encounters` does, and ValueError for `hops` below 1 or negative days.
    """
    plan = Plan.of(hops, latency_days, duration_days, min_minutes, after_minutes)
    spells = spells_of(presence, cases, window)
    horizon = int(spells.end.max(initial=0)) if until is None else seconds(until)

    people = max(len(presence.person_ids), int(spells.person.max(initial=-1)) + 1)
    is_case = np.zeros(people, bool)
    is_case[spells.person] = True
    reached = np.zeros(people, bool)
    possible = Possible(people)
    degrees, infections = [], []
    for hop in range(1, hops + 1):
        tally = tallied(presence, spells, plan.thresholds)
        tally = tally.of_persons(~is_case[tally.person])
        degrees.append((hop, tally.of_persons(~reached[tally.person])))
        infections.append(tally)
        reached[tally.person] = True
        spells = possible.widened(tally.person, tally.first, tally.last, plan, horizon)
        if not len(spells.person):
            break
    return _traced(presence, degrees, Tally.sum(infections).grouped())


@dataclass(frozen=True, slots=True)
class Plan:
    """How a search over several hops goes on; seconds."""

    hops: int
    latency: int
    duration: int | None
    thresholds: Thresholds

    @classmethod
    def of(
        cls,
        hops: int,
        latency_days: float,
        duration_days: float | None,
        min_minutes: float,
        after_minutes: float,
    ) -> Plan:
        """From what a caller says. ValueError for `hops` below 1 or anything negative."""
        if hops < 1 or latency_days < 0 or (duration_days is not None and duration_days < 0):
            raise ValueError("hops must be at least 1, and latency and duration not negative")
        return cls(
            hops,
            round(latency_days * DAY),
            None if duration_days is None else round(duration_days * DAY),
            Thresholds.of_minutes(min_minutes, after_minutes),
        )


class Possible:
    """When each person may have been infected, at the earliest and at the latest, as far as is known."""

    def __init__(self, people: int) -> None:
        self.first = np.full(people, np.iinfo(np.int64).max)
        self.last = np.full(people, np.iinfo(np.int64).min)

    def widened(self, person: IntArray, first: IntArray, last: IntArray, plan: Plan, horizon: int) -> Spells:
        """Take in new possibilities (each person once); returns when those whose time has changed are infectious."""
        before = self._infectious(person, plan, horizon)
        self.first[person] = np.minimum(self.first[person], first)
        self.last[person] = np.maximum(self.last[person], last)
        now = self._infectious(person, plan, horizon)
        changed = ((now.begin != before.begin) | (now.end != before.end)) & (now.begin < now.end)
        return Spells(person[changed], now.begin[changed], now.end[changed])

    def _infectious(self, person: IntArray, plan: Plan, horizon: int) -> Spells:
        first, last = self.first[person], self.last[person]
        some = first <= last
        begin = np.where(some, first, horizon) + np.where(some, plan.latency, 0)
        if plan.duration is None:
            end = np.full(len(person), horizon)
        else:
            end = np.minimum(np.where(some, last, horizon) + plan.latency + plan.duration, horizon)
        return Spells(person, begin, np.where(some, end, begin))


def backward(
    presence: Presence | Known,
    cases: Any | Sequence[Any] | AnyArray,
    onset: Moment | Sequence[Moment],
    *,
    min_incubation_days: float,
    max_incubation_days: float,
    min_minutes: float = 15,
    after_minutes: float = 0,
) -> Sources:
    """Who may have infected the cases: whoever they met in [onset - longest, onset - shortest incubation).

    `onset` is one moment, or one for each case. *After* turns round here: the possible source left and the
    case entered within `after_minutes`, the case's entering within that window. Cases may be sources of
    each other. Raises as `encounters`.
    """
    if not 0 <= min_incubation_days <= max_incubation_days:
        raise ValueError("incubation must be 0 <= min_incubation_days <= max_incubation_days")
    spells = spells_of(presence, cases, _incubation(onset, min_incubation_days, max_incubation_days))
    thresholds = Thresholds.of_minutes(min_minutes, after_minutes)
    parts = list(meetings(presence, spells, thresholds, backward=True))
    tally = Tally.sum([Tally.of(part) for part in parts]).grouped()
    pairs = np.concatenate(
        [np.empty((2, 0), np.int64), *(np.stack((p.target, p.source)) for p in parts)], axis=1
    )
    explained = np.unique(np.unique(pairs, axis=1)[0], return_counts=True)[1]
    order = np.lexsort((tally.person, tally.first, -tally.seconds, -explained))
    return Sources(
        person=presence.person_ids[tally.person[order]],
        cases=explained[order],
        seconds=tally.seconds[order],
        longest=tally.longest[order],
        encounters=tally.encounters[order],
        first_at=tally.first[order],
        last_at=tally.last[order],
    )


def tallied(presence: Presence | Known, spells: Spells, thresholds: Thresholds) -> Tally:
    """The encounters of the spells summed up by the person met."""
    elsewhere = getattr(presence, "tally", None)
    if elsewhere is not None:
        # Kept by several: each sums up its own, so that no list of encounters travels.
        return elsewhere(spells, thresholds)
    parts = (Tally.of(part) for part in meetings(presence, spells, thresholds))
    return Tally.sum(list(parts)).grouped()


@dataclass(frozen=True)
class Tally:
    """Encounters summed up by person (indexes, ascending): one row each."""

    person: IntArray
    seconds: IntArray
    longest: IntArray
    encounters: IntArray
    first: IntArray
    last: IntArray
    of_first: IntArray  # seconds of the encounter that counts as the first
    source: IntArray  # whom the first encounter was with

    @classmethod
    def of(cls, part: Meeting) -> Tally:
        ones = np.ones(len(part.target), np.int64)
        seconds = part.overlap
        return cls(part.target, seconds, seconds, ones, part.start, part.end, seconds, part.source).grouped()

    @classmethod
    def sum(cls, tallies: list[Tally]) -> Tally:
        """All of them, a person as often as they come."""
        each = map(_columns, [_NONE, *tallies])
        return cls(*(np.concatenate(column) for column in zip(*each, strict=True)))

    def grouped(self) -> Tally:
        if not len(self.person):
            return self
        # The first encounter of a person is the earliest, then the longest, then that with the lowest source.
        order = np.lexsort((self.source, -self.of_first, self.first, self.person))
        person = self.person[order]
        at = np.flatnonzero(np.concatenate(([True], person[1:] != person[:-1])))
        return Tally(
            person=person[at],
            seconds=np.add.reduceat(self.seconds[order], at),
            longest=np.maximum.reduceat(self.longest[order], at),
            encounters=np.add.reduceat(self.encounters[order], at),
            first=self.first[order][at],
            last=np.maximum.reduceat(self.last[order], at),
            of_first=self.of_first[order][at],
            source=self.source[order][at],
        )

    def of_persons(self, chosen: npt.NDArray[np.bool_]) -> Tally:
        return Tally(*(column[chosen] for column in _columns(self)))


def _columns(tally: Tally) -> tuple[IntArray, ...]:
    return tuple(vars(tally).values())


_NONE = Tally(*(np.empty(0, np.int64),) * 8)


def _traced(presence: Presence | Known, degrees: list[tuple[int, Tally]], ever: Tally) -> Traced:
    tally = Tally.sum([tally for _, tally in degrees])
    degree = np.concatenate([np.full(len(tally.person), hop) for hop, tally in degrees])
    order = np.lexsort((tally.person, tally.first, -tally.seconds, degree))
    person = tally.person[order]
    return Traced(
        person=presence.person_ids[person],
        degree=degree[order],
        seconds=tally.seconds[order],
        longest=tally.longest[order],
        encounters=tally.encounters[order],
        first_at=tally.first[order],
        last_at=tally.last[order],
        from_person=presence.person_ids[tally.source[order]],
        earliest=ever.first[np.searchsorted(ever.person, person)],
    )


def _incubation(onset: Moment | Sequence[Moment], shortest: float, longest: float) -> Any:
    def window(moment: Moment) -> Window:
        at = seconds(moment)
        return at - round(longest * DAY), at - round(shortest * DAY)

    if isinstance(onset, Sequence | np.ndarray):
        return [window(one) for one in onset]
    return window(onset)
