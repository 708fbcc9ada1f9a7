from __future__ import annotations

import numpy as np
import pytest

from khien.simulation import History, Province

from .conftest import START

DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def early() -> tuple[np.ndarray, np.ndarray, Province, np.ndarray]:
    """Offspring of those infected in the first eight of 21 days, over several seeds pooled by a large province."""
    province = Province(people=60_000, seed=9)
    world = province.world(START)
    for _ in world.days(21):
        pass
    table = world.infections_table()
    person = table["person"].to_numpy()
    infector = table["infector"].fill_null(-1).to_numpy()
    at = table["infected_at"].cast("int64").to_numpy()
    cohort = person[at < world.base * 1000 + 8 * DAY_MS]
    return np.bincount(infector[infector >= 0], minlength=len(province))[cohort], cohort, province, table


def test_everybody_is_infected_once_by_somebody_infectious(history: History) -> None:
    rows = history.infections.to_pylist()
    by_person = {row["person"]: row for row in rows}
    assert len(by_person) == len(rows) > 50
    for row in rows:
        assert row["infectious_from"] < row["infectious_to"]
        if row["infector"] is not None:
            source = by_person[row["infector"]]
            assert source["infectious_from"] <= row["infected_at"] <= source["infectious_to"]
            assert row["minutes"] >= 1


def test_infections_happen_where_both_truly_were(history: History) -> None:
    local = history.infections.filter(history.infections["infector"].is_valid()).slice(0, 40).to_pylist()
    true = history.true_presence
    person = true["person"].to_numpy()
    room = true["sub_place"].combine_chunks().fill_null(-1).to_numpy()
    place = true["place"].to_numpy()
    enter, leave = (true[name].cast("int64").to_numpy() for name in ("enter", "leave"))
    for row in local:
        at = row["infected_at"].timestamp() * 1000
        wanted_room = -1 if row["sub_place"] is None else row["sub_place"]
        for who in (row["person"], row["infector"]):
            here = (person == who) & (place == row["place"]) & (room == wanted_room)
            assert (here & (enter <= at) & (at <= leave)).any()


def test_few_infect_many(early: tuple[np.ndarray, ...]) -> None:
    offspring = early[0]
    mean, variance = offspring.mean(), offspring.var()
    assert 1.0 < mean < 3.0
    k = mean**2 / (variance - mean)
    assert 0.1 < k < 1.0
    assert (offspring == 0).mean() > 0.4


def test_about_a_quarter_of_a_household_is_infected(early: tuple[np.ndarray, ...]) -> None:
    _, cohort, province, table = early
    people = province.residents
    person = table["person"].to_numpy()
    infector = table["infector"].fill_null(-1).to_numpy()
    inside = (infector >= 0) & (people.household[person] == people.household[np.maximum(infector, 0)])
    inside &= np.isin(infector, cohort)
    others = (people.household_size[people.household[cohort]] - 1).sum()
    assert 0.15 < inside.sum() / others < 0.35


def test_tests_come_before_their_results_and_find_most_of_the_infected(history: History) -> None:
    tests = history.tests
    sampled, resulted = (tests[name].cast("int64").to_numpy() for name in ("sampled_at", "result_at"))
    hours = (resulted - sampled) / 3.6e6
    assert hours.min() >= 2
    assert 8 < np.median(hours) < 16
    local_hour = (sampled / 3.6e6 + 7) % 24
    assert local_hour.min() >= 7.5
    assert local_hour.max() <= 17.05
    result = np.array(tests["result"].to_pylist())
    positive = set(tests["person"].to_numpy()[result == "positive"])
    infected = set(history.infections["person"].to_pylist())
    assert len(positive & infected) / len(positive) > 0.9
    assert set(result) == {"positive", "negative"}
    assert len(set(tests["barcode"].to_pylist())) == tests.num_rows
    has_ct = tests["ct"].is_valid().to_numpy()
    assert (has_ct == (result == "positive")).all()


def test_confirmed_people_leave_home_no_more(province: Province) -> None:
    world = province.world(START)
    days = list(world.days(15))
    confirmed = world.epidemic.state.confirmed_at
    last = days[-1]
    known = np.flatnonzero((confirmed < 13 * 86_400) & (world.epidemic.state.ward < 0))
    assert len(known) > 3
    outside = last.stays.person[: last.stays.outside]
    assert not np.isin(outside, known).any()
