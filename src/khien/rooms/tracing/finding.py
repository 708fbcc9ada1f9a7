"""The search behind a contact list: presence, households and interviews in; F1, F2 and sources out.

Reads only. The law's definition and the score are computed apart: the score ranks, and never removes
anybody whom a clause names.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from khien.engine import OPEN as ENGINE_OPEN
from khien.engine import Encounters, Presence, backward, encounters
from khien.engine.scoring import Exposures, hazards, others_present
from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.presence import reads as presence_reads
from khien.kernel.presence.stays import OPEN as STILL_THERE
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.models import Case, Exposure, HandContact, TracedContact
from khien.rooms.tracing.rulebook import Clause, Rulebook

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]

EVIDENCE_ROWS = 5
"""Meetings kept for each contact: legal ones first, then the longest. Totals count all of them."""

SOURCES = 20
"""Possible sources proposed at most."""

SOURCE_MIN_MINUTES = 15
_FAR_AHEAD = datetime.max.replace(tzinfo=UTC)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Meeting:
    """One meeting of a contact, as evidence."""

    kind: str
    place_id: int | None
    start: datetime
    end: datetime
    minutes: float
    clause: str
    mask: str = ""
    note: str = ""


@dataclass(slots=True)
class FoundContact:
    """Somebody on the list, with totals over the meetings that count."""

    person_id: int
    degree: int
    from_person_id: int
    clause: str = ""
    clause_text: str = ""
    score: float = 0.0
    minutes: float = 0.0
    longest: float = 0.0
    encounters: int = 0
    first: datetime = _FAR_AHEAD
    last: datetime = _LONG_AGO
    meetings: list[Meeting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FoundSource:
    """Somebody who was with the case while it may have been infected."""

    person_id: int
    source_case_id: int | None
    how: str
    minutes: float | None = None
    encounters: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    place_id: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The whole answer of one search."""

    window_from: datetime
    window_until: datetime
    rules: Rulebook
    contacts: list[FoundContact]
    sources: list[FoundSource]
    coverage: dict[str, int]
    counts: dict[str, int]
    took_ms: int


def find(case: Case, now: datetime) -> Finding:
    """Search the contacts and possible sources of a case as known at `now`.

    Raises `Invalid` for a case without onset and sample, `NotFound` when a rule of its day is missing.
    """
    began = time.perf_counter()
    rules = rulebook.of_case(case)
    window = rulebook.infectious_window(case)
    anchor = rulebook.anchor_of(case)
    if window is None or anchor is None:
        raise Invalid(
            _("Chưa biết ngày khởi phát hay ngày lấy mẫu của ca."),
            field="onset_on",
            way_out=_("Nhập ngày khởi phát (hoặc ngày lấy mẫu) rồi lập danh sách."),
        )
    start, until = window.start, max(min(window.end, now), window.start + timedelta(seconds=1))
    back_from, back_until = anchor - rules.max_incubation, anchor - rules.min_incubation
    stays = _Stays.of_case(case, min(start, back_from), max(until, back_until), now)
    near = _Near.of(stays.presence)

    first = _FirstDegree(case, rules, start, until, stays.presence, near)
    household = _household(case)
    first.meet_presence()
    first.meet_household(household)
    first.meet_interviewed(case.hand_contacts.all())
    contacts = first.contacts()
    legal = [c for c in contacts if c.clause]
    others = sorted((c for c in contacts if not c.clause), key=lambda c: (-c.score, c.person_id))
    listed_others = others[: rules.max_listed]
    second, second_found = (
        _second_degree(case, rules, until, now, legal) if rules.max_degree >= 2 else ([], 0)
    )
    # A person once on the list stands there once: F1 by law, F2 by law, then exposures without legal ground.
    seconds = {c.person_id for c in second}
    listed = [
        *sorted(legal, key=lambda c: (-c.score, c.person_id)),
        *second,
        *(c for c in listed_others if c.person_id not in seconds),
    ]
    sources = _sources(case, stays.presence, near, rules, anchor, back_from, household)
    return Finding(
        window_from=start,
        window_until=until,
        rules=rules,
        contacts=listed,
        sources=sources,
        coverage=stays.coverage(case, start, until),
        counts={
            "f1": len(legal),
            "f2": len(second),
            "f2_found": second_found,
            "other": len(listed) - len(legal) - len(seconds),
            "other_found": len(others),
            "sources": len(sources),
        },
        took_ms=round((time.perf_counter() - began) * 1000),
    )


