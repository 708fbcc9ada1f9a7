"""Questions about cases, always within the actor's units."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet

from khien.engine import rt
from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.language import fold
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.registries import MeetingsSeen
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing.finding import CommonPlace, CommonPlaces, common_places
from khien.rooms.tracing.models import (
    TRACERS,
    Case,
    CaseStep,
    ContactList,
    Exposure,
    HeldPair,
    HeldResult,
    LineListImport,
    Outbreak,
    PairLogImport,
    SourceProposal,
    TracedContact,
)

BLOCKING = ["listed", "approved", "ordered", "told", "followed"]
"""Steps that can block an open case, in order (what lies before the opening is past)."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What a list of cases is narrowed to; empty means all."""

    text: str = ""
    status: str = ""
    classification: str = ""
    step: str = ""
    unit: int | None = None
    outbreak: int | None = None


def cases(actor: Actor, wanted: CaseFilter) -> QuerySet[Case]:
    """Cases in scope, newest first, each with its numbers of F1 and of proposed contacts."""
    found = Case.objects.seen_by(actor).select_related("person", "unit", "outbreak")
    if wanted.status:
        found = found.filter(status=wanted.status)
    if wanted.classification:
        found = found.filter(classification=wanted.classification)
    if wanted.unit is not None:
        path = AdminUnit.objects.filter(pk=wanted.unit).values_list("path", flat=True).first()
        found = found.filter(unit__path__startswith=path) if path else found.none()
    if wanted.outbreak is not None:
        found = found.filter(outbreak_id=wanted.outbreak)
    if wanted.step in BLOCKING:
        found = found.filter(status=Case.Status.OPEN)
        for step in BLOCKING[: BLOCKING.index(wanted.step) + 1]:
            done = Exists(CaseStep.objects.filter(case=OuterRef("pk"), step=step))
            found = found.filter(~done if step == wanted.step else done)
    if wanted.text.strip():
        found = found.filter(_matches(wanted.text))
    return found.annotate(
        f1=Count("contacts", filter=Q(contacts__degree=1) & ~Q(contacts__clause="")),
        waiting=Count(
            "contacts", filter=Q(contacts__state="proposed", contacts__degree=1) & ~Q(contacts__clause="")
        ),
    ).order_by("-opened_at", "-pk")


def _matches(text: str) -> Q:
    words = fold(text).split()
    wanted = Q(registered_number__iexact=text.strip())
    if len(words) == 1 and words[0].removeprefix("bn").isdecimal():
        wanted |= Q(pk=min(int(words[0].removeprefix("bn")), 2**62))
    by_name = Q()
    for word in words:
        by_name &= Q(person__name_folded__contains=word)
    return wanted | by_name


def case(actor: Actor, case_id: int) -> Case:
    """One case in scope with what its page shows. Raises `NotFound`."""
    found = (
        Case.objects.seen_by(actor)
        .select_related("person", "unit", "outbreak", "window_rule", "source_case__person")
        .filter(pk=case_id)
        .first()
    )
    if found is None:
        raise NotFound()
    return found


def cases_of_person(actor: Actor, person_id: int) -> list[Case]:
    """The cases of one person in scope, newest first."""
    return list(Case.objects.seen_by(actor).filter(person_id=person_id).order_by("-opened_at"))


def contact_of_person(actor: Actor, person_id: int) -> list[TracedContact]:
    """Where a person stands on contact lists in scope, newest first."""
    rows = TracedContact.objects.seen_by(actor).filter(person_id=person_id)
    return list(
        rows.exclude(state=TracedContact.State.WITHDRAWN).select_related("case").order_by("-last_exposure")
    )


# The clock -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockStep:
    """A step of the case's clock; `after` is the time since the step before it."""

    step: str
    label: str
    at: datetime | None
    after: timedelta | None
    blocking: bool


def clock_of(case: Case, steps: Iterable[CaseStep] | None = None) -> list[ClockStep]:
    """All steps in order; the blocking one is the first that an open case misses after its opening.

    Its `after` is the time waited so far.
    """
    done = {row.step: row.at for row in (case.steps.all() if steps is None else steps)}
    now = clock.now()
    answer: list[ClockStep] = []
    last: datetime | None = None
    blocked = case.status == Case.Status.CLOSED
    for step in CaseStep.Step:
        at = done.get(step.value)
        blocks = at is None and not blocked and step.value in BLOCKING
        blocked = blocked or blocks
        since = at if at is not None else (now if blocks else None)
        after = since - last if since is not None and last is not None and since >= last else None
        answer.append(ClockStep(step.value, str(step.label), at, after, blocks))
        last = at or last
    return answer


