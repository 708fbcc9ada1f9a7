"""F2: whom those whom the law names may have met while they were infectious themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from khien.engine.encounter import Spells
from khien.engine.scoring import Exposures, crowd, hazards
from khien.engine.spaces import Own, meet
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.finding.answer import FoundContact, Meeting
from khien.rooms.tracing.finding.households import home_area_m2, household_of, members
from khien.rooms.tracing.finding.nearness import Near
from khien.rooms.tracing.finding.own import in_seconds
from khien.rooms.tracing.finding.tally import Tally
from khien.rooms.tracing.models import Case, Exposure
from khien.rooms.tracing.rulebook import Rulebook

if TYPE_CHECKING:
    from khien.engine.snapshot import Known


def second_degree(
    case: Case, rules: Rulebook, snapshot: Known, until: datetime, legal: Sequence[FoundContact]
) -> tuple[list[FoundContact], int]:
    """Whom an F1 met from when the F1 may have been infectious: the most probable first, weighed by the F1's own
    probability and cut where that makes it negligible; and how many there are in all."""
    infectious = {c.person_id: c.first + rules.latency for c in legal if c.first + rules.latency < until}
    if not infectious or rules.max_degree < 2:
        return [], 0
    score = {c.person_id: c.score for c in legal}
    known = {case.person_id, *(c.person_id for c in legal)}
    households = _households(infectious, known)
    tally = Tally(2)
    _meet(tally, rules, snapshot, infectious, until, score, known, households)
    _live_together(tally, rules, infectious, until, score, households)
    found = tally.contacts({"F2": rules.facts[rulebook.F2].summary})
    return found[: rules.f2_max_listed], len(found) + tally.left_out


def _meet(
    tally: Tally,
    rules: Rulebook,
    snapshot: Known,
    infectious: dict[int, datetime],
    until: datetime,
    score: dict[int, float],
    known: set[int],
    households: dict[int, int],
) -> None:
    firsts = np.array(sorted(infectious), np.int64)
    begin = np.array([in_seconds(infectious[pk]) for pk in firsts.tolist()], np.int64)
    spells = Spells(firsts, begin, np.full(len(firsts), in_seconds(until)))
    own = Own.of(snapshot, spells)
    near = Near.of(own.place, rules.risk.reach_m2)
    own = own.where(_asked_for(rules, near, own.place))
    met = meet(snapshot, spells, own, near.spaces, min_seconds=round(rules.f2_min_minutes * 60))
    met = met.where(_asked_for(rules, near, met.place) & ~np.isin(met.person, list(known)))
    if not len(met):
        return
    closed, area = near.columns(met.place)
    hazard = hazards(
        Exposures(
            met.person,
            met.seconds,
            area_m2=area,
            closed=closed,
            present=np.maximum(crowd(snapshot, met.place, met.start, met.end) - 1, 0),
        ),
        rules.risk,
    )
    of_first = np.array([score[pk] for pk in firsts.tolist()])[met.spell]
    tally.take(
        met,
        firsts[met.spell],
        np.zeros(len(met), np.int64),
        hazard * of_first,
        ["F2"],
        hard=False,
        keep=rules.f2_max_listed,
        least=rules.f2_min_probability,
        always=households,
    )


def _asked_for(rules: Rulebook, near: Near, place: np.ndarray) -> np.ndarray:
    """Whether the rule counts a meeting at these places."""
    closed, area = near.columns(place)
    counts = np.ones(len(place), np.bool_)
    if rules.f2_closed_space is not None:
        counts &= closed == rules.f2_closed_space
    if rules.f2_max_area_m2 is not None:
        counts &= area <= rules.f2_max_area_m2
    return counts


def _households(infectious: dict[int, datetime], known: set[int]) -> dict[int, int]:
    """Those who live with an F1: person → the F1 of the household who may have been infectious first."""
    first_of: dict[int, int] = {}
    for person_id, home in household_of(infectious).items():
        if home not in first_of or infectious[person_id] < infectious[first_of[home]]:
            first_of[home] = person_id
    return {pk: first_of[home] for pk, home in members(first_of).items() if pk not in known}


def _live_together(
    tally: Tally,
    rules: Rulebook,
    infectious: dict[int, datetime],
    until: datetime,
    score: dict[int, float],
    households: dict[int, int],
) -> None:
    """Those who live with an F1 are F2 from when the F1 may have been infectious."""
    area = home_area_m2()
    for person_id, first in households.items():
        begin = infectious[first]
        hours = (until - begin).total_seconds() / 86_400 * rules.household_hours
        hazard = hazards(
            Exposures(np.array([person_id]), np.array([hours * 3600]), area_m2=area, household=True),
            rules.risk,
        )
        meeting = Meeting(
            Exposure.Kind.HOUSEHOLD, None, begin, until, hours * 60, "F2", note="Sống cùng nhà với F1"
        )
        tally.add(person_id, first, meeting, float(hazard[0]) * score[first])
