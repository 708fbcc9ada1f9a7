"""The cache of compiled kernels is one for each version of their sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from khien.engine.compiled import cache_name


def test_other_sources_have_another_cache(tmp_path: Path) -> None:
    names = set()
    for helper in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "meeting.py").write_text(helper)
        (tmp_path / "sweeping.py").write_text("from meeting import a")
        names.add(cache_name(tmp_path))
    assert len(names) == 2


def test_a_cache_beside_the_sources_is_of_their_version() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    program = "from khien.engine.compiled import meeting; print(meeting.present._cache.cache_path)"
    told = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert f"/{cache_name()}" in told.stdout
