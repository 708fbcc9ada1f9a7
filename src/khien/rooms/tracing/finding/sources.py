"""Who may have infected the case, best first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from django.db.models import QuerySet

from khien.engine.scoring import Exposures, crowd, hazards
from khien.engine.spaces import Shared
from khien.kernel.presence.pairs import is_pair
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.finding.answer import FoundSource
from khien.rooms.tracing.finding.illness import ill
from khien.rooms.tracing.finding.nearness import Float, Int
from khien.rooms.tracing.finding.own import Whereabouts
from khien.rooms.tracing.finding.tally import moment
from khien.rooms.tracing.models import Case, SourceProposal, TracedContact
from khien.rooms.tracing.rulebook import Rulebook

SOURCES = 20
"""Possible sources proposed at most."""

SOURCE_MIN_MINUTES = 15
DAY_S = 86_400


def possible_sources(
    where: Whereabouts, rules: Rulebook, anchor: datetime, household: Sequence[int]
) -> list[FoundSource]:
    """Earlier cases who listed this one as a contact, cases who were with it, then others: each by expected risk, how
    well the time fits the onset, and how infectious a case was then."""
    case = where.case
    found: dict[int, FoundSource] = {}
    for row in _listings(case, anchor):
        found.setdefault(
            row.case.person_id,
            FoundSource(
                row.case.person_id,
                row.case_id,
                "contact",
                row.minutes,
                row.encounters,
                row.first_exposure,
                row.last_exposure,
            ),
        )
    together = _together(where, rules, anchor)
    for pk, earlier in _cases_of(case, household, anchor).items():
        found.setdefault(pk, FoundSource(pk, earlier.pk, "presence"))
    for source in together:
        found.setdefault(source.person_id, source)
    ranked = sorted(found.values(), key=lambda s: s.source_case_id is None)
    return ranked[:SOURCES]


def _listings(case: Case, anchor: datetime) -> QuerySet[TracedContact]:
    return (
        TracedContact.objects.filter(person_id=case.person_id, first_exposure__lt=anchor)
        .exclude(case=case)
        .exclude(state=TracedContact.State.WITHDRAWN)
        .order_by("degree", "-score")
        .select_related("case")
    )


def _together(where: Whereabouts, rules: Rulebook, anchor: datetime) -> list[FoundSource]:
    """Whoever shared a space with the case while it may have been infected."""
    met = where.meet(
        anchor - rules.max_incubation, anchor - rules.min_incubation, min_minutes=SOURCE_MIN_MINUTES
    )
    if not len(met):
        return []
    closed, area = where.near.columns(met.place)
    ids, slot = np.unique(met.person, return_inverse=True)
    cases = _cases_of(where.case, ids.tolist(), anchor)
    middle = (met.start + met.end) / 2
    risk = hazards(
        Exposures(
            met.person,
            met.seconds,
            area_m2=area,
            closed=closed,
            present=np.maximum(crowd(where.snapshot, met.place, met.start, met.end) - 1, 0),
            days_since_onset=_days_ill(cases, ids)[slot] + middle / DAY_S,
        ),
        rules.risk,
    )
    fits = ill([where.case]).weight(np.zeros(len(met), np.int64), middle, rules.incubation)
    weight = np.bincount(slot, weights=risk * fits)
    is_case = np.isin(ids, list(cases))
    best = np.lexsort((ids, -weight, ~is_case))[:SOURCES]
    return [_source(met.where(slot == at), int(ids[at]), cases) for at in best.tolist()]


def _days_ill(cases: dict[int, Case], persons: Int) -> Float:
    """For each person who is a case minus the day of their illness, in days since 1970; NaN for everybody else."""
    known = sorted(cases)
    began = ill([cases[pk] for pk in known]).at if known else np.empty(0)
    days = np.full(len(persons), np.nan)
    days[np.searchsorted(persons, known)] = -began / DAY_S
    return days


def _source(mine: Shared, person_id: int, cases: dict[int, Case]) -> FoundSource:
    main = int(mine.place[np.argmax(mine.end - mine.start)])
    case = cases.get(person_id)
    return FoundSource(
        person_id,
        None if case is None else case.pk,
        SourceProposal.How.PRESENCE,
        float(mine.seconds.sum()) / 60,
        len(mine),
        moment(int(mine.start.min())),
        moment(int(mine.end.max())),
        None if is_pair(np.array(main)) else main,
    )


def _cases_of(case: Case, person_ids: Sequence[int], anchor: datetime) -> dict[int, Case]:
    """Which of the people are cases whose illness began before this one's."""
    rows = (
        Case.objects.filter(person_id__in=list(person_ids))
        .exclude(pk=case.pk)
        .exclude(classification=Case.Classification.NOT_A_CASE)
        .order_by("opened_at")
    )
    found = {}
    for row in rows:
        began = rulebook.anchor_of(row) or row.opened_at
        if began <= anchor:
            found[row.person_id] = row
    return found
