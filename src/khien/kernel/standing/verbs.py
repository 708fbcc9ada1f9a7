"""Called by the verbs of rooms, inside their transactions; the room's own audit line covers the change."""

from __future__ import annotations

from datetime import datetime

from django.db import models

from khien.kernel.standing.models import Standing


def impose(
    person_id: int,
    kind: str,
    *,
    start: datetime,
    end: datetime | None,
    colour: str,
    reason: str,
    authority: models.Model,
) -> Standing:
    """State that `kind` holds for a person during [start, end); the same authority again replaces its own."""
    row, _created = Standing.objects.update_or_create(
        kind=kind,
        authority=_name(authority),
        defaults={
            "person_id": person_id,
            "during": (start, end),
            "colour": colour,
            "reason": reason,
            "room": authority._meta.app_label,
        },
    )
    return row


def lift(authority: models.Model, kind: str, *, at: datetime) -> None:
    """What this authority stated no longer holds from `at` on; what had not begun is emptied."""
    for row in Standing.objects.select_for_update().filter(kind=kind, authority=_name(authority)):
        start = row.during.lower
        if row.during.upper is None or row.during.upper > at:
            row.during = (start, max(start, at))
            row.save(update_fields=["during"])


def _name(authority: models.Model) -> str:
    return f"{authority._meta.label_lower}:{authority.pk}"
