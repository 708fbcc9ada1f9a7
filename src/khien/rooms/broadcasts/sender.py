"""Sending one broadcast: chunk after chunk, one sender a broadcast at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.db.models import Min

from khien.gateways.sms.interface import OutgoingSms, SmsGateway
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts import verbs
from khien.rooms.broadcasts.models import Broadcast, Recipient
from khien.rooms.broadcasts.reads import campaigns

logger = logging.getLogger(__name__)

# The first key of PostgreSQL's two-key advisory locks: "Khbc".
_LOCK_SPACE = 0x4B686263


@dataclass(frozen=True, slots=True)
class Progress:
    """`again_in_s` is when throttled rows are due (seconds from now); None when nothing waits. `busy`: somebody
    else is sending this broadcast."""

    sent: int
    again_in_s: float | None = None
    busy: bool = False


def send_broadcast(broadcast_id: int, gateway: SmsGateway) -> Progress:
    """Send what is due of one broadcast and announce it when all is settled. Safe to run again at any time:
    what a dead sender had claimed becomes unknown."""
    actor = system_actor("broadcasts")
    with _only_sender(broadcast_id) as mine:
        if not mine:
            return Progress(0, busy=True)
        broadcast = Broadcast.objects.get(pk=broadcast_id)
        verbs.mark_interrupted(actor, broadcast=broadcast)
        sent = 0
        while not campaigns.is_stopped() and (rows := verbs.claim_rows(actor, broadcast=broadcast)):
            outcomes = gateway.submit([_outgoing(row, broadcast) for row in rows])
            tally = verbs.settle_rows(actor, rows=rows, outcomes=outcomes)
            sent += len(rows) - tally.get(Recipient.State.QUEUED, 0)
            if tally.get(Recipient.State.QUEUED, 0) == len(rows):
                break  # the gateway takes nothing now
        verbs.settle_broadcast(actor, broadcast=broadcast)
        return Progress(sent, again_in_s=_next_due(broadcast))


def _outgoing(row: Recipient, broadcast: Broadcast) -> OutgoingSms:
    return OutgoingSms(row.client_id, row.phone, row.text, broadcast.purpose)


def _next_due(broadcast: Broadcast) -> float | None:
    waiting = Recipient.objects.filter(broadcast=broadcast, state=Recipient.State.QUEUED)
    if not waiting.exists():
        return None
    due = waiting.aggregate(due=Min("retry_at"))["due"]
    return max(0.0, (due - datetime.now(UTC)).total_seconds()) if due else 0.0


@contextmanager
def _only_sender(broadcast_id: int) -> Iterator[bool]:
    """A lock that PostgreSQL itself gives back when the holder's connection dies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [_LOCK_SPACE, broadcast_id % 2**31])
        (mine,) = cursor.fetchone()
    try:
        yield mine
    finally:
        if mine:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [_LOCK_SPACE, broadcast_id % 2**31])
