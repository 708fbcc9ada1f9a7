"""The channel "every subscriber": orders that carriers carry out and report on."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext as _

from khien.kernel.staff import system_actor
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.models import BulletinVersion, CarrierOrder
from khien.rooms.broadcasts.reads import orders as reads
from khien.rooms.broadcasts.verbs import orders as verbs


class CarrierOrders:
    """Registered under `Channel.CARRIER_ORDER`."""

    def start(self, version: BulletinVersion) -> None:
        """Make and sign the orders; handing them over is people's work and tracked."""
        verbs.issue_orders(system_actor("broadcasts"), version=version)

    def cancel(self, version: BulletinVersion) -> None:
        """Take back what is not reported yet."""
        verbs.cancel_orders(system_actor("broadcasts"), version=version, because=_("Bản tin đã rút."))

    def state(self, version: BulletinVersion) -> channels.ChannelState | None:
        """How many carriers have it, have reported, are late, and what they counted."""
        rows = reads.orders_of(version)
        if not rows:
            return None
        reported = [row for row in rows if row.state == CarrierOrder.State.REPORTED]
        overdue = sum(map(reads.is_overdue, rows))
        open_rows = [row for row in rows if row.state != CarrierOrder.State.CANCELLED]
        label = (
            _("Đã hủy")
            if not open_rows
            else _("%(reported)d trên %(all)d nhà mạng đã báo cáo")
            % {"reported": len(reported), "all": len(open_rows)}
        )
        counts = [
            channels.Count(
                _("Chưa gửi nhà mạng"), sum(row.state == CarrierOrder.State.ORDERED for row in rows)
            ),
            channels.Count(_("Đã gửi nhà mạng"), sum(row.state == CarrierOrder.State.SENT for row in rows)),
            channels.Count(_("Quá hạn báo cáo"), overdue),
        ]
        if reported:
            counts += [
                channels.Count(_("Thuê bao, theo nhà mạng"), sum(row.subscribers or 0 for row in reported)),
                channels.Count(_("Nhà mạng đã gửi"), sum(row.accepted or 0 for row in reported)),
                channels.Count(_("Đến máy, theo nhà mạng"), sum(row.delivered or 0 for row in reported)),
            ]
        moments = [
            m for row in rows for m in (row.created_at, row.sent_at, row.reported_at, row.cancelled_at) if m
        ]
        return channels.ChannelState(
            label, tuple(counts), max(moments), f"{reverse('broadcasts:orders')}?version={version.pk}"
        )
