"""The demo lives on: one business hour a minute (or as fast as asked), hour after hour."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta

from khien.kernel import clock
from khien.kernel.clock import verbs as clock_verbs
from khien.site.demo import declaring
from khien.site.demo.feed import Feed, Happening, happenings
from khien.site.models import DemoState

logger = logging.getLogger("khien.demo")

_ANCHOR_EVERY_S = 5.0
_STEP_S = 1.0


def run(stop: threading.Event, *, speed: float) -> None:
    """Tell what is due, second by second, until `stop` is set; the world goes on where it was left.

    Business time stands still while this does not run: the clock is anchored again at every start and
    every few seconds at the time reached.
    """
    state = DemoState.objects.get(pk=1)
    feed = Feed(state)
    since = clock.start_of_day(state.start)
    clock_verbs.anchor(_left_at(state), speed)
    hour = state.next_hour
    waiting: list[Happening] = []
    anchored = 0.0
    while not stop.is_set():
        now = clock.now()
        while since + timedelta(hours=hour) <= now:
            waiting += happenings(feed.world.step(hour))
            hour += 1
        due = [row for row in waiting if row.at <= now]
        waiting = [row for row in waiting if row.at > now]
        feed.tell(due)
        feed.staff.work()
        whole = int((now - since) / timedelta(hours=1))
        if whole > state.next_hour:
            declaring.declare_hours(state, state.next_hour, whole)
            feed.reached_hour(whole)
            logger.info("%s: %s", clock.local(now).strftime("%H:%M %d/%m/%Y"), feed.counts())
        anchored += _STEP_S
        if anchored >= _ANCHOR_EVERY_S:
            clock_verbs.anchor(clock.now(), speed)
            anchored = 0.0
        stop.wait(_STEP_S)


def _left_at(state: DemoState) -> datetime:
    """The business time that the demo had reached: where its clock stood, never before what has been told."""
    from khien.kernel.clock.models import ClockSetting

    told = clock.start_of_day(state.start) + timedelta(hours=state.next_hour)
    setting = ClockSetting.objects.filter(pk=1).first()
    return told if setting is None else max(told, setting.anchor_business)
