from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from khien.kernel.standing.models import Standing

_ORDER = {"red": 0, "orange": 1, "yellow": 2, "green": 3}


def holding(person_ids: Iterable[int], at: datetime) -> dict[int, list[Standing]]:
    """What holds at `at` for each of the people, gravest first. A kernel fact: the door narrows who asks."""
    found: dict[int, list[Standing]] = {}
    for row in Standing.objects.filter(person_id__in=list(person_ids), during__contains=at):
        found.setdefault(row.person_id, []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: _ORDER[row.colour])
    return found


def touching(person_ids: Iterable[int], start: datetime, end: datetime) -> dict[int, list[Standing]]:
    """What held for each of the people at some time in [start, end], gravest first (scans that come late)."""
    found: dict[int, list[Standing]] = {}
    rows = Standing.objects.filter(
        person_id__in=list(person_ids), during__overlap=DateTimeTZRange(start, end, "[]")
    )
    for row in rows:
        found.setdefault(row.person_id, []).append(row)
    for standings in found.values():
        standings.sort(key=lambda row: _ORDER[row.colour])
    return found
