"""From scans to stays: the rules one by one, and that order of arrival and batches do not matter."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel.places.reads import StayRules
from khien.kernel.presence.stays import Stays, to_us
from khien.rooms.checkpoints.derivation import ENTRY, EXIT, LONGEST_US, Scans, derive
from tests.factories import NOON

SCHOOL, CLASS, MARKET, ROAD, HOME = 1, 2, 3, 4, 5
RULES = StayRules(
    np.array([SCHOOL, CLASS, MARKET, ROAD, HOME]),
    np.array([270, 270, 40, 0, 600]),
    np.array([False, False, False, True, False]),
    np.array([SCHOOL, SCHOOL, MARKET, ROAD, HOME]),
)
NOON_US = to_us(NOON)


def scans(*rows: tuple[int, int, float, int]) -> Scans:
    """(person, place, minutes after noon, direction)."""
    return Scans(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([NOON_US + int(row[2] * 60e6) for row in rows], np.int64),
        np.array([row[3] for row in rows], np.int8),
        np.array([f"k{number:04d}" for number in range(len(rows))], "S57"),
    )


def told(stays: Stays) -> list[tuple[int, int, float, float, bool, bool]]:
    return [
        (
            int(stays.person[i]),
            int(stays.place[i]),
            (stays.enter[i] - NOON_US) / 60e6,
            (stays.leave[i] - NOON_US) / 60e6,
            bool(stays.entry_inferred[i]),
            bool(stays.exit_inferred[i]),
        )
        for i in range(len(stays))
    ]


def test_an_entry_and_its_exit_are_one_stay() -> None:
    assert told(derive(scans((1, MARKET, 0, ENTRY), (1, MARKET, 25, EXIT)), RULES)) == [
        (1, MARKET, 0, 25, False, False)
    ]


def test_an_exit_may_come_hours_after_the_usual_stay() -> None:
    found = derive(scans((1, MARKET, 0, ENTRY), (1, MARKET, 600, EXIT)), RULES)
    assert told(found) == [(1, MARKET, 0, 600, False, False)]


def test_scans_within_a_minute_are_one() -> None:
    found = derive(scans((1, MARKET, 0, ENTRY), (1, MARKET, 0.9, ENTRY), (1, MARKET, 30, EXIT)), RULES)
    assert told(found) == [(1, MARKET, 0, 30, False, False)]
    assert found.source_key == ["k0000"]


def test_a_missing_exit_is_inferred_from_the_kind_or_the_next_scan_elsewhere() -> None:
    found = derive(scans((1, MARKET, 0, ENTRY), (1, HOME, 20, ENTRY), (2, MARKET, 0, ENTRY)), RULES)
    assert told(found) == [
        (1, MARKET, 0, 20, False, True),
        (1, HOME, 20, 620, False, True),
        (2, MARKET, 0, 40, False, True),
    ]


def test_a_missing_entry_is_inferred_backwards() -> None:
    found = derive(scans((1, HOME, 0, ENTRY), (1, MARKET, 30, EXIT), (2, MARKET, 30, EXIT)), RULES)
    assert told(found) == [
        (1, HOME, 0, 30, False, True),
        (1, MARKET, 0, 30, True, False),
        (2, MARKET, -10, 30, True, False),
    ]


def test_a_room_and_its_house_are_not_elsewhere() -> None:
    found = derive(
        scans((1, SCHOOL, 0, ENTRY), (1, CLASS, 5, ENTRY), (1, CLASS, 200, EXIT), (1, SCHOOL, 210, EXIT)),
        RULES,
    )
    assert told(found) == [(1, SCHOOL, 0, 210, False, False), (1, CLASS, 5, 200, False, False)]
    unpaired = derive(scans((1, SCHOOL, 0, ENTRY), (1, CLASS, 5, ENTRY)), RULES)
    assert told(unpaired)[0] == (1, SCHOOL, 0, 270, False, True)


def test_an_exit_a_day_later_belongs_to_another_stay() -> None:
    found = derive(scans((1, MARKET, 0, ENTRY), (1, MARKET, 1500, EXIT)), RULES)
    assert told(found) == [(1, MARKET, 0, 40, False, True), (1, MARKET, 1460, 1500, True, False)]


def test_people_only_pass_a_checkpoint() -> None:
    found = derive(scans((1, ROAD, 0, ENTRY), (1, ROAD, 500, EXIT)), RULES)
    assert told(found) == [(1, ROAD, 0, 0, False, False), (1, ROAD, 500, 500, False, False)]


def test_no_scans_no_stays() -> None:
    assert len(derive(scans(), RULES)) == 0


many = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([SCHOOL, CLASS, MARKET, ROAD, HOME]),
        st.one_of(st.integers(-4000, 4000), st.sampled_from([0, 0.5, 1, 1.5, 60])),
        st.sampled_from([ENTRY, EXIT]),
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None)
@given(many, st.randoms(use_true_random=False))
def test_the_same_scans_in_any_order_give_the_same_stays(rows: list, random: object) -> None:
    given_scans = scans(*rows)
    order = list(range(len(rows)))
    random.shuffle(order)
    first, second = derive(given_scans, RULES), derive(given_scans.take(np.array(order, np.int64)), RULES)
    assert told(first) == told(second)
    assert list(first.source_key) == list(second.source_key)


@settings(max_examples=300, deadline=None)
@given(many)
def test_stays_are_well_formed_and_each_person_is_derived_alone(rows: list) -> None:
    given_scans = scans(*rows)
    found = derive(given_scans, RULES)
    assert (found.leave >= found.enter).all()
    assert (found.leave - found.enter <= LONGEST_US).all()
    assert len(set(found.source_key)) == len(found)
    alone = [
        row
        for person in (1, 2, 3)
        for row in told(derive(given_scans.take(given_scans.person == person), RULES))
    ]
    assert told(found) == alone


@settings(max_examples=300, deadline=None)
@given(many, many)
def test_a_late_scan_changes_only_stays_that_begin_within_a_day_of_it(rows: list, late: list) -> None:
    """What makes it right to derive anew only the days around a late scan."""
    rows, late = rows[:25], late[:1]
    before, after = told(derive(scans(*rows), RULES)), told(derive(scans(*rows, *late), RULES))
    for changed in set(before) ^ set(after):
        assert abs(changed[2] - late[0][2]) <= LONGEST_US / 60e6 + 2
