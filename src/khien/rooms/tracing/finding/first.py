"""Those whom the case met: F1 by law, and further exposures that the law does not name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

import numpy as np

from khien.engine.scoring import Exposures, crowd, hazards
from khien.engine.spaces import Shared
from khien.kernel import clock
from khien.rooms.tracing.finding.answer import FoundContact, Meeting
from khien.rooms.tracing.finding.households import home_area_m2
from khien.rooms.tracing.finding.nearness import Flags, Float, Int
from khien.rooms.tracing.finding.own import Whereabouts, in_seconds
from khien.rooms.tracing.finding.tally import Tally
from khien.rooms.tracing.interviewed import places_of_interviewed
from khien.rooms.tracing.models import Case, Exposure, HandContact, Landmark
from khien.rooms.tracing.rulebook import Clause, Rulebook

DAY_S = 86_400
EPOCH_DAY = date(1970, 1, 1)
_MASKS = ("", "masked", "unmasked")
UNKNOWN, MASKED, UNMASKED = range(3)


class FirstDegree:
    """Collects the meetings of a case and makes F1 and further exposures of them."""

    def __init__(self, case: Case, rules: Rulebook, start: datetime, until: datetime) -> None:
        self._case, self._rules = case, rules
        self._start, self._until = start, until
        self._onset = None if case.onset_on is None else (case.onset_on - EPOCH_DAY).days
        self._codes = [c.code for c in rules.clauses]
        self._tally = Tally(1)
        self._household: Sequence[int] = ()

    @property
    def left_out(self) -> int:
        """How many further people were met whose risk is too small to list them."""
        return self._tally.left_out

    def meet_presence(self, where: Whereabouts, told: Sequence[HandContact], always: Iterable[int]) -> None:
        """Who was in the same space at the same time, each meeting weighed by clause and by risk.

        What the case itself `told` of is left to `meet_interviewed`, which knows more of it than when it was.
        """
        met = where.meet(self._start, self._until)
        if told:
            met = met.where(~np.isin(met.place, places_of_interviewed(told)))
        if not len(met):
            return
        closed, area = where.near.columns(met.place)
        mask = _masks_of(met, where.landmarks)
        clause = self._clauses_of(met.end - met.start, closed, area, mask)
        hazard = hazards(
            Exposures(
                met.person,
                met.seconds,
                area_m2=area,
                closed=closed,
                present=np.maximum(crowd(where.snapshot, met.place, met.start, met.end) - 1, 0),
                days_since_onset=self._days_since_onset(met.start),
                source_masked=np.choose(mask, (np.nan, 1.0, 0.0)),
            ),
            self._rules.risk,
        )
        self._tally.take(
            met,
            np.full(len(met), self._case.person_id),
            clause,
            hazard,
            self._codes,
            masks=_MASKS,
            mask=mask,
            keep=self._rules.others_listed,
            always=always,
        )

    def meet_household(self, members: Sequence[int]) -> None:
        """Those who live behind the same door: together for hours on every day of the window."""
        if not members:
            return
        ground = next((c for c in self._rules.clauses if c.same_household), None)
        days = np.arange(local_day(in_seconds(self._start)), local_day(in_seconds(self._until) - 1) + 1)
        seconds = self._rules.household_hours * 3600
        risk = hazards(
            Exposures(
                np.zeros(len(days), np.int64),
                np.full(len(days), seconds),
                area_m2=home_area_m2(),
                household=True,
                days_since_onset=np.nan if self._onset is None else days - self._onset,
            ),
            self._rules.risk,
        ).sum()
        for person_id in members:
            meeting = Meeting(
                Exposure.Kind.HOUSEHOLD,
                None,
                self._start,
                self._until,
                len(days) * self._rules.household_hours * 60,
                "" if ground is None else ground.code,
                note="Sống cùng nhà",
            )
            self._tally.add(person_id, self._case.person_id, meeting, float(risk))

    def meet_interviewed(self, told: Iterable[HandContact]) -> None:
        """Whom the case named in the interview, on days within the window."""
        for row in told:
            begin = clock.start_of_day(row.day)
            if not (begin < self._until and begin + timedelta(days=1) > self._start):
                continue
            ground = next((c for c in self._rules.clauses if self._told_meets(c, row)), None)
            meeting = Meeting(
                Exposure.Kind.HAND,
                None,
                begin,
                begin + timedelta(days=1),
                row.minutes,
                "" if ground is None else ground.code,
                "" if row.masked is None else ("masked" if row.masked else "unmasked"),
                row.relation,
            )
            day = (row.day - EPOCH_DAY).days
            risk = hazards(
                Exposures(
                    np.array([row.person_id]),
                    np.array([max(row.minutes, 1) * 60.0]),
                    area_m2=self._rules.risk.reach_m2,
                    closed=row.closed_space is not False,
                    days_since_onset=np.nan if self._onset is None else day - self._onset,
                    masked=np.nan if row.masked is None else float(row.masked),
                ),
                self._rules.risk,
            )
            self._tally.add(row.person_id, self._case.person_id, meeting, float(risk[0]))

    def contacts(self) -> list[FoundContact]:
        """Everybody listed, with the probability of infection over all their meetings, highest first."""
        texts = {c.code: c.text for c in self._rules.clauses}
        return [c for c in self._tally.contacts(texts) if c.person_id != self._case.person_id]

    def _clauses_of(self, overlap: Int, closed: Flags, area: Float, mask: Int) -> Int:
        """Position of the first clause that each meeting in presence satisfies; -1 for none.

        Nobody knows from a scan whether masks were worn: the rule says what is then assumed. A case that says it wore
        none was not masked, whatever the others did.
        """
        masked = np.where(mask == UNMASKED, False, self._rules.unknown_is_masked)
        found = np.full(len(overlap), -1, np.int64)
        for place, clause in reversed(list(enumerate(self._rules.clauses))):
            if not clause.same_place:
                continue
            meets = overlap >= clause.min_minutes * 60
            if clause.masked is not None:
                meets &= masked == clause.masked
            if clause.closed_space is not None:
                meets &= closed == clause.closed_space
            if clause.max_area_m2 is not None:
                meets &= area <= clause.max_area_m2
            found[meets] = place
        return found

    def _told_meets(self, clause: Clause, row: HandContact) -> bool:
        if isinstance(clause.hand_entered, str):
            return clause.hand_entered == row.kind
        if clause.hand_entered:
            return True
        if not clause.same_place or row.kind != HandContact.Kind.NEAR:
            return False
        masked = self._rules.unknown_is_masked if row.masked is None else row.masked
        return row.minutes >= clause.min_minutes and (clause.masked is None or clause.masked == masked)

    def _days_since_onset(self, moments: Int) -> Float | float:
        if self._onset is None:
            return np.nan
        return ((moments + 7 * 3600) // DAY_S - self._onset).astype(np.float64)


def _masks_of(met: Shared, landmarks: Iterable[Landmark]) -> Int:
    """Whether the case says it wore a mask where and when it met each."""
    mask = np.full(len(met), UNKNOWN)
    for mark in landmarks:
        if mark.masked is None or mark.place_id is None:
            continue
        low, high = in_seconds(mark.start), in_seconds(mark.end)
        there = (met.place == mark.place_id) & (met.start < high) & (met.end > low)
        mask[there] = MASKED if mark.masked else UNMASKED
    return mask


def local_day(seconds: int) -> int:
    """The Vietnamese day (since 1970-01-01) of a moment in epoch seconds."""
    return (seconds + 7 * 3600) // DAY_S
