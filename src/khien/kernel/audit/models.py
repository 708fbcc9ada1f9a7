from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models


class Seal(models.Model):
    """One link of the chain: a hash over the lines it covers and over the seal before it, signed."""

    id = models.BigIntegerField(primary_key=True, help_text="1, 2, 3 … without gaps")
    sealed_at = models.DateTimeField(help_text="real time")
    lines = models.IntegerField()
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=128)
    forgotten_at = models.DateTimeField(null=True, help_text="when the retention rule removed its lines")

    def __str__(self) -> str:
        return f"#{self.pk}"


class AuditLine(models.Model):
    """One act or one read. Never changed or deleted except by the retention rule (a trigger holds it).

    `persons` are the people whose data it concerns: opening a record is one line, a list is one line
    with the ids shown. `details` holds ids and counts, never identity numbers.
    """

    class Sort(models.TextChoices):
        WRITE = "write", "ghi"
        READ = "read", "xem"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(help_text="business time")
    recorded_at = models.DateTimeField(help_text="real time")
    sort = models.CharField(max_length=5, choices=Sort.choices)
    act = models.CharField(max_length=80, help_text="verb or read, e.g. tracing.open_case")
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=120)
    purpose = models.CharField(max_length=200, blank=True)
    subject = models.CharField(max_length=80, blank=True, help_text="e.g. tracing.case:41")
    persons = ArrayField(models.BigIntegerField(), default=list)
    details = models.JSONField(default=dict)
    seal = models.ForeignKey(Seal, models.PROTECT, null=True, related_name="covered")
    seal_place = models.IntegerField(null=True, help_text="position within its seal, from 0")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(seal__isnull=True), name="audit_unsealed"),
            models.Index(fields=["seal", "seal_place"], name="audit_by_seal"),
            models.Index(fields=["subject"], name="audit_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.act} · {self.actor_name}"