class _Stays:
    """The presence that one case needs: its own stays, and everybody's at the same places."""

    def __init__(self, presence: Presence, case_id: int, inferred: Int, enter: Int) -> None:
        self.presence = presence
        self._case = case_id
        self._inferred = inferred
        self._enter = enter

    @classmethod
    def of_case(cls, case: Case, start: datetime, end: datetime, now: datetime) -> _Stays:
        own = presence_reads.window(start, end, persons=[case.person_id]).stays
        marks = [
            m for m in case.landmarks.all() if m.place_id is not None and m.end > start and m.start < end
        ]
        places = {int(p) for p in own.place} | {m.place_id for m in marks if m.place_id is not None}
        found = presence_reads.window(start, end, places=places).stays if places else own
        others = found.person != case.person_id
        # What was scanned and what was told of the same hour is one stay, not two meetings.
        mine = _merged(
            [
                *zip(own.place.tolist(), _seconds(own.enter).tolist(), _leave(own.leave, now), strict=True),
                *((m.place_id or 0, int(m.start.timestamp()), int(m.end.timestamp())) for m in marks),
            ]
        )
        presence = Presence.from_arrays(
            np.concatenate([found.person[others], np.full(len(mine), case.person_id, np.int64)]),
            np.concatenate([found.place[others], np.array([p for p, _s, _e in mine], np.int64)]),
            np.concatenate([_seconds(found.enter[others]), np.array([s for _p, s, _e in mine], np.int64)]),
            np.concatenate(
                [_leave_array(found.leave[others]), np.array([e for _p, _s, e in mine], np.int64)]
            ),
            as_of=now,
        )
        return cls(presence, case.person_id, found.exit_inferred[others], _seconds(found.enter[others]))

    def coverage(self, case: Case, start: datetime, until: datetime) -> dict[str, int]:
        """How much of the case's infectious time is seen: places known, places with scans of others, days."""
        low, high = int(start.timestamp()), int(until.timestamp())
        p = self.presence
        within = (p.enter < high) & (p.leave >= low)
        ids = p.person_ids[p.person] if len(p) else np.empty(0, np.int64)
        mine = within & (ids == self._case)
        own_places = set(p.place[mine].tolist())
        scanned = set(p.place[within & (ids != self._case)].tolist())
        told = case.landmarks.filter(place__isnull=True, start__lt=until, end__gt=start).count()
        days: set[int] = set()
        for enter, leave in zip(p.enter[mine].tolist(), p.leave[mine].tolist(), strict=True):
            days.update(range(_local_day(max(enter, low)), _local_day(min(leave, high - 1)) + 1))
        for mark in case.landmarks.filter(start__lt=until, end__gt=start):
            days.add(_local_day(int(mark.start.timestamp())))
        total_days = _local_day(high - 1) - _local_day(low) + 1
        recent = self._enter >= low
        return {
            "places": len(own_places) + told,
            "places_with_scans": len(own_places & scanned),
            "stays": int((within & (ids != self._case)).sum()),
            "exits_inferred": int(self._inferred[recent].sum()),
            "days": total_days,
            "days_known": min(len(days), total_days),
        }


@dataclass(frozen=True, slots=True)
class _Near:
    """What the law and the score ask of places, by place id."""

    closed: dict[int, bool]
    area: dict[int, float]

    @classmethod
    def of(cls, presence: Presence) -> _Near:
        return cls.of_places(presence.place_ids.tolist())

    @classmethod
    def of_places(cls, place_ids: Iterable[int]) -> _Near:
        rows = Place.objects.filter(pk__in=list(place_ids)).values_list(
            "pk", "kind__closed_space", "area_m2", "kind__typical_area_m2"
        )
        closed, area = {}, {}
        for pk, is_closed, own, typical in rows:
            closed[pk], area[pk] = is_closed, float(own or typical)
        return cls(closed, area)

    def columns(self, place: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.bool_], Float]:
        """`closed` and `area_m2` for each place id of an array."""
        ids, slot = np.unique(place, return_inverse=True)
        closed = np.array([self.closed.get(int(pk), True) for pk in ids], bool)
        area = np.array([self.area.get(int(pk), np.nan) for pk in ids], float)
        return closed[slot], area[slot]


