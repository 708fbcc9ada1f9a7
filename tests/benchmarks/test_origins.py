"""The measure of backward search itself: a cluster made by hand, and a small run from end to end."""

from __future__ import annotations

import json

import numpy as np
import pytest
from benchmarks.origins import HOUR_S, Cluster, Observed, answer, interval, main
from benchmarks.worlds import DAY_S, Case
from click.testing import CliRunner

from khien.engine.live import Stays, days_of
from khien.engine.snapshot import Piece, Snapshot
from khien.engine.spaces import Spaces

MIDNIGHT = 18_995 * DAY_S - 7 * HOUR_S
SCHOOL, CLASS, OTHER_CLASS, CAFE = 10, 11, 12, 13
EVENING = MIDNIGHT + 5 * DAY_S + 19 * HOUR_S


def case(person: int, onset: int) -> Case:
    return Case(person, onset, onset + DAY_S, onset + DAY_S + 12 * HOUR_S)


def seen(rows: list[tuple[int, int, int, int]]) -> Observed:
    """From rows of (person, place, enter, leave); the classes lie within the school, the homes are places 0 to 9."""
    columns = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    snapshot = Snapshot(
        [Piece(segment) for segment in days_of(Stays(*columns)).values()], now=EVENING + 30 * DAY_S
    )
    spaces = Spaces.of([(CLASS, SCHOOL), (OTHER_CLASS, SCHOOL)])
    return Observed(snapshot, snapshot, spaces, np.full(20, 50.0), np.ones(20, bool), np.arange(20) < 10)


# 1 and 2 were at the café for two hours on one evening with 3, who fell ill the day after; they share a class of many
# every morning.
ROWS = [(person, CAFE, EVENING, EVENING + 2 * HOUR_S) for person in (1, 2, 3)]
ROWS += [
    (person, CLASS, MIDNIGHT + day * DAY_S + 8 * HOUR_S, MIDNIGHT + day * DAY_S + 9 * HOUR_S)
    for day in range(10)
    for person in (1, 2, *range(4, 20))
]
CASES = [case(1, EVENING + 5 * DAY_S), case(2, EVENING + 5 * DAY_S), case(3, EVENING + DAY_S)]


@pytest.mark.parametrize(("hour", "right"), [(0, 1), (1, 1), (2, 0)])
def test_an_occasion_is_right_when_the_true_hour_lies_in_it(hour: int, right: float):
    cluster = Cluster(CAFE, CAFE, EVENING + hour * HOUR_S, tuple(CASES[:2]), frozenset({3}), 2)
    told = answer(seen(ROWS), cluster, CASES)
    assert (told.place, told.occasion, told.source, told.hours) == (1, right, 1, 2)
    assert told.hour_by_chance == (0.5 if right else 0)
    assert told.hour_or_source == told.occasion_or_source == told.among == 1


def test_the_wrong_source_and_the_wrong_place_are_wrong():
    cluster = Cluster(SCHOOL, OTHER_CLASS, EVENING, tuple(CASES[:2]), frozenset({19}), 2)
    told = answer(seen(ROWS), cluster, CASES)
    assert (told.hour, told.occasion, told.place, told.source, told.hour_or_source) == (0, 0, 0, 0, 0)
    assert (told.hour_among, told.source_among, told.source_known, told.among) == (0, 1, 0, 1)


def test_the_building_is_as_right_as_the_room():
    cluster = Cluster(SCHOOL, CLASS, EVENING, tuple(CASES), frozenset(), 2)
    assert [cluster.is_at(place) for place in (SCHOOL, CLASS, OTHER_CLASS, CAFE)] == [
        True,
        True,
        False,
        False,
    ]


def test_the_interval_of_a_share_is_wilsons():
    assert interval(0.5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)


def test_a_run_from_end_to_end():
    arguments = ["--people", "12000", "--days", "24", "--worlds", "1", "--coverage", "1", "--seed", "4"]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output.splitlines()[-1])
    assert told["bench"] == "origins"
    figures = told["figures"]
    assert len(figures) == 6
    shares = [figure for figure in figures if figure["unit"] == "share"]
    assert all(0 <= figure["value"] <= 1 for figure in shares)
    goals = [figure for figure in figures if figure["goal"]]
    assert len(goals) == 2
    assert all(figure["met"] == (figure["value"] >= 0.6) for figure in goals)
