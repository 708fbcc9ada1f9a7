"""The rules of the day of a case: what counts as infectious, as F1, as F2, as a possible source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from khien.engine.origins import Incubation
from khien.engine.scoring import RiskParameters
from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.rules.reads import RuleFact
from khien.rooms.tracing.models import Case

WINDOW, DEFINITION, F2 = "tracing.infectious_window", "tracing.contact_definition", "tracing.f2"
INCUBATION, RISK = "tracing.incubation", "tracing.risk_model"

# For rules that leave them out: a home's hours are Khiên's assumption, shown with the list.
HOUSEHOLD_HOURS_A_DAY = 10.0
F2_LISTED, OTHERS_LISTED = 3_000, 300
MIN_PROBABILITY = 0.000001


@dataclass(frozen=True, slots=True)
class Clause:
    """One ground of the law for F1. None means that the clause does not ask."""

    code: str
    text: str
    same_place: bool
    same_household: bool
    closed_space: bool | None
    max_area_m2: float | None
    min_minutes: float
    masked: bool | None
    hand_entered: bool | str | None

    @classmethod
    def read(cls, value: dict[str, Any]) -> Clause:
        asks = value["requires"]
        return cls(
            code=value["code"],
            text=value["text"],
            same_place=bool(asks.get("same_place")),
            same_household=bool(asks.get("same_household")),
            closed_space=asks.get("closed_space"),
            max_area_m2=asks.get("max_area_m2"),
            min_minutes=float(asks.get("min_minutes") or 0),
            masked=asks.get("masked"),
            hand_entered=asks.get("hand_entered"),
        )


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules in force on one day, read once for a listing."""

    day: date
    facts: dict[str, RuleFact]
    clauses: tuple[Clause, ...]
    unknown_is_masked: bool
    latency: timedelta
    f2_min_minutes: float
    f2_max_area_m2: float | None
    f2_closed_space: bool | None
    max_degree: int
    f2_max_listed: int
    others_listed: int
    f2_min_probability: float
    min_incubation: timedelta
    max_incubation: timedelta
    incubation: Incubation
    risk: RiskParameters
    household_hours: float

    def as_json(self) -> dict[str, dict[str, Any]]:
        """What a contact list keeps of its rules."""
        return {
            key: {
                "id": fact.id,
                "decision": fact.decision,
                "summary": fact.summary,
                "to_confirm": fact.to_confirm,
            }
            for key, fact in self.facts.items()
        }


def day_of(case: Case) -> date:
    """The Vietnamese day whose rules hold for a case: of its result, else sample, onset, opening."""
    moment = case.resulted_at or case.sampled_at
    if moment is not None:
        return clock.local(moment).date()
    return case.onset_on or clock.local(case.opened_at).date()


def of_case(case: Case) -> Rulebook:
    """The rules of the case's day. Raises `NotFound` naming the rule that is missing."""
    day = day_of(case)
    facts = {key: rules.on(key, day) for key in (WINDOW, DEFINITION, F2, INCUBATION, RISK)}
    f2, incubation, definition = facts[F2].value, facts[INCUBATION].value, facts[DEFINITION].value
    risk = dict(facts[RISK].value)
    hours = float(risk.pop("household_hours_a_day", HOUSEHOLD_HOURS_A_DAY))
    others = int(risk.pop("others_listed", OTHERS_LISTED))
    return Rulebook(
        day=day,
        facts=facts,
        clauses=tuple(Clause.read(clause) for clause in definition["clauses"]),
        unknown_is_masked=definition.get("unknown_mask") == "masked",
        latency=timedelta(days=f2["latency_days"]),
        f2_min_minutes=float(f2["min_minutes"]),
        f2_max_area_m2=f2.get("max_area_m2"),
        f2_closed_space=f2.get("closed_space"),
        max_degree=int(f2.get("max_degree", 2)),
        f2_max_listed=int(f2.get("max_listed", F2_LISTED)),
        others_listed=others,
        f2_min_probability=float(f2.get("min_probability", MIN_PROBABILITY)),
        min_incubation=timedelta(days=incubation["min_days"]),
        max_incubation=timedelta(days=incubation["max_days"]),
        incubation=incubation_of(incubation),
        risk=RiskParameters.from_mapping(risk),
        household_hours=hours,
    )


def incubation_of(value: dict[str, Any]) -> Incubation:
    """The limits of a rule of incubation, and its log-normal (`log_mean`, `log_sd` of days) where it names one."""
    named = {name: float(value[name]) for name in ("log_mean", "log_sd") if name in value}
    return Incubation(shortest_days=float(value["min_days"]), longest_days=float(value["max_days"]), **named)


@dataclass(frozen=True, slots=True)
class Window:
    """When a case may infect: [start, end), and the rule that says so."""

    start: datetime
    end: datetime
    rule: RuleFact


def infectious_window(case: Case) -> Window | None:
    """The window by the rule of the case's day; None without onset and sample, or without such a rule."""
    if case.onset_on is None and case.sampled_at is None:
        return None
    try:
        rule = rules.on(WINDOW, day_of(case))
    except NotFound:  # a history from before the first rule that is known
        return None
    value = rule.value
    if case.onset_on is not None:
        anchor, before = case.onset_on, value["days_before_onset"]
    else:
        assert case.sampled_at is not None
        anchor = clock.local(case.sampled_at).date()
        before = value["days_before_sample_if_asymptomatic"]
    start = clock.start_of_day(anchor - timedelta(days=before))
    end = clock.start_of_day(anchor + timedelta(days=value["days_after"] + 1))
    if value.get("until_isolated") and case.isolated_at is not None and start < case.isolated_at < end:
        end = case.isolated_at
    return Window(start, end, rule)


def anchor_of(case: Case) -> datetime | None:
    """The moment from which incubation is counted back: the onset's day, else the sample's."""
    if case.onset_on is not None:
        return clock.start_of_day(case.onset_on)
    return None if case.sampled_at is None else clock.start_of_day(clock.local(case.sampled_at).date())
