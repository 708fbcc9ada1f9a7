"""Accounts of staff, their roles within units, and the devices they use at checkpoints."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField
from django.db import models
from django.db.models import Q

from khien.kernel.staff.roles import Role
from khien.kernel.units.models import AdminUnit


class AccountManager(BaseUserManager["Account"]):
    def create_user(self, username: str, password: str | None = None, **more: Any) -> Account:
        """Used by Django's own tools; staff are made by `staff.verbs.create_account`."""
        account = self.model(username=self.model.normalize_username(username), **more)
        account.set_password(password)
        account.save(using=self._db)
        return account

    def get_by_natural_key(self, username: str | None) -> Account:
        return self.get(username__iexact=username)


class Account(AbstractBaseUser):
    """Somebody employed in the response. What they may do is in their grants, nothing is in the account."""

    username = models.CharField(max_length=60, unique=True)
    full_name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    phone = models.CharField(max_length=16, blank=True)
    language = models.CharField(max_length=5, default="vi")
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar = ["full_name"]
    objects = AccountManager()

    def __str__(self) -> str:
        return self.full_name


class RoleGrant(models.Model):
    """`account` works as `role` inside `unit` for the time in `during`."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="grants")
    role = models.CharField(max_length=32, choices=Role.choices)
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    during = DateTimeRangeField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account"], name="grant_account")]

    def __str__(self) -> str:
        return f"{self.account}: {self.role} · {self.unit}"


class Device(models.Model):
    """A phone or laptop that may send scans. Its token is kept as a hash; a replaced device is another row.

    A device that made a key signs what it sends: `public_key` is its P-256 point, 65 bytes as base64url; "" for
    a device that has only its token. `place_ids` names the places where it works (none: all of its units), and
    `other_units` the units beside its own in which a travelling team works. What the device last said of itself
    (`unsent` … `clock_offset_ms`) is for the people who look after devices.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "đang dùng"
        SUSPENDED = "suspended", "tạm ngừng"
        REVOKED = "revoked", "đã thu hồi"

    name = models.CharField(max_length=120)
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    token_hash = models.CharField(max_length=64, unique=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.ACTIVE)
    enrolled_at = models.DateTimeField()
    enrolled_by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)
    public_key = models.CharField(max_length=90, blank=True, default="")
    place_ids = ArrayField(models.BigIntegerField(), default=list, help_text="ids of places.Place")
    other_units = ArrayField(models.BigIntegerField(), default=list, help_text="ids of units.AdminUnit")
    unsent = models.IntegerField(null=True, help_text="scans that waited on the device when it last said so")
    unsent_since = models.DateTimeField(null=True, help_text="when the oldest of them was made")
    bundle_version = models.CharField(max_length=40, blank=True, default="")
    app_version = models.CharField(max_length=40, blank=True, default="")
    clock_offset_ms = models.BigIntegerField(null=True, help_text="server minus device")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(state="revoked", revoked_at__isnull=False)
                | (~Q(state="revoked") & Q(revoked_at__isnull=True)),
                name="device_revoked_at",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class EnrolmentCode(models.Model):
    """A code that enrols one device once, within minutes; kept as a hash."""

    code_hash = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=120)
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="+")
    created_by = models.ForeignKey(Account, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    place_ids = ArrayField(models.BigIntegerField(), default=list, help_text="ids of places.Place")
    other_units = ArrayField(models.BigIntegerField(), default=list, help_text="ids of units.AdminUnit")
    used_by = models.OneToOneField(Device, models.PROTECT, null=True, related_name="enrolment")

    def __str__(self) -> str:
        return self.name
