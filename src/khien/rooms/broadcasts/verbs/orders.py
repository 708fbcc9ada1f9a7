"""Orders to carriers: made and signed, handed over, reported, cancelled."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta

from django.utils.translation import gettext as _

from khien.gateways.sms.text import strip_accents
from khien.kernel import clock, keys
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import composing, ordering
from khien.rooms.broadcasts.models import WRITERS, Audience, BulletinVersion, Carrier, CarrierOrder, Channel

REPORT_WITHIN = timedelta(hours=24)
"""How long after the end of its time an order waits for the carrier's counts."""


@verb()
def issue_orders(actor: Actor, *, version: BulletinVersion) -> list[CarrierOrder]:
    """Make and sign an order to each carrier in use for an approved version: its text, the areas, the time. Made
    before, they stay. A text with placeholders cannot go to people of whom nobody has a list."""
    row = (
        BulletinVersion.objects.select_for_update(of=("self",))
        .select_related("bulletin__unit")
        .get(pk=version.pk)
    )
    made = list(row.carrier_orders.select_related("carrier").order_by("carrier"))
    if made:
        unchanged()
        return made
    if row.state != BulletinVersion.State.APPROVED:
        raise Conflict(
            _("Bản tin chưa được duyệt."), code="not_approved", way_out=_("Chờ người duyệt rồi phát.")
        )
    carriers = list(Carrier.objects.filter(is_active=True).order_by("pk"))
    if not carriers:
        raise Conflict(
            _("Không có nhà mạng nào đang dùng."),
            code="no_carriers",
            way_out=_("Bật một nhà mạng ở trang Nhà mạng."),
        )
    text = composing.checked(_text_of(row))
    if composing.placeholders(text):
        raise Invalid(
            _("Tin gửi mọi thuê bao không được có chỗ điền."),
            field="text",
            code="placeholder",
            way_out=_("Viết lại tin của kênh này, không dùng dấu ngoặc nhọn."),
        )
    now = clock.now()
    begin = max(row.effective_at or now, now)
    if row.expires_at <= begin:
        raise Conflict(_("Bản tin đã hết hiệu lực."), code="expired", way_out=_("Soạn bản mới."))
    areas = ordering.areas_of(_units_of(row))
    key = keys.current(ordering.PURPOSE)
    issuer = row.bulletin.unit.full_name
    orders = []
    for carrier in carriers:
        order = CarrierOrder(
            version=row,
            carrier=carrier,
            reference=f"KH-{clock.local(now):%Y}-{row.bulletin_id:06d}-{row.number}-{carrier.code}",
            text=text,
            areas=areas,
            not_before=begin,
            not_after=row.expires_at,
            report_due_at=row.expires_at + REPORT_WITHIN,
            key_id=key.id,
            created_at=now,
            created_by=actor.id,
        )
        order.file = ordering.file_of(order, issuer)
        order.signature = ordering.sign(order.file, key)
        order.document = ordering.document_of(order, issuer, hashlib.sha256(order.file).hexdigest())
        order.document_signature = ordering.sign(order.document, key)
        orders.append(order)
    CarrierOrder.objects.bulk_create(orders)
    record(actor, row, orders=[order.reference for order in orders])
    return orders


@verb(*WRITERS)
def mark_order_sent(actor: Actor, *, order: CarrierOrder, how: str) -> CarrierOrder:
    """Say that the packet was handed to the carrier: to whom and by what way."""
    row = _locked(actor, order)
    if row.state == CarrierOrder.State.SENT:
        unchanged()
        return row
    if row.state != CarrierOrder.State.ORDERED:
        raise _settled(row)
    if not how.strip():
        raise Invalid(
            _("Chưa ghi đã gửi cho ai, bằng cách nào."),
            field="how",
            way_out=_("Ghi ngắn gọn, ví dụ: thư điện tử cho đầu mối."),
        )
    row.state, row.sent_at, row.sent_by, row.sent_how = (
        CarrierOrder.State.SENT,
        clock.now(),
        actor.id,
        how.strip()[:200],
    )
    row.save(update_fields=["state", "sent_at", "sent_by", "sent_how"])
    record(actor, row, reference=row.reference)
    return row