class _FirstDegree:
    """Collects the meetings of a case and makes F1 and further exposures of them."""

    def __init__(
        self,
        case: Case,
        rules: Rulebook,
        start: datetime,
        until: datetime,
        presence: Presence,
        near: _Near,
    ) -> None:
        self.case, self.rules, self.presence, self.near = case, rules, presence, near
        self.start, self.until = start, until
        self.onset = None if case.onset_on is None else (case.onset_on - _EPOCH_DAY).days
        self.hazard: dict[int, float] = defaultdict(float)
        self.found: dict[int, FoundContact] = {}

    def meet_presence(self) -> None:
        """Who was at the same place at the same time, each meeting weighed by clause and by risk."""
        if self.case.person_id not in self.presence.person_ids:
            return
        met = encounters(self.presence, [self.case.person_id], (self.start, self.until), min_minutes=0)
        if not len(met):
            return
        closed, area = self.near.columns(met.place)
        clause = self._clauses_of(met.overlap, closed, area)
        hazard = hazards(
            Exposures(
                met.person,
                met.overlap,
                area_m2=area,
                closed=closed,
                present=others_present(self.presence, met),
                days_since_onset=self._days_since_onset(met.start),
            ),
            self.rules.risk,
        )
        _gather(self.found, met, clause, hazard, self._codes(), self.case.person_id, self.hazard)

    def meet_household(self, members: Sequence[int]) -> None:
        """Those who live behind the same door: together for hours on every day of the window."""
        if not members:
            return
        ground = next((c for c in self.rules.clauses if c.same_household), None)
        home = PlaceKind.objects.filter(code="home").values_list("typical_area_m2", flat=True).first()
        days = np.arange(
            _local_day(int(self.start.timestamp())), _local_day(int(self.until.timestamp()) - 1) + 1
        )
        seconds = self.rules.household_hours * 3600
        risk = hazards(
            Exposures(
                np.zeros(len(days), np.int64),
                np.full(len(days), seconds),
                area_m2=np.nan if home is None else home,
                household=True,
                days_since_onset=np.nan if self.onset is None else days - self.onset,
            ),
            self.rules.risk,
        ).sum()
        for person_id in members:
            minutes = len(days) * self.rules.household_hours * 60
            meeting = Meeting(
                Exposure.Kind.HOUSEHOLD,
                None,
                self.start,
                self.until,
                minutes,
                "" if ground is None else ground.code,
                note="Sống cùng nhà",
            )
            self._add(person_id, meeting, ground, float(risk))

    def meet_interviewed(self, told: Iterable[HandContact]) -> None:
        """Whom the case named in the interview, on days within the window."""
        for row in told:
            begin = clock.start_of_day(row.day)
            if not (begin < self.until and begin + timedelta(days=1) > self.start):
                continue
            ground = next((c for c in self.rules.clauses if self._told_meets(c, row)), None)
            mask = "" if row.masked is None else ("masked" if row.masked else "unmasked")
            meeting = Meeting(
                Exposure.Kind.HAND,
                None,
                begin,
                begin + timedelta(days=1),
                row.minutes,
                "" if ground is None else ground.code,
                mask,
                row.relation,
            )
            risk = hazards(
                Exposures(
                    np.array([row.person_id]),
                    np.array([max(row.minutes, 1) * 60.0]),
                    area_m2=self.rules.risk.reach_m2,
                    closed=row.closed_space is not False,
                    days_since_onset=np.nan
                    if self.onset is None
                    else (row.day - _EPOCH_DAY).days - self.onset,
                    masked=np.nan if row.masked is None else float(row.masked),
                ),
                self.rules.risk,
            )
            self._add(row.person_id, meeting, ground, float(risk[0]))

    def contacts(self) -> list[FoundContact]:
        """Everybody met, with the probability of infection over all their meetings."""
        texts = {c.code: c.text for c in self.rules.clauses}
        for person_id, contact in self.found.items():
            contact.score = -float(np.expm1(-self.hazard[person_id]))
            contact.clause_text = texts.get(contact.clause, "")
        self.found.pop(self.case.person_id, None)
        return list(self.found.values())

    def _add(self, person_id: int, meeting: Meeting, ground: Clause | None, hazard: float) -> None:
        contact = self.found.setdefault(person_id, FoundContact(person_id, 1, self.case.person_id))
        if ground is not None and not contact.clause:
            # The meetings counted so far had no legal ground: from here on the legal ones count.
            contact.clause = ground.code
            contact.minutes = contact.longest = 0.0
            contact.encounters = 0
            contact.first, contact.last = meeting.start, meeting.end
        if ground is not None or not contact.clause:
            contact.minutes += meeting.minutes
            contact.longest = max(contact.longest, meeting.minutes)
            contact.encounters += 1
            contact.first = min(contact.first, meeting.start)
            contact.last = max(contact.last, meeting.end)
        contact.meetings.insert(0, meeting)
        self.hazard[person_id] += hazard

    def _codes(self) -> list[str]:
        return [c.code for c in self.rules.clauses]

    def _clauses_of(self, overlap: Int, closed: npt.NDArray[np.bool_], area: Float) -> Int:
        """Position of the first clause that each meeting in presence satisfies; -1 for none.

        Nobody knows from a scan whether masks were worn: the rule says what is then assumed.
        """
        found = np.full(len(overlap), -1, np.int64)
        for place, clause in reversed(list(enumerate(self.rules.clauses))):
            if not clause.same_place or (
                clause.masked is not None and clause.masked != self.rules.unknown_is_masked
            ):
                continue
            meets = overlap >= clause.min_minutes * 60
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
        masked = self.rules.unknown_is_masked if row.masked is None else row.masked
        return row.minutes >= clause.min_minutes and (clause.masked is None or clause.masked == masked)

    def _days_since_onset(self, moments: Int) -> Float | float:
        if self.onset is None:
            return np.nan
        return ((moments + 7 * 3600) // DAY_S - self.onset).astype(np.float64)


_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).date()


