"""Who shared a space, when places lie within places: against a minute-by-minute count."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.engine import Presence
from khien.engine.encounter import Encounters, Spells
from khien.engine.scoring import others_present
from khien.engine.snapshot import Snapshot
from khien.engine.spaces import Own, Shared, Spaces, meet, merged
from tests.engine.test_snapshot import START

# 0 is a building with the floors 1 and 2; on floor 1 is the room 3. 4 stands alone.
INSIDE = [(1, 0), (2, 0), (3, 0), (3, 1)]
OUTER = {place: {outer for inner, outer in INSIDE if inner == place} for place in range(5)}
SPACES = Spaces.of(INSIDE)
MINUTES = 30

quick = settings(deadline=None, derandomize=True, max_examples=120)
stays = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, MINUTES - 1), st.integers(1, 12)),
    min_size=1,
    max_size=14,
)


def shared_by_minute(rows: list[tuple[int, int, int, int]], minute: int, other: int) -> int | None:
    """The smallest place that person 0 and another shared in a minute; None when they were apart."""
    there = [
        {place for who, place, enter, length in rows if who == person and enter <= minute < enter + length}
        for person in (0, other)
    ]
    common = set()
    for mine, theirs in product(*there):
        if mine == theirs or mine in OUTER[theirs]:
            common.add(mine)
        elif theirs in OUTER[mine]:
            common.add(theirs)
    return max(common, key=lambda place: (len(OUTER[place]), place), default=None)


def distinct(rows: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """Overlapping stays of one person at one place made one: records do not overlap themselves."""
    columns = np.array(rows, np.int64).T
    keys, enter, leave = merged((columns[0], columns[1]), columns[2], columns[2] + columns[3])
    return list(zip(*(c.tolist() for c in keys), enter.tolist(), (leave - enter).tolist(), strict=True))


def met(rows: list[tuple[int, int, int, int]]) -> tuple[Shared, Snapshot]:
    """Whom person 0 shared a space with."""
    columns = np.array(rows, np.int64).T
    enter = START + columns[2] * 60
    snapshot = Snapshot.of(Presence.from_arrays(columns[0], columns[1], enter, enter + columns[3] * 60))
    spells = Spells(np.array([0]), np.array([START]), np.array([START + MINUTES * 120]))
    return meet(snapshot, spells, Own.of(snapshot, spells), SPACES), snapshot


@quick
@given(stays)
def test_what_records_tell_twice_or_in_pieces_is_one_meeting(rows: list[tuple[int, int, int, int]]) -> None:
    """Records that overlap themselves answer as those in which what overlaps or touches is one stay."""
    rows = [*rows, (0, 4, 0, 5), (1, 4, 1, 3), (1, 4, 2, 3), *((9, place, 99, 1) for place in range(5))]
    told = [met(one)[0] for one in (rows, distinct(rows))]
    first, second = (sorted(zip(*(c.tolist() for c in vars(one).values()), strict=True)) for one in told)
    assert first == second


@quick
@given(stays)
def test_every_minute_counts_once_in_the_smallest_space(rows: list[tuple[int, int, int, int]]) -> None:
    rows = distinct([*rows, (0, 4, 0, 1), *((9, place, 2 * MINUTES, 1) for place in range(5))])
    found, snapshot = met(rows)
    expected: dict[tuple[int, int], int] = {}
    for other in sorted({row[0] for row in rows} - {0}):
        for minute in range(MINUTES * 2):
            place = shared_by_minute(rows, minute, other)
            if place is not None:
                expected[other, place] = expected.get((other, place), 0) + 60
    got: dict[tuple[int, int], int] = {}
    for person, place, seconds in zip(found.person, found.place, found.seconds, strict=True):
        key = int(snapshot.person_ids[person]), int(snapshot.place_ids[place])
        got[key] = got.get(key, 0) + int(seconds)

    # Minutes at two floors at once go to either of them; what counts is that each is counted once, and as small.
    def by_depth(counts: dict[tuple[int, int], int]) -> dict[tuple[int, int], int]:
        summed: dict[tuple[int, int], int] = {}
        for (other, place), seconds in counts.items():
            key = other, len(OUTER[place])
            if seconds:
                summed[key] = summed.get(key, 0) + seconds
        return summed

    assert by_depth(got) == by_depth(expected)


def test_what_was_told_counts_like_a_record_and_only_once() -> None:
    presence = Presence.from_arrays(
        [1, 2, 2], [7, 7, 8], START + np.array([0, 600, 4000]), START + np.array([1200, 1800, 5000])
    )
    snapshot = Snapshot.of(presence)
    spells = Spells(np.array([0]), np.array([START]), np.array([START + 9000]))
    told = [(0, 0, START + 900, START + 1500), (0, 1, START + 4100, START + 4200)]
    found = meet(snapshot, spells, Own.of(snapshot, spells, told), Spaces.of([]))
    assert found.person.tolist() == [1, 1]
    assert found.seconds.tolist() == [900, 100]


@quick
@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 40), st.integers(0, 30)), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(0, 20)), min_size=1, max_size=20),
)
def test_how_full_a_place_was(there: list[tuple[int, int, int]], asked: list[tuple[int, int, int]]) -> None:
    there = [*there, (0, 0, 0), (1, 0, 0)]
    place, enter, length = np.array(there, np.int64).T
    presence = Presence.from_arrays(np.arange(len(there)), place, START + enter, START + enter + length)
    at, start, long = np.array(asked, np.int64).T
    nobody = np.zeros(len(asked), np.int64)
    meetings = Encounters(nobody, nobody, at, START + start, START + start + long, long, nobody > 0)
    expected = []
    for a, s, n in asked:
        moments = range(s, s + max(n, 1))
        present = [sum(p == a and e <= t < e + max(d, 1) for p, e, d in there) for t in moments]
        expected.append(max(sum(present) / len(present) - 1, 0))
    assert np.allclose(others_present(presence, meetings), expected)
    assert np.allclose(others_present(Snapshot.of(presence), meetings), expected)
