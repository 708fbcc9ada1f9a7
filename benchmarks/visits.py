"""Visits of a synthetic province for measuring speed, day by day from a seed: any number, the same every time.

900,000 people and 60,000 places unless said. Places are drawn by a Zipf-Mandelbrot law (offset 5, exponent 0.8),
people are active by a gamma law (shape 2); 55 % of visits go to three places of one's own. People come between
6:00 and 22:00, most in the morning and in the late afternoon; stays are lognormal (median 45 minutes, sigma 1),
at most 12 hours. It is made for speed, not for epidemics: for those see `khien.simulation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from khien.engine.segment import DAY_S, ZONE_S

Ints = npt.NDArray[np.int64]

FIRST_DAY = 18_995  # 2022-01-03
LONGEST_S = 12 * 3600


@dataclass(frozen=True)
class Visits:
    """One day: person and place (uint32), enter and leave (int64 epoch seconds)."""

    person: npt.NDArray[np.uint32]
    place: npt.NDArray[np.uint32]
    enter: Ints
    leave: Ints

    def __len__(self) -> int:
        return len(self.person)


class Town:
    """Who goes where; `day(d)` makes the visits of the d-th day."""

    def __init__(
        self, visits: int, *, days: int = 14, people: int = 900_000, places: int = 60_000, seed: int = 1
    ) -> None:
        self.days, self.people, self.places, self.seed = days, people, places, seed
        self.a_day = visits // days
        rng = np.random.default_rng([seed, 0])
        weight = 1 / (np.arange(places) + 5.0) ** 0.8
        self._places = np.cumsum(weight) / weight.sum()
        activity = rng.gamma(2.0, 1.0, people)
        self._people = np.cumsum(activity) / activity.sum()
        self._own = self._draw_place(rng, people * 3).reshape(people, 3)
        hours = np.array([2, 6, 9, 6, 5, 6, 5, 4, 5, 6, 8, 9, 6, 4, 2, 1], float)
        self._hours = np.cumsum(hours) / hours.sum()

    def day(self, number: int) -> Visits:
        """The visits that begin on a day (0 is 2022-01-03), in no order."""
        rng = np.random.default_rng([self.seed, 1, number])
        n = self.a_day
        person = np.searchsorted(self._people, rng.random(n, np.float32)).astype(np.uint32)
        np.minimum(person, self.people - 1, out=person)
        own = rng.random(n, np.float32) < 0.55
        place = self._draw_place(rng, n)
        place[own] = self._own[person[own], rng.integers(0, 3, int(own.sum()))]
        hour = np.searchsorted(self._hours, rng.random(n, np.float32))
        midnight = (FIRST_DAY + number) * DAY_S - ZONE_S
        enter = midnight + (6 + hour) * 3600 + rng.integers(0, 3600, n)
        stay = np.exp(rng.standard_normal(n, np.float32)) * np.float32(45 * 60)
        return Visits(person, place, enter, enter + np.minimum(stay, LONGEST_S).astype(np.int64))

    def _draw_place(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.uint32]:
        drawn = np.searchsorted(self._places, rng.random(n, np.float32)).astype(np.uint32)
        return np.minimum(drawn, self.places - 1).astype(np.uint32)