def _gather(
    found: dict[int, FoundContact],
    met: Encounters,
    clause: Int,
    hazard: Float,
    codes: Sequence[str],
    from_person_id: int | None,
    total: dict[int, float],
    degree: int = 1,
    keep: int | None = None,
    always: Iterable[int] = (),
) -> int:
    """Fold meetings into contacts: arrays first, then one step for each person; returns how many were met.

    With `keep`, only that many of the greatest hazard become contacts, and those in `always`.
    """
    persons, slot = np.unique(met.person, return_inverse=True)
    size = len(persons)
    legal = clause >= 0
    is_legal = np.bincount(slot, weights=legal, minlength=size) > 0
    counts = legal | ~is_legal[slot]
    seconds = np.bincount(slot, weights=met.overlap * counts, minlength=size)
    number = np.bincount(slot, weights=counts, minlength=size).astype(int)
    longest = np.zeros(size)
    np.maximum.at(longest, slot, met.overlap * counts)
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, slot[counts], met.start[counts])
    last = np.zeros(size, np.int64)
    np.maximum.at(last, slot[counts], met.end[counts])
    ground = np.full(size, len(codes), np.int64)
    np.minimum.at(ground, slot[legal], clause[legal])
    weight = np.bincount(slot, weights=hazard, minlength=size)
    # Evidence: legal meetings first, then the longest.
    order = np.lexsort((met.start, -met.overlap, ~legal, slot))
    begin = np.searchsorted(slot[order], np.arange(size + 1))
    kept = range(size)
    if keep is not None and size > keep:
        best = np.lexsort((persons, -weight))[:keep]
        kept = np.union1d(best, np.flatnonzero(np.isin(persons, list(always)))).tolist()
    for place in kept:
        rows = order[begin[place] : begin[place + 1]][:EVIDENCE_ROWS].tolist()
        person_id = int(persons[place])
        total[person_id] += float(weight[place])
        found[person_id] = FoundContact(
            person_id=person_id,
            degree=degree,
            from_person_id=int(met.case[rows[0]]) if from_person_id is None else from_person_id,
            clause=codes[ground[place]] if is_legal[place] else "",
            minutes=float(seconds[place]) / 60,
            longest=float(longest[place]) / 60,
            encounters=int(number[place]),
            first=_moment(int(first[place])),
            last=_moment(int(last[place])),
            meetings=[
                Meeting(
                    Exposure.Kind.PRESENCE,
                    int(met.place[row]),
                    _moment(int(met.start[row])),
                    _moment(int(met.end[row])),
                    float(met.overlap[row]) / 60,
                    codes[clause[row]] if clause[row] >= 0 else "",
                )
                for row in rows
            ],
        )
    return size


