"""How far an infection may have gone: everybody within some hops, however many they are.

`reach` answers what `forward` answers about degree and earliest time, without the encounters. Over a snapshot it
turns with the size of the question, as breadth-first search does: from the few who may infect to whom they met
while these are few; place by place for everybody while they are many; from the few who are left to whom they
met at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from khien.engine.compiled import infecting, looking, spreading, sweeping
from khien.engine.encounter import Spells, Window, spells_of
from khien.engine.moments import Moment, seconds
from khien.engine.presence import Presence
from khien.engine.ranges import AnyArray, IntArray
from khien.engine.search import Plan, Possible, forward
from khien.engine.segment import DAY_S, ZONE_S, local_day
from khien.engine.snapshot import Found, Known, Snapshot, rooms
from khien.engine.threads import THREADS, pool

Narrow = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Costs:
    """About what it takes, in nanoseconds: by these a search chooses its way; they change no answer."""

    stay: float = 500.0
    """To look who was at a place during one stay,"""
    stay_row: float = 1.2
    """and for each row of the place."""
    look: float = 200.0
    """To look whether anybody infectious was there during one stay."""
    row: float = 10.0
    """To pass one row in a sweep of all places,"""
    part_row: float = 25.0
    """where many are infectious only part of the day."""


@dataclass(frozen=True, eq=False)
class Reached:
    """Persons reached, one per entry, by (degree, earliest, person): hop number and earliest possible infection."""

    person: AnyArray
    degree: npt.NDArray[np.int64]
    earliest: IntArray

    def __len__(self) -> int:
        return len(self.degree)


def reach(
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
) -> Reached:
    """Everybody whom an infection may have reached from the cases; arguments, meaning and errors as of `forward`."""
    if isinstance(presence, Presence):
        found = forward(
            presence,
            cases,
            window,
            hops=hops,
            latency_days=latency_days,
            duration_days=duration_days,
            min_minutes=min_minutes,
            after_minutes=after_minutes,
            until=until,
        )
        return _ordered(found.person, found.degree, found.earliest)
    plan = Plan.of(hops, latency_days, duration_days, min_minutes, after_minutes)
    spells = spells_of(presence, cases, window)
    horizon = int(spells.end.max(initial=0)) if until is None else seconds(until)
    if not isinstance(presence, Snapshot):
        return _level_by_level(presence, spells, plan, horizon)
    search = Search(presence, spells, plan, horizon)
    search.run()
    person = np.flatnonzero(search.degree)
    earliest = search.first[person].astype(np.int64) + search.origin
    return _ordered(presence.person_ids[person], search.degree[person].astype(np.int64), earliest)


def _level_by_level(presence: Any, spells: Spells, plan: Plan, horizon: int) -> Reached:
    """From shards on several machines: each says whom the frontier reaches at its places; the next is made here."""
    people = max(len(presence.person_ids), int(spells.person.max(initial=-1)) + 1)
    is_case = np.zeros(people, np.bool_)
    is_case[spells.person] = True
    degree = np.zeros(people, np.uint8)
    possible = Possible(people)
    for hop in range(1, plan.hops + 1):
        want_last = plan.duration is not None and hop < plan.hops
        person, first, last = presence.spread(spells, plan, horizon, want_last=want_last)
        others = ~is_case[person]
        person, first, last = person[others], first[others], last[others]
        degree[person[degree[person] == 0]] = hop
        spells = possible.widened(person, first, last, plan, horizon)
        if not len(spells.person):
            break
    person = np.flatnonzero(degree)
    return _ordered(presence.person_ids[person], degree[person].astype(np.int64), possible.first[person])


_FEW = 2048


def one_level(
    snapshot: Snapshot, spells: Spells, plan: Plan, horizon: int, *, want_last: bool
) -> tuple[IntArray, IntArray, IntArray]:
    """Whom the people of the spells may have infected: (person, at the earliest, at the latest), epoch seconds.

    The latest is told as `as_it_counts`. Of people of the spells themselves it only matters how late they met others,
    and who may have infected them before they were infectious: `first` is at most their beginning.
    """
    some = spells.begin < spells.end
    spells = Spells(spells.person[some], spells.begin[some], spells.end[some])
    thresholds = plan.thresholds
    one_each = len(np.unique(spells.person)) == len(spells.person)
    if len(spells.person) < _FEW or not one_each or thresholds.after > 0 or thresholds.together == 0:
        parts = [(np.empty(0, np.int64),) * 3]
        for part in _slices(len(spells.person), 4096):
            asked = Spells(spells.person[part], spells.begin[part], spells.end[part])
            found = snapshot.found(asked, thresholds)
            parts.append(earliest_and_latest(found.target, found.start, found.end))
        columns = (np.concatenate(column) for column in zip(*parts, strict=True))
        person, first, last = earliest_and_latest(*columns)
        source, begin, _end = earliest_and_latest(spells.person, spells.begin, spells.end)
        at = np.searchsorted(source, person)
        own = np.append(source, -1)[at] == person
        begins = np.append(begin, 0)[at]
        kept = ~own | want_last | (first < begins)
        first = np.where(own, np.minimum(first, begins), first)
        return as_it_counts(person[kept], first[kept], last[kept], plan, horizon, want_last=want_last)
    within = spells.person < len(snapshot.person_ids)
    asked = Spells(spells.person[within], spells.begin[within], spells.end[within])
    nobody = Spells(*(np.empty(0, np.int64),) * 3)
    search = Search(snapshot, nobody, plan, horizon)
    # A sweep does not tell a person's own two stays apart from those of two people; so early they were never met.
    search.first[asked.person] = search._narrow(asked.begin)
    if search.start_from(asked):
        search._from_people(last_hop=not want_last)
    is_met = search.first != infecting.NOBODY
    is_met[asked.person] = search.first[asked.person] < search._narrow(asked.begin)
    if want_last:
        is_met |= search.last != infecting.NEVER_YET
    person = np.flatnonzero(is_met)
    first, last = (times[person].astype(np.int64) + search.origin for times in (search.first, search.last))
    return as_it_counts(person, first, last, plan, horizon, want_last=want_last)


def as_it_counts(
    person: IntArray, first: IntArray, last: IntArray, plan: Plan, horizon: int, *, want_last: bool
) -> tuple[IntArray, IntArray, IntArray]:
    """The latest times as far as they matter: where they are not wanted, or so late that who was infected then may
    infect until the horizon, nobody looks for the very latest."""
    if not want_last or plan.duration is None:
        return person, first, first
    enough = horizon - plan.latency - plan.duration
    return person, first, np.maximum(first, np.minimum(last, enough))


def earliest_and_latest(
    person: IntArray, first: IntArray, last: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Each person once, ascending, with the least `first` and the greatest `last`."""
    if not len(person):
        return person, first, last
    order = np.argsort(person, kind="stable")
    person = person[order]
    at = np.flatnonzero(np.concatenate(([True], person[1:] != person[:-1])))
    return person[at], np.minimum.reduceat(first[order], at), np.maximum.reduceat(last[order], at)


