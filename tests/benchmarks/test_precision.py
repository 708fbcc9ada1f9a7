"""The measure of precision itself: hand-made lists, and a small run from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from benchmarks.precision import Exposed, at_recall, listed, main, of_length, pooled
from click.testing import CliRunner

# Two cases. The first infected two people (one seen), the second one (seen).
ROWS = Exposed(
    case=np.array([0, 0, 0, 1, 1]),
    score=np.array([0.9, 0.5, 0.1, 0.8, 0.5]),
    legal=np.array([True, True, False, True, True]),
    wide=np.ones(5, bool),
    infected=np.array([True, False, False, False, True]),
    infections=np.array([2, 1]),
    best=np.array([0.9, 0.1, 0.2, 0.3, 0.8]),
)
ORDER = np.argsort(-ROWS.score, kind="stable")


def test_a_list_counts_what_it_finds_of_all_infections_seen_or_not():
    legal = listed(ROWS, ROWS.legal)
    assert (legal.recall, legal.precision, legal.length) == pytest.approx((2 / 3, 2 / 4, 2))


def test_the_shortest_list_that_reaches_a_recall():
    first = at_recall(ROWS, ORDER, 1 / 3)
    assert (first.recall, first.precision, first.length) == pytest.approx((1 / 3, 1, 0.5))


def test_equal_scores_are_on_the_list_together():
    both = at_recall(ROWS, ORDER, 2 / 3)
    assert (both.recall, both.precision, both.length) == pytest.approx((2 / 3, 2 / 4, 2))


def test_a_recall_out_of_reach_takes_the_whole_list():
    assert at_recall(ROWS, ORDER, 1).length == pytest.approx(2.5)


def test_the_first_of_each_case_against_as_many_by_chance():
    by_score, by_chance = of_length(ROWS, 1)
    assert (by_score.recall, by_score.precision) == pytest.approx((1 / 3, 1 / 2))
    assert by_chance.precision == pytest.approx((1 / 3 + 1 / 2) / 2)


def test_worlds_are_pooled_with_their_cases_apart():
    twice = pooled([ROWS, ROWS])
    assert twice.case.tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    assert listed(twice, twice.legal) == listed(ROWS, ROWS.legal)


def test_a_run_from_end_to_end(tmp_path: Path):
    arguments = ["--people", "8000", "--days", "18", "--worlds", "1", "--coverage", "0.5"]
    result = CliRunner().invoke(main, [*arguments, "--json", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.output.splitlines()[-1])
    assert told["bench"] == "precision"
    precise, beyond = [figure for figure in told["figures"] if figure["goal"]]
    assert precise["met"] == (precise["ratio"] >= 2)
    assert beyond["met"] == (beyond["value"] >= 0.5)
    assert (tmp_path / "precision.svg").read_text(encoding="utf-8").startswith("<?xml")
