"""A province's peak on loopback: 360 scans a second in batches of 50, 20,000 residents' look-ups beside them.

Only what must be right is asserted: every scan is stored once, every page is answered. How long it took is printed and
is the matter of `khien bench load`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SECONDS = os.environ.get("KHIEN_LOAD_SECONDS", "90")
RESIDENTS = os.environ.get("KHIEN_LOAD_RESIDENTS", "20000")


@pytest.mark.slow
def test_a_province_at_its_peak() -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "KHIEN_DATA"}}
    run = subprocess.run(
        [
            *(sys.executable, "-m", "khien.site.cli", "bench", "load", "--json"),
            *("--rate", "360", "--seconds", SECONDS, "--residents", RESIDENTS),
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1_800,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    print(run.stdout)
    told = {figure["name"]: figure for figure in json.loads(run.stdout.splitlines()[-1])["figures"]}
    assert told["scans stored"]["value"] == told["scans sent"]["value"] >= 360 * int(SECONDS) * 0.99
    assert told["look-ups"]["value"] == int(RESIDENTS)
    assert told["errors"]["value"] == 0
