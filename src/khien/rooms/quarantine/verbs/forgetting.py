"""Forgetting closed orders when their rule says so."""

from __future__ import annotations

from datetime import date

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.staff import Actor
from khien.rooms.quarantine.models import Order, OrderGround


@verb()
def forget_orders(actor: Actor, *, before: date) -> int:
    """Remove orders closed before the Vietnamese day `before`, with their follow-ups, changes and alarms."""
    limit = clock.start_of_day(before)
    old = Order.objects.filter(state__in=[Order.State.ENDED, Order.State.CANCELLED], closed_at__lt=limit)
    gone = old.count()
    old.delete()
    loose, _by_model = OrderGround.objects.filter(order__isnull=True, recorded_at__lt=limit).delete()
    if gone or loose:
        record(actor, "quarantine.order", before=before.isoformat(), gone=gone, grounds=loose)
    else:
        unchanged()
    return gone
