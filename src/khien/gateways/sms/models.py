"""The simulator's own memory: what simulated phones received, and how it has been told to misbehave. And what carriers
handed us over SMPP, until the rooms have taken it."""

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


class SmppReceipt(models.Model):
    """A receipt as a carrier sent it; kept before it is acknowledged. `delivery` is empty when it settles nothing."""

    message_id = models.CharField(max_length=80)
    delivery = models.CharField(max_length=12, blank=True)
    state = models.CharField(max_length=16, blank=True, help_text="message state of SMPP 3.4")
    error = models.CharField(max_length=20, blank=True, help_text="the carrier's own code")
    number = models.CharField(max_length=21, help_text="the phone, as the carrier writes it")
    received_at = models.DateTimeField(help_text="business time")
    taken_at = models.DateTimeField(null=True, help_text="business time when it was handed on")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(taken_at__isnull=True), name="sms_smpp_receipt_waits"),
            models.Index(fields=["message_id"], name="sms_smpp_receipt_message"),
            models.Index(fields=["received_at"], name="sms_smpp_receipt_at"),
        ]

    def __str__(self) -> str:
        return f"{self.state} ← {self.message_id}"


class SmppReply(models.Model):
    """A text, or a part of one, that somebody sent to one of our numbers; kept before it is acknowledged."""

    number = models.CharField(max_length=21, help_text="who sent it, as the carrier writes it")
    address = models.CharField(max_length=21, help_text="our number or name")
    text = models.TextField(blank=True)
    reference = models.IntegerField(null=True, help_text="what the parts of a long text have in common")
    parts = models.SmallIntegerField(default=1)
    part = models.SmallIntegerField(default=1)
    received_at = models.DateTimeField(help_text="business time")
    taken_at = models.DateTimeField(null=True, help_text="business time when it was handed on")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(taken_at__isnull=True), name="sms_smpp_reply_waits"),
            models.Index(fields=["received_at"], name="sms_smpp_reply_at"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(part__gte=1, part__lte=models.F("parts")), name="sms_smpp_reply_part"
            ),
        ]

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"


class SmppPart(models.Model):
    """One part of a message that left in several, under the id that the carrier gave this part."""

    message_id = models.CharField(max_length=80)
    client_id = models.CharField(max_length=80)
    whole = models.CharField(max_length=80, help_text="the id under which the message is known here")
    delivery = models.CharField(max_length=12, blank=True)
    sent_at = models.DateTimeField(help_text="business time")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["message_id"], name="sms_smpp_part_message"),
            models.Index(fields=["whole"], name="sms_smpp_part_whole"),
            models.Index(fields=["sent_at"], name="sms_smpp_part_at"),
        ]

    def __str__(self) -> str:
        return f"{self.message_id} of {self.whole}"
