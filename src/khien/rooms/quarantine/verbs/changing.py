"""Changing an order: longer, shorter, elsewhere, or not at all; each with a reason and a name."""

from __future__ import annotations

from datetime import date, timedelta

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.language import dates
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor, Role
from khien.rooms.quarantine import reads
from khien.rooms.quarantine.events import ORDER_CHANGED
from khien.rooms.quarantine.models import Order, OrderChange
from khien.rooms.quarantine.verbs import steps

OFFICERS = (Role.TRACER, Role.COMMUNE_OFFICER)
LONGEST_DAYS = 60
"""No single extension goes further from today: a slip of the year in a form must not shut somebody in."""


@verb(*OFFICERS)
def extend_order(actor: Actor, *, order_id: int, last_day: date, reason: str) -> Order:
    """Make an order longer, through `last_day` (a day in Viet Nam).

    Raises `Invalid` without a reason, for a day not after the present end or too far off; `Conflict` when
    the order is not in force.
    """
    order = steps.locked(actor, order_id)
    reason = _reason(reason)
    _must_be_in_force(order)
    end = clock.start_of_day(last_day + timedelta(days=1))
    if end == order.ends_at:
        unchanged()
        return order
    present = reads.last_day(order)
    if end < order.ends_at:
        raise Invalid(
            _("Ngày mới phải sau ngày %(day)s.") % {"day": dates.short(present)},
            field="last_day",
            way_out=_("Muốn rút ngắn thì dùng “Kết thúc sớm”."),
        )
    if last_day > clock.today() + timedelta(days=LONGEST_DAYS):
        raise Invalid(
            _("Ngày mới xa hơn %(days)s ngày.") % {"days": LONGEST_DAYS},
            field="last_day",
            way_out=_("Xem lại năm và tháng."),
        )
    before, order.ends_at = order.ends_at, end
    order.save(update_fields=["ends_at"])
    steps.write([order], OrderChange.Kind.EXTENDED, actor, reason=reason, at=clock.now(), previous_end=before)
    steps.restate(order)
    record(
        actor,
        order,
        persons=[order.person_id],
        event=ORDER_CHANGED,
        payload=steps.fact(order) | {"reason": "extended"},
    )
    return order


@verb(*OFFICERS)
def end_order_early(actor: Actor, *, order_id: int, reason: str) -> Order:
    """End an order now, before its time. Raises `Invalid` without a reason, `Conflict` when not in force."""
    order = steps.locked(actor, order_id)
    reason = _reason(reason)
    if order.state == Order.State.ENDED:
        unchanged()
        return order
    _must_be_in_force(order)
    steps.close(actor, order, OrderChange.Kind.ENDED_EARLY, reason=reason, at=clock.now(), code="early")
    return order


@verb(*OFFICERS)
def cancel_order(actor: Actor, *, order_id: int, reason: str) -> Order:
    """Cancel an order that should never have been, or refuse a draft. Raises `Invalid` without a reason."""
    order = steps.locked(actor, order_id)
    reason = _reason(reason)
    if order.state == Order.State.CANCELLED:
        unchanged()
        return order
    if order.state == Order.State.ENDED:
        raise Conflict(_("Quyết định này đã kết thúc, không hủy được nữa."))
    steps.close(actor, order, OrderChange.Kind.CANCELLED, reason=reason, at=clock.now(), code="cancelled")
    return order


@verb(*OFFICERS)
def move_order(
    actor: Actor, *, order_id: int, kind: str, reason: str, site_id: int | None = None, address: str = ""
) -> Order:
    """Let the person serve the order elsewhere: another kind of place, a site, an address.

    Raises `Invalid` without a reason or for a site that is not there, `Conflict` when not in force.
    """
    order = steps.locked(actor, order_id)
    reason = _reason(reason)
    _must_be_in_force(order)
    if kind not in (Order.Kind.HOME, Order.Kind.SITE, order.kind):
        raise Invalid(_("Không đổi sang hình thức này được."), field="kind")
    site = Place.objects.seen_by(actor).filter(pk=site_id).first() if site_id is not None else None
    if site_id is not None and site is None:
        raise Invalid(_("Không có nơi cách ly này."), field="site")
    address = address.strip() or order.address
    if (order.kind, order.site_id, order.address) == (kind, site_id, address):
        unchanged()
        return order
    order.kind, order.site, order.address = kind, site, address
    order.save(update_fields=["kind", "site", "address"])
    steps.write([order], OrderChange.Kind.MOVED, actor, reason=reason, at=clock.now())
    steps.restate(order)
    record(
        actor,
        order,
        persons=[order.person_id],
        event=ORDER_CHANGED,
        payload=steps.fact(order) | {"reason": "moved"},
    )
    return order


@verb()
def end_due_orders(actor: Actor, *, limit: int = 500) -> int:
    """End the orders whose time is over, oldest first; returns how many. Idempotent; the ticker calls it.

    A draft that nobody signed in its time is discarded and says so.
    """
    now = clock.now()
    due = (
        Order.objects.select_for_update(skip_locked=True)
        .filter(state__in=[Order.State.ISSUED, Order.State.PROPOSED], ends_at__lte=now)
        .order_by("ends_at", "pk")[:limit]
    )
    ended = 0
    for order in due:
        kind, reason = OrderChange.Kind.ENDED, "Hết thời hạn."
        if order.state == Order.State.PROPOSED:
            kind, reason = OrderChange.Kind.CANCELLED, "Quá thời hạn mà chưa có người ký."
        steps.close(actor, order, kind, reason=reason, at=order.ends_at, code="time")
        ended += 1
    if not ended:
        unchanged()
    return ended


def _reason(text: str) -> str:
    text = " ".join(text.split())
    if len(text) < 5:
        raise Invalid(
            _("Chưa ghi lý do."), field="reason", way_out=_("Ghi lý do để người dân và cấp trên đọc được.")
        )
    if len(text) > 300:
        raise Invalid(_("Lý do dài quá 300 chữ."), field="reason")
    return text


def _must_be_in_force(order: Order) -> None:
    if order.state != Order.State.ISSUED or order.ends_at <= clock.now():
        raise Conflict(
            _("Quyết định này không còn thi hành (%(state)s).") % {"state": order.get_state_display()},
            way_out=_("Ra quyết định mới nếu cần."),
            code="not_in_force",
        )
