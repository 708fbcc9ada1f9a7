"""The province, and a world in it that goes on day by day, or hour by hour, the same for the same seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

import numpy as np
import pyarrow as pa

from khien.simulation import tables
from khien.simulation.epidemic import FIRST_SEED_DAY, NEVER, Epidemic
from khien.simulation.movement import Stays, make_day
from khien.simulation.parameters import HOUR_S, Parameters
from khien.simulation.people import make_people
from khien.simulation.places import make_places
from khien.simulation.randomness import stream
from khien.simulation.scanning import Habits, derive_presence, make_habits, make_scans

_KEPT_DAYS = 5


@dataclass(frozen=True)
class Day:
    """All of one day as arrays; times in seconds from the world's first midnight, stays from the day's own."""

    number: int
    stays: Stays
    scans: np.ndarray
    tests: np.ndarray
    reports: np.ndarray
    infections: np.ndarray


@dataclass(frozen=True)
class HourEvents:
    """What arrives in one hour [start, start + 1 h): tables with the columns of docs/simulation-format.md.

    `scans` by their receipt; `samples` by the time of sampling, without the columns of the result; `results` by
    the time of the result, all columns of `tests`; `symptom_reports` by their time.
    """

    hour: int
    start: datetime
    scans: pa.Table
    samples: pa.Table
    results: pa.Table
    symptom_reports: pa.Table


@dataclass(frozen=True)
class History:
    """Some days of a world as Arrow tables; `infections` is the truth, which no installation sees."""

    people: pa.Table
    households: pa.Table
    places: pa.Table
    true_presence: pa.Table
    scans: pa.Table
    presence: pa.Table
    tests: pa.Table
    symptom_reports: pa.Table
    infections: pa.Table
    scan_errors: pa.Table


class Province:
    """A synthetic Hà Nam: `people` persons in households, and the places they use.

    Person, household and place ids are 0, 1, 2 …; the home of household h is place h. Nothing here is about a
    real person. Raises ValueError for fewer than 100 people.
    """

    def __init__(self, people: int = 20_000, seed: int = 1, parameters: Parameters | None = None) -> None:
        self.seed = seed
        self.parameters = parameters or Parameters()
        self.residents = make_people(people, seed)
        self.sites, self.belonging = make_places(self.residents, seed)

    def __len__(self) -> int:
        return len(self.residents)

    @cached_property
    def habits(self) -> Habits:
        """Posters, scanning habits and clocks."""
        nobody = np.zeros(len(self), bool)
        nowhere = np.full(len(self), -1)
        idle = np.zeros(len(self), np.int32)
        monday, _ = make_day(
            self.residents, self.sites, self.belonging, self.seed, 0, 0, nobody, nowhere, idle
        )
        return make_habits(self.sites, len(self), monday, self.seed, self.parameters)

    @cached_property
    def people(self) -> pa.Table:
        """Columns of `people.parquet`."""
        return tables.people_table(self.residents, self.sites, self.belonging)

    @cached_property
    def households(self) -> pa.Table:
        """Columns of `households.parquet`."""
        return tables.households_table(self.residents)

    @cached_property
    def places(self) -> pa.Table:
        """Columns of `places.parquet`."""
        return tables.places_table(self.residents, self.sites, self.habits, stream(self.seed, "points"))

    def world(self, start: date) -> World:
        """A world whose hour 0 is local midnight of `start`."""
        return World(self, start)

    def history(self, start: date, days: int) -> History:
        """The first `days` days of the world that starts on `start`."""
        world = self.world(start)
        return world.history(days)


class World:
    """An epidemic in a province from a date on. Days are computed once, in order.

    `step` gives the events of an hour. Two worlds of the same province, seed, parameters and start agree on every
    hour, whatever was asked before: to resume after a restart, make the world again and ask for the next hour
    (the days before are computed again, about 0.1 s each for 20,000 people).
    """

    def __init__(self, province: Province, start: date) -> None:
        self.province, self.start = province, start
        self.base = tables.epoch(start)
        self.epidemic = Epidemic(
            province.residents, province.sites, province.belonging.wards, province.seed, province.parameters
        )
        self.next_day = 0
        self.next_hour = 0
        self._busy = np.zeros(len(province), np.int32)
        self._recent: list[Day] = []
        self._infections: list[np.ndarray] = [
            self.epidemic.seed_cases(day) for day in range(FIRST_SEED_DAY, 0)
        ]

    # Day by day

    def days(self, count: int) -> Iterator[Day]:
        """The next `count` days, one at a time; each is forgotten unless the caller keeps it."""
        for _ in range(count):
            yield self._next_day()

    def _next_day(self) -> Day:
        province, number = self.province, self.next_day
        kept_home, ward = self.epidemic.confined(number)
        weekday = (self.start + timedelta(days=number)).weekday()
        stays, self._busy = make_day(
            province.residents,
            province.sites,
            province.belonging,
            province.seed,
            number,
            weekday,
            kept_home,
            ward,
            self._busy,
        )
        brought = self.epidemic.seed_cases(number)
        infections = np.concatenate([brought, self.epidemic.spread(number, stays)])
        self._infections.append(infections)
        tests = self.epidemic.test(number)
        reports = self.epidemic.reports(number)
        scans = make_scans(province.sites, province.habits, stays, province.seed, number, province.parameters)
        self.next_day += 1
        return Day(number, stays, scans, tests, reports, infections)

    def history(self, days: int) -> History:
        """The next `days` days as tables (all of them in memory)."""
        province = self.province
        true, kept = [], []
        for day in self.days(days):
            true.append(tables.true_presence_table(day.stays, province.sites, self.base, day.number))
            kept.append((day.scans, day.tests, day.reports))
        scans, tests, reports = (np.concatenate([row[column] for row in kept]) for column in range(3))
        return History(
            people=province.people,
            households=province.households,
            places=province.places,
            true_presence=pa.concat_tables(true),
            scans=tables.scans_table(scans, province.sites, self.base),
            presence=self.presence_table(scans),
            tests=self.tests_table(tests),
            symptom_reports=tables.reports_table(reports, self.base),
            infections=self.infections_table(),
            scan_errors=tables.scan_errors_table(scans),
        )

    def presence_table(self, scans: np.ndarray) -> pa.Table:
        """Stays derived from scans (dtype SCAN)."""
        return tables.presence_table(
            derive_presence(scans, self.province.sites), self.province.sites, self.base
        )

    def tests_table(self, tests: np.ndarray) -> pa.Table:
        """Tests (dtype TEST) as a table."""
        province = self.province
        return tables.tests_table(tests, province.residents, province.belonging.station, self.base)

    def infections_table(self) -> pa.Table:
        """The truth so far: who infected whom, where and when. No installation sees it."""
        state, places = self.epidemic.state, self.province.sites
        rows = np.concatenate(self._infections)
        rows = rows[np.lexsort((rows["person"], rows["at"]))]
        person, local = rows["person"], rows["room"] >= 0
        room = np.maximum(rows["room"], 0)
        onset, confirmed = state.onset_at[person], state.confirmed_at[person]
        columns = [
            pa.array(person),
            pa.array(rows["infector"], mask=rows["infector"] < 0),
            tables.times(rows["at"], self.base),
            pa.array(places.top[room], mask=~local),
            pa.array(room, mask=~local | (places.parent[room] < 0)),
            pa.array(rows["minutes"]),
            tables.times(state.infectious_from[person], self.base),
            tables.times(state.infectious_to[person], self.base),
            tables.times(onset, self.base, onset != NEVER),
            tables.times(confirmed, self.base, confirmed != NEVER),
        ]
        return pa.Table.from_arrays(columns, schema=tables.SCHEMAS["truth/infections"])

    # Hour by hour

    def step(self, hour: int | None = None) -> HourEvents:
        """The events of an hour (0 is the first of the start day); without a number, of the next hour.

        Any later hour may be asked, and any hour of the last three computed days. Raises ValueError for older ones.
        """
        hour = self.next_hour if hour is None else hour
        if hour < 0:
            raise ValueError("hours count from 0")
        day = hour // 24
        while self.next_day <= day:
            self._recent = [*self._recent, self._next_day()][-_KEPT_DAYS:]
        # Scans may come two days late, results up to two and a half: the days before must still be held.
        wanted = range(max(0, day - 2), day + 1)
        held = {kept.number: kept for kept in self._recent}
        if any(number not in held for number in wanted):
            raise ValueError(f"hour {hour} lies too far back; make the world again to see it")
        self.next_hour = hour + 1
        low = hour * HOUR_S
        days = [held[number] for number in range(max(0, day - 3), day + 1) if number in held]

        def within(rows: np.ndarray, column: str) -> np.ndarray:
            times = rows[column]
            chosen = rows[(times >= low) & (times < low + HOUR_S)]
            return chosen[np.argsort(chosen[column], kind="stable")]

        scans = np.concatenate([kept.scans for kept in days])
        tests = np.concatenate([kept.tests for kept in days])
        reports = np.concatenate([kept.reports for kept in days])
        return HourEvents(
            hour=hour,
            start=datetime.fromtimestamp(self.base + low, UTC),
            scans=tables.scans_table(within(scans, "received_at"), self.province.sites, self.base),
            samples=self.tests_table(within(tests, "sampled_at")).drop_columns(["result_at", "result", "ct"]),
            results=self.tests_table(within(tests, "result_at")),
            symptom_reports=tables.reports_table(within(reports, "at"), self.base),
        )

    def whereabouts(self, person: int) -> list[tuple[int, datetime, datetime]]:
        """Where somebody truly was away from home on the last computed days: (most precise place, enter, leave)."""
        found = []
        for day in self._recent:
            stays, midnight = day.stays, self.base + day.number * 24 * HOUR_S
            for row in np.flatnonzero(stays.person[: stays.outside] == person).tolist():
                enter, leave = (
                    datetime.fromtimestamp(midnight + int(column[row]), UTC)
                    for column in (stays.enter, stays.leave)
                )
                found.append((int(stays.room[row]), enter, leave))
        return found