def _second_degree(
    case: Case, rules: Rulebook, until: datetime, now: datetime, legal: Sequence[FoundContact]
) -> tuple[list[FoundContact], int]:
    """F2: whom an F1 met from when the F1 may have been infectious; the most probable first, and how many
    there are in all."""
    infectious = {c.person_id: c.first + rules.latency for c in legal if c.first + rules.latency < until}
    if not infectious:
        return [], 0
    score = {c.person_id: c.score for c in legal}
    known = {case.person_id, *(c.person_id for c in legal)}
    found: dict[int, FoundContact] = {}
    total: dict[int, float] = defaultdict(float)
    households = _second_households(infectious, known)
    number = 0
    start = min(infectious.values())
    own = presence_reads.window(start, until, persons=infectious).stays
    near = _Near.of_places(int(p) for p in np.unique(own.place))
    places = [
        pk
        for pk in near.closed
        if (rules.f2_closed_space is None or near.closed[pk] == rules.f2_closed_space)
        and (rules.f2_max_area_m2 is None or near.area[pk] <= rules.f2_max_area_m2)
    ]
    if places:
        there = presence_reads.window(start, until, places=places).stays
        presence = Presence.from_arrays(
            there.person, there.place, _seconds(there.enter), _leave_array(there.leave), as_of=now
        )
        present = set(np.intersect1d(presence.person_ids, list(infectious)).tolist())
        firsts = sorted(present)
        met = (
            encounters(
                presence,
                firsts,
                [(infectious[pk], until) for pk in firsts],
                min_minutes=rules.f2_min_minutes,
            )
            if firsts
            else None
        )
        if met is not None and len(met):
            new = ~np.isin(met.person, list(known))
            met = Encounters(
                *(
                    getattr(met, name)[new]
                    for name in ("case", "person", "place", "start", "end", "overlap", "after")
                )
            )
        if met is not None and len(met):
            closed, area = near.columns(met.place)
            hazard = hazards(
                Exposures(
                    met.person,
                    met.overlap,
                    area_m2=area,
                    closed=closed,
                    present=others_present(presence, met),
                ),
                rules.risk,
            )
            ids, slot = np.unique(met.case, return_inverse=True)
            hazard = hazard * np.array([score[int(pk)] for pk in ids])[slot]
            number = _gather(
                found,
                met,
                np.zeros(len(met), np.int64),
                hazard,
                ["F2"],
                None,
                total,
                degree=2,
                keep=rules.max_listed,
                always=households,
            )
    number += len(households.keys() - found.keys())
    _add_second_households(rules, infectious, score, households, until, found, total)
    text = rules.facts[rulebook.F2].summary
    for contact in found.values():
        contact.clause, contact.clause_text = "F2", text
        contact.score = -float(np.expm1(-total[contact.person_id]))
    return sorted(found.values(), key=lambda c: (-c.score, c.person_id))[: rules.max_listed], number


def _second_households(infectious: dict[int, datetime], known: set[int]) -> dict[int, int]:
    """Those who live with an F1: person → the F1 of the household who may have been infectious first."""
    homes = dict(
        Person.objects.filter(pk__in=infectious, household__isnull=False).values_list("pk", "household_id")
    )
    first_of: dict[int, int] = {}
    for person_id, home in homes.items():
        if home is not None and (home not in first_of or infectious[person_id] < infectious[first_of[home]]):
            first_of[home] = person_id
    members = Person.objects.filter(household_id__in=first_of, merged_into__isnull=True).exclude(pk__in=known)
    return {
        person_id: first_of[home]
        for person_id, home in members.values_list("pk", "household_id")
        if home is not None
    }


def _add_second_households(
    rules: Rulebook,
    infectious: dict[int, datetime],
    score: dict[int, float],
    households: dict[int, int],
    until: datetime,
    found: dict[int, FoundContact],
    total: dict[int, float],
) -> None:
    """Those who live with an F1 are F2 from when the F1 may have been infectious."""
    home_area = PlaceKind.objects.filter(code="home").values_list("typical_area_m2", flat=True).first()
    for person_id, first in households.items():
        begin = infectious[first]
        days = (until - begin).total_seconds() / DAY_S
        hours = days * rules.household_hours
        hazard = hazards(
            Exposures(
                np.array([person_id]),
                np.array([hours * 3600]),
                area_m2=np.nan if home_area is None else home_area,
                household=True,
            ),
            rules.risk,
        )
        total[person_id] += float(hazard[0]) * score[first]
        meeting = Meeting(
            Exposure.Kind.HOUSEHOLD, None, begin, until, hours * 60, "F2", note="Sống cùng nhà với F1"
        )
        contact = found.setdefault(person_id, FoundContact(person_id, 2, first))
        contact.minutes += meeting.minutes
        contact.longest = max(contact.longest, meeting.minutes)
        contact.encounters += 1
        contact.first, contact.last = min(contact.first, begin), max(contact.last, until)
        contact.meetings.insert(0, meeting)


