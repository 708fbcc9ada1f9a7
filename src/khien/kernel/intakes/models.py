"""Abstract bases: one batch with its counts, and a row of it that could not be taken."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.scope import Scoped


class Counted(models.Model):
    """A batch that came in: the database itself holds that `received = stored + duplicate + held`."""

    at = models.DateTimeField(help_text="business time")
    received = models.PositiveIntegerField()
    stored = models.PositiveIntegerField()
    duplicate = models.PositiveIntegerField()
    held = models.PositiveIntegerField()

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(received=F("stored") + F("duplicate") + F("held")),
                name="%(app_label)s_%(class)s_adds_up",
            ),
        ]

    @property
    def counts(self) -> dict[str, Any]:
        """For the audit line and for whoever sent it."""
        return {
            "received": self.received,
            "stored": self.stored,
            "duplicate": self.duplicate,
            "held": self.held,
        }


class Waiting(Scoped):
    """A row that an intake could not take, with the reason, until somebody settles it. The room adds `intake`, the
    batch; `row` keeps no identity number. The same row sent again is held once."""

    class State(models.TextChoices):
        OPEN = "open", _("Chờ xử lý")
        STORED = "stored", _("Đã nhận")
        DISMISSED = "dismissed", _("Đã bỏ")

    scope_unit = "intake__unit"

    line = models.PositiveIntegerField(help_text="in what was sent; the first data row of a sheet is 2")
    row = models.JSONField()
    digest = models.CharField(max_length=64, help_text="of the row and of who sent it")
    code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=600)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    settled_at = models.DateTimeField(null=True)
    settled_by = models.BigIntegerField(null=True, help_text="account")
    note = models.CharField(max_length=300, blank=True)

    class Meta:
        abstract = True
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["digest"], condition=Q(state="open"), name="%(app_label)s_%(class)s_open_once"
            ),
        ]
