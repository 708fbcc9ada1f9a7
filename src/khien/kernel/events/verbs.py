"""Delivering what the outbox holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from khien.kernel import clock
from khien.kernel.events.models import Delivery, Event
from khien.kernel.events.registry import EventFact, declared, handlers_of, who_wants

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
A_JOB = 10
"""Events that one job delivers at most: a job is a chunk of work, not one row."""


def announce(name: str, payloads: Iterable[dict[str, Any]]) -> list[Event]:
    """Write events of one name, and a delivery for each subscriber who wants them, in the transaction of the act.

    Called by `acts.record`; a room never calls it. The delivery jobs are queued in the same
    transaction, so a rolled-back act announces nothing.
    """
    if name not in declared():
        raise LookupError(f"event {name!r} is not declared")
    now, recorded = clock.now(), datetime.now(UTC)
    events = Event.objects.bulk_create(
        [Event(name=name, at=now, recorded_at=recorded, payload=payload) for payload in payloads],
        batch_size=5000,
    )
    deliveries = [
        Delivery(event=event, handler=key) for event in events for key in who_wants(name, event.payload)
    ]
    Delivery.objects.bulk_create(deliveries, batch_size=5000)
    wanted = list(dict.fromkeys(delivery.event_id for delivery in deliveries))
    if wanted:
        from khien.kernel.events.jobs import deliver

        jobs: list[dict[str, Any]] = [
            {"event_ids": wanted[at : at + A_JOB]} for at in range(0, len(wanted), A_JOB)
        ]
        deliver.batch_defer(*jobs)
    return events


def deliver_events(event_ids: Sequence[int]) -> int:
    """Run the handlers of these events that have not yet run; returns how many did. Idempotent."""
    return _deliver(Delivery.objects.filter(event_id__in=event_ids))


def deliver_pending(limit: int = 500) -> int:
    """Run what is due, oldest first (the sweep that catches whatever a job lost); returns how many ran."""
    return _deliver(Delivery.objects.all(), limit)


def _deliver(deliveries: Any, limit: int = 500) -> int:
    due = Q(retry_at__isnull=True) | Q(retry_at__lte=datetime.now(UTC))
    ids = list(
        deliveries.filter(due, done_at__isnull=True, attempts__lt=MAX_ATTEMPTS)
        .order_by("id")
        .values_list("pk", flat=True)[:limit]
    )
    return sum(_run(pk) for pk in ids)


def _run(pk: int) -> bool:
    """One delivery in one transaction: the handler's writes and the mark that it has run commit together."""
    try:
        with transaction.atomic():
            delivery = (
                Delivery.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("event")
                .filter(pk=pk, done_at__isnull=True)
                .first()
            )
            if delivery is None:
                return False
            handler = handlers_of(delivery.event.name).get(delivery.handler)
            if handler is None:
                raise LookupError(f"no handler {delivery.handler}")
            event = delivery.event
            handler(EventFact(event.pk, event.name, event.at, event.payload))
            delivery.done_at = datetime.now(UTC)
            delivery.failure = ""
            delivery.save(update_fields=["done_at", "failure"])
            return True
    except Exception as fault:  # whatever a handler raises is kept with its delivery, shown and retried
        logger.exception("delivery %s failed", pk)
        now = datetime.now(UTC)
        attempts = Delivery.objects.filter(pk=pk).values_list("attempts", flat=True).get()
        Delivery.objects.filter(pk=pk).update(
            attempts=F("attempts") + 1,
            failure=f"{type(fault).__name__}: {fault}"[:2000],
            retry_at=now + timedelta(seconds=2**attempts),
        )
        return False
