"""A bulletin: one text for the people, its form in each channel, and who has allowed it to go out."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models.messages import Broadcast

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
    template_version = models.ForeignKey(
        "broadcasts.BulletinTemplateVersion", models.PROTECT, null=True, related_name="+"
    )
    editors = models.JSONField(
        default=list, help_text="accounts that have written in it; none of them approves"
    )
    edited_at = models.DateTimeField(null=True)
    edited_by = models.BigIntegerField(null=True, help_text="account")
    ended_because = models.CharField(max_length=400, blank=True, help_text="why it was withdrawn")
    ended_at = models.DateTimeField(null=True, help_text="when it was withdrawn or replaced")
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
                | Q(content_hash="", state__in=["replaced", "withdrawn"])
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
    text = models.TextField(blank=True, help_text="NFC; as it goes out once the version is submitted")
    instruction = models.TextField(blank=True, help_text="CAP: what people should do")
    is_edited = models.BooleanField(default=False, help_text="written for this channel, no longer derived")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "channel", "language"], name="channel_text_once"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}/{self.language}"


class TestSend(models.Model):
    """The final SMS went to the fixed test numbers. It counts for the content it was sent with and no other."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="test_sends")
    content_hash = models.CharField(max_length=64)
    broadcast = models.ForeignKey(Broadcast, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    by = models.BigIntegerField(help_text="account")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["version", "content_hash"], name="test_send_content")]

    def __str__(self) -> str:
        return f"{self.version_id} @ {self.at:%H:%M}"


class ApprovalSeen(models.Model):
    """What an approver has had before them: the page with the final SMS, the sound itself. Bound to its content."""

    class What(models.TextChoices):
        SMS = "sms", _("Đã mở tin nhắn cuối")
        AUDIO = "audio", _("Đã nghe bản phát thanh")

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="seen")
    by = models.BigIntegerField(help_text="account")
    what = models.CharField(max_length=6, choices=What.choices)
    content_hash = models.CharField(max_length=64)
    at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "by", "what", "content_hash"], name="seen_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.what}"


class Approval(models.Model):
    """A decision about a submitted version, bound to what was seen: the hash of the content and of the audience."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="approvals")
    by = models.BigIntegerField(help_text="account")
    at = models.DateTimeField()
    is_approved = models.BooleanField()
    reason = models.CharField(max_length=400, blank=True)
    content_hash = models.CharField(max_length=64)
    audience_hash = models.CharField(max_length=64, blank=True)
    at_night = models.BooleanField(default=False, help_text="this approver lets it out in quiet hours")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "by"], name="approval_once_a_person"),
            models.CheckConstraint(condition=Q(is_approved=True) | ~Q(reason=""), name="approval_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.is_approved}"


class ChannelRun(models.Model):
    """That a channel of an approved version was started or cancelled, or why it could not be. `failure` is in the
    words of the channel; it is tried again until it succeeds."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="runs")
    channel = models.CharField(max_length=14, choices=Channel.choices)
    started_at = models.DateTimeField(null=True)
    cancelled_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=400, blank=True)
    failed_at = models.DateTimeField(null=True)
    attempts = models.IntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "channel"], name="channel_run_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.channel}"


class AfterReview(models.Model):
    """The look back that every emergency bulletin gets, by somebody who neither wrote nor approved it."""

    version = models.OneToOneField(BulletinVersion, models.CASCADE, related_name="after_review")
    due_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    done_by = models.BigIntegerField(null=True, help_text="account")
    was_right = models.BooleanField(null=True, help_text="whether the emergency path was right")
    finding = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(done_at__isnull=True, done_by__isnull=True, was_right__isnull=True)
                | (Q(done_at__isnull=False, done_by__isnull=False, was_right__isnull=False) & ~Q(finding="")),
                name="after_review_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(done_at__isnull=True), name="after_review_open"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}"
