"""R against EpiEstim's published output, against epidemics of a known R, and on SARS in Canada, 2003."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from khien.engine import rt

# Influenza in a school, Pennsylvania 2009 (EpiEstim's Flu2009). Its demonstration prints the first six days; the
# shapes and means of the posteriors that it prints fix the seven days after them.
FLU = [1, 1, 0, 2, 5, 3, 3, 3, 6, 2, 5, 9, 13]
PRINTED = [
    # last day of the window, mean, 2.5 %, 97.5 % (parametric_si, mean 2.6, sd 1.5)
    (8, 1.735798, 1.0287437, 2.624781),
    (9, 1.749168, 1.1088223, 2.533119),
    (10, 1.537058, 0.9947030, 2.195540),
    (11, 1.431839, 0.9514466, 2.008849),
    (12, 1.422725, 0.9731426, 1.956336),
    (13, 1.635373, 1.1786332, 2.165745),
]


def test_the_serial_interval_is_that_of_epiestim() -> None:
    printed = [0, 0.2331721, 0.3585794, 0.1981108, 0.1033427, 0.05290518, 0.02682146, 0.01351620, 0.006783438]
    assert rt.discretised_gamma(2.6, 1.5)[:9] == pytest.approx(printed, abs=1e-6)


def test_estimates_are_those_that_epiestim_prints() -> None:
    found = rt.estimate(FLU, mean_days=2.6, sd_days=1.5)
    assert list(found.last + 1) == [row[0] for row in PRINTED]
    for i, (_day, *printed) in enumerate(PRINTED):
        assert [found.mean[i], found.low[i], found.high[i]] == pytest.approx(printed, abs=2e-5)


def test_the_interval_covers_a_known_reproduction_number() -> None:
    """Epidemics drawn with a known R: the 95 % interval holds it about 95 times of 100."""
    rng = np.random.default_rng(20220110)
    weights = rt.discretised_gamma(4.7, 2.9)
    inside = drawn = 0
    for true in (0.8, 1.0, 1.4):
        for _ in range(60):
            cases = np.zeros(40)
            cases[0] = 60
            for day in range(1, 40):
                cases[day] = rng.poisson(true * rt.total_infectiousness(cases, weights)[day])
            found = rt.estimate(cases, mean_days=4.7, sd_days=2.9)
            chosen = (found.cases >= 11) & (found.last % 7 == 6)
            drawn += int(chosen.sum())
            inside += int(((found.low <= true) & (true <= found.high))[chosen].sum())
    assert drawn > 400
    assert 0.92 <= inside / drawn <= 0.98


def test_sars_in_canada_rose_and_fell_below_one_twice() -> None:
    """Two waves in hospitals of Toronto (Svoboda et al. 2004): R above one in March and May, below after each."""
    path = Path(__file__).parents[1] / "data/sars-canada-2003/cases.csv"
    with path.open(encoding="utf-8") as lines:
        days = list(csv.DictReader(lines))
    total = [sum(int(count) for name, count in day.items() if name != "date") for day in days]
    found = rt.estimate(total, mean_days=8.4, sd_days=3.8)
    on = {days[last]["date"]: i for i, last in enumerate(found.last)}
    assert sum(total) == 250
    assert found.low[on["2003-03-22"]] > 1
    assert found.high[on["2003-04-16"]] < 1
    assert found.low[on["2003-05-21"]] > 1
    assert found.high[on["2003-06-10"]] < 1
