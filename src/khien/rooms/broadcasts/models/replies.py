"""What people write to our numbers."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit

TRIAGE = frozenset({Role.COMMUNICATION_OFFICER, Role.COMMUNE_OFFICER})
"""Who reads and answers what people write; a commune officer that of the own commune."""


class InboundMessage(Scoped):
    """One text from a phone. `unit` is the one that holds everybody with that number in the ledger, else the province.

    A question that software has answered keeps its keyword and no secret; what was answered is not kept here. `HELD`:
    it cannot be answered (`code` says why), somebody has to look at it.
    """

    scope_roles = TRIAGE

    class State(models.TextChoices):
        OPEN = "open", _("Chờ trả lời")
        AUTO = "auto", _("Máy đã trả lời")
        LIMITED = "limited", _("Quá số lần, không trả lời")
        ANSWERED = "answered", _("Cán bộ đã trả lời")
        CLOSED = "closed", _("Đã đóng")
        HELD = "held", _("Bị giữ")

    unit = models.ForeignKey(AdminUnit, models.PROTECT, null=True, related_name="+")
    gateway_id = models.CharField(max_length=100, unique=True, help_text="door and id there: taken once")
    number = models.CharField(max_length=24, help_text="E.164; as said where held")
    address = models.CharField(max_length=24, blank=True, help_text="our number or name")
    text = models.CharField(max_length=2000, help_text="NFC; secrets of questions left out")
    keyword = models.CharField(max_length=60, blank=True, help_text="key in the registry")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    code = models.CharField(max_length=40, blank=True, help_text="why held, limited or left to a person")
    at = models.DateTimeField(help_text="as the gateway says, else when it came")
    received_at = models.DateTimeField()
    answer = models.CharField(max_length=160, blank=True, help_text="a person's, as sent")
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True, help_text="account; null for the system")
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state__in=["open", "held"], settled_at__isnull=True)
                | (~Q(state__in=["open", "held"]) & Q(settled_at__isnull=False)),
                name="inbound_settled_at",
            ),
            models.CheckConstraint(
                condition=(Q(state="answered") & ~Q(answer="")) | (~Q(state="answered") & Q(answer="")),
                name="inbound_answer",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["-received_at", "-id"], name="inbound_received"),
            models.Index(
                fields=["-received_at"], condition=Q(state__in=["open", "held"]), name="inbound_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"
