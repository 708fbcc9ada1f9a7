"""Where the case was: its recorded stays, and what it told of places in the interview."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from khien.engine.encounter import Spells
from khien.engine.spaces import Own, Shared, meet
from khien.rooms.tracing.finding.nearness import Near
from khien.rooms.tracing.models import Case, Landmark

if TYPE_CHECKING:
    from khien.engine.snapshot import Known


@dataclass(frozen=True)
class Whereabouts:
    """A case's stays over a time that holds both its infectious window and its incubation."""

    case: Case
    snapshot: Known
    own: Own
    landmarks: list[Landmark]
    near: Near

    @classmethod
    def of(cls, case: Case, snapshot: Known, start: datetime, end: datetime, reach_m2: float) -> Whereabouts:
        """The case's stays that touch [start, end). What was scanned and what was told of the same hour is one stay."""
        marks = [m for m in case.landmarks.all() if m.end > start and m.start < end]
        told = [
            (0, m.place_id, in_seconds(m.start), in_seconds(m.end)) for m in marks if m.place_id is not None
        ]
        own = Own.of(snapshot, _spell(case, start, end), told)
        return cls(case, snapshot, own, marks, Near.of(own.place, reach_m2))

    def meet(self, start: datetime, end: datetime, *, min_minutes: float = 0) -> Shared:
        """Everybody whom the case shared a space with within [start, end)."""
        own = self.own.touching(in_seconds(start), in_seconds(end))
        spell = _spell(self.case, start, end)
        return meet(self.snapshot, spell, own, self.near.spaces, min_seconds=round(min_minutes * 60))


def in_seconds(at: datetime) -> int:
    """A moment in epoch seconds."""
    return int(at.timestamp())


def _spell(case: Case, start: datetime, end: datetime) -> Spells:
    return Spells(
        np.array([case.person_id], np.int64), np.array([in_seconds(start)]), np.array([in_seconds(end)])
    )
