"""The simulator's own memory: what simulated phones received, and how it has been told to misbehave."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q


def _share(help_text: str) -> models.FloatField[float, float]:
    return models.FloatField(default=0, help_text=f"0 to 1: {help_text}")


class SimulatorBehaviour(models.Model):
    """How the simulator misbehaves: one row. What happens to a message depends on `seed` and its client id
    alone, so the same run misbehaves in the same way."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    seed = models.IntegerField(default=1)
    refused = _share("answered with a refusal")
    throttled = _share("answered 'too fast' at the first submissions")
    throttled_times = models.SmallIntegerField(default=1, help_text="how often such a message is put off")
    answer_lost = _share("taken, but the answer is lost on the way")
    request_lost = _share("not taken, and no answer comes")
    undelivered = _share("accepted, but the receipt says that the phone did not get it")
    receipt_missing = _share("accepted and delivered, but no receipt ever comes")
    receipt_twice = _share("the receipt comes twice")
    receipt_late = _share("the receipt comes `receipt_late_s` after the usual delay")
    delay_ms = models.IntegerField(default=0, help_text="real milliseconds that every submission takes")
    receipt_delay_s = models.IntegerField(default=2, help_text="real seconds until a receipt")
    receipt_late_s = models.IntegerField(default=3600, help_text="real seconds more for a late one")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id=1), name="sms_behaviour_one_row"),
            models.CheckConstraint(
                condition=Q(delay_ms__gte=0, delay_ms__lte=10_000), name="sms_behaviour_delay"
            ),
        ]

    def __str__(self) -> str:
        return f"seed {self.seed}"


class SimulatedMessage(models.Model):
    """One client id, however often it was submitted; `arrived` says whether the simulated phone shows it."""

    client_id = models.CharField(max_length=80, unique=True)
    number = models.CharField(max_length=16, help_text="E.164")
    text = models.TextField()
    purpose = models.CharField(max_length=40, blank=True)
    encoding = models.CharField(max_length=8)
    parts = models.SmallIntegerField()
    answer = models.CharField(max_length=10)
    code = models.CharField(max_length=40, blank=True)
    message_id = models.CharField(max_length=40, blank=True)
    arrived = models.BooleanField(default=False)
    submissions = models.SmallIntegerField(default=1)
    at = models.DateTimeField(help_text="business time of the first submission")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["number", "-at"], name="sms_sim_number"),
            models.Index(fields=["-at"], name="sms_sim_at"),
        ]

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class SimulatedReceipt(models.Model):
    """A receipt that the simulator will hand out once it is due."""

    message = models.ForeignKey(SimulatedMessage, models.CASCADE, related_name="receipts")
    delivery = models.CharField(max_length=12)
    due_at = models.DateTimeField(help_text="real time")
    taken_at = models.DateTimeField(null=True, help_text="real time")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(taken_at__isnull=True), name="sms_sim_receipt_due"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery} ← {self.message_id}"
