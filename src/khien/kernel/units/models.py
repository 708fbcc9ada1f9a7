"""Units of every tier and day, and who came after whom."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import DateRangeField
from django.db import models
from django.db.models import Q


class Tier(models.IntegerChoices):
    """Tiers as data: the reform of 2025-07-01 removed one, another may add one."""

    COUNTRY = 0, "Trung ương"
    PROVINCE = 1, "Tỉnh"
    DISTRICT = 2, "Huyện"
    COMMUNE = 3, "Xã"


class AdminUnit(models.Model):
    """One unit for the days in `during`; a unit whose borders or rank change is another row.

    `path` is the materialised path of row ids ("1.35.412.", root first, closed by a dot), so that
    everything inside a unit is one prefix search. Paths of different eras share only the country.
    """

    code = models.CharField(max_length=8)
    tier = models.SmallIntegerField(choices=Tier.choices)
    kind = models.CharField(max_length=32, help_text="Tỉnh, Thành phố, Quận, Huyện, Xã, Phường, Thị trấn …")
    name = models.CharField(max_length=120)
    name_folded = models.CharField(max_length=120)
    sort_key = models.CharField(max_length=260)
    parent = models.ForeignKey("self", models.PROTECT, null=True, related_name="children")
    path = models.CharField(max_length=80, unique=True)
    during = DateRangeField(help_text="[first day, first day after); unbounded where the source does not say")
    latitude = models.FloatField(null=True)
    longitude = models.FloatField(null=True)
    area_km2 = models.FloatField(null=True)
    boundary = models.JSONField(null=True, help_text="GeoJSON geometry, WGS 84, simplified")
    source = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tier", "code", "during"], name="unit_tier_code_during"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["path"], opclasses=["varchar_pattern_ops"], name="unit_path_prefix"),
            models.Index(fields=["parent"], name="unit_parent"),
            models.Index(fields=["code"], name="unit_code"),
        ]

    def __str__(self) -> str:
        return self.full_name

    @property
    def full_name(self) -> str:
        """Kind and name as officials write it, e.g. "Phường Quang Trung"."""
        return f"{self.kind} {self.name}" if self.kind else self.name


class UnitSuccession(models.Model):
    """`successor` took over `predecessor`, wholly or in part, on `on`."""

    class Share(models.TextChoices):
        FULL = "full", "toàn bộ"
        PARTIAL = "partial", "một phần"

    predecessor = models.ForeignKey(AdminUnit, models.CASCADE, related_name="successions")
    successor = models.ForeignKey(AdminUnit, models.CASCADE, related_name="precessions")
    share = models.CharField(max_length=8, choices=Share.choices)
    on = models.DateField()
    source = models.CharField(max_length=200)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["predecessor", "successor"], name="succession_once"),
            models.CheckConstraint(
                condition=~Q(predecessor=models.F("successor")), name="succession_between_two"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.predecessor} → {self.successor}"
