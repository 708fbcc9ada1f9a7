"""An epidemic that spreads over true stays, and the tests people take. All times: seconds from the start's midnight."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from khien.simulation.movement import Stays
from khien.simulation.parameters import DAY_S, HOUR_S, KINDS, Parameters
from khien.simulation.people import People
from khien.simulation.places import Places
from khien.simulation.randomness import pair_normal, stream

NEVER = np.int64(2**62)
FIRST_SEED_DAY = -6
REASONS = ("symptoms", "household", "screening")
SYMPTOMS = ("fever", "cough", "sore_throat", "tiredness", "loss_of_smell", "shortness_of_breath")
_SYMPTOM_SHARE = np.array([0.65, 0.7, 0.5, 0.6, 0.3, 0.12])

INFECTION = np.dtype([("person", "i4"), ("infector", "i4"), ("at", "i8"), ("room", "i4"), ("minutes", "f4")])
TEST = np.dtype(
    [
        ("test", "i8"),
        ("person", "i4"),
        ("sampled_at", "i8"),
        ("result_at", "i8"),
        ("positive", "?"),
        ("ct", "f4"),
        ("reason", "i1"),
    ]
)
REPORT = np.dtype([("person", "i4"), ("at", "i8"), ("symptoms", "i2"), ("temperature", "f4")])


@dataclass
class State:
    """What the epidemic remembers, by person."""

    infected_at: np.ndarray
    infectious_from: np.ndarray
    peak_at: np.ndarray
    infectious_to: np.ndarray
    onset_at: np.ndarray
    strength: np.ndarray
    confirmed_at: np.ndarray
    ward: np.ndarray
    ward_until: np.ndarray
    due_samples: list[np.ndarray] = field(default_factory=list)
    pending_results: list[np.ndarray] = field(default_factory=list)
    tests_made: int = 0

    @classmethod
    def of(cls, count: int) -> State:
        """Nobody infected."""
        never = [np.full(count, NEVER) for _ in range(6)]
        return cls(
            infected_at=never[0],
            infectious_from=never[1],
            peak_at=never[2],
            infectious_to=never[3],
            onset_at=never[4],
            strength=np.zeros(count, np.float32),
            confirmed_at=never[5],
            ward=np.full(count, -1, np.int32),
            ward_until=np.full(count, -NEVER),
        )


class Epidemic:
    """Day by day: `confined` before the movements of a day, then `spread`, then `test`."""

    def __init__(
        self, people: People, places: Places, wards: np.ndarray, seed: int, parameters: Parameters
    ) -> None:
        self.people, self.places, self.wards = people, places, wards
        self.seed, self.parameters = seed, parameters
        self.state = State.of(len(people))
        kind_spread = np.array([kind.spread for kind in KINDS])
        self._room_factor = (kind_spread[places.kind] * (75.0 / places.area_m2) ** 0.7).astype(np.float32)
        self._susceptibility = np.where(people.age < 12, parameters.child_susceptibility, 1.0)

    # Who does not go out

    def confined(self, day: int) -> tuple[np.ndarray, np.ndarray]:
        """On this day: who keeps at home (confirmed, or ill and careful), and the ward of each patient or -1."""
        state, rng = self.state, stream(self.seed, "confined", day)
        midnight = day * DAY_S
        confirmed = (state.confirmed_at < midnight) & (midnight < state.confirmed_at + 14 * DAY_S)
        ill = (state.onset_at < midnight) & (midnight < state.onset_at + 7 * DAY_S)
        careful = rng.random(len(self.people)) < self.parameters.sick_stays_home
        ward = np.where(midnight < state.ward_until, state.ward, -1)
        return confirmed | (ill & careful), ward

    # Infection

    def seed_cases(self, day: int) -> np.ndarray:
        """Infections brought in from elsewhere on a day (the first of them six days before the start)."""
        total = max(6, round(len(self.people) * self.parameters.seeds_per_person))
        rng = stream(self.seed, "seeds")
        adults = np.flatnonzero((self.people.age >= 16) & (self.people.age < 70))
        who = rng.choice(adults, size=min(total, len(adults)), replace=False)
        at = (rng.uniform(FIRST_SEED_DAY, 8, size=len(who)) * DAY_S).astype(np.int64)
        today = np.flatnonzero((at // DAY_S == day) & (self.state.infected_at[who] == NEVER))
        return self._infect(
            who[today], np.full(len(today), -1), at[today], np.full(len(today), -1), 0.0, day, "s"
        )

    def spread(self, day: int, stays: Stays) -> np.ndarray:
        """Infections of a day (dtype INFECTION), from everybody infectious to those beside them."""
        state, midnight = self.state, day * DAY_S
        end = midnight + DAY_S + 8 * HOUR_S
        active = (state.infectious_from < end) & (state.infectious_to > midnight)
        rng = stream(self.seed, "spread", day)
        source_rows = np.flatnonzero(active[stays.person])
        if len(source_rows) == 0:
            return np.empty(0, INFECTION)
        touched = np.zeros(len(self.places), bool)
        touched[stays.room[source_rows]] = True
        susceptible = state.infected_at == NEVER
        rows = np.flatnonzero(touched[stays.room] & susceptible[stays.person])
        rows = rows[np.argsort(stays.room[rows], kind="stable")]
        room_of = stays.room[rows]
        low = np.searchsorted(room_of, stays.room[source_rows], "left")
        number = np.searchsorted(room_of, stays.room[source_rows], "right") - low
        found: list[np.ndarray] = []
        # Pairs in chunks of at most some millions, so that the peak memory stays bounded.
        cuts = np.searchsorted(np.cumsum(number), np.arange(0, number.sum() + 1, 3_000_000)[1:]) + 1
        for part in np.split(np.arange(len(source_rows)), cuts):
            if number[part].sum():
                found.append(self._hits(day, stays, source_rows[part], rows, low[part], number[part], rng))
        hits = np.concatenate(found) if found else np.empty(0, INFECTION)
        # Hit by several: the earliest counts.
        hits = hits[np.lexsort((hits["infector"], hits["at"], hits["person"]))]
        hits = hits[np.unique(hits["person"], return_index=True)[1]]
        return self._infect(
            hits["person"], hits["infector"], hits["at"], hits["room"], hits["minutes"], day, "i"
        )

    def _hits(
        self,
        day: int,
        stays: Stays,
        source_rows: np.ndarray,
        rows: np.ndarray,
        low: np.ndarray,
        number: np.ndarray,
        rng: np.random.Generator,
    ) -> np.ndarray:
        state, midnight = self.state, day * DAY_S
        source = np.repeat(source_rows, number)
        target = rows[np.repeat(low - np.cumsum(number) + number, number) + np.arange(number.sum())]
        begin = np.maximum(stays.enter[source], stays.enter[target])
        finish = np.minimum(stays.leave[source], stays.leave[target])
        beside = finish - begin >= 60
        source, target, begin, finish = source[beside], target[beside], begin[beside], finish[beside]
        infector, person, room = stays.person[source], stays.person[target], stays.room[source]
        middle = midnight + (begin.astype(np.int64) + finish) // 2
        rising = (middle - state.infectious_from[infector]) / np.maximum(
            state.peak_at[infector] - state.infectious_from[infector], 1
        )
        falling = (state.infectious_to[infector] - middle) / np.maximum(
            state.infectious_to[infector] - state.peak_at[infector], 1
        )
        intensity = np.clip(np.minimum(rising, falling), 0, 1)
        at_home = room < self.places.homes
        spread = np.where(at_home, 0.4, self.parameters.closeness_sd)
        normal = pair_normal(infector, person, self.seed)
        closeness = np.exp(spread * normal - spread**2 / 2)
        isolated = at_home & (state.confirmed_at[infector] < middle)
        hazard = (
            self.parameters.transmissibility
            * self._room_factor[room]
            * state.strength[infector]
            * intensity
            * closeness
            * self._susceptibility[person]
            * np.where(isolated, 0.35, 1.0)
            * (finish - begin)
            / HOUR_S
        )
        hit = rng.random(len(hazard)) < -np.expm1(-hazard)
        result = np.empty(int(hit.sum()), INFECTION)
        result["person"], result["infector"], result["room"] = person[hit], infector[hit], room[hit]
        share = rng.random(len(result))
        result["at"] = midnight + begin[hit] + (share * (finish - begin)[hit]).astype(np.int64)
        result["minutes"] = (finish - begin)[hit] / 60
        return result

    def _infect(
        self,
        person: np.ndarray,
        infector: np.ndarray,
        at: np.ndarray,
        room: np.ndarray,
        minutes: np.ndarray | float,
        day: int,
        kind: str,
    ) -> np.ndarray:
        """Draw the course of new infections and plan their tests."""
        state, parameters = self.state, self.parameters
        rng = stream(self.seed, f"course-{kind}", day)
        count = len(person)
        latent = 1.0 + rng.gamma(2.0, 0.55, count)
        rise = np.clip(rng.normal(1.9, 0.6, count), 0.6, 4.0)
        fall = np.clip(rng.normal(6.0, 1.6, count), 2.5, 10.0)
        onset = np.maximum(latent + rise + rng.normal(0.4, 0.8, count), latent + 0.2)
        silent = rng.random(count) < parameters.asymptomatic
        strength = rng.gamma(parameters.dispersion, 1 / parameters.dispersion, count)
        state.infected_at[person] = at
        state.infectious_from[person] = at + (latent * DAY_S).astype(np.int64)
        state.peak_at[person] = at + ((latent + rise) * DAY_S).astype(np.int64)
        state.infectious_to[person] = at + ((latent + rise + fall) * DAY_S).astype(np.int64)
        onset_at = at + (onset * DAY_S).astype(np.int64)
        state.onset_at[person] = np.where(silent, NEVER, onset_at)
        state.strength[person] = strength * np.where(silent, parameters.asymptomatic_factor, 1.0)

        seeks = ~silent & (rng.random(count) < parameters.seeks_test)
        wait = rng.gamma(1.6, parameters.test_delay_days / 1.6, count) * DAY_S
        self._plan(person[seeks], (onset_at + wait.astype(np.int64))[seeks], 0, rng)

        result = np.empty(count, INFECTION)
        result["person"], result["infector"], result["at"], result["room"] = person, infector, at, room
        result["minutes"] = minutes
        return result

    # Tests

    def _plan(self, person: np.ndarray, at: np.ndarray, reason: int, rng: np.random.Generator) -> None:
        """Samples are taken between 7:30 and 17:00: what falls outside waits for the next opening."""
        opening, closing = int(7.5 * HOUR_S), 17 * HOUR_S
        at = np.maximum(at, 0)  # who was due before the first day comes on it
        day, second = at // DAY_S, at % DAY_S
        scatter = (rng.random(len(at)) * 3 * HOUR_S).astype(np.int64)
        day = day + (second > closing)
        outside = (second < opening) | (second > closing)
        planned = np.zeros(len(at), TEST)
        planned["person"], planned["reason"] = person, reason
        planned["sampled_at"] = day * DAY_S + np.where(outside, opening + scatter, second)
        self.state.due_samples.append(planned)

    def test(self, day: int) -> np.ndarray:
        """The samples of a day with their results to come (dtype TEST); positive results act on their day."""
        state, parameters, people = self.state, self.parameters, self.people
        rng = stream(self.seed, "tests", day)
        midnight = day * DAY_S
        for reason, rate in ((2, parameters.screening_per_day), (0, parameters.other_illness_per_day)):
            number = rng.poisson(rate * len(people))
            somebody = rng.integers(0, len(people), number)
            self._plan(
                somebody, midnight + (rng.uniform(7.5, 17, number) * HOUR_S).astype(np.int64), reason, rng
            )
        planned = np.concatenate(state.due_samples)
        today = planned["sampled_at"] < midnight + DAY_S
        state.due_samples = [planned[~today]]
        tests = planned[today]
        # Nobody who is confirmed already is sampled again, nor twice on one day.
        tests = tests[state.confirmed_at[tests["person"]] > tests["sampled_at"]]
        tests = tests[np.argsort(tests["sampled_at"], kind="stable")]
        tests = tests[np.sort(np.unique(tests["person"], return_index=True)[1])]
        person, at = tests["person"], tests["sampled_at"]
        detectable = (at > state.infectious_from[person] - DAY_S // 2) & (
            at < state.infectious_to[person] + 4 * DAY_S
        )
        chance = np.where(detectable, parameters.sensitivity, 1 - parameters.specificity)
        tests["positive"] = rng.random(len(tests)) < chance
        load = np.clip(1 - np.abs(at - state.peak_at[person]) / (6.0 * DAY_S), 0, 1)
        ct = np.clip(34 - 15 * np.where(detectable, load, 0) + rng.normal(0, 1.5, len(tests)), 11, 38.5)
        tests["ct"] = np.where(tests["positive"], np.round(ct, 1), np.nan)
        hours = parameters.result_hours * np.exp(rng.normal(0, 0.5, len(tests)))
        tests["result_at"] = at + (np.clip(hours, 2, 60) * HOUR_S).astype(np.int64)
        tests["test"] = state.tests_made + np.arange(len(tests))
        state.tests_made += len(tests)
        state.pending_results.append(tests[tests["positive"]])
        self._act_on_results(day, rng)
        return tests

    def _act_on_results(self, day: int, rng: np.random.Generator) -> None:
        state, people = self.state, self.people
        pending = np.concatenate(state.pending_results)
        today = pending["result_at"] < (day + 1) * DAY_S
        state.pending_results = [pending[~today]]
        known = pending[today]
        known = known[state.confirmed_at[known["person"]] == NEVER]
        person = known["person"]
        state.confirmed_at[person] = known["result_at"]
        admitted = person[rng.random(len(person)) < self.parameters.admitted]
        state.ward[admitted] = self.wards[rng.integers(0, len(self.wards), len(admitted))]
        state.ward_until[admitted] = (day + 11) * DAY_S
        # The rest of the household is sampled on the next morning.
        home = people.household[person]
        size = people.household_size[home].astype(np.int64)
        first = people.household_first[home].astype(np.int64)
        member = np.repeat(first - np.cumsum(size) + size, size) + np.arange(size.sum())
        at = np.repeat(known["result_at"], size) + 6 * HOUR_S
        taken = (state.confirmed_at[member] == NEVER) & (
            rng.random(len(member)) < self.parameters.household_tested
        )
        self._plan(member[taken], at[taken], 1, rng)

    def reports(self, day: int) -> np.ndarray:
        """Symptoms that people report on a day (dtype REPORT), of this illness and of others."""
        state, rng = self.state, stream(self.seed, "reports", day)
        midnight = day * DAY_S
        ill = np.flatnonzero((state.onset_at >= midnight) & (state.onset_at < midnight + DAY_S))
        ill = ill[rng.random(len(ill)) < 0.5]
        other = rng.integers(0, len(self.people), rng.poisson(0.0015 * len(self.people)))
        result = np.empty(len(ill) + len(other), REPORT)
        result["person"] = np.concatenate([ill, other])
        onset = np.concatenate([state.onset_at[ill], midnight + rng.integers(6, 21, len(other)) * HOUR_S])
        wait = rng.uniform(0.2, 8, len(result)) * HOUR_S
        # Said on the day itself, at the latest in its last minute.
        result["at"] = np.minimum(onset + wait.astype(np.int64), midnight + DAY_S - 60)
        has = rng.random((len(result), len(SYMPTOMS))) < _SYMPTOM_SHARE
        has[~has.any(axis=1), 1] = True
        result["symptoms"] = (has * (1 << np.arange(len(SYMPTOMS)))).sum(axis=1)
        result["temperature"] = np.round(36.7 + has[:, 0] * rng.gamma(4, 0.4, len(result)), 1)
        return result[np.argsort(result["at"], kind="stable")]
