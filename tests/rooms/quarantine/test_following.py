"""The days of an order: due each morning, answered once, missed ones noticed; alarms only propose."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from khien.kernel.clock.reads import frozen_at
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.staff.reads import actor_of_resident
from khien.rooms.quarantine import reads, verbs
from khien.rooms.quarantine.models import Alarm, FollowUp, Order
from khien.rooms.quarantine.verbs import Exposed
from tests.factories import NOON, make_person
from tests.rooms.quarantine.conftest import World

TODAY = date(2022, 1, 10)


def test_each_morning_brings_one_follow_up_an_order(world: World) -> None:
    order = world.issue(days_ago=1)
    assert verbs.make_due_follow_ups(world.system) == 1
    assert verbs.make_due_follow_ups(world.system) == 0
    with frozen_at(NOON + timedelta(days=6)):
        verbs.make_due_follow_ups(world.system)
    assert list(order.follow_ups.order_by("due_on").values_list("due_on", "test_due")) == [
        (TODAY, True),
        (date(2022, 1, 16), True),
    ]
    with frozen_at(order.ends_at):
        assert verbs.make_due_follow_ups(world.system) == 0


def test_the_person_answers_and_symptoms_are_announced_once(world: World) -> None:
    order = world.issue()
    verbs.make_due_follow_ups(world.system)
    me = actor_of_resident(world.person.pk)
    for _again in range(2):
        follow_up = verbs.record_follow_up(
            me, order_id=order.pk, temperature="38,2", symptoms=["cough", "fever"], notes=" từ đêm qua "
        )
    assert (follow_up.state, str(follow_up.temperature), follow_up.symptoms) == (
        "done",
        "38.2",
        ["fever", "cough"],
    )
    assert (follow_up.channel, follow_up.notes, follow_up.recorded_by) == ("page", "từ đêm qua", None)
    [event] = Event.objects.filter(name="symptoms_reported")
    assert event.payload == {
        "order": order.pk,
        "person": world.person.pk,
        "unit": world.commune.pk,
        "follow_up": follow_up.pk,
    }
    assert [a.kind for a in reads.open_alarms(world.officer)] == ["symptoms"]


def test_fever_alone_is_a_symptom_by_the_rule(world: World) -> None:
    order = world.issue()
    verbs.record_follow_up(world.officer, order_id=order.pk, temperature="37.4")
    assert not Event.objects.filter(name="symptoms_reported").exists()
    verbs.record_follow_up(world.officer, order_id=order.pk, temperature="37.5", channel="visit")
    assert Event.objects.filter(name="symptoms_reported").count() == 1
    assert FollowUp.objects.get().recorded_by == world.officer.id


@pytest.mark.parametrize(
    ("answer", "field"),
    [
        ({"temperature": "nóng"}, "temperature"),
        ({"temperature": "NaN"}, "temperature"),
        ({"temperature": "55"}, "temperature"),
        ({"symptoms": ["witchcraft"]}, "symptoms"),
        ({"day": date(2022, 1, 11)}, "day"),
        ({"day": date(2022, 1, 3)}, "day"),
        ({"reached": False, "temperature": "37"}, "reached"),
        ({"channel": "pigeon"}, "channel"),
    ],
)
def test_a_wrong_answer_is_refused_and_changes_nothing(world: World, answer: dict, field: str) -> None:
    order = world.issue()
    with pytest.raises(Invalid) as fault:
        verbs.record_follow_up(world.officer, order_id=order.pk, **answer)
    assert fault.value.field == field
    assert not FollowUp.objects.exists()


def test_nobody_answers_for_somebody_else(world: World) -> None:
    order = world.issue()
    other = actor_of_resident(make_person("Người Khác", world.commune).pk)
    with pytest.raises(NotFound):
        verbs.record_follow_up(other, order_id=order.pk)
    with pytest.raises(NotAllowed):
        verbs.end_order_early(actor_of_resident(world.person.pk), order_id=order.pk, reason="tôi khỏe rồi")


def test_an_answer_after_the_order_is_refused_but_the_watch_days_still_take_one(world: World) -> None:
    order = world.issue()
    me = actor_of_resident(world.person.pk)
    with frozen_at(order.ends_at + timedelta(days=2)):
        verbs.end_due_orders(world.system)
        assert verbs.record_follow_up(me, order_id=order.pk, temperature="36,6").state == "done"
    with frozen_at(order.ends_at + timedelta(days=40)), pytest.raises(Conflict):
        verbs.record_follow_up(me, order_id=order.pk, temperature="36,6")


def test_a_silent_day_is_missed_and_raises_one_alarm_that_grows(world: World) -> None:
    order = world.issue()
    verbs.make_due_follow_ups(world.system)
    for day in (1, 2):
        with frozen_at(NOON + timedelta(days=day)):
            verbs.make_due_follow_ups(world.system)
            verbs.make_due_follow_ups(world.system)
    [alarm] = Alarm.objects.all()
    assert (alarm.kind, alarm.times, [e["day"] for e in alarm.evidence]) == (
        "missed_follow_up",
        2,
        ["2022-01-10", "2022-01-11"],
    )
    assert list(order.follow_ups.order_by("due_on").values_list("state", flat=True)) == [
        "missed",
        "missed",
        "due",
    ]


def test_the_case_is_followed_when_everybody_has_answered_once(world: World) -> None:
    second = make_person("Lê Văn Cam", world.commune)
    verbs.issue_orders(
        world.tracer,
        case_id=41,
        people=[Exposed(world.person.pk, 1, NOON), Exposed(second.pk, 1, NOON)],
    )
    first, other = Order.objects.order_by("pk")
    verbs.record_follow_up(world.officer, order_id=first.pk, temperature="36.5")
    verbs.record_follow_up(world.officer, order_id=other.pk, reached=False)
    assert not Event.objects.filter(name="case_followed").exists()
    verbs.record_follow_up(world.officer, order_id=other.pk, temperature="36.5")
    with frozen_at(NOON + timedelta(days=1)):
        verbs.record_follow_up(world.officer, order_id=other.pk, temperature="36.5")
    assert Event.objects.get(name="case_followed").payload == {"case": 41, "orders": 2}


def test_a_scan_outside_raises_an_alarm_that_a_named_officer_decides(world: World) -> None:
    order = world.issue()
    seen = {"scan": 5, "place": 8, "unit": world.commune.pk, "at": NOON.isoformat()}
    alarm = verbs.raise_alarm(world.system, person_id=world.person.pk, kind="scanned_outside", evidence=seen)
    assert alarm is not None
    verbs.raise_alarm(world.system, person_id=world.person.pk, kind="scanned_outside", evidence=seen)
    alarm.refresh_from_db()
    assert alarm.times == 1, "a replayed scan is the same scan"
    verbs.raise_alarm(
        world.system, person_id=world.person.pk, kind="scanned_outside", evidence=seen | {"scan": 6}
    )
    with pytest.raises(Invalid):
        verbs.handle_alarm(
            world.system, alarm_id=alarm.pk, outcome="reminded", note="nhắc nhở qua điện thoại"
        )
    with pytest.raises(Invalid):
        verbs.handle_alarm(world.officer, alarm_id=alarm.pk, outcome="reminded", note="")
    handled = verbs.handle_alarm(
        world.officer, alarm_id=alarm.pk, outcome="justified", note="đi cấp cứu, có giấy của trạm"
    )
    assert (handled.times, handled.handled_by_name) == (2, world.officer.name)
    with pytest.raises(Conflict):
        verbs.handle_alarm(world.tracer, alarm_id=alarm.pk, outcome="referred", note="chuyển công an xã")
    verbs.raise_alarm(world.system, person_id=world.person.pk, kind="scanned_outside", evidence=seen)
    assert Alarm.objects.count() == 1, "evidence that was handled raises no second alarm"
    order.refresh_from_db()
    assert order.state == "issued", "nothing follows from an alarm by itself"


def test_somebody_under_no_order_raises_no_alarm(world: World) -> None:
    assert (
        verbs.raise_alarm(
            world.system, person_id=world.person.pk, kind="scanned_outside", evidence={"scan": 1}
        )
        is None
    )
    world.issue(degree=2)
    assert (
        verbs.raise_alarm(
            world.system, person_id=world.person.pk, kind="scanned_outside", evidence={"scan": 1}
        )
        is None
    )


def test_the_birth_year_may_be_guessed_five_times(world: World) -> None:
    order = world.issue()
    me = actor_of_resident(world.person.pk)
    assert not any(verbs.check_birth_year(me, order_id=order.pk, year=1950 + n) for n in range(5))
    with pytest.raises(Conflict):
        verbs.check_birth_year(me, order_id=order.pk, year=1990)
