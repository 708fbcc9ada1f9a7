"""Where and when several cases were together while they may have been infected, against a place's ordinary traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from khien.engine.encounter import Spells
from khien.engine.origins import PlaceHours, occasions, place_hours
from khien.engine.spaces import Spaces
from khien.kernel.places import reads as places
from khien.kernel.presence import segments
from khien.kernel.presence.pairs import is_pair
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.finding.illness import ill
from khien.rooms.tracing.finding.own import in_seconds
from khien.rooms.tracing.finding.tally import moment
from khien.rooms.tracing.models import Case
from khien.rooms.tracing.rulebook import Rulebook

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

SHOWN = 20
"""Common places answered with at most."""


@dataclass(frozen=True, slots=True)
class CommonPlace:
    """A place and a stretch of hours that cases share. `best` is the hour of it that explains them best; the
    numbers are that hour's: see `khien.engine.origins.PlaceHours`.

    `may_be_infected` are the cases (ids) there while they may have been infected, `infectious` those there while they
    may have infected others.
    """

    place_id: int
    start: datetime
    end: datetime
    best: datetime
    cases: int
    people: int
    usual: float
    lift: float
    low: float
    high: float
    may_be_infected: tuple[int, ...]
    infectious: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CommonPlaces:
    """The answer: the places, best first; of how many cases; how many more have neither onset nor sample; and how many
    occasions there were in all. `rules` is None where there was nothing to ask."""

    places: tuple[CommonPlace, ...] = ()
    asked: int = 0
    undated: int = 0
    found: int = 0
    rules: Rulebook | None = None


def common_places(
    cases: Sequence[Case], now: datetime, *, with_case: int | None = None, at_least: int = 2
) -> CommonPlaces:
    """Where `at_least` of the cases were together, as known at `now`, by the rules of the latest case's day.

    With `with_case` only what that case (its id) shared. Reads only.
    """
    return segments.asking(now, lambda known: _common_places(known, cases, with_case, at_least))


def _common_places(
    snapshot: Known, cases: Sequence[Case], with_case: int | None, at_least: int
) -> CommonPlaces:
    dated = [case for case in cases if case.onset_on is not None or case.sampled_at is not None]
    nothing = CommonPlaces(asked=len(dated), undated=len(cases) - len(dated))
    if len(dated) < at_least:
        return nothing
    rules = rulebook.of_case(max(dated, key=rulebook.day_of))
    nothing = replace(nothing, rules=rules)
    them = ill(dated)
    windows = Spells(
        them.person,
        them.at - round(rules.max_incubation.total_seconds()),
        them.at - round(rules.min_incubation.total_seconds()),
    )
    told = _told(dated)
    spaces = _spaces(snapshot, windows, told)
    found = _registered(
        place_hours(snapshot, them, rules.incubation, spaces=spaces, told=told, at_least=at_least)
    )
    there = _Presence(snapshot, spaces, dated, windows, told)
    stretches = occasions(found)
    answer: list[CommonPlace] = []
    number = 0
    for start, end, best in zip(
        stretches.start.tolist(), stretches.end.tolist(), stretches.best.tolist(), strict=True
    ):
        if with_case is None and len(answer) == SHOWN:
            number = len(stretches)
            break
        place = int(found.place[best])
        may_be_infected, infectious = there.at(place, start, end)
        if with_case is not None and with_case not in may_be_infected:
            continue
        number += 1
        if len(answer) < SHOWN:
            answer.append(_one(found, best, start, end, may_be_infected, infectious))
    return replace(nothing, places=tuple(answer), found=number)


def _one(
    found: PlaceHours,
    best: int,
    start: int,
    end: int,
    may_be_infected: tuple[int, ...],
    infectious: tuple[int, ...],
) -> CommonPlace:
    return CommonPlace(
        place_id=int(found.place[best]),
        start=moment(start),
        end=moment(end),
        best=moment(int(found.hour[best])),
        cases=int(found.cases[best]),
        people=int(found.people[best]),
        usual=float(found.usual[best]),
        lift=float(found.lift[best]),
        low=float(found.low[best]),
        high=float(found.high[best]),
        may_be_infected=may_be_infected,
        infectious=infectious,
    )


def _told(cases: Sequence[Case]) -> list[tuple[int, int, int, int]]:
    """What the cases told of places in the interview, as stays."""
    return [
        (number, mark.place_id, in_seconds(mark.start), in_seconds(mark.end))
        for number, case in enumerate(cases)
        for mark in case.landmarks.all()
        if mark.place_id is not None
    ]


def _spaces(snapshot: Known, windows: Spells, told: Sequence[tuple[int, int, int, int]]) -> Spaces:
    _case, place, _enter, _leave = snapshot.stays_in(windows)
    ids = {*np.unique(place[~is_pair(place)]).tolist(), *(row[1] for row in told)}
    return Spaces.of(places.inside(ids))


def _registered(found: PlaceHours) -> PlaceHours:
    """Two people beside each other are no place: what was recorded of pairs stays with their contact lists."""
    chosen = ~is_pair(found.place)
    return PlaceHours(*(column[chosen] for column in vars(found).values()))


class _Presence:
    """Which of the cases were at a place, and in what state."""

    def __init__(
        self,
        snapshot: Known,
        spaces: Spaces,
        cases: Sequence[Case],
        windows: Spells,
        told: Sequence[tuple[int, int, int, int]],
    ) -> None:
        self._snapshot, self._spaces, self._told = snapshot, spaces, told
        self._cases = cases
        self._by_person = {case.person_id: number for number, case in enumerate(cases)}
        self._window = list(zip(windows.begin.tolist(), windows.end.tolist(), strict=True))

    def at(self, place: int, start: int, end: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of the cases at the place or within it in [start, end): those who may have been infected there, and those
        who may have infected others."""
        _position, inside = self._spaces.with_rooms(np.array([place], np.int64))
        begin = np.full(len(inside), start)
        _query, person, enter, leave = self._snapshot.present_at(inside, begin, np.full(len(inside), end))
        mine = np.isin(person, list(self._by_person))
        stays = [
            (self._by_person[who], since, until)
            for who, since, until in zip(
                person[mine].tolist(), enter[mine].tolist(), leave[mine].tolist(), strict=True
            )
        ]
        rooms = set(inside.tolist())
        stays += [(number, since, until) for number, at, since, until in self._told if at in rooms]
        infected, infectious = set(), set()
        for number, since, until in stays:
            since, until = max(since, start), min(max(until, since + 1), end)
            case = self._cases[number]
            low, high = self._window[number]
            if max(since, low) < min(until, high):
                infected.add(case.pk)
            if (
                case.infectious_from is not None
                and case.infectious_until is not None
                and max(since, in_seconds(case.infectious_from))
                < min(until, in_seconds(case.infectious_until))
            ):
                infectious.add(case.pk)
        return tuple(sorted(infected)), tuple(sorted(infectious))
