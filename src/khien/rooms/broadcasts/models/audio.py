"""What loudspeakers play of a bulletin."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from khien.rooms.broadcasts.models.bulletins import BulletinVersion


class BulletinAudio(models.Model):
    """The sound of a version's script: spoken by the engine from the script with `script_hash`, or recorded by a
    person. Fixed once the version is submitted."""

    version = models.ForeignKey(BulletinVersion, models.CASCADE, related_name="audios")
    language = models.CharField(max_length=5, default="vi")
    script_hash = models.CharField(max_length=64, help_text="SHA-256 of the script it was made for")
    mp3 = models.BinaryField(help_text="mono, 64 kbit/s")
    mp3_hash = models.CharField(max_length=64, help_text="SHA-256")
    seconds = models.FloatField()
    words = models.TextField(blank=True, help_text="what the engine was given")
    notes = models.JSONField(default=list, help_text="values of gateways.speech.interface.Note")
    is_recording = models.BooleanField(default=False, help_text="a person's voice")
    made_at = models.DateTimeField()
    made_by = models.BigIntegerField(null=True, help_text="account")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["version", "language"], name="bulletin_audio_once"),
        ]

    def __str__(self) -> str:
        return f"{self.version_id}/{self.language}"
