"""Each minute: end what is over, make the follow-ups of the day. Both do nothing when there is nothing."""

from __future__ import annotations

from procrastinate.contrib.django import app

from khien.kernel.staff import system_actor
from khien.rooms.quarantine import verbs


@app.periodic(cron="* * * * *")
@app.task(name="quarantine.keep_the_day", queue="rooms", queueing_lock="quarantine.keep_the_day")
def keep_the_day(timestamp: int) -> None:
    """End due orders and make due follow-ups; a demo's day may pass in minutes, so it runs each minute."""
    actor = system_actor("quarantine")
    verbs.end_due_orders(actor)
    verbs.make_due_follow_ups(actor)
