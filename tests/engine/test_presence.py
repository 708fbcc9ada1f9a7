"""Presence takes what is a stay, and says of every other record why not."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from khien.engine import (
    OPEN,
    Presence,
    Refused,
    UnknownPerson,
    backward,
    contacts,
    encounters,
    forward,
)


def test_received_is_taken_plus_refused():
    presence = Presence.from_arrays([1, 2, 3], [5, 5, 5], [100, 100, 100], [200, 40, 100])
    assert presence.refused == (Refused(1, "leave", "ends 60 s before it begins"),)
    assert presence.received == 3 == len(presence) + 1
    assert presence.person_ids.tolist() == [1, 3]


def test_ids_may_be_any_whole_numbers_or_text():
    big = Presence.from_arrays([2**60, -7], np.array([3, 2**40]), [0, 0], [9, 9])
    assert big.person_ids.tolist() == [-7, 2**60]
    text = Presence.from_arrays(["Bình", "an", "Bình"], ["chợ", "chợ", "nhà"], [0, 0, 5], [9, 9, 9])
    assert contacts(text, "an", (0, 10), min_minutes=0).person.tolist() == ["Bình"]


def test_an_open_stay_runs_until_as_of_and_is_an_instant_if_it_began_later():
    presence = Presence.from_arrays([1, 2, 3], [5, 5, 5], [0, 50, 150], [120, OPEN, OPEN], as_of=100)
    assert presence.open_stays == 2
    assert presence.leave.tolist() == [120, 100, 150]
    assert encounters(presence, 1, (0, 1000), min_minutes=0).overlap.tolist() == [50]


def test_an_open_stay_needs_as_of():
    with pytest.raises(ValueError, match="1 open stays"):
        Presence.from_arrays([1], [5], [0], [OPEN])


def test_times_may_be_datetime64_with_nat_for_open():
    times = np.array(["2021-09-20T01:00", "NaT"], "datetime64[m]")
    as_of = datetime(2021, 9, 20, 2, tzinfo=UTC)
    presence = Presence.from_arrays([1], [5], times[:1], times[1:], as_of=as_of)
    assert (presence.leave - presence.enter).tolist() == [3600]


@pytest.mark.parametrize("bad", [{"enter": [0.5]}, {"person_ids": [1, 2]}])
def test_columns_that_do_not_fit_are_refused(bad):
    columns = {"person_ids": [1], "place_ids": [1], "enter": [0], "leave": [1]} | bad
    with pytest.raises(ValueError):
        Presence.from_arrays(**columns)


def test_touching_stays_do_not_meet():
    presence = Presence.from_arrays([1, 2], [5, 5], [0, 60], [60, 120])
    assert len(encounters(presence, 1, (0, 1000), min_minutes=0)) == 0
    just_after = encounters(presence, 1, (0, 1000), min_minutes=0, after_minutes=1)
    assert just_after.kind.tolist() == ["after"]
    assert (just_after.start.tolist(), just_after.overlap.tolist()) == ([60], [0])


def test_after_ends_before_its_last_second():
    presence = Presence.from_arrays([1, 2, 3], [5, 5, 5], [0, 119, 120], [60, 200, 200])
    assert encounters(presence, 1, (0, 1000), after_minutes=1).person.tolist() == [2]


def test_an_instant_that_is_both_together_and_after_counts_once():
    """1 is at the place at the instant at which 2 enters: together if an instant is enough, otherwise after."""
    presence = Presence.from_arrays([1, 2], [5, 5], [60, 60], [60, 300])
    for least, kind in ((0, "together"), (1, "after")):
        found = encounters(presence, 1, (0, 1000), min_minutes=least, after_minutes=1)
        assert found.kind.tolist() == [kind]
        sources = backward(
            presence,
            2,
            1000,
            min_incubation_days=0,
            max_incubation_days=1,
            min_minutes=least,
            after_minutes=1,
        )
        assert sources.encounters.tolist() == [1]


def test_short_encounters_never_add_up_to_one_that_counts():
    presence = Presence.from_arrays([1, 2, 2], [5, 5, 5], [0, 0, 1000], [2000, 600, 1600])
    assert len(contacts(presence, 1, (0, 5000), min_minutes=15)) == 0
    found = contacts(presence, 1, (0, 5000), min_minutes=10)
    assert (found.seconds.tolist(), found.longest.tolist(), found.encounters.tolist()) == ([1200], [600], [2])


def test_degree_is_the_fewest_hops_and_earliest_the_quickest_chain():
    """2 meets case 1 late, but early met 3, whom the case had met before: degree 1, infected perhaps earlier."""
    presence = Presence.from_arrays(
        [1, 3, 3, 2, 1, 2], [5, 5, 6, 6, 7, 7], [0, 0, 20, 20, 50, 50], [10, 10, 30, 30, 60, 60]
    )
    found = forward(presence, 1, (0, 100), hops=2, min_minutes=0)
    two = found.person.tolist().index(2)
    assert (found.degree[two], found.from_person[two], found.first_at[two]) == (1, 1, 50)
    assert found.earliest[two] == 20


def test_nothing_passes_backwards_in_time():
    presence = Presence.from_arrays([1, 2, 2, 3], [5, 5, 6, 6], [100, 100, 0, 0], [200, 200, 50, 50])
    assert forward(presence, 1, (0, 300), hops=2, min_minutes=0).person.tolist() == [2]


def test_each_case_has_its_own_window():
    presence = Presence.from_arrays([1, 2, 3], [5, 5, 5], [0, 0, 0], [100, 100, 100])
    found = encounters(presence, [1, 2], [(0, 10), (50, 90)], min_minutes=0)
    rows = zip(found.case.tolist(), found.person.tolist(), found.overlap.tolist(), strict=True)
    assert list(rows) == [(1, 2, 10), (1, 3, 10), (2, 1, 40), (2, 3, 40)]


def test_somebody_without_records_is_named():
    presence = Presence.from_arrays([1], [5], [0], [60])
    for wrong in (2, "x"):
        with pytest.raises(UnknownPerson, match=repr(wrong)):
            contacts(presence, wrong, (0, 10))


@pytest.mark.parametrize(
    "question",
    [
        lambda presence: contacts(presence, 1, (10, 0)),
        lambda presence: contacts(presence, [1, 1], [(0, 10)] * 3),
        lambda presence: contacts(presence, 1, (0, 10), min_minutes=-1),
        lambda presence: forward(presence, 1, (0, 10), hops=0),
        lambda presence: contacts(presence, 1, (datetime(2021, 9, 20), datetime(2021, 9, 21))),
        lambda presence: backward(presence, 1, 5, min_incubation_days=3, max_incubation_days=1),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(question):
    with pytest.raises(ValueError):
        question(Presence.from_arrays([1], [5], [0], [60]))


def test_nothing_recorded_is_a_presence_too():
    empty = Presence.from_arrays([], [], [], [])
    assert (len(empty), empty.received) == (0, 0)
    with pytest.raises(UnknownPerson):
        contacts(empty, 1, (0, 10))
