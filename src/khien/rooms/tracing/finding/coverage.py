"""How much of the case's infectious time is seen at all."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from khien.kernel.presence import reads as presence
from khien.kernel.presence.pairs import is_pair
from khien.rooms.tracing.finding.first import EPOCH_DAY, local_day
from khien.rooms.tracing.finding.hidden import estimate
from khien.rooms.tracing.finding.own import Whereabouts, in_seconds


def coverage(where: Whereabouts, start: datetime, until: datetime) -> dict[str, int | None]:
    """Places known and places with scans of others, stays of others there, days on which the case's whereabouts are
    known, days whose presence is forgotten already, the case's recorded stays and how many of their ends are inferred;
    the estimated share of its meetings that was seen (per cent; None where too little is told), from how many
    interviews.
    """
    low, high = in_seconds(start), in_seconds(until)
    mine = where.own.touching(low, high)
    places = np.unique(mine.place[~is_pair(mine.place)])
    there, person, _enter, _leave = where.snapshot.present_at(
        places, np.full(len(places), low), np.full(len(places), high)
    )
    others = there[person != where.case.person_id]
    marks = [m for m in where.landmarks if m.end > start and m.start < until]
    days: set[int] = set()
    for enter, leave in zip(mine.enter.tolist(), mine.leave.tolist(), strict=True):
        days.update(range(local_day(max(enter, low)), local_day(max(min(leave, high) - 1, enter, low)) + 1))
    for mark in marks:
        days.add(local_day(in_seconds(mark.start)))
    wanted = range(local_day(low), local_day(high - 1) + 1)
    stays, inferred = presence.own_exits(where.case.person_id, start, until)
    hidden = estimate(where.case, where.snapshot, start, until)
    return {
        "places": len(places) + sum(m.place_id is None for m in marks),
        "places_with_scans": len(np.unique(others)),
        "stays": len(others),
        "days": len(wanted),
        "days_known": len(days & set(wanted)),
        "days_forgotten": days_forgotten(start, until),
        "own_stays": stays,
        "own_exits_inferred": inferred,
        "seen_percent": None if hidden.share is None else round(hidden.share * 100),
        "interviews": hidden.interviews,
    }


def days_forgotten(start: datetime, until: datetime) -> int:
    """How many of the Vietnamese days that [start, until) touches are forgotten already."""
    gone = presence.forgotten_before()
    if gone is None:
        return 0
    first, last = local_day(in_seconds(start)), local_day(in_seconds(until) - 1)
    return max(min((gone - EPOCH_DAY).days, last + 1) - first, 0)
