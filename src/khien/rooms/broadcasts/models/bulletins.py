"""A bulletin: one text for the people, its form in each channel, and who has allowed it to go out."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

WRITERS = frozenset({Role.COMMUNICATION_OFFICER})
APPROVERS = frozenset({Role.LEADER})
READERS = WRITERS | APPROVERS | {Role.ADMINISTRATOR, Role.AUDITOR}


class Channel(models.TextChoices):
    SMS = "sms", _("Tin nhắn SMS")
    CARRIER_ORDER = "carrier_order", _("Nhà mạng nhắn mọi thuê bao")
    ARTICLE = "article", _("Bài trên cổng thông tin")
    CAP = "cap", _("Cảnh báo CAP và nguồn tin")
    LOUDSPEAKER = "loudspeaker", _("Loa truyền thanh")
    PUSH = "push", _("Thông báo trên trình duyệt")


class Bulletin(Scoped):
    """What is to be said to the people of `unit`. What it says is in its versions; the newest one counts."""

    scope_roles = READERS

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    created_by = models.BigIntegerField(help_text="account")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["-created_at"], name="bulletin_created")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class BulletinVersion(Scoped):
    """One version. It changes only as a draft; `edits` counts the changes, so that of two who edit at once the second
    is told. From its submission on nothing of it changes, and `content_hash` is what approvals are bound to."""

    scope_unit = "bulletin__unit"
    scope_roles = READERS

    class State(models.TextChoices):
        DRAFT = "draft", _("Đang soạn")
        SUBMITTED = "submitted", _("Chờ duyệt")
        APPROVED = "approved", _("Đã duyệt")
        REJECTED = "rejected", _("Không duyệt")
        REPLACED = "replaced", _("Đã có bản mới")
        WITHDRAWN = "withdrawn", _("Đã rút")

    class Policy(models.TextChoices):
        """What becomes of messages of which nobody knows whether they were sent."""

        NEVER_TWICE = "never_twice", _("Không gửi lần hai")
        AT_LEAST_ONCE = "at_least_once", _("Gửi lại một lần")

    bulletin = models.ForeignKey(Bulletin, models.CASCADE, related_name="versions")
    number = models.SmallIntegerField(default=1)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    edits = models.IntegerField(default=0)
    title = models.CharField(max_length=160)
    body = models.TextField(help_text="plain text, NFC; paragraphs by empty lines")
    contact = models.CharField(max_length=160, blank=True)
    category = models.CharField(max_length=10, default="Health", help_text="CAP 1.2")
    urgency = models.CharField(max_length=10, default="Expected", help_text="CAP 1.2")
    severity = models.CharField(max_length=10, default="Moderate", help_text="CAP 1.2")
    certainty = models.CharField(max_length=10, default="Observed", help_text="CAP 1.2")
    effective_at = models.DateTimeField(null=True, help_text="empty: from the approval on")
    expires_at = models.DateTimeField()
    languages = models.JSONField(default=list, help_text='["vi"], ["vi", "en"]')
    channels = models.JSONField(default=list, help_text="values of Channel")
    plain_sms = models.BooleanField(default=False, help_text="the author agrees to send without accents")
    policy = models.CharField(max_length=14, choices=Policy.choices, default=Policy.NEVER_TWICE)
    is_emergency = models.BooleanField(default=False, help_text="two approvers, reaches those who opted out")
    at_night = models.BooleanField(default=False, help_text="SMS and loudspeakers in quiet hours as well")
    audience_id = models.BigIntegerField(
        null=True, help_text="of the SMS channel: Audience, frozen at submission"
    )
    content_hash = models.CharField(max_length=64, blank=True, help_text="SHA-256 of all that goes out")
    submitted_at = models.DateTimeField(null=True)
    submitted_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bulletin", "number"], name="bulletin_version_once"),
            models.UniqueConstraint(
                fields=["bulletin"], condition=Q(state__in=["draft", "submitted"]), name="bulletin_one_open"
            ),
            models.CheckConstraint(
                condition=Q(state="draft")
                | Q(content_hash="", state="replaced")
                | (~Q(content_hash="") & Q(submitted_at__isnull=False, submitted_by__isnull=False)),
                name="bulletin_frozen",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.bulletin_id}.{self.number}"


class ChannelText(models.Model):
    """What a version says in one channel and language. Made from the title and body until somebody writes it anew."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="texts")
    channel = models.CharField(max_length=14, choices=Channel.choices)
    language = models.CharField(max_length=5, default="vi")
    title = models.CharField(max_length=160, blank=True)
    text = models.TextField(blank=True, help_text="NFC")
    is_edited = models.BooleanField(default=False, help_text="written for this channel, no longer derived")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "channel", "language"], name="channel_text_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}/{self.language}"


class Approval(models.Model):
    """A decision about a submitted version, bound to what was seen: the hash of the content and of the audience."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="approvals")
    by = models.BigIntegerField(help_text="account")
    at = models.DateTimeField()
    is_approved = models.BooleanField()
    reason = models.CharField(max_length=400, blank=True)
    content_hash = models.CharField(max_length=64)
    audience_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "by"], name="approval_once_a_person"),
            models.CheckConstraint(condition=Q(is_approved=True) | ~Q(reason=""), name="approval_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.is_approved}"
