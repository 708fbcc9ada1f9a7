"""The ticker runs each tick in its time and none stops another."""

from __future__ import annotations

import threading

import pytest

from khien.kernel.registries import Tick, ticks
from khien.site import ticker

# Between two rounds the ticker looks after the connections of its process.
pytestmark = pytest.mark.django_db


class Clock:
    """A clock that moves when it is waited for."""

    def __init__(self, until: float) -> None:
        self.at, self.until, self.over = 0.0, until, False

    def __call__(self) -> float:
        return self.at

    def is_set(self) -> bool:
        return self.at >= self.until

    def wait(self, seconds: float) -> bool:
        self.at += seconds
        return self.is_set()


def test_each_tick_has_its_own_rhythm_and_a_failing_one_waits_longer():
    ran: list[str] = []

    def broken() -> None:
        ran.append("broken")
        raise LookupError("on purpose")

    clock = Clock(60.0)
    ticker.run(
        {
            "fast": Tick(lambda: ran.append("fast"), 1.0, ""),
            "slow": Tick(lambda: ran.append("slow"), 20.0, ""),
            "broken": Tick(broken, 1.0, ""),
        },
        clock,  # type: ignore[arg-type]
        now=clock,
    )
    assert 55 <= ran.count("fast") <= 61
    assert ran.count("slow") == 3
    assert 4 <= ran.count("broken") <= 6


def test_it_stops_when_asked():
    stop = threading.Event()
    ticker.run({"once": Tick(stop.set, 1.0, "")}, stop)
    assert stop.is_set()


@pytest.mark.parametrize("name", ["audit.seal", "events.deliver", "jobs.sweep"])
def test_what_must_go_on_is_registered(name):
    assert ticks.get(name).meaning
