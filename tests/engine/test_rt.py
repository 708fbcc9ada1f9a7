"""R by Cori et al. 2013: against figures that EpiEstim 2.2 printed, and against epidemics of known R."""

from __future__ import annotations

import numpy as np
import pytest

from khien.engine.rt import discretised_gamma, estimate

# Influenza in a school, Pennsylvania 2009 (Cauchemez et al. 2011), new cases a day from 27 April.
SCHOOL_2009 = [1, 1, 0, 2, 5, 3, 3, 3, 6, 2, 5, 9, 13]
# estimate_R(Flu2009$incidence, method="parametric_si", mean_si=2.6, std_si=1.5): t_end, mean, sd, 2.5 %
EPIESTIM = [
    (8, 1.735798, 0.4091314, 1.0287437),
    (9, 1.749168, 0.3647267, 1.1088223),
    (10, 1.537058, 0.3074116, 0.9947030),
    (11, 1.431839, 0.2705921, 0.9514466),
    (12, 1.422725, 0.2515046, 0.9731426),
    (13, 1.635373, 0.2523436, 1.1786332),
]


def test_equals_what_epiestim_prints_for_the_school_outbreak() -> None:
    found = estimate(SCHOOL_2009, mean_days=2.6, sd_days=1.5)
    assert (found.last + 1).tolist() == [row[0] for row in EPIESTIM]
    for place, (_end, mean, sd, low) in enumerate(EPIESTIM):
        assert found.mean[place] == pytest.approx(mean, rel=2e-5)
        assert found.sd[place] == pytest.approx(sd, rel=2e-5)
        assert found.low[place] == pytest.approx(low, rel=2e-5)


def test_a_steady_epidemic_has_r_of_one_inside_its_interval() -> None:
    found = estimate([200] * 40, mean_days=4.7, sd_days=2.9)
    assert found.mean[-1] == pytest.approx(1, abs=0.01)
    assert found.low[-1] < 1 < found.high[-1]


def test_finds_the_r_that_made_the_epidemic() -> None:
    weights = discretised_gamma(4.7, 2.9)
    cases = [500.0]
    for _day in range(60):
        past = np.array(cases[::-1])[: len(weights) - 1]
        cases.append(1.4 * float(past @ weights[1 : len(past) + 1]))
    assert estimate(cases, mean_days=4.7, sd_days=2.9).mean[-1] == pytest.approx(1.4, rel=0.01)


def test_few_cases_give_a_wide_interval_and_days_without_any_infectious_case_give_none() -> None:
    few = estimate([1, 0, 1, 0, 1, 0, 1, 0, 1, 0], mean_days=4.7, sd_days=2.9)
    assert few.high[-1] - few.low[-1] > 1
    assert len(estimate([0] * 30, mean_days=4.7, sd_days=2.9)) == 0
    assert len(estimate([], mean_days=4.7, sd_days=2.9)) == 0


def test_the_discretised_interval_is_a_distribution_with_the_mean_asked_for() -> None:
    weights = discretised_gamma(12.6, 2.8)
    assert weights.sum() == pytest.approx(1)
    assert weights[0] == 0
    assert weights @ np.arange(len(weights)) == pytest.approx(12.6, abs=0.01)


@pytest.mark.parametrize(
    "bad",
    [
        {"mean_days": 1.0, "sd_days": 1.0},
        {"mean_days": 4.0, "sd_days": 0.0},
        {"mean_days": 4.0, "sd_days": 2.0, "window": 0},
    ],
)
def test_refuses_what_has_no_meaning(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        estimate([1, 2, 3], **bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        estimate([1, -2, 3], mean_days=4.0, sd_days=2.0)
