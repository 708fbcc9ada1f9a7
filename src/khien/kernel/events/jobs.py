from __future__ import annotations

from procrastinate.contrib.django import app

from khien.kernel.events import verbs


@app.task(name="events.deliver", queue="events", priority=10)
def deliver(event_id: int) -> None:
    """Tell the subscribers of one event; a failed one is retried by the ticker's sweep."""
    verbs.deliver_event(event_id)
