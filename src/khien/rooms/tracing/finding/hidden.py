"""How much of what happened a list can hold, judged by what cases told and what was scanned of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from khien.engine.encounter import Spells
from khien.engine.seen import KnownStays, seen
from khien.kernel import clock
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.presence.pairs import is_pair
from khien.rooms.tracing.finding.own import in_seconds
from khien.rooms.tracing.models import Case, Landmark

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

Int = npt.NDArray[np.int64]

INTERVIEWS = 50
WITHIN = timedelta(days=28)
"""Judged by the latest interviews: so many cases, so long ago at most."""


@dataclass(frozen=True)
class Estimate:
    """The share of the case's meetings away from home that were seen (None: not enough is told to say), and the number
    of interviews that say so."""

    share: float | None
    interviews: int


def estimate(case: Case, snapshot: Known, start: datetime, until: datetime) -> Estimate:
    """For a case's time [start, until). The interviews may be anybody's: nothing of them but numbers is kept."""
    spells, told = _interviews(until)
    if not len(spells.person):
        return Estimate(None, 0)
    own_spell = Spells(
        np.array([case.person_id]), np.array([in_seconds(start)]), np.array([in_seconds(until)])
    )
    marks = [m for m in case.landmarks.all() if m.place_id and m.start < until and m.end > start]
    pool = _known(snapshot, spells, told)
    own = _known(snapshot, own_spell, _columns((0, m) for m in marks))
    kinds = int(max(pool.kind.max(initial=0), own.kind.max(initial=0))) + 1
    share = seen(pool, own, kinds, interviewed=bool(marks))
    return Estimate(share, len(spells.person))


def _interviews(until: datetime) -> tuple[Spells, Int]:
    """The latest cases who told of places: their days, and the stays that they told."""
    recent = Landmark.objects.filter(place__isnull=False, start__gt=until - WITHIN, start__lt=until)
    of_case: dict[int, list[Landmark]] = {}
    chosen = recent.order_by("-case_id").values_list("case_id", flat=True).distinct()[:INTERVIEWS]
    for mark in recent.filter(case_id__in=list(chosen)).select_related("case").order_by("case_id", "start"):
        of_case.setdefault(mark.case_id, []).append(mark)
    spans = [
        (
            clock.start_of_day(clock.local(marks[0].start).date()),
            clock.start_of_day(clock.local(max(m.end for m in marks)).date() + timedelta(days=1)),
        )
        for marks in of_case.values()
    ]
    spells = Spells(
        np.array([marks[0].case.person_id for marks in of_case.values()], np.int64),
        np.array([in_seconds(start) for start, _end in spans], np.int64),
        np.array([in_seconds(end) for _start, end in spans], np.int64),
    )
    return spells, _columns((n, mark) for n, marks in enumerate(of_case.values()) for mark in marks)


def _columns(marks: Iterable[tuple[int, Landmark]]) -> Int:
    rows = [(n, m.place_id or 0, in_seconds(m.start), in_seconds(m.end)) for n, m in marks]
    return np.array(rows, np.int64).reshape(-1, 4).T


def _known(snapshot: Known, spells: Spells, told: Int) -> KnownStays:
    found = KnownStays.of(snapshot, spells, told, lambda place: place)
    public = found.where(~is_pair(found.kind))
    ids, slot = np.unique(public.kind, return_inverse=True)
    kinds = dict(Place.objects.filter(pk__in=ids.tolist()).values_list("pk", "kind_id"))
    number = {code: n for n, code in enumerate(PlaceKind.objects.order_by("pk").values_list("pk", flat=True))}
    of_place = np.array([number.get(kinds.get(pk, ""), 0) for pk in ids.tolist()], np.int64)
    return replace(public, kind=of_place[slot])
