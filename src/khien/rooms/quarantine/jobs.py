"""Work that goes on by itself: end what is over, make the follow-ups of the day. Idempotent and cheap when
there is nothing to do, so the ticker may call it as often as the clock of a demo needs."""

from __future__ import annotations

from khien.kernel.staff import system_actor
from khien.rooms.quarantine import verbs

EVERY_S = 10.0


def keep_the_day() -> None:
    """End due orders, mark missed days, make today's follow-ups."""
    actor = system_actor("quarantine")
    verbs.end_due_orders(actor)
    verbs.make_due_follow_ups(actor)
