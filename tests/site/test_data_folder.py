"""The data folder moves where the server's user can reach it, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from khien.site import environment
from khien.site.environment import PROJECT


def test_a_chosen_place_is_kept(monkeypatch):
    monkeypatch.setenv("KHIEN_DATA", "/tmp/khien-somewhere")
    assert environment.data_folder() == Path("/tmp/khien-somewhere")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes user")
def test_root_moves_out_of_a_closed_home(monkeypatch, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.delenv("DATABASE_URL")
    monkeypatch.setenv("KHIEN_DATA", str(closed / "khien" / "var"))
    moved = environment.data_folder()
    assert moved.parent == Path("/var/lib/khien")
    assert moved.name.startswith("khien-")
    assert closed.stat().st_mode & 0o777 == 0o700


def test_the_default_is_in_the_project(monkeypatch):
    monkeypatch.delenv("KHIEN_DATA", raising=False)
    assert environment.data_folder() in (PROJECT / "var",) or os.geteuid() == 0
