"""Dates by the rule of the day: day 0 is the exposure, days 1 to N are whole days."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from khien.kernel.rules import reads as rules
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import system_actor
from khien.rooms.quarantine import terms

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seeded(db: None) -> None:
    load_seed(system_actor("test"))


def at(text: str) -> datetime:
    """A Vietnamese wall-clock time."""
    return datetime.fromisoformat(f"{text}+07:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("exposure", "now", "degree", "vaccinated", "kind", "end", "watch"),
    [
        ("2021-05-02T23:30", "2021-05-04T12:00", 1, False, "site", "2021-05-17T00:00", date(2021, 5, 30)),
        ("2021-05-02T23:30", "2021-05-06T12:00", 1, False, "site", "2021-05-24T00:00", date(2021, 5, 30)),
        ("2021-12-18T01:00", "2021-12-20T12:00", 1, True, "home", "2021-12-26T00:00", date(2022, 1, 1)),
        ("2021-12-18T01:00", "2021-12-20T12:00", 1, False, "home", "2022-01-02T00:00", date(2022, 1, 15)),
        ("2021-12-18T01:00", "2021-12-20T12:00", 2, False, "watch", "2021-12-26T00:00", date(2021, 12, 25)),
        ("2022-02-26T09:00", "2022-03-01T12:00", 1, True, "home", "2022-03-04T00:00", date(2022, 3, 8)),
    ],
)
def test_the_rule_of_the_day_gives_the_dates(
    exposure: str, now: str, degree: int, vaccinated: bool, kind: str, end: str, watch: date
) -> None:
    moment = at(now)
    found = terms.contact_terms(
        rules.on("quarantine.length", moment.date()),
        degree=degree,
        last_exposure=at(exposure),
        now=moment,
        vaccinated=vaccinated,
    )
    assert found is not None
    assert (found.kind, found.starts_at, found.ends_at, found.watch_until) == (kind, moment, at(end), watch)


def test_a_contact_found_late_only_watches_and_later_nothing_is_asked() -> None:
    rule = rules.on("quarantine.length", date(2022, 3, 1))
    exposure = at("2022-03-01T08:00")
    late = terms.contact_terms(rule, degree=1, last_exposure=exposure, now=at("2022-03-09T00:00"))
    assert late is not None
    assert (late.kind, late.ends_at) == ("watch", at("2022-03-12T00:00"))
    assert terms.contact_terms(rule, degree=1, last_exposure=exposure, now=at("2022-03-12T00:00")) is None


def test_a_degree_that_the_rule_does_not_name_is_no_guess() -> None:
    rule = rules.on("quarantine.length", date(2022, 3, 1))
    with pytest.raises(LookupError):
        terms.contact_terms(rule, degree=3, last_exposure=at("2022-03-01T08:00"), now=at("2022-03-02T08:00"))


def test_isolation_is_counted_from_the_sample() -> None:
    rule = rules.on("quarantine.isolation", date(2022, 1, 10))
    found = terms.isolation_terms(rule, sampled_at=at("2022-01-09T07:00"), now=at("2022-01-10T12:00"))
    assert found is not None
    assert found.ends_at == at("2022-01-20T00:00")
    assert terms.isolation_terms(rule, sampled_at=at("2021-12-20T07:00"), now=at("2022-01-10T12:00")) is None


def test_test_days_of_a_contact() -> None:
    rule = rules.on("testing.contact_test_days", date(2022, 1, 10))
    first = date(2022, 1, 10)
    assert terms.test_days(rule, degree=1, first_day=first) == {first, date(2022, 1, 16)}
    assert terms.test_days(rule, degree=2, first_day=first) == set()
