"""What has been published: articles, alerts, and who wants to be told by the browser."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models.bulletins import READERS, Bulletin, BulletinVersion


class Article(Scoped):
    """The public page of a bulletin, at one address for ever: corrected by a newer version, withdrawn but not
    removed."""

    scope_unit = "bulletin__unit"
    scope_roles = READERS

    class State(models.TextChoices):
        PUBLISHED = "published", _("Đã đăng")
        CORRECTED = "corrected", _("Đã đăng, có sửa")
        WITHDRAWN = "withdrawn", _("Đã gỡ")

    bulletin = models.OneToOneField(Bulletin, models.PROTECT, related_name="article")
    version = models.ForeignKey(
        BulletinVersion, models.PROTECT, related_name="+", help_text="what it says now"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PUBLISHED)
    published_at = models.DateTimeField()
    changed_at = models.DateTimeField()
    revision = models.IntegerField(default=1, help_text="counts the changes; the files bear it")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["-published_at"], name="article_published")]

    def __str__(self) -> str:
        return f"#{self.bulletin_id}"


class CapMessage(Scoped):
    """One CAP message as it was published, for ever; those of a bulletin make its chain, by `number`."""

    scope_unit = "bulletin__unit"
    scope_roles = READERS

    bulletin = models.ForeignKey(Bulletin, models.PROTECT, related_name="cap_messages")
    version = models.ForeignKey(BulletinVersion, models.PROTECT, related_name="+")
    number = models.SmallIntegerField()
    identifier = models.CharField(max_length=150, unique=True)
    message_type = models.CharField(max_length=8, help_text="Alert, Update, Cancel")
    sent = models.DateTimeField(help_text="whole seconds")
    expires = models.DateTimeField(null=True)
    document = models.TextField(help_text="the XML; never changed")
    article_url = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["bulletin", "number"], name="cap_message_number"),
            # A version is announced once and cancelled once, however many start it at the same time.
            models.UniqueConstraint(
                fields=["version"], condition=~Q(message_type="Cancel"), name="cap_message_once"
            ),
            models.UniqueConstraint(
                fields=["version"], condition=Q(message_type="Cancel"), name="cap_cancel_once"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["-sent", "-id"], name="cap_message_sent")]

    def __str__(self) -> str:
        return self.identifier


class PushSubscription(Scoped):
    """A browser that wants to be told. Its address and keys lie sealed, because whoever has them can reach it; `unit`
    is the one that it asked about, null for all of the province."""

    scope_roles = frozenset()

    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+")
    endpoint_hash = models.CharField(max_length=64, unique=True, help_text="keyed")
    sealed = models.BinaryField(help_text="nonce and AES-GCM of endpoint, p256dh, auth as JSON")
    seal_key = models.CharField(max_length=20)
    vapid_key = models.CharField(max_length=20, help_text="the key of ours that it was made for")
    language = models.CharField(max_length=5, default="vi")
    since = models.DateTimeField()
    failures = models.SmallIntegerField(default=0, help_text="in a row, of push messages that were given up")

    class Meta:
        indexes: ClassVar = [models.Index(fields=["since"], name="push_since")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class PushRun(Scoped):
    """Telling the browsers about one version: those with an id up to `reached` have been dealt with or are in
    `PushRetry`."""

    scope_unit = "version__bulletin__unit"
    scope_roles = READERS

    class State(models.TextChoices):
        RUNNING = "running", _("Đang gửi")
        FINISHED = "finished", _("Đã gửi")
        CANCELLED = "cancelled", _("Đã dừng")

    version = models.OneToOneField(BulletinVersion, models.PROTECT, related_name="push_run")
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    reached = models.BigIntegerField(default=0)
    last = models.BigIntegerField(help_text="the newest subscription when it began")
    sent = models.IntegerField(default=0, help_text="taken by the push service; not known to be shown")
    gone = models.IntegerField(default=0, help_text="unsubscribed, found out by sending")
    failed = models.IntegerField(default=0)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(state="running"), name="push_run_open"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}: {self.state}"


class PushRetry(models.Model):
    """A push message that the service could not take just then."""

    run = models.ForeignKey(PushRun, models.CASCADE, related_name="retries")
    subscription = models.ForeignKey(PushSubscription, models.CASCADE, related_name="+")
    attempts = models.SmallIntegerField(default=1)
    due_at = models.DateTimeField(help_text="real time")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "subscription"], name="push_retry_once"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.subscription_id}"
