"""From a rule and a day to the dates of an order. Pure: no database, no clock.

The day of the last exposure (or of the sample of a case) is day 0; days 1 to N are whole days under
order, so an order of N days ends with midnight after day N, Viet Nam time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from khien.kernel import clock
from khien.kernel.rules.reads import RuleFact


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order would say: its kind, [starts_at, ends_at), and the last day of self-watching."""

    kind: str
    starts_at: datetime
    ends_at: datetime
    watch_until: date | None


def contact_terms(
    rule: RuleFact, *, degree: int, last_exposure: datetime, now: datetime, vaccinated: bool = False
) -> Terms | None:
    """The terms for a contact found `now`; None when everything that the rule asks has passed.

    `rule` is `quarantine.length`. Once the days under order have passed, or where the rule has none, what
    is left of the watch days is an order of kind `watch`. Raises `LookupError` for a degree that the rule
    does not name.
    """
    line = _line(rule.value, degree, vaccinated)
    day0 = clock.local(last_exposure).date()
    days = int(line["site_days"]) + int(line["home_days"])
    last_watch = day0 + timedelta(days=days + int(line["watch_days"]))
    order_end = _end_of(day0 + timedelta(days=days))
    watch_end = _end_of(last_watch)
    if days and order_end > now:
        return Terms(
            kind=str(line["place"]),
            starts_at=now,
            ends_at=order_end,
            watch_until=last_watch if line["watch_days"] else None,
        )
    if line["watch_days"] and watch_end > now:
        return Terms(kind="watch", starts_at=now, ends_at=watch_end, watch_until=last_watch)
    return None


def isolation_terms(rule: RuleFact, *, sampled_at: datetime, now: datetime) -> Terms | None:
    """The terms for a case by `quarantine.isolation`, counted from the day of the sample; None when passed."""
    end = _end_of(clock.local(sampled_at).date() + timedelta(days=int(rule.value["min_days"])))
    return None if end <= now else Terms(kind="isolation", starts_at=now, ends_at=end, watch_until=None)


def test_days(rule: RuleFact, *, degree: int, first_day: date) -> set[date]:
    """The days on which `testing.contact_test_days` wants a sample of a contact of this degree.

    `first_day` is the Vietnamese day on which the order began: day 1 of the rule.
    """
    return {first_day + timedelta(days=int(n) - 1) for n in rule.value.get(str(degree), [])}


def kept(rule: RuleFact) -> dict[str, Any]:
    """The rule as it is stored with an order, so that the order explains itself for ever."""
    return {
        "id": rule.id,
        "key": rule.key,
        "decision": rule.decision,
        "summary": rule.summary,
        "value": rule.value,
    }


def _line(value: dict[str, Any], degree: int, vaccinated: bool) -> dict[str, Any]:
    special = value.get("vaccinated", {}) if vaccinated else {}
    line = special.get(str(degree)) or value["by_degree"].get(str(degree))
    if line is None:
        raise LookupError(f"degree {degree}")
    return dict(line)


def _end_of(day: date) -> datetime:
    return clock.start_of_day(day + timedelta(days=1))