def blocking_steps(actor: Actor, case_ids: Sequence[int]) -> dict[int, str]:
    """The label of the blocking step of each case; cases that nothing blocks are left out."""
    rows = Case.objects.seen_by(actor).filter(pk__in=case_ids, status=Case.Status.OPEN)
    done: dict[int, set[str]] = defaultdict(set)
    for case_id, step in CaseStep.objects.filter(case__in=rows).values_list("case_id", "step"):
        done[case_id].add(step)
    answer = {}
    for case_id in rows.values_list("pk", flat=True):
        missing = next((step for step in BLOCKING if step not in done[case_id]), None)
        if missing is not None:
            answer[case_id] = str(CaseStep.Step(missing).label)
    return answer


# Contacts ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ListSize:
    """What a list of this many people finds and misses, by the expected number of infections among all listed."""

    size: int
    further: int
    found: float
    missed: float
    share: float


@dataclass(frozen=True, slots=True)
class Listed:
    """One on a contact list, by numbers alone."""

    pk: int
    score: float
    state: str
    is_legal_f1: bool
    converted_case_id: int | None


def listed(actor: Actor, case_id: int) -> list[Listed]:
    """Everybody on the list of a case: F1 by law, then the others, each by expected risk."""
    rows = _contacts_of(actor, case_id).values_list(
        "pk", "score", "state", "degree", "clause", "converted_case_id"
    )
    everybody = [
        Listed(pk, score, state, degree == 1 and bool(clause), converted)
        for pk, score, state, degree, clause, converted in rows
    ]
    return sorted(everybody, key=lambda c: not c.is_legal_f1)


def contacts(actor: Actor, case_id: int, only: Collection[int] | None = None) -> list[TracedContact]:
    """As `listed`, with who they are and the evidence; with `only`, those with these keys."""
    rows = _contacts_of(actor, case_id)
    if only is not None:
        rows = rows.filter(pk__in=only)
    evidence = Exposure.objects.select_related("place").order_by("-clause", "-minutes")
    found = rows.select_related("person__unit", "from_person", "converted_case").prefetch_related(
        Prefetch("exposures", evidence)
    )
    return sorted(found, key=lambda c: not c.is_legal_f1)


def _contacts_of(actor: Actor, case_id: int) -> QuerySet[TracedContact]:
    seen: QuerySet[TracedContact] = TracedContact.objects.seen_by(actor)
    return seen.filter(case_id=case_id).exclude(state=TracedContact.State.WITHDRAWN).order_by("-score", "pk")


def latest_list(actor: Actor, case_id: int) -> ContactList | None:
    """The newest version of a case's contact list."""
    seen = Case.objects.seen_by(actor).filter(pk=case_id)
    return ContactList.objects.filter(case__in=seen).order_by("-version").first()


def lists(actor: Actor, case_id: int) -> list[ContactList]:
    """All versions of a case's contact list, newest first, with the rules each was made by."""
    seen = Case.objects.seen_by(actor).filter(pk=case_id)
    return list(ContactList.objects.filter(case__in=seen).order_by("-version"))


def list_sizes(rows: Sequence[Listed], further: Sequence[int] = (0, 10, 25, 50, 100, 200)) -> list[ListSize]:
    """How many expected infections a list misses that holds all F1 by law and the n most probable others."""
    legal = [c.score for c in rows if c.is_legal_f1]
    others = sorted((c.score for c in rows if not c.is_legal_f1), reverse=True)
    total = sum(legal) + sum(others)
    answer = []
    for n in sorted({min(n, len(others)) for n in (*further, len(others))}):
        found = sum(legal) + sum(others[:n])
        answer.append(ListSize(len(legal) + n, n, found, total - found, found / total if total else 1.0))
    return answer


def sources(actor: Actor, case_id: int) -> list[SourceProposal]:
    """Possible and linked sources of a case: linked first, those who are cases next, then as ranked."""
    seen = Case.objects.seen_by(actor).filter(pk=case_id)
    rows = (
        SourceProposal.objects.filter(case__in=seen)
        .exclude(state=SourceProposal.State.REJECTED)
        .select_related("person", "source_case", "place")
    )
    return sorted(rows, key=lambda s: (s.state != "linked", s.source_case_id is None, s.pk))


