"""Orders to carriers: a signed text for every subscriber in an area, of whom the province holds no list."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.scope import Scoped
from khien.rooms.broadcasts.models.bulletins import READERS, BulletinVersion
from khien.rooms.broadcasts.models.carriers import Carrier


class CarrierOrder(Scoped):
    """What one carrier is told to send to every subscriber in `areas`, and what it reports back.

    `file` (JSON, as signed) and `document` (PDF) never change; `signature` and `document_signature` are ECDSA P-256
    over SHA-256 of their octets, DER, by the key `key_id` of the purpose "carrier-order". What the carrier reports are
    its own counts: nobody here has seen a single phone.
    """

    scope_unit = "version__bulletin__unit"
    scope_roles = READERS

    class State(models.TextChoices):
        ORDERED = "ordered", _("Đã ký, chưa gửi nhà mạng")
        SENT = "sent", _("Đã gửi nhà mạng")
        REPORTED = "reported", _("Nhà mạng đã báo cáo")
        CANCELLED = "cancelled", _("Đã hủy")

    version = models.ForeignKey(BulletinVersion, models.PROTECT, related_name="carrier_orders")
    carrier = models.ForeignKey(Carrier, models.PROTECT, related_name="+")
    reference = models.CharField(max_length=40, unique=True, help_text="e.g. KH-2022-000041-1-viettel")
    text = models.TextField(help_text="NFC")
    areas = models.JSONField(help_text="[{code, tier, name, inside}] of administrative units")
    not_before = models.DateTimeField()
    not_after = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.ORDERED)
    file = models.BinaryField(help_text="JSON, UTF-8")
    signature = models.BinaryField()
    document = models.BinaryField(help_text="PDF")
    document_signature = models.BinaryField()
    key_id = models.CharField(max_length=16)
    created_at = models.DateTimeField()
    created_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    sent_at = models.DateTimeField(null=True)
    sent_by = models.BigIntegerField(null=True, help_text="account")
    sent_how = models.CharField(max_length=200, blank=True, help_text="to whom and by what way")
    report_due_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)
    reported_by = models.BigIntegerField(null=True, help_text="account that entered the report")
    subscribers = models.BigIntegerField(null=True, help_text="found in the areas")
    accepted = models.BigIntegerField(null=True, help_text="messages that the carrier sent")
    delivered = models.BigIntegerField(null=True)
    failed = models.BigIntegerField(null=True)
    by_area = models.JSONField(default=list, help_text="[{code, subscribers, accepted, delivered, failed}]")
    cancelled_at = models.DateTimeField(null=True)
    cancelled_because = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "carrier"], name="carrier_order_once"),
            models.CheckConstraint(
                condition=Q(not_after__gt=models.F("not_before")), name="carrier_order_window"
            ),
            models.CheckConstraint(
                condition=~Q(state="sent") | Q(sent_at__isnull=False), name="carrier_order_sent_at"
            ),
            models.CheckConstraint(
                condition=~Q(state="reported")
                | Q(
                    reported_at__isnull=False,
                    subscribers__gte=models.F("accepted"),
                    accepted__gte=models.F("delivered") + models.F("failed"),
                    delivered__gte=0,
                    failed__gte=0,
                ),
                name="carrier_order_counts",
            ),
            models.CheckConstraint(
                condition=~Q(state="cancelled") | Q(cancelled_at__isnull=False),
                name="carrier_order_cancelled_at",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["report_due_at"], condition=Q(state__in=["ordered", "sent"]), name="carrier_order_due"
            ),
        ]

    def __str__(self) -> str:
        return self.reference
