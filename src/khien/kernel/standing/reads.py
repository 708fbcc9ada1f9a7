from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

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