def held_results(actor: Actor) -> list[HeldResult]:
    """Positive results for closed cases that wait for a decision."""
    rows = HeldResult.objects.seen_by(actor).filter(settled_at__isnull=True)
    return list(rows.select_related("person", "case").order_by("held_at")[:100])


def phones(person_ids: Iterable[int]) -> dict[int, str]:
    """The main phone of each person. The door narrows who is asked about."""
    rows = Person.objects.filter(pk__in=list(person_ids), phones__is_main=True)
    return dict(rows.values_list("pk", "phones__number"))


# Common places -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TogetherFilter:
    """Which cases are asked where they were together: of an outbreak, or those who fell ill in the last `days`; of one
    unit; only what the case `case` shared; where at least `at_least` of them were."""

    outbreak: int | None = None
    days: int = 21
    unit: int | None = None
    case: int | None = None
    at_least: int = 2


@dataclass(frozen=True, slots=True)
class TogetherRow:
    """A common place with its name, and the cases there: those who may have been infected, those who may have
    infected others."""

    found: CommonPlace
    place: str
    may_be_infected: list[Case]
    infectious: list[Case]


@dataclass(frozen=True, slots=True)
class Together:
    """Where cases were together: the rows, what was asked, and how many cases are beyond the newest that are asked."""

    rows: list[TogetherRow]
    answer: CommonPlaces
    left_out: int


CASES_ASKED = 300
"""Cases asked at once where they were together, the newest."""


def together(actor: Actor, wanted: TogetherFilter) -> Together:
    """Where the cases in scope were together while they may have been infected; see `finding.common`."""
    found = Case.objects.seen_by(actor).exclude(classification=Case.Classification.NOT_A_CASE)
    if wanted.outbreak is not None:
        found = found.filter(outbreak_id=wanted.outbreak)
    else:
        since = clock.today() - timedelta(days=wanted.days)
        found = found.filter(Q(onset_on__gte=since) | Q(sampled_at__gte=clock.start_of_day(since)))
    if wanted.unit is not None:
        path = AdminUnit.objects.filter(pk=wanted.unit).values_list("path", flat=True).first()
        found = found.filter(unit__path__startswith=path) if path else found.none()
    asked = found.select_related("person").prefetch_related("landmarks").order_by("-opened_at", "-pk")
    members = list(asked[:CASES_ASKED])
    if wanted.case is not None and all(c.pk != wanted.case for c in members):
        members += asked.filter(pk=wanted.case)
    answer = common_places(members, clock.now(), with_case=wanted.case, at_least=wanted.at_least)
    by_id = {c.pk: c for c in members}
    names = dict(Place.objects.filter(pk__in=[p.place_id for p in answer.places]).values_list("pk", "name"))
    rows = [
        TogetherRow(
            place,
            names.get(place.place_id, ""),
            [by_id[pk] for pk in place.may_be_infected],
            [by_id[pk] for pk in place.infectious],
        )
        for place in answer.places
    ]
    return Together(rows, answer, max(found.count() - len(members), 0))


# Outbreaks -----------------------------------------------------------------------------------------


def outbreaks(actor: Actor) -> QuerySet[Outbreak]:
    """Outbreaks in scope with their number of cases, newest first."""
    found: QuerySet[Outbreak] = Outbreak.objects.seen_by(actor)
    return found.annotate(total=Count("cases")).select_related("unit").order_by("-opened_at", "-pk")


def outbreak(actor: Actor, outbreak_id: int) -> Outbreak:
    """One outbreak in scope. Raises `NotFound`."""
    found = outbreaks(actor).filter(pk=outbreak_id).first()
    if found is None:
        raise NotFound()
    return found


def imports(actor: Actor, outbreak_id: int | None = None) -> list[LineListImport]:
    """Line lists taken in, newest first, with their held lines."""
    rows = LineListImport.objects.seen_by(actor).select_related("outbreak", "unit")
    if outbreak_id is not None:
        rows = rows.filter(outbreak_id=outbreak_id)
    return list(rows.prefetch_related("held_lines").order_by("-at", "-pk")[:50])


