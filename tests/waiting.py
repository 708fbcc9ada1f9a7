"""Waiting for something that another process or thread does: asked again and again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(done: Callable[[], T], seconds: float = 60.0, what: str = "") -> T:
    """What `done` answers once it is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := done()):
        assert time.monotonic() < deadline, f"not in {seconds} s: {what or done}"
        time.sleep(0.02)
    return answer
