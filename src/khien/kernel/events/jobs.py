from __future__ import annotations

from procrastinate.contrib.django import app

from khien.kernel.events import verbs


@app.task(name="events.deliver", queue="events", priority=10)
def deliver(event_ids: list[int]) -> None:
    """Tell the subscribers of some events; a failed one is retried by the ticker's sweep."""
    verbs.deliver_events(event_ids)
