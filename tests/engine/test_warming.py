"""The cache of compiled kernels is one for each version of their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from khien.engine import warming


def test_other_sources_have_another_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "compiled").mkdir()
    monkeypatch.setattr(warming, "__file__", str(tmp_path / "warming.py"))
    names = set()
    for helper in ("a = 1", "a = 2", "a = 1"):
        (tmp_path / "compiled/meeting.py").write_text(helper)
        (tmp_path / "compiled/reaching.py").write_text("from meeting import a")
        names.add(warming.cache_name())
    assert len(names) == 2