class Search:
    """A search hop by hop. `first` and `last` are each person's earliest and latest possible infection (seconds since
    `origin`, `infecting.NOBODY` where there is none), `degree` the hop in which they were reached (0: not)."""

    def __init__(
        self, snapshot: Snapshot, spells: Spells, plan: Plan, horizon: int, *, costs: Costs | None = None
    ) -> None:
        self.snapshot, self.plan = snapshot, plan
        self.costs = costs or Costs()
        self.origin = snapshot.origin
        people = len(snapshot.person_ids)
        self.horizon = self._narrow(horizon)
        self.first = np.full(people, infecting.NOBODY, np.int32)
        self.last = np.full(people, infecting.NEVER_YET, np.int32)
        self.degree = np.zeros(people, np.uint8)
        self.is_case = np.zeros(people, np.uint8)
        within = spells.person < people
        self.is_case[spells.person[within]] = 1
        self._spells: Spells | None = Spells(spells.person[within], spells.begin[within], spells.end[within])
        self._hop = 0
        self._source_from = np.full(people, 1, np.int32)
        self._source_to = np.zeros(people, np.int32)
        # What the last hop has added to it: only there can the next one find anything new.
        self._fresh_from = np.empty(0, np.int32)
        self._fresh_to = np.empty(0, np.int32)
        self._state = np.zeros(people, np.uint8)
        self._changed = np.zeros(people, np.bool_)
        self._looks = 1.0
        self._own: list[tuple[Narrow, Narrow]] = []

    def run(self) -> None:
        """All hops of the plan, or as many as lead anywhere."""
        for number in range(1, self.plan.hops + 1):
            if not self.hop(last_hop=number == self.plan.hops):
                return

    def hop(self, *, last_hop: bool = False) -> bool:
        """Go one hop further; False when nobody new may be infectious afterwards. After the `last_hop`, which is spared
        what only further ones need, there is no other."""
        self._hop += 1
        before = (self.first.copy(), self.last.copy()) if self._hop > 1 else None
        if self._spells is not None:
            self._from_spells(self._spells)
            self._spells = None
        else:
            self._from_people(last_hop=last_hop)
        new = (self.first != infecting.NOBODY) & (self.degree == 0)
        self.degree[new] = self._hop
        if before is not None:
            new = (self.first != before[0]) | (self.last != before[1])
        return self._become_sources(new)

    def start_from(self, spells: Spells) -> bool:
        """Have people (each once) be infectious over [begin, end), all of it new; False when nobody is."""
        person, begin, end = spells.person, spells.begin, spells.end
        self._source_from[person], self._source_to[person] = self._narrow(begin), self._narrow(end)
        self._infectious = _both(self._source_from, self._source_to)
        self._changed[person] = begin < end
        self._fresh_from = np.full(len(self.first), infecting.NOBODY, np.int32)
        self._fresh_to = np.full(len(self.first), infecting.NEVER_YET, np.int32)
        self._fresh_from[person], self._fresh_to[person] = self._source_from[person], self._source_to[person]
        return bool(self._changed.any())

    # -- one hop ---------------------------------------------------------------------------------------

    def _from_spells(self, spells: Spells) -> None:
        """The first hop: from the cases in their windows."""
        for part in _slices(len(spells.person), 4096):
            some = Spells(spells.person[part], spells.begin[part], spells.end[part])
            self._take(self.snapshot.found(some, self.plan.thresholds))

    def _take(self, found: Found) -> None:
        target = found.target
        kept = self.is_case[target] == 0
        target = target[kept]
        np.minimum.at(self.first, target, self._narrow(found.start[kept]))
        np.maximum.at(self.last, target, self._narrow(found.end[kept]))

    def _from_people(self, *, last_hop: bool) -> None:
        thresholds = self.plan.thresholds
        sources = np.flatnonzero(self._changed)
        begin = self._source_from[sources].astype(np.int64) + self.origin
        end = self._source_to[sources].astype(np.int64) + self.origin
        if thresholds.after > 0 or thresholds.together == 0:
            # What no sweep can tell: who came after somebody had left, and instants.
            for part in _slices(len(sources), 2048):
                spells = Spells(sources[part], begin[part], end[part])
                self._take(self.snapshot.found(spells, thresholds))
        elif self._one_by_one_ns(end - begin) < self._sweep_ns(last_hop=last_hop):
            self._spread(sources)
        else:
            self._sweep(last_hop=last_hop)

    def _one_by_one_ns(self, spans: IntArray) -> float:
        """What it would take to go through the stays of people who may infect for so many seconds each."""
        snapshot = self.snapshot
        days = snapshot.last_day - snapshot.first_day + 1
        stays = len(snapshot) / max(len(self.first) * days * DAY_S, 1) * float(spans.sum())
        return stays * (self.costs.stay + self.costs.stay_row * snapshot.rows_a_stay)

    def _looks_ns(self, targets: int) -> float:
        """What it would take to look around for so many people on a day."""
        return targets * self._looks * self.costs.look

    def _sweep_ns(self, *, last_hop: bool) -> float:
        days = self.days()
        rows = sum(len(p.segment) for p in self.snapshot.pieces if p.segment.day in days)
        return self.costs.row * rows * (1 if last_hop or self.plan.duration is None else 2)

    def days(self) -> range:
        """The days on which the next hop may find somebody."""
        first = int(self._fresh_from[self._changed].min()) + self.origin
        last = int(self._fresh_to[self._changed].max()) - 1 + self.origin
        longest = max(self.snapshot.last_end_of(self.snapshot.last_day), self.snapshot.start_of_last_day)
        latest = min(last, longest, max(self.snapshot.now, self.snapshot.start_of_last_day + DAY_S))
        return range(max(local_day(first), self.snapshot.first_day), local_day(latest) + 1)

    def _spread(self, sources: IntArray) -> None:
        def spread(part: slice, first: Narrow, last: Narrow) -> None:
            asked = (*self.snapshot.where(), self.origin, self.plan.thresholds.together, sources)
            times = (self._source_from, self._source_to, self.is_case, first, last)
            with rooms.one() as room:
                while True:
                    space = (room.stays, room.hits, room.out)
                    stays, rows, met = spreading.spread(*asked, part.start, part.stop, *times, *space)
                    if not room.grow(stays=stays, hits=rows, out=met):
                        return

        self._share(spread, list(_slices(len(sources), max(64, -(-len(sources) // THREADS)))))

    def _share(self, work: Callable[[Any, Narrow, Narrow], Any], parts: Sequence[Any]) -> list[Any]:
        """Work on parts at the same time, each thread with times of its own, which are put together at the end."""
        if len(parts) == 1:
            return [work(parts[0], self.first, self.last)]
        while len(self._own) < len(parts) - 1:
            self._own.append((self.first.copy(), self.last.copy()))
        # What such a copy holds from before is true, only perhaps not the best that is known.
        own = [(self.first, self.last), *self._own[: len(parts) - 1]]
        told = list(pool().map(lambda one: work(one[0], *one[1]), zip(parts, own, strict=True)))
        for first, last in own[1:]:
            np.minimum(self.first, first, out=self.first)
            np.maximum(self.last, last, out=self.last)
        return told

    def _sweep(self, *, last_hop: bool) -> None:
        """First the earliest time of everybody, from the first day on; then, where it matters, the latest, from the
        last day back. Whoever has been found on the way is not looked at again."""
        days = self.days()
        for day in days:
            self._sweep_day(day, want_first=True)
        if self.plan.duration is not None and not last_hop:
            for day in reversed(days):
                self._sweep_day(day, want_first=False)

    def _sweep_day(self, day: int, *, want_first: bool) -> None:
        snapshot, plan = self.snapshot, self.plan
        begin = self._narrow(day * DAY_S - ZONE_S)
        longest = self._narrow(min(snapshot.last_end_of(day), max(snapshot.now, day * DAY_S)))
        enough = self.horizon if plan.duration is None else self.horizon - plan.latency - plan.duration
        sources, parts, targets = infecting.states(
            self._source_from,
            self._source_to,
            self._fresh_from,
            self._fresh_to,
            self.first,
            self.last,
            self.is_case,
            begin,
            longest,
            want_first,
            enough,
            self._state,
        )
        if not sources or not targets:
            return
        rows = sum(len(piece.segment) for piece in snapshot.pieces_of(day))
        a_row = self.costs.part_row if parts > 0.02 * len(self._state) else self.costs.row
        if want_first and self._looks_ns(targets) < rows * a_row:
            self._look_around(day)
        else:
            self._sweep_places(day, want_first=want_first, parts=parts)

    def _look_around(self, day: int) -> None:
        snapshot, together = self.snapshot, self.plan.thresholds.together
        people = np.flatnonzero(self._state & infecting.TARGET)
        who = (self._state, self._source_from, self._source_to)

        def look(part: slice, first: Narrow, _last: Narrow) -> int:
            asked = (*snapshot.where(), day - snapshot.first_day, self.origin, together)
            with rooms.one() as room:
                while True:
                    crowd, looked = looking.look_around(
                        *asked, people, part.start, part.stop, *who, first, room.beside
                    )
                    if not room.grow(beside=crowd):
                        return looked

        looked = 0
        if snapshot.pieces_of(day):
            looked = sum(self._share(look, list(_slices(len(people), -(-len(people) // THREADS)))))
        # Who is left at the end goes out less than most: the next day is judged by what this one took.
        self._looks = max(looked / max(len(people), 1), 0.05)
        asked = (*snapshot.where(), day - snapshot.first_day, self.origin, together)
        with rooms.one() as room:
            while room.grow(beside=looking.look_around_over(*asked, *who, self.first, room.beside)):
                pass

    def _sweep_places(self, day: int, *, want_first: bool, parts: int) -> None:
        snapshot = self.snapshot
        places, bounds = snapshot.places_of(day, THREADS)
        plain = want_first and len(snapshot.pieces_of(day)) == 1

        def sweep(part: int, first: Narrow, last: Narrow) -> None:
            asked = (*snapshot.where(), day - snapshot.first_day, places, bounds[part], bounds[part + 1])
            about = (
                self.origin,
                self.plan.thresholds.together,
                self._state,
                self._source_from,
                self._source_to,
            )
            with rooms.one() as room:
                while True:
                    if plain:
                        space = (room.swept, room.people, room.kind)
                        rows = sweeping.sweep_first(
                            *asked, *about, self._infectious, parts > 0, first, *space
                        )
                    else:
                        times = first if want_first else last
                        rows = sweeping.sweep(*asked, *about, want_first, times, room.swept, room.people)
                    if not room.grow(swept=rows, people=rows, kind=rows):
                        return

        self._share(sweep, range(len(bounds) - 1))

    # -- small words -----------------------------------------------------------------------------------

    def _become_sources(self, changed: npt.NDArray[np.bool_]) -> bool:
        plan = self.plan
        who = np.flatnonzero(changed)
        first, last = self.first[who].astype(np.int64), self.last[who].astype(np.int64)
        begin = np.minimum(first + plan.latency, infecting.NOBODY - 1)
        end = np.full(len(who), self.horizon, np.int64)
        if plan.duration is not None:
            end = np.minimum(last + plan.latency + plan.duration, self.horizon)
        before, until = self._source_from[who].astype(np.int64), self._source_to[who].astype(np.int64)
        earlier, later = begin < before, end > until
        # A stay that was too short before reaches into what was infectious already by less than the threshold.
        margin = plan.thresholds.together
        new = before >= until
        fresh_from = np.where(new | earlier, begin, until - margin)
        fresh_to = np.where(new | later, end, before + margin)
        self._source_from[who], self._source_to[who] = begin, end
        self._infectious = _both(self._source_from, self._source_to)
        self._changed = np.zeros(len(changed), np.bool_)
        grown = (new | earlier | later) & (begin < end)
        self._changed[who[grown]] = True
        self._fresh_from = np.full(len(changed), infecting.NOBODY, np.int32)
        self._fresh_to = np.full(len(changed), infecting.NEVER_YET, np.int32)
        self._fresh_from[who[grown]], self._fresh_to[who[grown]] = fresh_from[grown], fresh_to[grown]
        return bool(grown.any())

    def _narrow(self, moments: Any) -> Any:
        """Seconds since the origin that fit an int32; what lies beyond is as good as never."""
        limit = int(infecting.NOBODY) - 1
        if isinstance(moments, np.ndarray):
            return np.clip(moments - self.origin, -limit, limit).astype(np.int32)
        return min(max(moments - self.origin, -limit), limit)


def _both(begin: Narrow, end: Narrow) -> npt.NDArray[np.uint64]:
    """Both in one word, for kernels. Words have no sign: who was infectious before the origin, before which nobody
    stayed anywhere, is so from the origin on."""
    since, until = np.maximum(begin, 0), np.maximum(end, 0)
    return (since.astype(np.uint64) << np.uint64(32)) | until.astype(np.uint32)


def _ordered(person: AnyArray, degree: IntArray, earliest: IntArray) -> Reached:
    order = np.lexsort((person, earliest, degree))
    return Reached(person[order], degree[order], earliest[order])


def _slices(length: int, size: int) -> Iterator[slice]:
    for first in range(0, length, size):
        yield slice(first, min(first + size, length))
