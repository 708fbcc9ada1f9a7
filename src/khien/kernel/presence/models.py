"""Presence records, partitioned by the Vietnamese day on which the stay began."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class PresenceRecord(models.Model):
    """One stay of one person at one place: [enter, leave), aware UTC.

    Derived from raw scans by `checkpoints` (or declared by hand, or imported); never edited: what a
    late scan changes is derived again under the same `source_key`, whose `version` then grows. The table
    is partitioned by `day` (migration 0001), so forgetting a day drops its partition. `commit_order` grows
    with each write and lets a reader follow what changed.
    """

    class Source(models.TextChoices):
        SCAN = "scan", "quét mã"
        DECLARED = "declared", "khai báo"
        INTERVIEW = "interview", "phỏng vấn"
        BLUETOOTH = "bluetooth", "thiết bị ở gần nhau"
        IMPORT = "import", "nhập từ tệp"

    pk = models.CompositePrimaryKey("day", "id")
    day = models.DateField(help_text="Vietnamese day of `enter`: the partition key")
    id = models.BigIntegerField(help_text="from the sequence presence_id, unique over all partitions")
    person_id = models.BigIntegerField()
    place_id = models.BigIntegerField()
    enter = models.DateTimeField()
    leave = models.DateTimeField(null=True, help_text="null while the person is still there")
    source = models.CharField(max_length=10, choices=Source.choices)
    exit_inferred = models.BooleanField(
        default=False, help_text="no exit was scanned; closed by the kind's rule"
    )
    entry_inferred = models.BooleanField(default=False, help_text="only the exit was scanned")
    source_key = models.CharField(max_length=64, help_text="what it is derived from, e.g. first scan's id")
    commit_order = models.BigIntegerField(help_text="from the sequence presence_commit")

    class Meta:
        managed = False
        db_table = "presence_record"
        indexes: ClassVar = []

    def __str__(self) -> str:
        return f"{self.person_id} @ {self.place_id}"
