"""Forgetting old messages; run by the retention job."""

from __future__ import annotations

from datetime import date

from khien.kernel import clock
from khien.rooms.broadcasts.models import Broadcast, Recipient, UnmatchedReceipt


def forget_messages(before: date) -> int:
    """Remove broadcasts from before a Vietnamese day with their rows; returns how many messages went."""
    edge = clock.start_of_day(before)
    UnmatchedReceipt.objects.filter(received_at__lt=edge).delete()
    _all, by_model = Broadcast.objects.filter(created_at__lt=edge).delete()
    return by_model.get(Recipient._meta.label, 0)
