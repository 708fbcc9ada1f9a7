"""A second oracle of another making: nested containment lists (`ncls`) find the same encounters as the segments."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ncls import NCLS

from khien.engine import OPEN, encounters
from khien.engine.live import Changes, Live, Stays, days_of
from khien.engine.segment import DAY_S
from khien.engine.snapshot import Snapshot
from khien.engine.store import Manifest, State

START = 18_995 * DAY_S - 7 * 3600
DAYS, PEOPLE, PLACES = 8, 150, 25
NOW = START + (DAYS + 1) * DAY_S
SPAN = 1 << 21
"""More seconds than the world lasts: the place is folded into the coordinate, so that one tree holds all."""

Encounter = tuple[int, int, int, int, int, bool]


def world(draw: np.random.Generator, size: int) -> Stays:
    """Stays from a minute to two days, some not over yet, many at the busiest places."""
    enter = START + draw.integers(0, DAYS * DAY_S, size)
    length = np.minimum(60 + draw.exponential(5000, size).astype(np.int64), 2 * DAY_S)
    leave = np.where(draw.random(size) < 0.02, OPEN, enter + length)
    place = np.minimum(draw.geometric(0.15, size) - 1, PLACES - 1)
    return Stays(draw.integers(0, PEOPLE, size), place, enter, leave)


def lived_through(draw: np.random.Generator, stays: Stays) -> Snapshot:
    """A snapshot that was told of these stays in batches, of some of them wrongly at first."""
    told = draw.integers(0, 4, len(stays))
    wrong = world(draw, len(stays) // 5)
    base = [stays.where(told == 0), wrong]
    live = Live(
        State(Manifest(), days_of(Stays(*map(np.concatenate, zip(*map(_columns, base), strict=True)))))
    )
    for batch in (1, 2, 3):
        taken_back = wrong.where(np.arange(len(wrong)) % 3 == batch - 1)
        live.apply(Changes(batch, stays.where(told == batch), taken_back))
    return live.snapshot(NOW)


def _columns(stays: Stays) -> tuple[Any, ...]:
    return stays.person, stays.place, stays.enter, stays.leave


def by_ncls(stays: Stays, cases: list[int], begin: int, end: int, least: int, after: int) -> list[Encounter]:
    """Encounters of the cases within [begin, end): (case, person, place, start, end, after)."""
    leave = np.where(stays.leave == OPEN, NOW, stays.leave)
    own = np.flatnonzero(np.isin(stays.person, cases) & (stays.enter < end) & (leave > begin))
    base, row = stays.place * SPAN - START, np.arange(len(stays))
    low, high = np.maximum(stays.enter[own], begin), np.minimum(leave[own], end)
    asked, met = NCLS(base + stays.enter, base + leave, row).all_overlaps_both(
        base[own] + low, base[own] + high, own
    )
    mine = np.searchsorted(own, asked)
    start, stop = np.maximum(stays.enter[met], low[mine]), np.minimum(leave[met], high[mine])
    together = [
        *(stays.person[asked], stays.person[met], stays.place[met], start, stop, np.zeros(len(met), bool))
    ]
    chosen = (stop - start >= least) & (stays.person[met] != stays.person[asked])
    found = _rows(together, chosen)
    if after:
        left = own[leave[own] <= end]
        asked, met = NCLS(base + stays.enter, base + stays.enter + 1, row).all_overlaps_both(
            base[left] + leave[left], base[left] + leave[left] + after, left
        )
        came = [stays.person[asked], stays.person[met], stays.place[met], stays.enter[met], leave[met]]
        found += _rows([*came, np.ones(len(met), bool)], stays.person[met] != stays.person[asked])
    return sorted(found)


def _rows(columns: list[Any], chosen: Any) -> list[Encounter]:
    return list(zip(*(column[chosen].tolist() for column in columns), strict=True))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("least", "after"), [(15, 0), (1, 0), (15, 30), (60, 240)])
def test_one_hop_finds_what_nested_containment_lists_find(seed: int, least: int, after: int) -> None:
    draw = np.random.default_rng([seed, least, after])
    stays = world(draw, 2_500)
    snapshot = lived_through(draw, stays)
    assert len(snapshot) == len(stays)
    few = sorted(draw.choice(PEOPLE, 3, replace=False).tolist())
    for cases in (few, list(range(PEOPLE))):  # many cases take another way through the kernels
        begin, end = sorted((START + draw.integers(-DAY_S, (DAYS + 1) * DAY_S, 2)).tolist())
        told = encounters(snapshot, cases, (begin, end), min_minutes=least, after_minutes=after)
        found = sorted(
            zip(
                told.case.tolist(),
                told.person.tolist(),
                told.place.tolist(),
                told.start.tolist(),
                told.end.tolist(),
                (told.kind == "after").tolist(),
                strict=True,
            )
        )
        assert found == by_ncls(stays, cases, begin, end, least * 60, after * 60)
        assert found or end - begin < DAY_S, "a world where nobody meets would prove nothing"
