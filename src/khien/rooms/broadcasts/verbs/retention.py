"""Forgetting old messages; run by the retention job."""

from __future__ import annotations

from datetime import date

from django.db import connection

from khien.kernel import clock
from khien.rooms.broadcasts.models import Broadcast, Campaign, Recipient, UnmatchedReceipt


def forget_messages(before: date) -> int:
    """Remove broadcasts and campaigns from before a Vietnamese day with their rows; returns how many messages to named
    people went. Audiences are forgotten by themselves."""
    edge = clock.start_of_day(before)
    for campaign in Campaign.objects.filter(created_at__lt=edge):
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS broadcasts_campaignresult_{campaign.pk:d}")
        campaign.delete()
    UnmatchedReceipt.objects.filter(received_at__lt=edge).delete()
    _all, by_model = Broadcast.objects.filter(created_at__lt=edge).delete()
    return by_model.get(Recipient._meta.label, 0)
