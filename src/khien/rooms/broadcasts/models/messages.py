"""Messages, whom they went to, and what became of each."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Person
from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

SENDERS = frozenset({Role.COMMUNICATION_OFFICER, Role.TRACER, Role.COMMUNE_OFFICER})


class MessageTemplate(models.Model):
    """A text with `{placeholders}`, under the name by which the response asks for it."""

    code = models.CharField(max_length=40, unique=True)
    purpose = models.CharField(max_length=120, help_text="when it is sent, in Vietnamese")
    text = models.TextField()
    changed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.code


class Broadcast(Scoped):
    """One message to one list. `unit` is the smallest that holds everybody on the list."""

    scope_roles = SENDERS | {Role.LEADER, Role.ADMINISTRATOR}

    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+")
    text = models.TextField(help_text="as composed, placeholders unfilled")
    purpose = models.CharField(max_length=60)
    reference = models.CharField(
        max_length=80, blank=True, help_text="what it is about, e.g. tracing.case:41"
    )
    once_key = models.CharField(
        max_length=120, null=True, unique=True, help_text="asked for again, nothing is sent"
    )
    created_at = models.DateTimeField()
    created_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    settled_at = models.DateTimeField(null=True, help_text="when no row was queued or under way any more")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["-created_at"], name="broadcast_created"),
            models.Index(fields=["reference"], name="broadcast_reference"),
            models.Index(fields=["id"], condition=Q(settled_at__isnull=True), name="broadcast_open"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.purpose}"


class Recipient(models.Model):
    """One text to one phone. `ACCEPTED` says that the gateway took it, and nothing about the phone."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Chờ gửi")
        SUBMITTING = "submitting", _("Đang gửi")
        ACCEPTED = "accepted", _("Tổng đài đã nhận")
        UNKNOWN = "unknown", _("Chưa rõ")
        REJECTED = "rejected", _("Bị từ chối")
        DELIVERED = "delivered", _("Đã đến máy")
        UNDELIVERED = "undelivered", _("Không đến máy")
        SUPPRESSED = "suppressed", _("Không gửi")

    broadcast = models.ForeignKey(Broadcast, models.CASCADE, related_name="recipients")
    phone = models.CharField(
        max_length=16, blank=True, help_text="E.164; empty when there is none to send to"
    )
    text = models.TextField(help_text="as sent, NFC")
    text_hash = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=State.choices, default=State.QUEUED)
    code = models.CharField(max_length=60, blank=True, help_text="why rejected, unknown or suppressed")
    message_id = models.CharField(max_length=80, blank=True, help_text="of the gateway")
    attempts = models.SmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, help_text="real time; a throttled row is not tried before")
    submitted_at = models.DateTimeField(null=True, help_text="business time of the first claim")
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            # Two people on one phone get one message when the text is the same, and both when it is not
            # (each has a link of their own).
            models.UniqueConstraint(
                fields=["broadcast", "phone", "text_hash"], condition=~Q(phone=""), name="recipient_once"
            ),
            models.CheckConstraint(condition=~Q(phone="") | Q(state="suppressed"), name="recipient_phone"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["broadcast", "state"], name="recipient_state"),
            models.Index(fields=["message_id"], condition=~Q(message_id=""), name="recipient_message"),
        ]

    def __str__(self) -> str:
        return f"{self.broadcast_id}/{self.pk}: {self.state}"

    @property
    def client_id(self) -> str:
        """Ours, unique for ever: what the gateway knows a repeated submission by."""
        return f"khien-b{self.broadcast_id}-r{self.pk}"


class RecipientPerson(Scoped):
    """That a message was meant for a person."""

    scope_unit = "person__unit"
    scope_person = "person"
    scope_roles = SENDERS

    recipient = models.ForeignKey(Recipient, models.CASCADE, related_name="people")
    person = models.ForeignKey(Person, models.PROTECT, related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["recipient", "person"], name="recipient_person_once"),
        ]

    def __str__(self) -> str:
        return f"{self.recipient_id} → {self.person_id}"


class UnmatchedReceipt(models.Model):
    """A receipt whose message is not known (yet): kept, and applied when the answer with its id arrives."""

    message_id = models.CharField(max_length=80)
    client_id = models.CharField(max_length=80, blank=True)
    number = models.CharField(max_length=21, blank=True, help_text="the phone, where the receipt says it")
    delivery = models.CharField(max_length=12)
    at = models.DateTimeField()
    received_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["message_id", "client_id", "delivery"], name="unmatched_receipt_once"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["client_id"], condition=~Q(client_id=""), name="unmatched_receipt_client"),
            models.Index(fields=["received_at"], name="unmatched_receipt_at"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery} ← {self.message_id}"
