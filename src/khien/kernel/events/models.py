from __future__ import annotations

from typing import ClassVar

from django.db import models


class Event(models.Model):
    """Something that happened. The payload holds ids, never names or identity numbers."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=60)
    at = models.DateTimeField(help_text="business time")
    recorded_at = models.DateTimeField(help_text="real time")
    payload = models.JSONField()

    class Meta:
        indexes: ClassVar = [models.Index(fields=["name", "at"], name="event_name_at")]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class Delivery(models.Model):
    """That `handler` is to be told of `event`; done once `done_at` is set, in the handler's transaction."""

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(Event, models.CASCADE, related_name="deliveries")
    handler = models.CharField(max_length=160)
    attempts = models.SmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True, help_text="real time; not before")
    done_at = models.DateTimeField(null=True, help_text="real time")
    failure = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "handler"], name="delivery_once"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(done_at__isnull=True), name="delivery_open"),
        ]

    def __str__(self) -> str:
        return f"{self.handler} ← {self.event_id}"
