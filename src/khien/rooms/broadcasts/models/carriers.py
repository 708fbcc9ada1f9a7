"""Mobile carriers: which number is whose, what they cost and how fast they take messages; and numbers that get none."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from khien.kernel.intakes.models import Counted


class Carrier(models.Model):
    """A mobile carrier under contract. Its secrets are not here: `code` names them in the installation's settings."""

    code = models.CharField(max_length=20, unique=True, help_text="e.g. viettel")
    name = models.CharField(max_length=60)
    rate = models.IntegerField(default=100, help_text="parts a second that the contract allows; 0: no limit")
    price = models.IntegerField(default=0, help_text="dong for a part")
    daily_cap = models.IntegerField(null=True, help_text="parts a day at most; empty: no cap")
    takes_accents = models.BooleanField(default=True, help_text="whether UCS-2 texts are taken")
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(rate__gte=0, price__gte=0), name="carrier_figures"),
        ]

    def __str__(self) -> str:
        return self.name


class CarrierPrefix(models.Model):
    """The carrier to which a range of numbers was given: only the default, since numbers can be ported."""

    prefix = models.CharField(max_length=8, primary_key=True, help_text="E.164, e.g. +8498")
    carrier = models.ForeignKey(Carrier, models.CASCADE, related_name="prefixes")

    def __str__(self) -> str:
        return self.prefix


class PortedNumber(models.Model):
    """A number that has moved to another carrier."""

    number = models.CharField(max_length=16, primary_key=True, help_text="E.164")
    carrier = models.ForeignKey(Carrier, models.CASCADE, related_name="+")
    since = models.DateField(null=True)

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class OptOut(models.Model):
    """A number whose owner wants no bulletins. Emergencies reach it all the same."""

    number = models.CharField(max_length=16, primary_key=True, help_text="E.164")
    at = models.DateTimeField()
    how = models.CharField(max_length=12, help_text="sms, page, desk")

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class DeadNumber(models.Model):
    """A number that its carrier has called wrong or dead; left out until the day in `until`."""

    number = models.CharField(max_length=16, primary_key=True, help_text="E.164")
    code = models.CharField(max_length=60, help_text="what the carrier said")
    at = models.DateTimeField()
    until = models.DateField()

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class PortedIntake(Counted):
    """One file of ported numbers that came in: `received = stored + duplicate + held`."""

    by = models.BigIntegerField(null=True, help_text="account; null for the system")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M}"


class HeldPorted(models.Model):
    """A row of such a file that could not be taken, with the reason, until somebody drops it or sends it anew."""

    intake = models.ForeignKey(PortedIntake, models.CASCADE, related_name="held_rows")
    line = models.IntegerField(help_text="number of the row in the file; the first data row is 2")
    number = models.CharField(max_length=40, help_text="as it was written")
    carrier = models.CharField(max_length=40, help_text="as it was written")
    since = models.CharField(max_length=40, blank=True, help_text="as it was written")
    code = models.CharField(max_length=40)
    reason = models.CharField(max_length=400)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["intake", "line"], name="held_ported_line"),
        ]

    def __str__(self) -> str:
        return f"{self.intake_id}/{self.line}: {self.code}"
