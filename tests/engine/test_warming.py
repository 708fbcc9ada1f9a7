"""The cache of compiled kernels is one for each version of their sources."""

from __future__ import annotations

import os
from pathlib import Path

import numba
import pytest

from khien.engine import warming
from khien.engine.compiled import meeting


def test_other_sources_have_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compiled").mkdir()
    monkeypatch.setattr(warming, "__file__", str(tmp_path / "warming.py"))
    names = set()
    for helper in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "compiled/meeting.py").write_text(helper)
        (tmp_path / "compiled/sweeping.py").write_text("from meeting import a")
        names.add(warming.cache_name())
    assert len(names) == 2


def test_a_cache_beside_the_sources_is_of_their_version() -> None:
    assert "NUMBA_CACHE_DIR" in os.environ or warming.cache_name() in numba.config.CACHE_DIR
    assert meeting.present._cache.cache_path.startswith(numba.config.CACHE_DIR)
