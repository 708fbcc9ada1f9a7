"""Forgetting what people wrote, what stations said and browsers that have not come back; run by the retention job.

Articles and alerts were published and stay.
"""

from __future__ import annotations

from datetime import date

from khien.kernel import clock
from khien.rooms.broadcasts.models import InboundMessage, Play, PushRun, PushSubscription, StationReport


def forget_inbound(before: date) -> int:
    """Remove texts that came before a Vietnamese day; returns how many went."""
    return InboundMessage.objects.filter(received_at__lt=clock.start_of_day(before)).delete()[0]


def forget_plays(before: date) -> int:
    """Remove what stations were to play until before a Vietnamese day, with their reports; returns how many rows
    went."""
    edge = clock.start_of_day(before)
    gone = StationReport.objects.filter(received_at__lt=edge).delete()[0]
    return gone + Play.objects.filter(until__lt=edge).delete()[0]


def forget_push(before: date) -> int:
    """Remove ended runs from before a Vietnamese day, and browsers that asked before it and have not been back; returns
    how many rows went."""
    edge = clock.start_of_day(before)
    gone = PushRun.objects.exclude(state=PushRun.State.RUNNING).filter(started_at__lt=edge).delete()[0]
    return gone + PushSubscription.objects.filter(since__lt=edge).delete()[0]
