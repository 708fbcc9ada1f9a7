"""Rules are dated data: the rule of the day, and never two for one day."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import IntegrityError, transaction

from khien.kernel.errors import Conflict, NotFound
from khien.kernel.rules import reads, verbs
from khien.kernel.rules.models import Rule, RuleKey
from khien.kernel.rules.working_days import add_working_days, is_working_day
from khien.kernel.staff import system_actor

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


def test_an_old_case_keeps_the_rule_of_its_day() -> None:
    verbs.load_seed(SYSTEM)
    before, after = date(2021, 12, 28), date(2021, 12, 29)
    assert reads.on("tracing.infectious_window", before).value["days_before_onset"] == 3
    assert reads.on("tracing.infectious_window", after).value["days_before_onset"] == 2
    lengths = {
        day: reads.on("quarantine.length", day).value["by_degree"]["1"]
        for day in (date(2021, 5, 4), date(2021, 5, 5), date(2021, 12, 16), date(2022, 2, 21))
    }
    assert [(v["site_days"], v["home_days"]) for v in lengths.values()] == [(14, 0), (21, 0), (0, 14), (0, 7)]


def test_seeding_again_leaves_the_provinces_own_rules_alone() -> None:
    assert verbs.load_seed(SYSTEM) > 0
    assert verbs.load_seed(SYSTEM) == 0


def test_enacting_ends_the_rule_before_it() -> None:
    verbs.load_seed(SYSTEM)
    start = date(2022, 4, 1)
    verbs.enact(
        SYSTEM,
        key="quarantine.isolation",
        start=start,
        value={"min_days": 7},
        decision="TEST/1",
        summary="thử",
        source="test",
    )
    assert reads.on("quarantine.isolation", date(2022, 3, 31)).value == {"min_days": 10}
    assert reads.on("quarantine.isolation", start).decision == "TEST/1"
    with pytest.raises(Conflict):
        verbs.enact(
            SYSTEM,
            key="quarantine.isolation",
            start=date(2022, 3, 1),
            value={},
            decision="TEST/2",
            summary="",
            source="",
        )


def test_the_database_refuses_two_rules_for_one_day() -> None:
    key = RuleKey.objects.create(key="test", meaning="")
    other = RuleKey.objects.create(key="other", meaning="")
    rule = {"value": {}, "decision": "x", "summary": "", "source": ""}
    Rule.objects.create(key=key, during=(date(2022, 1, 1), date(2022, 2, 1)), **rule)
    Rule.objects.create(key=other, during=(date(2022, 1, 1), None), **rule)
    with pytest.raises(IntegrityError), transaction.atomic():
        Rule.objects.create(key=key, during=(date(2022, 1, 31), None), **rule)


def test_no_rule_says_so() -> None:
    with pytest.raises(NotFound, match="01/01/1990"):
        reads.on("quarantine.length", date(1990, 1, 1))


def test_working_days_skip_weekends_and_tet() -> None:
    verbs.load_seed(SYSTEM)
    assert not is_working_day(date(2022, 2, 1))
    assert not is_working_day(date(2022, 1, 8))
    assert add_working_days(date(2022, 1, 28), 3) == date(2022, 2, 9)
