"""Bulletins that are written again and again, with gaps to fill; and the phones that get every bulletin's test."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class BulletinTemplate(models.Model):
    """A kind of bulletin. What it says is in its versions; the newest one is used."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    is_retired = models.BooleanField(default=False, help_text="no longer offered")

    def __str__(self) -> str:
        return self.name


class BulletinTemplateVersion(models.Model):
    """One wording, never changed: bulletins say from which they came."""

    template = models.ForeignKey(BulletinTemplate, models.PROTECT, related_name="versions")
    number = models.SmallIntegerField(default=1)
    title = models.CharField(max_length=160)
    body = models.TextField(help_text="NFC, with {placeholders}")
    sms = models.TextField(blank=True, help_text="NFC, with {placeholders}; empty: made from title and body")
    at = models.DateTimeField()
    by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["template", "number"], name="bulletin_template_version_once"),
        ]

    def __str__(self) -> str:
        return f"{self.template_id}.{self.number}"


class TestNumber(models.Model):
    """A phone on the fixed list to which every bulletin's SMS is sent before it is submitted."""

    number = models.CharField(max_length=16, primary_key=True, help_text="E.164")
    holder = models.CharField(max_length=80, help_text="whose it is, e.g. an office")
    added_at = models.DateTimeField()
    added_by = models.BigIntegerField(null=True, help_text="account")

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"