def pair_logs(actor: Actor) -> QuerySet[PairLogImport]:
    """Portions of logs of pair contacts taken in, newest first. Counts only."""
    rows: QuerySet[PairLogImport] = PairLogImport.objects.seen_by(actor)
    return rows.select_related("unit").order_by("-at", "-pk")


def held_pairs(actor: Actor) -> QuerySet[HeldPair]:
    """Rows of such logs that still wait to be mended, newest first. They name nobody of the ledger."""
    return HeldPair.objects.filter(intake__in=PairLogImport.objects.seen_by(actor)).select_related("intake")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Linked pairs of an outbreak, and the days between the onsets of the `timed` ones (serial interval)."""

    linked: int
    timed: int
    mean: float | None
    sd: float | None
    low: int | None
    high: int | None


def pairs(actor: Actor, outbreak_id: int) -> Pairs:
    """Who infected whom, counted; a case with two probable sources makes two pairs."""
    seen = Case.objects.seen_by(actor).filter(outbreak_id=outbreak_id)
    rows = SourceProposal.objects.filter(case__in=seen, state=SourceProposal.State.LINKED).values_list(
        "source_case__onset_on", "case__onset_on"
    )
    all_rows = list(rows)
    days = [(later - first).days for first, later in all_rows if first is not None and later is not None]
    return Pairs(
        linked=len(all_rows),
        timed=len(days),
        mean=statistics.fmean(days) if days else None,
        sd=statistics.stdev(days) if len(days) > 1 else None,
        low=min(days, default=None),
        high=max(days, default=None),
    )


@dataclass(frozen=True, slots=True)
class CurveDay:
    """New cases of a day, and R over the seven days that end with it (null where data say nothing)."""

    day: date
    cases: int
    r: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    """An epidemic curve by day of onset (of result where onset is unknown), without gaps.

    R is by Cori et al. 2013 with the serial interval `mean_days`, `sd_days`: the outbreak's own when at least
    ten of its pairs are timed (`own_interval`), else the rule's.
    """

    days: list[CurveDay]
    by_onset: int
    by_result: int
    undated: int
    mean_days: float | None
    sd_days: float | None
    own_interval: bool
    pairs: Pairs

    def highest_r(self) -> CurveDay | None:
        """The day with the highest R among those whose window has at least eleven cases (Cori et al. 2013:
        then the posterior's coefficient of variation is below 0.3)."""
        known = [
            day
            for place, day in enumerate(self.days)
            if day.r is not None and sum(d.cases for d in self.days[max(place - 6, 0) : place + 1]) >= 11
        ]
        return max(known, key=lambda day: day.r or 0.0, default=None)


OWN_INTERVAL_PAIRS = 10
LONGEST_CURVE_DAYS = 1500


def curve(actor: Actor, outbreak_id: int) -> Curve:
    """The epidemic curve and R of an outbreak. A curve longer than 1,500 days keeps its last ones."""
    known = pairs(actor, outbreak_id)
    rows = list(
        Case.objects.seen_by(actor)
        .filter(outbreak_id=outbreak_id)
        .exclude(classification=Case.Classification.NOT_A_CASE)
        .values_list("onset_on", "resulted_at")
    )
    by_onset = sum(onset is not None for onset, _result in rows)
    dated: list[date] = []
    for onset, result in rows:
        if onset is not None:
            dated.append(onset)
        elif result is not None:
            dated.append(clock.local(result).date())
    counts = Counter(dated)
    days: list[CurveDay] = []
    mean = sd = None
    own = known.timed >= OWN_INTERVAL_PAIRS and (known.mean or 0) > 1 and (known.sd or 0) > 0
    if dated:
        first, last = min(dated), max(dated)
        first = max(first, last - timedelta(days=LONGEST_CURVE_DAYS - 1))
        span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        if own:
            mean, sd = known.mean, known.sd
        else:
            mean, sd = _ruled_interval(last)
        r: dict[int, tuple[float, float, float]] = {}
        if mean is not None and sd is not None:
            found = rt.estimate([counts[day] for day in span], mean_days=mean, sd_days=sd)
            r = {
                int(place): (float(m), float(low), float(high))
                for place, m, low, high in zip(found.last, found.mean, found.low, found.high, strict=True)
            }
        for place, day in enumerate(span):
            value, low, high = r.get(place, (None, None, None))
            days.append(CurveDay(day, counts[day], value, low, high))
    return Curve(
        days=days,
        by_onset=by_onset,
        by_result=len(dated) - by_onset,
        undated=len(rows) - len(dated),
        mean_days=mean,
        sd_days=sd,
        own_interval=own,
        pairs=known,
    )


def _ruled_interval(day: date) -> tuple[float | None, float | None]:
    try:
        value = rules.on("surveillance.serial_interval", day).value
    except NotFound:
        return None, None
    return float(value["mean_days"]), float(value["sd_days"])


# The chain -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """That `source` infected `target` (case ids); `main` for the source that the chain follows."""

    source: int
    target: int
    main: bool
    how: str
    exposure: str


@dataclass(frozen=True, slots=True)
class Chain:
    """Who infected whom: the cases of chains, their links, and how many cases stand alone.

    `left_out` is how many cases are beyond the limit of the picture.
    """

    cases: list[Case]
    links: list[Link]
    alone: int
    left_out: int


CHAIN_LIMIT = 500


def chain_of_outbreak(actor: Actor, outbreak_id: int) -> Chain:
    """All chains of an outbreak, as far as the actor sees its cases."""
    return _chain(list(Case.objects.seen_by(actor).filter(outbreak_id=outbreak_id)))


def chain_of_case(actor: Actor, case: Case) -> Chain:
    """The chain in which a case stands: up to its first known source, and everybody below."""
    root, seen = case, {case.pk}
    while root.source_case_id is not None and root.source_case_id not in seen:
        above = Case.objects.seen_by(actor).filter(pk=root.source_case_id).first()
        if above is None:
            break
        seen.add(above.pk)
        root = above
    members: dict[int, Case] = {root.pk: root}
    frontier = [root.pk]
    while frontier and len(members) <= CHAIN_LIMIT:
        below = Case.objects.seen_by(actor).filter(source_case__in=frontier).exclude(pk__in=members)
        frontier = []
        for row in below:
            members[row.pk] = row
            frontier.append(row.pk)
    return _chain(list(members.values()), keep_alone=True)


def _chain(members: list[Case], *, keep_alone: bool = False) -> Chain:
    ids = {c.pk for c in members}
    rows = SourceProposal.objects.filter(
        case__in=ids, source_case__in=ids, state=SourceProposal.State.LINKED
    ).select_related("case")
    links = [
        Link(
            r.source_case_id,
            r.case_id,
            r.case.source_case_id == r.source_case_id,
            r.get_how_display(),
            r.exposure,
        )
        for r in rows
        if r.source_case_id is not None
    ]
    linked = {link.source for link in links} | {link.target for link in links}
    drawn = [c for c in members if keep_alone or c.pk in linked]
    drawn.sort(key=lambda c: (day_of_illness(c), c.pk))
    kept = drawn[:CHAIN_LIMIT]
    inside = {c.pk for c in kept}
    return Chain(
        cases=kept,
        links=[link for link in links if link.source in inside and link.target in inside],
        alone=len(members) - len(drawn),
        left_out=len(drawn) - len(kept),
    )


def day_of_illness(case: Case) -> date:
    """The day by which a case is drawn: onset, else sample, result, opening."""
    if case.onset_on is not None:
        return case.onset_on
    return clock.local(case.sampled_at or case.resulted_at or case.opened_at).date()


def person_panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    """For the person page: the person's cases, and the lists they stand on."""
    person = Person.objects.seen_by(actor).filter(pk=person_id).first() if actor.has(*TRACERS) else None
    if person is None:
        return None
    found = cases_of_person(actor, person_id)
    return {
        "cases": found,
        "contacts": contact_of_person(actor, person_id),
        "public_id": person.public_id,
        "may_open": not any(c.status == Case.Status.OPEN for c in found),
    }


def meetings_seen(path: str, since: datetime) -> MeetingsSeen | None:
    """For the registry: the median over cases of a unit path, each by its latest list made since a moment, of the share
    of their meetings that was seen (`engine.seen`). A count without persons, so no actor narrows it."""
    rows = (
        ContactList.objects.filter(case__unit__path__startswith=path, listed_at__gte=since)
        .order_by("case", "-version")
        .distinct("case")
        .values_list("coverage", flat=True)
    )
    shares = [row["seen_percent"] / 100 for row in rows if row.get("seen_percent") is not None]
    return MeetingsSeen(statistics.median(shares), len(shares)) if shares else None
