"""Expected risk ranks what separates the infected from the merely present."""

from __future__ import annotations

import numpy as np
import pytest

from khien.engine import Presence, encounters
from khien.engine.scoring import (
    Exposures,
    RiskParameters,
    factors,
    hazards,
    others_present,
    rank,
)

HOUR = 3600
RULE = RiskParameters()


def hazard(**exposure: object) -> float:
    columns = {"seconds": np.array([HOUR])} | exposure
    return float(hazards(Exposures(np.array([1]), **columns), RULE)[0])


@pytest.mark.parametrize(
    ("riskier", "safer"),
    [
        ({"seconds": np.array([4 * HOUR])}, {"seconds": np.array([HOUR])}),
        ({"area_m2": 20}, {"area_m2": 2000}),
        ({"area_m2": 20, "present": 3}, {"area_m2": 20, "present": 300}),
        ({"closed": True}, {"closed": False}),
        ({"household": True}, {"household": False}),
        ({"days_since_onset": 0}, {"days_since_onset": -3}),
        ({"days_since_onset": 1}, {"days_since_onset": 8}),
        ({"doses": 0}, {"doses": 2}),
        ({"masked": 0}, {"masked": 1}),
        ({}, {"after": True}),
    ],
)
def test_each_factor_moves_the_risk_its_way(riskier, safer):
    assert hazard(**riskier) > hazard(**safer) > 0


def test_the_formula_by_hand():
    """One hour in a closed room of 25.2 m² at onset: half within reach, 1.1 % an hour."""
    assert hazard(area_m2=25.2, days_since_onset=0) == pytest.approx(0.011 * 0.5)


def test_outside_the_infectious_days_there_is_no_risk():
    assert hazard(days_since_onset=-5) == hazard(days_since_onset=11) == 0


def test_unknown_is_neither_best_nor_worst():
    assert hazard(days_since_onset=0) > hazard() > hazard(days_since_onset=10)
    assert hazard(area_m2=10) > hazard() > hazard(area_m2=1000)


def test_a_room_smaller_than_reach_is_as_close_as_can_be():
    assert factors(Exposures(np.array([1]), np.array([60]), area_m2=2), RULE)["closeness"] == [1]


def test_repeated_exposures_of_a_person_add_up_and_saturate():
    person = np.array(["binh", "an", "an", "chi"])
    seconds = np.array([3 * HOUR, 2 * HOUR, 2 * HOUR, 1e9])
    risk = rank(Exposures(person, seconds, area_m2=10, days_since_onset=0), RULE)
    assert risk.person.tolist() == ["chi", "an", "binh"]
    assert risk.probability.tolist() == pytest.approx([1, 1 - np.exp(-0.044), 1 - np.exp(-0.033)])


def test_parameters_come_from_a_rule():
    rule = {"rate_per_hour": 0.02, "doses": [1, 0.3], "shedding": [[-1, 0.5], [0, 1], [9, 0]]}
    parameters = RiskParameters.from_mapping(rule)
    assert parameters.doses == (1, 0.3)
    assert parameters.open_air == RULE.open_air
    assert RiskParameters.from_mapping({}) == RULE


@pytest.mark.parametrize(
    "rule",
    [{"rate": 1}, {"rate_per_hour": -1}, {"rate_per_hour": "much"}, {"shedding": [[1, 1], [0, 1]]}, {"doses": []},
     {"reach_m2": 0}, {"open_air": float("nan")}],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(rule):
    with pytest.raises(ValueError):
        RiskParameters.from_mapping(rule)


def test_others_present_is_the_mean_over_the_encounter():
    """Case 1 and contact 2 share 0-100; person 3 is there half of the time, 4 at another place, 5 later."""
    presence = Presence.from_arrays(
        [1, 2, 3, 4, 5], [7, 7, 7, 8, 7], [0, 0, 50, 0, 100], [100, 100, 200, 100, 200]
    )
    found = encounters(presence, 1, (0, 1000), min_minutes=1)
    assert found.person.tolist() == [2]
    assert others_present(presence, found).tolist() == [1.5]
    with_three = encounters(presence, 1, (0, 1000), min_minutes=0)
    assert dict(zip(with_three.person.tolist(), others_present(presence, with_three), strict=True)) == {
        2: 1.5,
        3: 2,
    }


def test_nobody_exposed_is_an_empty_ranking():
    nobody = np.empty(0, np.int64)
    assert len(rank(Exposures(nobody, nobody), RULE)) == 0
