"""The pytest plugin that gives a test session its PostgreSQL (`-p khien.site.testing` in pyproject.toml).

It must act before pytest-django loads the settings, so it is a plugin and not a conftest. With xdist the
controller starts the server and the workers inherit its address through the environment.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from khien.site.postgres import throwaway


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """Start a throwaway server for the session unless `DATABASE_URL` names one; it is deleted at the end."""
    stack = ExitStack()
    early_config.add_cleanup(stack.close)
    if not os.environ.get("KHIEN_DATA"):
        # Keys made by tests die with the session.
        folder = stack.enter_context(TemporaryDirectory(prefix="khien-test-"))
        Path(folder).chmod(0o711)  # the unprivileged server passes through
        os.environ["KHIEN_DATA"] = folder
    if not os.environ.get("DATABASE_URL"):
        server = stack.enter_context(throwaway(user_name=os.environ.get("KHIEN_PG_USER", "")))
        os.environ["DATABASE_URL"] = server.dsn()
    return (yield)