@verb(*WRITERS)
def report_order(actor: Actor, *, order: CarrierOrder, report: ordering.Report) -> CarrierOrder:
    """Enter what the carrier counted. A later report replaces an earlier one; both stand in the audit log."""
    row = _locked(actor, order)
    if row.state not in (CarrierOrder.State.SENT, CarrierOrder.State.REPORTED):
        raise Conflict(
            _("Lệnh này chưa gửi nhà mạng hoặc đã hủy."),
            code="not_sent",
            way_out=_("Ghi nhận đã gửi trước khi nhập báo cáo."),
        )
    counts = ordering.as_stored(ordering.checked_report(report))
    if row.state == CarrierOrder.State.REPORTED and all(getattr(row, k) == v for k, v in counts.items()):
        unchanged()
        return row
    for name, value in counts.items():
        setattr(row, name, value)
    row.state, row.reported_at, row.reported_by = CarrierOrder.State.REPORTED, clock.now(), actor.id
    row.save(update_fields=["state", "reported_at", "reported_by", *counts])
    record(actor, row, reference=row.reference, **{name: counts[name] for name in ordering.FIGURES})
    return row


@verb(*WRITERS)
def cancel_order(actor: Actor, *, order: CarrierOrder, because: str) -> CarrierOrder:
    """Take an order back. What the carrier already has must be taken back there too: its page says so."""
    row = _locked(actor, order)
    if row.state == CarrierOrder.State.CANCELLED:
        unchanged()
        return row
    if row.state == CarrierOrder.State.REPORTED:
        raise _settled(row)
    _cancel(row, because)
    record(actor, row, reference=row.reference)
    return row


@verb()
def cancel_orders(actor: Actor, *, version: BulletinVersion, because: str) -> int:
    """Take back all orders of a version that are not reported yet; returns how many."""
    rows = list(
        CarrierOrder.objects.select_for_update()
        .filter(version=version, state__in=[CarrierOrder.State.ORDERED, CarrierOrder.State.SENT])
        .order_by("pk")
    )
    if not rows:
        unchanged()
        return 0
    for row in rows:
        _cancel(row, because)
    record(actor, version, orders=[row.reference for row in rows])
    return len(rows)


def _cancel(row: CarrierOrder, because: str) -> None:
    if not because.strip():
        raise Invalid(_("Chưa ghi lý do hủy."), field="because", way_out=_("Ghi lý do."))
    row.state, row.cancelled_at, row.cancelled_because = (
        CarrierOrder.State.CANCELLED,
        clock.now(),
        because.strip()[:300],
    )
    row.save(update_fields=["state", "cancelled_at", "cancelled_because"])


def _locked(actor: Actor, order: CarrierOrder) -> CarrierOrder:
    row: CarrierOrder | None = (
        CarrierOrder.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=order.pk).first()
    )
    if row is None:
        raise NotFound(_("Không có lệnh này."))
    actor.must_cover(row.version.bulletin.unit, *WRITERS)
    return row


def _settled(row: CarrierOrder) -> Conflict:
    return Conflict(
        _("Lệnh này đã ở trạng thái “%(state)s”.") % {"state": row.get_state_display()},
        code="settled",
        way_out=_("Tải lại trang."),
    )


def _text_of(version: BulletinVersion) -> str:
    """What the version says on this channel; written or derived for it, else as SMS, else title and body."""
    texts = {
        row.channel: row.text
        for row in version.texts.filter(channel__in=[Channel.CARRIER_ORDER, Channel.SMS], language="vi")
    }
    text = texts.get(Channel.CARRIER_ORDER) or texts.get(Channel.SMS) or f"{version.title}. {version.body}"
    return strip_accents(text) if version.plain_sms else text


def _units_of(version: BulletinVersion) -> Sequence[AdminUnit]:
    """Where: the units of its audience, else the bulletin's own."""
    audience = Audience.objects.filter(pk=version.audience_id).first() if version.audience_id else None
    if audience is not None and audience.units:
        return list(AdminUnit.objects.filter(pk__in=audience.units).order_by("path"))
    return [version.bulletin.unit]
