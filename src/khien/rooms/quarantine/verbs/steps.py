"""The small steps that several verbs share; they run inside a verb and record nothing by themselves."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from khien.kernel import clock
from khien.kernel.acts import record
from khien.kernel.errors import NotFound
from khien.kernel.language import dates
from khien.kernel.staff import Actor
from khien.kernel.standing.verbs import Imposed, impose_many, lift
from khien.rooms.quarantine import reads
from khien.rooms.quarantine.events import ORDER_ENDED
from khien.rooms.quarantine.models import FollowUp, Order, OrderChange


def locked(actor: Actor, order_id: int) -> Order:
    """The order under lock, if the actor sees it. Raises `NotFound`."""
    order = (
        Order.objects.seen_by(actor)
        .select_for_update(of=("self",))
        .select_related("unit", "person")
        .filter(pk=order_id)
        .first()
    )
    if order is None:
        raise NotFound()
    return order


def fact(order: Order) -> dict[str, Any]:
    """What events say of an order: ids only."""
    return {"order": order.pk, "person": order.person_id, "unit": order.unit_id}


def standing(order: Order) -> Imposed:
    """What a gate is told while the order holds: no illness, no case. Stored, so in Vietnamese."""
    last = dates.short(reads.last_day(order))
    reason = {
        Order.Kind.HOME: "Đang cách ly tại nhà đến hết ngày %(day)s",
        Order.Kind.SITE: "Đang cách ly tập trung đến hết ngày %(day)s",
        Order.Kind.ISOLATION: "Đang cách ly y tế đến hết ngày %(day)s",
        Order.Kind.WATCH: "Đang tự theo dõi sức khỏe đến hết ngày %(day)s",
    }[Order.Kind(order.kind)] % {"day": last}
    return Imposed(
        person_id=order.person_id,
        start=order.starts_at,
        end=order.ends_at,
        colour=order.colour,
        reason=reason,
        authority=order,
    )


def restate(order: Order) -> None:
    """State again what holds by an order whose end or kind has changed."""
    kind = standing_kind(order)
    if kind == "under_order":
        lift(order, "under_watch", at=clock.now())
    impose_many(kind, [standing(order)])


def standing_kind(order: Order) -> str:
    """A gate stops `under_order`; `under_watch` may pass."""
    return "under_watch" if order.kind == Order.Kind.WATCH else "under_order"


def write(
    orders: Iterable[Order],
    kind: str,
    actor: Actor,
    *,
    reason: str,
    at: datetime,
    previous_end: datetime | None = None,
) -> None:
    """One line of history for each order."""
    OrderChange.objects.bulk_create(
        OrderChange(
            order=order,
            kind=kind,
            previous_end=previous_end or order.ends_at,
            new_end=order.ends_at,
            reason=reason,
            by=actor.id if actor.kind == "staff" else None,
            by_name=actor.name if actor.kind == "staff" else "",
            at=at,
        )
        for order in orders
    )


def close(actor: Actor, order: Order, kind: str, *, reason: str, at: datetime, code: str) -> None:
    """End or cancel an order at `at`: its standing is lifted, open follow-ups are not needed any more."""
    before = order.ends_at
    cancelled = kind == OrderChange.Kind.CANCELLED
    order.state = Order.State.CANCELLED if cancelled else Order.State.ENDED
    order.closed_at = at
    order.ends_at = max(order.starts_at, min(order.ends_at, at))
    order.save(update_fields=["state", "closed_at", "ends_at"])
    write([order], kind, actor, reason=reason, at=at, previous_end=before)
    lift(order, "under_order", at=at)
    lift(order, "under_watch", at=at)
    FollowUp.objects.filter(order=order, state=FollowUp.State.DUE).update(state=FollowUp.State.NOT_NEEDED)
    record(
        actor,
        order,
        persons=[order.person_id],
        event=ORDER_ENDED if order.number else None,
        payload=fact(order) | {"reason": code},
        reason=code,
    )
