"""Places and hours that explain cases, and people who may have infected them: against double loops, and by example."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, lognorm

from khien.engine import Presence, UnknownPerson
from khien.engine.origins import (
    Ill,
    Incubation,
    PlaceHours,
    known_sources,
    occasions,
    place_hours,
    possible_sources,
    rank_sources,
)
from khien.engine.segment import local_day
from khien.engine.snapshot import Snapshot
from khien.engine.spaces import Spaces
from tests.engine.test_snapshot import DAY_S, HOUR, PEOPLE, START, World, worlds

MONDAY = START  # 3 January 2022
ROOMS = Spaces.of([(1, 0), (2, 0)])
FLAT = Incubation(log_mean=1.2, log_sd=0.6, shortest_days=0.5, longest_days=4)

quick = settings(deadline=None, derandomize=True, max_examples=60)


def rows_of(found: PlaceHours, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(getattr(found, name).tolist() for name in names), strict=True))


# By double loops -----------------------------------------------------------------------------------


def plain_counts(
    stays: list[tuple[int, int, int, int]], cases: dict[int, int], incubation: Incubation
) -> dict[tuple[int, int], tuple[int, int, float]]:
    """(cases, people, usual) by place and hour, minute by minute."""
    around = {1: 0, 2: 0}
    windows = {
        who: (at - round(incubation.longest_days * DAY_S), at - round(incubation.shortest_days * DAY_S))
        for who, at in cases.items()
    }
    there, people, touching = defaultdict(set), defaultdict(set), defaultdict(int)
    for person, place, enter, leave in stays:
        leave = max(leave, enter + 1)
        for at in {place, around.get(place, place)}:
            for hour in range(enter // HOUR, (leave - 1) // HOUR + 1):
                people[at, hour].add(person)
                touching[at, hour] += 1
                if person in windows:
                    begin, end = windows[person]
                    if max(enter, begin, hour * HOUR) < min(leave, end, hour * HOUR + HOUR):
                        there[at, hour].add(person)
    hours = [hour * HOUR for (_place, hour), guests in there.items() if len(guests) > 1]
    entered = [enter for _person, _place, enter, _leave in stays]
    first = max((min(begin for begin, _ in windows.values()) + 7 * HOUR) // DAY_S, local_day(min(entered)))
    last = min(
        -(-(max(end for _, end in windows.values()) + 7 * HOUR) // DAY_S),
        local_day(max([*entered, *hours])) + 1,
    )
    answer = {}
    for (place, hour), guests in there.items():
        rooms = [there.get((room, hour)) for room, outer in around.items() if outer == place]
        if len(guests) < 2 or guests in rooms:
            continue
        local = hour + 7
        weekend = (local // 24 + 3) % 7 >= 5
        such = [day for day in range(first, last) if ((day + 3) % 7 >= 5) == weekend]
        usual = sum(touching[place, day * 24 + local % 24 - 7] for day in such) / len(such)
        answer[place, hour * HOUR] = len(guests), len(people[place, hour]), usual
    return answer


@quick
@given(worlds(), st.dictionaries(st.integers(0, PEOPLE - 1), st.integers(8, 480), min_size=2, max_size=4))
def test_counts_are_those_of_double_loops(world: World, quarters: dict[int, int]) -> None:
    onset = {person: START + quarter * HOUR // 4 for person, quarter in quarters.items()}
    presence = world.presence
    stays = list(
        zip(
            presence.person_ids[presence.person].tolist(),
            presence.place_ids[presence.place].tolist(),
            presence.enter.tolist(),
            presence.leave.tolist(),
            strict=True,
        )
    )
    cases = Ill.of(list(onset), list(onset.values()))
    found = place_hours(world.snapshot, cases, FLAT, spaces=ROOMS)
    told = {row[:2]: row[2:] for row in rows_of(found, "place", "hour", "cases", "people", "usual")}
    expected = plain_counts(stays, onset, FLAT)
    assert told.keys() == expected.keys()
    for key, (guests, people, usual) in expected.items():
        assert told[key] == (guests, people, pytest.approx(usual))


@quick
@given(worlds(), st.sets(st.integers(0, PEOPLE - 1), min_size=2))
def test_a_table_and_a_snapshot_answer_alike(world: World, persons: set[int]) -> None:
    cases = Ill.of(sorted(persons), [START + 4 * DAY_S] * len(persons))
    known = Ill.of([0, 1], [START + 2 * DAY_S, START + 3 * DAY_S])
    asked = {"known": known, "people": PEOPLE}
    one, other = (place_hours(records, cases, FLAT, **asked) for records in (world.presence, world.snapshot))
    for name, column in vars(one).items():
        # Without anybody known there the source has no meaning.
        chosen = one.known > 0 if name == "source" else slice(None)
        np.testing.assert_allclose(getattr(other, name)[chosen], column[chosen], err_msg=name)
    first, second = (
        possible_sources(records, cases, FLAT, known=known) for records in (world.presence, world.snapshot)
    )
    assert rows_of(first, "person", "cases", "known") == rows_of(second, "person", "cases", "known")
    np.testing.assert_allclose(first.score, second.score)


def test_the_interval_is_that_of_two_poisson_rates():
    """At its limits the count seen, or one as extreme, has a chance of 2.5 % (binomial, given the sum)."""
    presence, cases = karaoke_and_market()
    found = place_hours(presence, cases, Incubation())
    rate = len(presence.person_ids) / len(cases)
    for low, high, seen, usual, hour in rows_of(found, "low", "high", "cases", "usual", "hour"):
        days = 3 if ((hour + 7 * HOUR) // DAY_S + 3) % 7 >= 5 else 10
        there = round(usual * days)
        for limit, tail in (
            (low, binom.sf(seen - 1, seen + there, share(low, rate * days))),
            (high, binom.cdf(seen, seen + there, share(high, rate * days))),
        ):
            assert tail == pytest.approx(0.025), limit


def share(limit: float, rate: float) -> float:
    return limit / rate / (1 + limit / rate)


# By example ----------------------------------------------------------------------------------------

KARAOKE, MARKET = 7, 8


def karaoke_and_market() -> tuple[Presence, Ill]:
    """200 people, each at the market every morning; two of them (0 and 1) and another at a karaoke on one evening,
    and ill five days later."""
    person, place, enter = [], [], []
    for day in range(14):
        for one in range(200):
            person.append(one)
            place.append(MARKET)
            enter.append(MONDAY + day * DAY_S + 8 * HOUR)
    evening = MONDAY + 8 * DAY_S + 20 * HOUR
    for one in (0, 1, 150):
        person.append(one)
        place.append(KARAOKE)
        enter.append(evening)
    begin = np.array(enter)
    presence = Presence.from_arrays(person, place, begin, begin + HOUR)
    return presence, Ill.of([0, 1], [evening + 5 * DAY_S] * 2)


def test_a_market_that_everybody_visits_explains_nothing():
    presence, cases = karaoke_and_market()
    found = place_hours(presence, cases, Incubation())
    assert (found.place[0], found.hour[0]) == (KARAOKE, MONDAY + 8 * DAY_S + 20 * HOUR)
    market = found.place == MARKET
    assert found.lift[market] == pytest.approx(np.ones(market.sum()))
    assert (found.low[market] < 1).all()
    assert (found.high[market] > 1).all()
    # Once in ten evenings from Monday to Friday three people of 200 were there, and both cases.
    assert found.lift[0] == pytest.approx(2 / (2 * 3 / 10 / 200))
    assert found.people[0] == 3
    assert found.usual[0] == pytest.approx(3 / 10)


def test_more_cases_make_the_interval_narrower():
    widths = []
    for count in (2, 4, 8):
        person = np.concatenate([np.arange(count), np.arange(400)])
        place = np.concatenate([np.full(count, KARAOKE), np.full(400, MARKET)])
        enter = np.full(len(person), MONDAY + 8 * DAY_S + 20 * HOUR)
        presence = Presence.from_arrays(person, place, enter, enter + HOUR)
        cases = Ill.of(range(count), [MONDAY + 13 * DAY_S] * count)
        found = place_hours(presence, cases, Incubation())
        assert found.place[0] == KARAOKE
        widths.append(found.high[0] / found.low[0])
    assert widths == sorted(widths, reverse=True)


def test_the_hour_that_fits_the_onsets_comes_first():
    """The same two people at the same place on four evenings: the one five days before both fell ill."""
    evenings = MONDAY + np.array([1, 3, 7, 9]) * DAY_S + 20 * HOUR
    person, enter = np.repeat([0, 1], 4), np.tile(evenings, 2)
    presence = Presence.from_arrays(person, np.full(8, KARAOKE), enter, enter + HOUR)
    found = place_hours(presence, Ill.of([0, 1], [MONDAY + 12 * DAY_S + 20 * HOUR] * 2), Incubation())
    assert found.hour[0] == evenings[2]


def test_a_known_case_who_was_there_then_is_told():
    """Two known cases came to the same place: one on the evening that fits, one long before; a third somewhere else."""
    evenings = MONDAY + np.array([2, 7]) * DAY_S + 20 * HOUR
    person, enter = (
        [0, 1, 0, 1, 3, 2, 4],
        np.array([*np.repeat(evenings, 3), evenings[1]])[[0, 1, 3, 4, 2, 5, 6]],
    )
    presence = Presence.from_arrays(person, [KARAOKE] * 6 + [MARKET], enter, enter + HOUR)
    cases = Ill.of([0, 1], [MONDAY + 12 * DAY_S] * 2)
    known = Ill.of([2, 3, 4], [int(evenings[1]), int(evenings[0]), int(evenings[1])])
    found = place_hours(presence, cases, Incubation(), known=known)
    assert (found.hour[0], found.source[0], found.known[0]) == (evenings[1], 2, pytest.approx(1, abs=0.01))
    ranked = known_sources(presence, found, cases, known)
    assert ranked.person.tolist() == [2, 3]
    assert ranked.cases.tolist() == [2, 2]
    assert (
        len(known_sources(presence, place_hours(presence, cases, Incubation(), at_least=3), cases, known))
        == 0
    )


def test_a_case_that_does_not_fit_need_not_be_explained():
    """A third was there too, a month before it fell ill by another way: the two count."""
    enter = np.full(3, MONDAY + 8 * DAY_S + 20 * HOUR)
    presence = Presence.from_arrays([0, 1, 2], [KARAOKE] * 3, enter, enter + HOUR)
    onset = [int(enter[0]) + days * DAY_S for days in (5, 5, 13)]
    found = place_hours(presence, Ill.of([0, 1, 2], onset), Incubation())
    assert (found.cases[0], found.explained[0]) == (3, 2)


def test_a_room_that_had_all_cases_stands_for_its_building():
    """Two in room 1, a third at the gate: the room with two, the building with three; but not the building with two."""
    enter = np.full(4, MONDAY + 8 * DAY_S + 20 * HOUR)
    presence = Snapshot.of(Presence.from_arrays([0, 1, 2, 3], [1, 1, 0, 2], enter, enter + HOUR))
    three = Ill.of([0, 1, 2], [MONDAY + 13 * DAY_S] * 3)
    found = place_hours(presence, three, Incubation(), spaces=ROOMS)
    assert sorted(rows_of(found, "place", "cases", "people")) == [(0, 3, 4), (1, 2, 2)]
    two = Ill.of([0, 1], [MONDAY + 13 * DAY_S] * 2)
    assert place_hours(presence, two, Incubation(), spaces=ROOMS).place.tolist() == [1]


def test_hours_that_follow_each_other_are_one_occasion():
    presence = Presence.from_arrays(
        [0, 1, 0, 1],
        [KARAOKE] * 4,
        MONDAY + np.array([20, 20, 32, 32]) * HOUR,
        MONDAY + np.array([23, 23, 33, 33]) * HOUR,
    )
    found = place_hours(presence, Ill.of([0, 1], [MONDAY + 7 * DAY_S] * 2), Incubation())
    stretches = occasions(found)
    told = {(start, end) for start, end in zip(stretches.start.tolist(), stretches.end.tolist(), strict=True)}
    assert told == {(MONDAY + 20 * HOUR, MONDAY + 23 * HOUR), (MONDAY + 32 * HOUR, MONDAY + 33 * HOUR)}
    assert stretches.best[0] == 0
    assert stretches.start[0] <= found.hour[0] < stretches.end[0]


def test_people_who_shared_nothing_have_no_places_in_common():
    presence = Presence.from_arrays([0, 1], [1, 2], [MONDAY] * 2, [MONDAY + HOUR] * 2)
    found = place_hours(presence, Ill.of([0, 1], [MONDAY + 5 * DAY_S] * 2), Incubation())
    assert len(found) == len(occasions(found)) == 0


def test_a_known_case_comes_before_a_stranger_and_fits_by_its_own_illness():
    """Three were with the case as long: one fell ill the day after, one three weeks before, one never."""
    enter = np.full(4, MONDAY + 8 * DAY_S)
    presence = Presence.from_arrays([0, 1, 2, 3], [5] * 4, enter, enter + HOUR)
    met = int(enter[0])
    found = possible_sources(
        presence,
        Ill.of([0], [met + 5 * DAY_S]),
        Incubation(),
        known=Ill.of([1, 2], [met + DAY_S, met - 21 * DAY_S]),
    )
    assert found.person.tolist() == [1, 3, 2]
    assert found.known.tolist() == [True, False, True]


def test_who_met_all_cases_comes_before_who_met_one_for_long():
    ranked = rank_sources(
        case=np.array([0, 1, 0]),
        person=np.array([4, 4, 9]),
        evidence=np.array([1.0, 1.0, 3.0]),
        cases=2,
        known=np.zeros(3, bool),
    )
    assert ranked.person.tolist() == [4, 9]
    assert ranked.cases.tolist() == [2, 1]


def test_the_incubation_time_is_a_density_over_its_window():
    incubation = Incubation(shortest_days=1, longest_days=14)
    days = np.linspace(1, 14, 200_001)[:-1] + 6.5 / 200_000
    weight = incubation.weight(days)
    assert weight.mean() == pytest.approx(1, abs=1e-4)
    published = lognorm(0.5, scale=np.exp(1.63))
    whole = published.cdf(14) - published.cdf(1)
    np.testing.assert_allclose(weight, published.pdf(days) * 13 / whole)
    assert incubation.weight(np.array([0.5, 14.0, -3.0])).tolist() == [0, 0, 0]


def test_what_makes_no_sense_is_refused():
    presence = Presence.from_arrays([1], [5], [0], [60])
    with pytest.raises(UnknownPerson):
        place_hours(presence, Ill.of([2], [0]), Incubation())
    with pytest.raises(ValueError, match="at_least"):
        place_hours(presence, Ill.of([1], [0]), Incubation(), at_least=0)
    with pytest.raises(ValueError, match="shortest"):
        Incubation(shortest_days=5, longest_days=2)
    with pytest.raises(ValueError, match="mean_days"):
        Incubation.from_mapping({"mean_days": 5})
    with pytest.raises(ValueError, match="length"):
        Ill.of([1, 2], [0])
