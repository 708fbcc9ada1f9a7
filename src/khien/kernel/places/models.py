from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from khien.kernel.staff.roles import Role
from khien.kernel.staff.scope import Scoped
from khien.kernel.units.models import AdminUnit


class PlaceKind(models.Model):
    """What sort of place it is, with what derivation and tracing need to know of the sort.

    Data, not code: a province adds kinds. `default_stay_min` closes a stay whose exit was never scanned.
    """

    code = models.CharField(max_length=24, primary_key=True)
    name = models.CharField(max_length=80, help_text="Vietnamese")
    name_en = models.CharField(max_length=80)
    closed_space = models.BooleanField(help_text="indoors or in a vehicle")
    default_stay_min = models.SmallIntegerField()
    typical_area_m2 = models.FloatField()
    is_checkpoint = models.BooleanField(default=False, help_text="people pass, they do not stay")

    def __str__(self) -> str:
        return self.name


class Place(Scoped):
    """Somewhere with a poster or a gate. Never deleted while presence refers to it: closed instead."""

    scope_roles = frozenset(Role.values) - {Role.VACCINATOR}

    code = models.CharField(max_length=12, unique=True, help_text="on the poster; random, says nothing")
    name = models.CharField(max_length=160)
    name_folded = models.CharField(max_length=160)
    kind = models.ForeignKey(PlaceKind, models.PROTECT, related_name="+")
    unit = models.ForeignKey(AdminUnit, models.PROTECT, related_name="places")
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="parts")
    address = models.CharField(max_length=200, blank=True)
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    area_m2 = models.FloatField(null=True)
    capacity = models.IntegerField(null=True)
    contact_name = models.CharField(max_length=120, blank=True)
    contact_phone = models.CharField(max_length=16, blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(closed_at__isnull=True) | Q(closed_at__gt=F("opened_at")),
                name="place_closed_after",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["unit"], name="place_unit")]

    def __str__(self) -> str:
        return self.name
