"""What the desk itself keeps: the one-time codes with which residents sign in."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SignInCode(models.Model):
    """A code sent to a phone. Kept as a keyed hash, used once, dead after minutes or a few wrong tries.

    Times are real, not business time: a demo that runs faster must not shorten a resident's five minutes.
    """

    number = models.CharField(max_length=16, help_text="E.164")
    code_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    wrong_tries = models.SmallIntegerField(default=0)
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["number", "created_at"], name="sign_in_code_number")]

    def __str__(self) -> str:
        return f"…{self.number[-3:]}"
