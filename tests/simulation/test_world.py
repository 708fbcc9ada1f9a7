from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from khien.simulation import History, Parameters, Province
from khien.simulation.scanning import PRESENCE, SCAN, derive_presence

from .conftest import START

HOUR = timedelta(hours=1)


def test_the_same_seed_gives_the_same_province_and_history() -> None:
    first, second = (Province(people=2_000, seed=11).history(START, 5) for _ in range(2))
    for name in History.__dataclass_fields__:
        assert getattr(first, name).equals(getattr(second, name)), name
    other = Province(people=2_000, seed=12).history(START, 5)
    assert not first.scans.equals(other.scans)


def test_an_hour_is_the_same_after_a_restart() -> None:
    province = Province(people=2_000, seed=11)
    running = province.world(START)
    passed = [running.step() for _ in range(24 * 9)]
    for hour in (0, 7, 33, 24 * 9 - 1):
        again = Province(people=2_000, seed=11).world(START).step(hour)
        before = passed[hour]
        assert again.start == before.start == datetime(2022, 1, 2, 17, tzinfo=UTC) + hour * HOUR
        for name in ("scans", "samples", "results", "symptom_reports"):
            assert getattr(again, name).equals(getattr(before, name)), (hour, name)


def test_the_hours_together_are_the_history(province: Province, history: History) -> None:
    world = province.world(START)
    hours = [world.step() for _ in range(24 * 6)]
    end = datetime(2022, 1, 2, 17, tzinfo=UTC) + 6 * 24 * HOUR
    for name, column, key in (
        ("scans", "received_at", "scan"),
        ("samples", "sampled_at", "test"),
        ("results", "result_at", "test"),
    ):
        table = history.scans if name == "scans" else history.tests
        expected = {row[key] for row in table.select([key, column]).to_pylist() if row[column] < end}
        seen = pa.concat_tables([getattr(hour, name) for hour in hours])[key].to_pylist()
        assert len(seen) == len(set(seen))
        assert set(seen) == expected
    assert "result" not in hours[0].samples.column_names


def test_an_hour_too_far_back_is_refused(province: Province) -> None:
    world = province.world(START)
    world.step(24 * 12)
    with pytest.raises(ValueError, match="too far back"):
        world.step(24 * 3)
    with pytest.raises(ValueError, match="from 0"):
        world.step(-1)


def test_whereabouts_are_the_true_stays_away_from_home(province: Province) -> None:
    world = province.world(START)
    first = next(province.world(START).days(1)).stays
    world.step(0)
    person = int(first.person[0])
    mine = np.flatnonzero(first.person[: first.outside] == person)
    told = world.whereabouts(person)
    assert [place for place, _enter, _leave in told] == first.room[mine].tolist()
    assert [enter.timestamp() - world.base for _place, enter, _leave in told] == first.enter[mine].tolist()
    assert [leave.timestamp() - world.base for _place, _enter, leave in told] == first.leave[mine].tolist()


def test_true_stays_are_positive_and_nobody_is_in_two_places(province: Province) -> None:
    for day in province.world(START).days(3):
        stays = day.stays
        assert (stays.leave > stays.enter).all()
        order = np.lexsort((stays.enter, stays.person))
        person, enter, leave = stays.person[order], stays.enter[order], stays.leave[order]
        assert not ((person[1:] == person[:-1]) & (enter[1:] < leave[:-1])).any()


def test_a_night_shift_ends_before_the_next_day_begins(province: Province) -> None:
    first, second = list(province.world(START).days(2))
    late = first.stays.leave > 86_400
    assert late.any()
    until = np.zeros(len(province), np.int64)
    until[first.stays.person[late]] = first.stays.leave[late] - 86_400
    assert (second.stays.enter >= until[second.stays.person]).all()


def test_scans_are_as_many_as_in_new_zealand(history: History) -> None:
    per_person_day = history.scans.num_rows / 20_000 / 21
    assert 0.40 < per_person_day < 0.58


@pytest.mark.parametrize("coverage", [0.1, 0.5, 0.9])
def test_coverage_is_the_share_of_stays_whose_entry_is_scanned(coverage: float) -> None:
    province = Province(people=10_000, seed=3, parameters=Parameters(coverage=coverage))
    day = next(province.world(START).days(1))
    rooms = day.stays.room[: day.stays.outside]
    stays = (rooms >= province.sites.homes).sum()
    entries = ((day.scans["direction"] == 0) & (day.scans["copy_of"] < 0)).sum()
    assert entries / stays == pytest.approx(coverage, rel=0.1)


def test_the_errors_of_scans_occur_at_their_rates(province: Province, history: History) -> None:
    parameters = province.parameters
    errors = history.scan_errors
    scans = history.scans.num_rows
    copies = errors["copy_of"].drop_null()
    assert len(copies) / (scans - len(copies)) == pytest.approx(parameters.duplicated, rel=0.15)
    wrong = (np.array(errors["clock_error_s"]) != 0).sum()
    assert wrong / scans == pytest.approx(parameters.wrong_clock, rel=0.6)
    presence = history.presence
    inferred = np.array(presence["exit_inferred"])
    assert inferred.mean() == pytest.approx(1 - parameters.exit_scanned, abs=0.08)
    assert np.array(presence["entry_inferred"]).sum() > 0
    delay = (history.scans["received_at"].to_numpy() - history.scans["at"].to_numpy()) > np.timedelta64(
        1, "h"
    )
    assert 0.01 < delay.mean() < 0.08


def scan(person: int, room: int, direction: int, at: int) -> tuple[int, ...]:
    return (0, person, room, direction, at, at, 0, 0, -1)


def test_scans_are_paired_and_missing_ends_are_inferred(province: Province) -> None:
    sites = province.sites
    cafe, shop = (int(np.flatnonzero(sites.kind == kind)[0]) for kind in (14, 13))
    rows = [
        scan(1, cafe, 0, 1000),  # paired, with a copy of the entry
        scan(1, cafe, 0, 1020),
        scan(1, cafe, 1, 4000),
        scan(2, cafe, 0, 1000),  # no exit: the usual hour, cut by the next entry
        scan(2, shop, 0, 2000),  # no exit: a quarter of an hour
        scan(3, cafe, 1, 9000),  # exit alone
    ]
    found = derive_presence(np.array(rows, SCAN), sites)
    expected = np.array(
        [
            (1, cafe, 1000, 4000, False, False),
            (2, cafe, 1000, 2000, False, True),
            (2, shop, 2000, 2900, False, True),
            (3, cafe, 5400, 9000, True, False),
        ],
        PRESENCE,
    )
    assert found.tolist() == expected.tolist()
    assert len(derive_presence(np.empty(0, SCAN), sites)) == 0
