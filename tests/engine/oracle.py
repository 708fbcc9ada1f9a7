"""The engine's definitions written out as plainly as possible: sets of seconds and double loops, no intervals.

A stay is the set of its seconds; a stay of no length is the one second of its instant, shared for 0 seconds.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stay:
    person: int
    place: int
    enter: int
    leave: int

    @property
    def moments(self) -> set[int]:
        return {self.enter} if self.enter == self.leave else set(range(self.enter, self.leave))


@dataclass(frozen=True)
class Met:
    case: int
    person: int
    place: int
    start: int
    end: int
    overlap: int
    kind: str


def together(case: Stay, other: Stay, window: set[int], least: int) -> Met | None:
    shared = case.moments & other.moments & window
    lasts = 0 if case.enter == case.leave or other.enter == other.leave else len(shared)
    if not shared or lasts < least:
        return None
    first = min(shared)
    return Met(case.person, other.person, case.place, first, first + lasts, lasts, "together")


def encounters(
    stays: list[Stay], case: int, begin: int, end: int, least: int, after: int, *, backward: bool = False
) -> list[Met]:
    window = set(range(begin, end))
    found = []
    for mine in stays:
        for theirs in stays:
            if mine.person != case or theirs.person == case or mine.place != theirs.place:
                continue
            met = together(mine, theirs, window, least)
            if met:
                found.append(met)
                continue
            earlier, later = (theirs, mine) if backward else (mine, theirs)
            soon = earlier.leave <= later.enter < earlier.leave + after
            # Forward the case leaves while infectious; backward the case enters while it may be infected.
            infectious = bool(mine.moments & window) and mine.leave <= end
            in_window = mine.enter in window if backward else infectious
            if soon and in_window:
                found.append(
                    Met(case, theirs.person, mine.place, later.enter, later.leave, 0, "after"),
                )
    return sorted(found, key=lambda met: (met.start, met.end, met.person, met.place))


def runs(moments: set[int]) -> list[tuple[int, int]]:
    """Consecutive seconds as half-open stretches."""
    return [
        (first, next(end for end in range(first, max(moments) + 2) if end not in moments))
        for first in sorted(moments)
        if first - 1 not in moments
    ]


def forward(
    stays: list[Stay],
    windows: dict[int, tuple[int, int]],
    hops: int,
    latency: int,
    duration: int | None,
    least: int,
    after: int,
    until: int,
) -> dict[int, dict[str, int]]:
    """Of each person reached: the columns of `Traced`."""
    infectious = {case: set(range(*window)) for case, window in windows.items()}
    reached: dict[int, dict[str, int]] = {}
    latest: dict[int, int] = {}
    for hop in range(1, hops + 1):
        met = [
            one
            for source, moments in infectious.items()
            for begin, end in runs(moments)
            for one in encounters(stays, source, begin, end, least, after)
            if one.person not in windows
        ]
        new = {one.person for one in met} - set(reached)
        for person in new:
            mine = [one for one in met if one.person == person]
            first = min(mine, key=lambda one: (one.start, -one.overlap, one.case))
            reached[person] = {
                "degree": hop,
                "seconds": sum(one.overlap for one in mine),
                "longest": max(one.overlap for one in mine),
                "encounters": len(mine),
                "first_at": first.start,
                "last_at": max(one.end for one in mine),
                "from_person": first.case,
                "earliest": first.start,
            }
        for one in met:
            reached[one.person]["earliest"] = min(reached[one.person]["earliest"], one.start)
            latest[one.person] = max(latest.get(one.person, one.end), one.end)
        for person, row in reached.items():
            stop = until if duration is None else min(until, latest[person] + latency + duration)
            infectious[person] = set(range(row["earliest"] + latency, stop))
    return reached


def backward(
    stays: list[Stay], windows: dict[int, tuple[int, int]], least: int, after: int
) -> dict[int, dict[str, int]]:
    met = [
        one
        for case, (begin, end) in windows.items()
        for one in encounters(stays, case, begin, end, least, after, backward=True)
    ]
    return {
        person: {
            "cases": len({one.case for one in met if one.person == person}),
            "seconds": sum(one.overlap for one in met if one.person == person),
            "longest": max(one.overlap for one in met if one.person == person),
            "encounters": sum(one.person == person for one in met),
            "first_at": min(one.start for one in met if one.person == person),
            "last_at": max(one.end for one in met if one.person == person),
        }
        for person in {one.person for one in met}
    }
