"""The card's colour: the gravest of what holds, and what is missing, by the rule of the day."""

from __future__ import annotations

from datetime import timedelta

import pytest

from khien.kernel import clock
from khien.kernel.rules import verbs as rules
from khien.kernel.rules.models import Rule
from khien.kernel.staff import system_actor
from khien.kernel.standing import colours, verbs
from tests.factories import make_person

HOUR = timedelta(hours=1)


@pytest.mark.django_db
def test_the_gravest_wins_and_says_why() -> None:
    person, other = make_person(), make_person()
    now = clock.now()
    verbs.impose(
        person.pk, "watched", start=now - HOUR, end=None, colour="yellow", reason="a", authority=person
    )
    verbs.impose(
        person.pk, "under_order", start=now - HOUR, end=now + HOUR, colour="red", reason="b", authority=other
    )
    found = colours.of([person.pk, other.pk], now)
    assert (found[person.pk].colour, found[person.pk].reason, found[person.pk].kind) == (
        "red",
        "b",
        "under_order",
    )
    assert found[other.pk].colour == "green"
    later = colours.of([person.pk], now + 2 * HOUR)[person.pk]
    assert (later.colour, later.reason) == ("yellow", "a")


@pytest.mark.django_db
def test_what_the_rule_demands_and_overrides() -> None:
    value = {
        "kinds": {"under_order": "orange"},
        "demanded": [{"kind": "declared", "colour": "yellow", "sentence": "Chưa khai báo."}],
    }
    rules.load_seed(system_actor("setup"))
    Rule.objects.filter(key__key=colours.RULE).update(value=value)
    person, declared = make_person(), make_person()
    now = clock.now()
    verbs.impose(
        declared.pk, "declared", start=now, end=now + HOUR, colour="green", reason="", authority=declared
    )
    assert colours.of([person.pk], now)[person.pk].reason == "Chưa khai báo."
    assert colours.of([declared.pk], now)[declared.pk].colour == "green"
    assert colours.of([declared.pk], now + HOUR)[declared.pk].kind == "declared"
    verbs.impose(declared.pk, "under_order", start=now, end=None, colour="red", reason="b", authority=person)
    assert colours.of([declared.pk], now)[declared.pk].colour == "orange"
