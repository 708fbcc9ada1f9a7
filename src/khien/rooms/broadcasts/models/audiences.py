"""Whom a bulletin reaches by SMS: described first, then counted and frozen."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models.bulletins import READERS
from khien.rooms.broadcasts.models.carriers import Carrier


class LeftOut(models.TextChoices):
    """Why somebody whom a register names gets no message, in the order in which it is asked."""

    NO_PHONE = "no_phone", _("Không có số điện thoại")
    MALFORMED = "malformed", _("Số viết sai")
    OLD_NUMBER = "old_number", _("Số 11 chữ số trước năm 2018")
    FOREIGN = "foreign", _("Số nước ngoài")
    NOT_MOBILE = "not_mobile", _("Không thuộc đầu số di động nào")
    NO_CARRIER = "no_carrier", _("Nhà mạng đang tắt")
    OPTED_OUT = "opted_out", _("Đã từ chối nhận tin")
    DEAD = "dead", _("Số đã ngừng hoạt động")
    DUPLICATE = "duplicate", _("Trùng số với người khác")


class Audience(Scoped):
    """A register × units × filters, less those who opted out and numbers that cannot be reached. Once `frozen_at` is
    set its members are fixed; `count` and `hash` say who they are."""

    scope_roles = READERS

    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+", help_text="holds all of `units`")
    register = models.CharField(max_length=40, help_text="key in the registry of registers")
    units = models.JSONField(default=list, help_text="ids of units, each with all inside it")
    filters = models.JSONField(default=dict, help_text="values by the name of the register's filter")
    with_opted_out = models.BooleanField(default=False, help_text="an emergency: opt-outs do not count")
    created_at = models.DateTimeField()
    created_by = models.BigIntegerField(null=True, help_text="account")
    frozen_at = models.DateTimeField(null=True)
    count = models.IntegerField(default=0, help_text="phones")
    hash = models.CharField(
        max_length=64, blank=True, help_text="SHA-256 of the numbers in order, a line each"
    )
    left_out = models.JSONField(default=dict, help_text="how many by reason, see LeftOut")
    names = models.JSONField(default=list, help_text="placeholders whose values the members bear")
    forgotten_at = models.DateTimeField(
        null=True, help_text="when the retention rule removed the members; counts and hash stay"
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(frozen_at__isnull=True) | ~Q(hash=""), name="audience_frozen"),
            models.CheckConstraint(
                condition=Q(forgotten_at__isnull=True) | Q(frozen_at__isnull=False), name="audience_forgotten"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.register} #{self.pk}"


class AudienceMember(models.Model):
    """One phone of a frozen audience; never changed. Partitioned by audience, so that it goes with its audience.

    `seq` runs from 1 within the audience, ordered by carrier and unit: the members of one carrier in one unit are a
    range of it.
    """

    pk = models.CompositePrimaryKey("audience_id", "seq")
    audience_id = models.BigIntegerField()
    seq = models.IntegerField()
    phone = models.CharField(max_length=16, help_text="E.164")
    carrier = models.ForeignKey(
        Carrier, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    unit_id = models.BigIntegerField(help_text="AdminUnit")
    person_id = models.BigIntegerField(null=True, help_text="Person; null where the register names none")
    values = models.JSONField(null=True, help_text="of the template's placeholders")

    class Meta:
        managed = False
        db_table = "broadcasts_audiencemember"

    def __str__(self) -> str:
        return f"{self.audience_id}/{self.seq}"
