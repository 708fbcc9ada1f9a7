"""Whatever a benchmark measures, its last line is one JSON object of the same shape."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from khien.site.bench import names

ROOT = Path(__file__).parents[2]

SMALLEST = {
    "audience": "--people 3000",
    "campaign": "--messages 2000",
    "coverage": "--seeds 1 --people 3000",
    "gate": "--scans 3 --restricted 5",
    "ingest": "--scans 3200 --rounds 1 --people 500 --seconds 1",
    "load": "--rate 100 --residents 40 --seconds 2",
    "origins": "--people 3000 --days 14 --worlds 1 --coverage 0.5",
    "precision": "--people 3000 --days 14 --worlds 1 --coverage 0.5",
    "posters": "--posters 20 --cards 20",
    "presence": "--people 500 --scans 3000 --rate 400 --seconds 1",
    "sms": "--messages 300 --rounds 1",
    "search": "--people 300 --queries 12",
    "trace": "--records 0.05m --peers ncls --rounds 1",
}
"""The least that each can be asked for; `trace` compiles its kernels, those of the gates and `search` start servers."""

NOT_SMALL = {"cluster", "contact_list", "live"}
"""Those that ask a whole installation, or nodes of a cluster."""


def test_every_benchmark_is_run_here_or_named_as_too_large() -> None:
    assert set(names()) == SMALLEST.keys() | NOT_SMALL


@pytest.mark.parametrize(
    "name",
    [
        name if name in {"coverage", "origins", "precision"} else pytest.param(name, marks=pytest.mark.slow)
        for name in SMALLEST
    ],
)
def test_the_last_line_is_the_figures(name: str) -> None:
    told = last_line(name)
    assert told.keys() == {"bench", "figures"}
    assert told["bench"] == name
    assert told["figures"]
    for figure in told["figures"]:
        assert list(figure) == ["name", "value", "unit", "peer", "ratio", "goal", "met"], figure
        assert isinstance(figure["name"], str)
        assert isinstance(figure["unit"], str)
        assert math.isfinite(figure["value"])
        assert figure["ratio"] is None or math.isfinite(figure["ratio"])
        assert (figure["goal"] is None) == (figure["met"] is None), (
            "a goal is met or not, and nothing else is"
        )
    said = [figure["name"] for figure in told["figures"]]
    assert len(said) == len(set(said)), "a figure is known by its name"


def last_line(name: str) -> dict[str, Any]:
    """What the smallest run of a benchmark prints last, in a process of its own as `khien bench` runs it."""
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "KHIEN_DATA"}}
    run = subprocess.run(
        [sys.executable, "-m", "khien.site.cli", "bench", name, *SMALLEST[name].split(), "--json"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    told: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return told
