from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from khien.kernel.audit.models import AuditLine


@dataclass(frozen=True, slots=True)
class Sealing:
    """How far the sealer is behind: how many lines no seal covers, and the age of the oldest in seconds."""

    unsealed: int
    oldest_s: float


def sealing() -> Sealing:
    """The state of the chain now."""
    waiting = AuditLine.objects.filter(seal__isnull=True).order_by("pk")
    oldest = waiting.values_list("recorded_at", flat=True).first()
    age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
    return Sealing(waiting.count(), age)


def lines_about(person_id: int, limit: int = 200) -> list[AuditLine]:
    """Who did or read what about a person, newest first: what a resident may know of their own record.

    The door asks only for the resident's own id.
    """
    return list(AuditLine.objects.filter(persons__contains=[person_id]).order_by("-pk")[:limit])
