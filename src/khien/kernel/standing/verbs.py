"""Called by the verbs of rooms, inside their transactions; the room's own audit line covers the change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Imposed:
    """One line of `impose_many`."""

    person_id: int
    start: datetime
    end: datetime | None
    colour: str
    reason: str
    authority: models.Model


def impose_many(kind: str, lines: Iterable[Imposed]) -> int:
    """`impose` for many people in one statement; returns how many lines were stated."""
    rows = [
        Standing(
            kind=kind,
            authority=_name(line.authority),
            person_id=line.person_id,
            during=(line.start, line.end),
            colour=line.colour,
            reason=line.reason,
            room=line.authority._meta.app_label,
        )
        for line in lines
    ]
    Standing.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["authority", "kind"],
        update_fields=["person", "during", "colour", "reason", "room"],
    )
    return len(rows)


def lift(authority: models.Model, kind: str, *, at: datetime) -> None:
    """What this authority stated no longer holds from `at` on; what had not begun is emptied."""
    for row in Standing.objects.select_for_update().filter(kind=kind, authority=_name(authority)):
        if row.during.isempty:
            continue
        start = row.during.lower
        if row.during.upper is None or row.during.upper > at:
            row.during = (start, max(start, at))
            row.save(update_fields=["during"])


def _name(authority: models.Model) -> str:
    return f"{authority._meta.label_lower}:{authority.pk}"


def forget(model: type[models.Model], ids: Iterable[int]) -> int:
    """Remove what these rows of a room stated, because the rows themselves are forgotten; returns how many went."""
    names = [f"{model._meta.label_lower}:{pk}" for pk in ids]
    return Standing.objects.filter(authority__in=names).delete()[0]
