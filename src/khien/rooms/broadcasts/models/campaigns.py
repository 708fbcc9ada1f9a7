"""Sending one text to a frozen audience: chunk by chunk, each row at most once unless the policy says otherwise."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models.audiences import Audience
from khien.rooms.broadcasts.models.bulletins import READERS, BulletinVersion
from khien.rooms.broadcasts.models.carriers import Carrier


class Campaign(Scoped):
    """The SMS channel of an approved version. `CANARY`: only the first share leaves until it is judged."""

    scope_roles = READERS

    class State(models.TextChoices):
        WAITING = "waiting", _("Chờ đến giờ")
        CANARY = "canary", _("Gửi thử một phần")
        RUNNING = "running", _("Đang gửi")
        PAUSED = "paused", _("Tạm dừng")
        CANCELLED = "cancelled", _("Đã hủy")
        FINISHED = "finished", _("Đã gửi xong")

    class Lane(models.TextChoices):
        EMERGENCY = "emergency", _("Khẩn cấp")
        CAMPAIGN = "campaign", _("Thường")

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    version = models.OneToOneField(BulletinVersion, models.PROTECT, null=True, related_name="campaign")
    audience = models.OneToOneField(Audience, models.PROTECT, related_name="campaign")
    text = models.TextField(help_text="NFC, with {placeholders} filled from each member's values")
    parts = models.SmallIntegerField(default=1)
    lane = models.CharField(max_length=10, choices=Lane.choices, default=Lane.CAMPAIGN)
    policy = models.CharField(
        max_length=14, choices=BulletinVersion.Policy.choices, default=BulletinVersion.Policy.NEVER_TWICE
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    not_before = models.DateTimeField(null=True)
    not_after = models.DateTimeField(null=True, help_text="what is still queued then is cancelled as expired")
    at_night = models.BooleanField(default=False)
    canary_share = models.FloatField(default=0.01)
    canary_limit = models.FloatField(default=0.05, help_text="share of refusals above which it pauses itself")
    canary_judged_at = models.DateTimeField(null=True, help_text="when the first share was judged; once only")
    paused_because = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(
                    canary_share__gte=0, canary_share__lte=1, canary_limit__gte=0, canary_limit__lte=1
                ),
                name="campaign_shares",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="campaign_open"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Chunk(models.Model):
    """Some members of one carrier in one unit (`first` to `last` of `seq`), claimed, sent and settled together.

    A member of a claimed chunk that has no `CampaignResult` may have been sent: when its sender is dead, it is unknown.
    A chunk of which the carrier took only a part is queued again as it is: its members with a result are passed over.
    With `resends` its unknown members marked `Code.RESEND` are sent once more as well. Counts are of members.
    """

    class State(models.TextChoices):
        QUEUED = "queued", _("Chờ gửi")
        CLAIMED = "claimed", _("Đang gửi")
        SETTLED = "settled", _("Đã xong")
        CANCELLED = "cancelled", _("Đã hủy")

    campaign = models.ForeignKey(Campaign, models.CASCADE, related_name="chunks")
    carrier = models.ForeignKey(Carrier, models.PROTECT, related_name="+")
    unit_id = models.BigIntegerField(help_text="AdminUnit")
    first = models.IntegerField()
    last = models.IntegerField()
    rank = models.IntegerField(help_text="the order in which chunks leave; the first make the canary")
    is_canary = models.BooleanField(default=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.QUEUED)
    sender = models.BigIntegerField(
        null=True, help_text="who has claimed it; holds the advisory lock of that number"
    )
    claimed_at = models.DateTimeField(null=True, help_text="real time")
    retry_at = models.DateTimeField(null=True, help_text="real time; not claimed before")
    settled_at = models.DateTimeField(null=True, help_text="real time of the last settlement")
    resends = models.BooleanField(default=False)
    attempts = models.SmallIntegerField(default=0)
    codes = models.JSONField(null=True, help_text="refused members by the carrier's code")
    accepted = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    unknown = models.IntegerField(default=0)
    delivered = models.IntegerField(default=0)
    undelivered = models.IntegerField(default=0)
    cancelled = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "first"], name="chunk_once"),
            models.CheckConstraint(
                condition=Q(first__gte=1, last__gte=models.F("first")), name="chunk_range"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["campaign", "carrier", "rank"], condition=Q(state="queued"), name="chunk_queued"
            ),
            models.Index(fields=["sender"], condition=Q(state="claimed"), name="chunk_claimed"),
        ]

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.first}-{self.last}"


class CampaignResult(models.Model):
    """What became of one member; written when the gateway has answered, and again by its receipt."""

    class State(models.TextChoices):
        ACCEPTED = "accepted", _("Tổng đài đã nhận")
        UNKNOWN = "unknown", _("Chưa rõ")
        REJECTED = "rejected", _("Bị từ chối")
        DELIVERED = "delivered", _("Đã đến máy")
        UNDELIVERED = "undelivered", _("Không đến máy")

    class Code:
        """Codes of our own beside those of carriers."""

        INTERRUPTED = "interrupted"
        """Unknown: its sender died."""
        RESEND = "resend"
        """Unknown, and to be sent once more with its chunk."""
        RESENDING = "resending"
        """Unknown, and being sent once more."""
        BY_NUMBER = "by_number"
        """Settled by a receipt that bore only the phone's number."""

    pk = models.CompositePrimaryKey("campaign_id", "seq")
    campaign_id = models.BigIntegerField()
    seq = models.IntegerField()
    state = models.CharField(max_length=12, choices=State.choices)
    code = models.CharField(max_length=60, blank=True)
    message_id = models.CharField(max_length=80, blank=True)
    attempts = models.SmallIntegerField(default=1)
    at = models.DateTimeField(help_text="business time of the last change")

    class Meta:
        managed = False
        db_table = "broadcasts_campaignresult"

    def __str__(self) -> str:
        return f"{self.campaign_id}/{self.seq}: {self.state}"


class SendingSwitch(models.Model):
    """The switch that stops every message of this installation: one row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    is_stopped = models.BooleanField(default=False)
    because = models.CharField(max_length=200, blank=True)
    by = models.BigIntegerField(null=True, help_text="account")
    at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [models.CheckConstraint(condition=Q(id=1), name="sending_switch_one_row")]

    def __str__(self) -> str:
        return "stopped" if self.is_stopped else "on"