def _sources(
    case: Case,
    presence: Presence,
    near: _Near,
    rules: Rulebook,
    anchor: datetime,
    back_from: datetime,
    household: Sequence[int],
) -> list[FoundSource]:
    """Who may have infected the case, best first: earlier cases who listed it as a contact, cases who were
    with it, then others by expected risk."""
    found: dict[int, FoundSource] = {}
    listing = (
        TracedContact.objects.filter(person_id=case.person_id, first_exposure__lt=anchor)
        .exclude(case=case)
        .exclude(state=TracedContact.State.WITHDRAWN)
        .order_by("degree", "-score")
        .select_related("case")
    )
    for row in listing:
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
    together: list[FoundSource] = []
    if case.person_id in presence.person_ids:
        days = (rules.min_incubation.total_seconds() / DAY_S, rules.max_incubation.total_seconds() / DAY_S)
        possible = backward(
            presence,
            [case.person_id],
            anchor,
            min_incubation_days=days[0],
            max_incubation_days=days[1],
            min_minutes=SOURCE_MIN_MINUTES,
        )
        met = encounters(
            presence,
            [case.person_id],
            (back_from, anchor - rules.min_incubation),
            min_minutes=SOURCE_MIN_MINUTES,
        )
        if len(met):
            closed, area = near.columns(met.place)
            risk = hazards(
                Exposures(
                    met.person,
                    met.overlap,
                    area_m2=area,
                    closed=closed,
                    present=others_present(presence, met),
                ),
                rules.risk,
            )
            ids, slot = np.unique(met.person, return_inverse=True)
            weight = dict(zip(ids.tolist(), np.bincount(slot, weights=risk).tolist(), strict=True))
            cases = _cases_of(case, ids.tolist(), anchor)
            column = {int(pk): place for place, pk in enumerate(possible.person)}
            best = sorted(weight, key=lambda pk: (pk not in cases, -weight[pk], pk))[:SOURCES]
            for pk in best:
                at = column[pk]
                mine = np.flatnonzero(met.person == pk)
                main = mine[np.argmax(met.overlap[mine])]
                together.append(
                    FoundSource(
                        pk,
                        cases.get(pk),
                        "presence",
                        float(possible.seconds[at]) / 60,
                        int(possible.encounters[at]),
                        _moment(int(possible.first_at[at])),
                        _moment(int(possible.last_at[at])),
                        int(met.place[main]),
                    )
                )
    for pk, case_id in _cases_of(case, household, anchor).items():
        found.setdefault(pk, FoundSource(pk, case_id, "presence"))
    for source in together:
        found.setdefault(source.person_id, source)
    ranked = sorted(found.values(), key=lambda s: s.source_case_id is None)
    return ranked[:SOURCES]


def _cases_of(case: Case, person_ids: Sequence[int], anchor: datetime) -> dict[int, int]:
    """Which of the people are cases whose illness began before this one's: person → case."""
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
            found[row.person_id] = row.pk
    return found


def _household(case: Case) -> list[int]:
    home = case.person.household_id
    if home is None:
        return []
    return list(
        Person.objects.filter(household_id=home, merged_into__isnull=True)
        .exclude(pk=case.person_id)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


def _merged(stays: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Stays (place, enter, leave) of one person with overlapping ones at a place made one."""
    merged: list[tuple[int, int, int]] = []
    for place, enter, leave in sorted(stays):
        if merged and merged[-1][0] == place and enter <= merged[-1][2]:
            merged[-1] = (place, merged[-1][1], max(leave, merged[-1][2]))
        else:
            merged.append((place, enter, leave))
    return merged


def _seconds(us: Int) -> Int:
    return np.floor_divide(us, 1_000_000)


def _leave_array(us: Int) -> Int:
    return np.where(us == STILL_THERE, ENGINE_OPEN, np.floor_divide(us, 1_000_000))


def _leave(us: Int, now: datetime) -> list[int]:
    return np.where(us == STILL_THERE, int(now.timestamp()), np.floor_divide(us, 1_000_000)).tolist()


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _local_day(seconds: int) -> int:
    return (seconds + 7 * 3600) // DAY_S
