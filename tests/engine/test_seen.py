"""How much was seen: from known chances, the statement comes back to the truth."""

from __future__ import annotations

import numpy as np
import pytest

from khien.engine.encounter import Spells
from khien.engine.live import Live, Stays, days_of
from khien.engine.seen import LEAST_TOLD, KnownStays, meetings, seen, shares
from khien.engine.store import Manifest, State

KINDS = 3
LIVE, SCANNED, TOLD, CROWD = (
    np.array(column) for column in ((0.9, 0.5, 0.7), (0.6, 0.3, 0.8), (0.5, 0.8, 0.3), (4, 20, 9))
)


def drawn(cases: int, seed: int) -> tuple[KnownStays, float]:
    """Stays of cases by the chances above, as far as they are known; and the true share of meetings seen."""
    rng = np.random.default_rng(seed)
    case = np.repeat(np.arange(cases), 10)
    kind = rng.integers(0, KINDS, len(case))
    live = rng.random(len(case)) < LIVE[kind]
    scanned = live & (rng.random(len(case)) < SCANNED[kind])
    told = rng.random(len(case)) < TOLD[kind]
    others = rng.poisson(CROWD[kind])
    met = np.where(live, rng.binomial(others, SCANNED[kind]), 0)
    known = scanned | told
    stays = KnownStays(case, kind, scanned, told, live, met).where(known)
    return stays, float(met[known].sum() / others.sum())


def test_the_shares_come_back():
    stays, _true = drawn(5_000, 1)
    found = shares(stays, KINDS)
    assert found.live == pytest.approx(LIVE, abs=0.03)
    assert found.scanned == pytest.approx(SCANNED, abs=0.03)
    assert found.told == pytest.approx(TOLD, abs=0.03)
    assert found.met == pytest.approx(CROWD, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_share_seen_comes_back_from_three_hundred_interviews(seed: int):
    stays, true = drawn(300, seed)
    found, expected = meetings(stays, shares(stays, KINDS), 300, np.ones(300, bool))
    assert found.sum() / expected.sum() == pytest.approx(true, abs=0.05)


def test_who_was_not_interviewed_is_judged_by_their_scans_alone():
    pool, _true = drawn(5_000, 7)
    known = shares(pool, KINDS)
    rng = np.random.default_rng(8)
    kind = rng.integers(0, KINDS, 50_000)
    live = rng.random(len(kind)) < LIVE[kind]
    scanned = live & (rng.random(len(kind)) < SCANNED[kind])
    others = rng.poisson(CROWD[kind])
    met = np.where(live, rng.binomial(others, SCANNED[kind]), 0)
    own = KnownStays(np.zeros(len(kind), int), kind, scanned, np.zeros(len(kind), bool), live, met)
    found, expected = meetings(own.where(scanned), known, 1, np.array([False]))
    assert found[0] / expected[0] == pytest.approx(met[scanned].sum() / others.sum(), abs=0.03)


def test_too_few_told_stays_say_nothing():
    stays, _true = drawn(100, 1)
    few = stays.where(np.flatnonzero(stays.told)[: LEAST_TOLD - 1])
    assert seen(few, few.where(few.case == 0), KINDS, interviewed=True) is None
    assert seen(few.where(np.zeros(len(few), bool)), few, KINDS, interviewed=False) is None


def test_a_case_of_whom_little_is_known_is_judged_by_all():
    pool, true = drawn(200, 3)
    nothing = pool.where(np.zeros(len(pool), bool))
    assert seen(pool, nothing, KINDS, interviewed=False) == pytest.approx(true, abs=0.06)


HOUR = 3600
MIDNIGHT = 19_000 * 86_400 - 7 * HOUR


def test_a_stay_told_and_the_same_stay_scanned_are_one():
    # The case (1) is scanned at place 10 and told of it and of place 11, where others are scanned, and of 12.
    rows = [(1, 10, 8, 9), (2, 10, 8, 10), (3, 10, 12, 13), (4, 11, 15, 16), (1, 13, 20, 21)]
    person, place, enter, leave = np.array(rows).T
    stays = Stays(person, place, MIDNIGHT + enter * HOUR, MIDNIGHT + leave * HOUR)
    snapshot = Live(State(Manifest(), days_of(stays))).snapshot(MIDNIGHT + 24 * HOUR)
    told = np.array([(0, 10, 8, 9), (0, 11, 14, 17), (0, 12, 18, 19)]).T
    told[2:] = MIDNIGHT + told[2:] * HOUR + 600
    spells = Spells(np.array([1]), np.array([MIDNIGHT]), np.array([MIDNIGHT + 24 * HOUR]))
    known = KnownStays.of(snapshot, spells, told, lambda place: place)
    assert sorted(zip(*(column.tolist() for column in list(vars(known).values())[1:]), strict=True)) == [
        (10, True, True, True, 1),
        (11, False, True, True, 1),
        (12, False, True, False, 0),
        (13, True, False, False, 0),
    ]
