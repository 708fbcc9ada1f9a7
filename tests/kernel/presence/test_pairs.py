"""Sightings of pairs become contacts: told by two devices, in pieces, in any order, they are the same contacts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from khien.engine import encounters
from khien.kernel import clock
from khien.kernel.presence import verbs
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.pairs import FIRST_PAIR, PairContacts, Sightings, join_pairs, store_pairs
from khien.kernel.presence.segments import Cache
from khien.kernel.presence.stays import columns, to_us
from tests.factories import NOON

pytestmark = pytest.mark.django_db
MINUTE = 60_000_000
BASE = to_us(NOON) - 300 * MINUTE


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        yield


def sighted(*rows: tuple[int, int, int, int]) -> Sightings:
    """(person, other, begin, end) in minutes after 7:00."""
    first, second, begin, end = (np.array([row[k] for row in rows], np.int64) for k in range(4))
    return Sightings(first, second, BASE + begin * MINUTE, BASE + end * MINUTE)


def join(*rows: tuple[int, int, int, int]) -> list[bool]:
    return join_pairs(sighted(*rows), source="bluetooth").tolist()


def contacts() -> list[tuple[int, int, int, int]]:
    """All pair contacts as kept: both people at one place of their own, in minutes after 7:00."""
    by_place: dict[int, list[PresenceRecord]] = {}
    for row in PresenceRecord.objects.filter(source="bluetooth").order_by("person_id"):
        by_place.setdefault(row.place_id, []).append(row)
    told = []
    for place, (one, other) in by_place.items():
        assert place >= FIRST_PAIR
        assert (one.enter, one.leave) == (other.enter, other.leave)
        assert one.leave is not None
        told.append(
            (
                one.person_id,
                other.person_id,
                *((to_us(at) - BASE) // MINUTE for at in (one.enter, one.leave)),
            )
        )
    return sorted(told)


def test_both_devices_tell_of_one_contact() -> None:
    assert join((1, 2, 0, 20), (2, 1, 2, 25), (2, 1, 5, 10)) == [True, True, False]
    assert contacts() == [(1, 2, 0, 25)]


def test_pieces_that_touch_are_one_contact_and_others_stay_apart() -> None:
    assert join((1, 2, 0, 5), (1, 2, 10, 15), (1, 2, 30, 35)) == [True, True, True]
    assert contacts() == [(1, 2, 0, 5), (1, 2, 10, 15), (1, 2, 30, 35)]
    assert join((2, 1, 5, 10)) == [True]
    assert contacts() == [(1, 2, 0, 15), (1, 2, 30, 35)]
    assert join((1, 3, 5, 10)) == [True], "another pair is another contact"
    assert len(contacts()) == 3


def test_the_same_again_changes_nothing() -> None:
    rows = [(1, 2, 0, 20), (3, 1, 5, 30), (1, 2, 60, 60)]
    assert join(*rows) == [True] * 3
    orders = list(PresenceRecord.objects.order_by("id").values_list("id", "commit_order"))
    assert join(*rows) == [False] * 3
    assert list(PresenceRecord.objects.order_by("id").values_list("id", "commit_order")) == orders


def test_a_contact_that_grows_over_midnight_moves_to_the_day_on_which_it_begins() -> None:
    midnight = 17 * 60  # of the 11th, counted from 7:00 of the 10th
    with clock.reads.frozen_at(NOON + timedelta(days=1)):
        join((1, 2, midnight, midnight + 10))
        join((1, 2, midnight - 10, midnight))
    assert contacts() == [(1, 2, midnight - 10, midnight + 10)]
    assert {str(day) for day in PresenceRecord.objects.values_list("day", flat=True)} == {"2022-01-10"}


def test_contacts_of_another_source_and_stays_at_places_are_left_alone() -> None:
    one = np.array([1])
    told = PairContacts(one, one + 1, one * BASE, one * BASE + 10 * MINUTE, ["hand:1"])
    store_pairs(told, source="interview")
    verbs.store(columns([1, 2], [7, 7], [NOON] * 2, [None] * 2, ["a", "b"]), source="scan")
    assert join((1, 2, 0, 5)) == [True], "what somebody said in an interview is other evidence"
    assert PresenceRecord.objects.count() == 6


def test_what_joined_others_is_one_encounter_in_the_next_answer(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "segments")
    window = (int((NOON - timedelta(days=1)).timestamp()), int(NOON.timestamp()))
    join((1, 2, 0, 10), (1, 2, 15, 25))
    assert len(encounters(cache.snapshot(NOON), 1, window, min_minutes=15)) == 0
    join((2, 1, 10, 15))
    found = encounters(cache.snapshot(NOON), 1, window, min_minutes=15)
    assert found.person.tolist() == [2]
    assert (found.end - found.start).tolist() == [25 * 60]


sightings = st.lists(
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(0, 60), st.integers(0, 12)).filter(
        lambda row: row[0] != row[1]
    ),
    min_size=1,
    max_size=25,
)


@settings(
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(sightings, st.randoms(use_true_random=False), st.integers(1, 25))
def test_any_order_in_any_portions_gives_the_same_contacts(rows: list, random: object, portion: int) -> None:
    told = [(one, other, begin, begin + length) for one, other, begin, length in rows]
    wanted = set()
    for pair in {(min(row[:2]), max(row[:2])) for row in told}:
        mine = sorted((begin, end) for one, other, begin, end in told if {one, other} == set(pair))
        runs = [list(mine[0])]
        for begin, end in mine[1:]:
            if begin <= runs[-1][1]:
                runs[-1][1] = max(runs[-1][1], end)
            else:
                runs.append([begin, end])
        wanted |= {(*pair, begin, end) for begin, end in runs}
    for _time in range(2):
        PresenceRecord.objects.all().delete()
        random.shuffle(told)  # type: ignore[attr-defined]
        for start in range(0, len(told), portion):
            join(*told[start : start + portion])
        assert set(contacts()) == wanted
        assert join(*told) == [False] * len(told)
