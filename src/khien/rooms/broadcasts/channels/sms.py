"""The SMS of a bulletin: a campaign to its frozen audience."""

from __future__ import annotations

from django.db.models import Sum
from django.urls import reverse
from django.utils.translation import gettext as _

from khien.kernel.errors import Conflict
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.channels import ChannelState, Count
from khien.rooms.broadcasts.models import Audience, BulletinVersion, Campaign, Channel, Chunk
from khien.rooms.broadcasts.verbs import campaigns

_OVER = (Campaign.State.CANCELLED, Campaign.State.FINISHED)


class SmsChannel:
    """Starts, cancels and shows the campaign of a version."""

    def start(self, version: BulletinVersion) -> None:
        """Make the campaign; the sender begins with it by itself. Raises what `campaigns.create_campaign` raises."""
        if Campaign.objects.filter(version=version).exists():
            return
        row = version.texts.filter(channel=Channel.SMS).first()
        if row is None or version.audience_id is None:
            raise Conflict(_("Bản tin không có tin SMS hoặc người nhận."))
        campaigns.create_campaign(
            system_actor("broadcasts"),
            version=version,
            audience=Audience.objects.get(pk=version.audience_id),
            text=row.text,
            lane=Campaign.Lane.EMERGENCY if version.is_emergency else Campaign.Lane.CAMPAIGN,
            policy=version.policy,
            not_before=version.effective_at,
            not_after=version.expires_at,
            at_night=version.at_night,
        )

    def cancel(self, version: BulletinVersion) -> None:
        """Cancel what has not left."""
        campaign = Campaign.objects.filter(version=version).first()
        if campaign is not None and campaign.state not in _OVER:
            campaigns.cancel_campaign(system_actor("broadcasts"), campaign=campaign)

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """The campaign's state and its members by what became of them."""
        campaign = Campaign.objects.filter(version=version).first()
        if campaign is None:
            return None
        sums = Chunk.objects.filter(campaign=campaign).aggregate(
            **{
                name: Sum(name, default=0)
                for name in ("accepted", "delivered", "unknown", "rejected", "undelivered", "cancelled")
            }
        )
        return ChannelState(
            str(campaign.get_state_display()),
            (
                Count(_("Người nhận"), campaign.audience.count),
                Count(_("Tổng đài đã nhận"), sums["accepted"]),
                Count(_("Đã đến máy"), sums["delivered"]),
                Count(_("Chưa rõ"), sums["unknown"]),
                Count(_("Không gửi được"), sums["rejected"] + sums["undelivered"]),
                Count(_("Đã hủy"), sums["cancelled"]),
            ),
            campaign.ended_at or campaign.started_at or campaign.created_at,
            reverse("broadcasts:campaign", args=[campaign.pk]),
        )
