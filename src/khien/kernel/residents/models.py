"""What proves who a resident is: codes by message, the limits on asking for them, and sessions at a desk.

All moments here are real time, not business time: a demo that runs faster must not shorten anybody's five minutes.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Person
from khien.kernel.staff.models import Account
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped


class SignInCode(models.Model):
    """A code for one phone. Kept as a keyed hash, used once, dead after minutes or a few wrong tries.

    A number that nobody in the ledger has gets a row too, without a code: whoever asks cannot tell the two apart. The
    number itself stays only until the message has been sent.
    """

    number_hash = models.CharField(max_length=64, help_text="keyed hash of the E.164 number, hex")
    number = models.CharField(max_length=16, blank=True, help_text="E.164; empty once nothing is to be sent")
    browser = models.CharField(
        max_length=64,
        blank=True,
        help_text="keyed hash of the known browser that alone may use it; empty: any",
    )
    code_hash = models.CharField(
        max_length=64, blank=True, help_text="keyed hash; empty while there is no code"
    )
    long = models.BooleanField(
        default=False, help_text="ten letters, which nobody guesses: tries do not end it"
    )
    tries = models.IntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    send_at = models.DateTimeField(null=True, help_text="when it is to be sent (again); null: nothing to do")
    sends = models.SmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["number_hash", "created_at"], name="residents_code_number"),
            models.Index(fields=["send_at"], condition=Q(send_at__isnull=False), name="residents_code_due"),
            models.Index(fields=["created_at"], name="residents_code_created"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class Allowance(models.Model):
    """How much of a limit somebody has used: the moment at which all of it will be free again (a leaky bucket).

    `key` is a keyed hash of an address block or of a number: neither can be read from it.
    """

    pk = models.CompositePrimaryKey("kind", "key")
    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=64)
    full_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["full_at"], name="residents_allowance_full")]

    def __str__(self) -> str:
        return self.kind


class MessageDay(models.Model):
    """One-time codes sent on one Vietnamese day, and when their number reached the alarm and the cap."""

    day = models.DateField(primary_key=True)
    sent = models.IntegerField(default=0)
    refused = models.IntegerField(default=0, help_text="not sent because of the cap")
    alarm_at = models.DateTimeField(null=True)
    exhausted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.day}: {self.sent}"


class KnownBrowser(models.Model):
    """That a browser has signed in with a number: what strangers ask for that number does not hinder it."""

    number_hash = models.CharField(max_length=64)
    browser = models.CharField(max_length=64, help_text="keyed hash of the browser's cookie")
    seen_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["number_hash", "browser"], name="residents_browser_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["seen_at"], name="residents_browser_seen")]

    def __str__(self) -> str:
        return f"#{self.pk}"


class HelpSession(Scoped):
    """A member of staff does one task for a person who sits beside them: from a moment until a moment."""

    class Shown(models.TextChoices):
        NUMBER = "number", _("giấy tờ, số khớp với hồ sơ")
        KNOWN = "known", _("không có giấy tờ; cán bộ biết mặt hoặc có người làm chứng")

    class Ended(models.TextChoices):
        BUTTON = "button", _("bấm kết thúc")
        TIME = "time", _("hết giờ")
        OTHER = "other", _("mở việc khác")

    scope_unit = "person__unit"
    scope_person = "person"
    scope_roles = frozenset({Role.COMMUNE_OFFICER, Role.CLERK})

    account = models.ForeignKey(Account, models.PROTECT, related_name="+")
    person = models.ForeignKey(Person, models.CASCADE, related_name="help_sessions")
    task = models.CharField(max_length=40, help_text="key of the registry help_tasks")
    purpose = models.CharField(max_length=120)
    shown = models.CharField(max_length=10, choices=Shown.choices)
    started_at = models.DateTimeField()
    until = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_how = models.CharField(max_length=10, choices=Ended.choices, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account"], condition=Q(ended_at__isnull=True), name="help_one_at_a_time"
            ),
            models.CheckConstraint(condition=Q(until__gt=F("started_at")), name="help_ends_after"),
        ]
        indexes: ClassVar = [models.Index(fields=["person"], name="help_person")]

    def __str__(self) -> str:
        return f"#{self.pk}"

    @property
    def minutes_left(self) -> int:
        """Whole minutes until it runs out, at least 0."""
        return max(0, round((self.until - timezone.now()).total_seconds() / 60))
