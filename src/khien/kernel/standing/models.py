from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import DateTimeRangeField
from django.db import models

from khien.kernel.people.models import Person


class Standing(models.Model):
    """`kind` holds for `person` during a time, by the authority of a row of some room.

    A standing that ends early has its range cut, never its row removed. `colour` is what a gate shows
    while it holds (red, orange, yellow), `reason` says why in one Vietnamese sentence without illness names
    that a guard need not know.
    """

    class Colour(models.TextChoices):
        RED = "red", "đỏ"
        ORANGE = "orange", "cam"
        YELLOW = "yellow", "vàng"
        GREEN = "green", "xanh"

    person = models.ForeignKey(Person, models.CASCADE, related_name="standings")
    kind = models.CharField(max_length=40, help_text="e.g. under_order, isolated_case")
    during = DateTimeRangeField()
    colour = models.CharField(max_length=8, choices=Colour.choices)
    reason = models.CharField(max_length=200)
    room = models.CharField(max_length=40)
    authority = models.CharField(max_length=80, help_text="the row that says so, e.g. quarantine.order:17")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["authority", "kind"], name="standing_once_by_authority"),
        ]
        indexes: ClassVar = [models.Index(fields=["person"], name="standing_person")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.person_id}"
