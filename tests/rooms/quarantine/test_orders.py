"""Issuing, changing and ending orders; what holds for the person meanwhile; who may do it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.clock.reads import frozen_at
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.staff import Role
from khien.kernel.standing import reads as standing
from khien.rooms.quarantine import reads, verbs
from khien.rooms.quarantine.models import FollowUp, Order, OrderChange, OrderGround
from khien.rooms.quarantine.verbs import Exposed
from tests.factories import NOON, make_actor, make_person, make_place, make_unit
from tests.rooms.quarantine.conftest import World


def colour(world: World, days: int = 0) -> str | None:
    held = standing.holding([world.person.pk], clock.now() + timedelta(days=days)).get(world.person.pk)
    return held[0].colour if held else None


def test_an_approved_list_becomes_orders_with_dates_reason_and_standing(world: World) -> None:
    second = make_person("Lê Văn Cam", world.commune)
    people = [
        Exposed(world.person.pk, 1, NOON - timedelta(days=2)),
        Exposed(second.pk, 2, NOON - timedelta(days=1)),
    ]
    outcomes = verbs.issue_orders(
        world.system, case_id=41, people=people, approved_by=7, approved_by_name="Cán bộ Duyệt"
    )
    assert [o.outcome for o in outcomes] == ["issued", "issued"]
    first, watch = Order.objects.order_by("pk")
    assert (first.number, watch.number) == ("1/2022/QĐ-CLYT", "2/2022/QĐ-CLYT")
    assert (first.kind, watch.kind) == ("home", "watch")
    assert reads.last_day(first) == date(2022, 1, 22)
    assert first.rule["decision"] == "10696/BYT-MT"
    assert "10696/BYT-MT" in first.legal_basis[-1]
    assert (first.signed_by, first.signed_by_name) == (7, "Cán bộ Duyệt")
    assert colour(world) == "orange"
    assert colour(world, days=13) is None
    assert standing.holding([second.pk], NOON)[second.pk][0].kind == "under_watch"
    event = Event.objects.get(name="orders_issued")
    assert event.payload == {
        "case": 41,
        "kind": "contacts",
        "orders": [{"order": o.pk, "person": o.person_id, "unit": o.unit_id} for o in (first, watch)],
    }
    line = AuditLine.objects.get(act="quarantine.issue_orders")
    assert line.persons == sorted([world.person.pk, second.pk])


def test_the_same_list_again_changes_nothing(world: World) -> None:
    people = [Exposed(world.person.pk, 1, NOON - timedelta(days=2))]
    first = verbs.issue_orders(world.tracer, case_id=41, people=people)
    again = verbs.issue_orders(world.tracer, case_id=41, people=people)
    assert first == again
    assert Order.objects.count() == 1
    assert Event.objects.filter(name="orders_issued").count() == 1
    verbs.cancel_order(world.officer, order_id=first[0].order_id, reason="nhầm người cùng tên")
    verbs.issue_orders(world.tracer, case_id=41, people=people)
    assert [o.state for o in Order.objects.all()] == ["cancelled"], (
        "a replay never revives what was cancelled"
    )


def test_a_second_case_extends_the_order_or_leaves_it_and_says_so(world: World) -> None:
    order = world.issue(case_id=1, days_ago=2)
    later = NOON + timedelta(days=1)
    with frozen_at(later):
        [left] = verbs.issue_orders(
            world.tracer, case_id=2, people=[Exposed(world.person.pk, 1, NOON - timedelta(days=3))]
        )
        [longer] = verbs.issue_orders(world.tracer, case_id=3, people=[Exposed(world.person.pk, 1, NOON)])
    assert (left.outcome, left.order_id) == ("covered", order.pk)
    assert "23:59" not in left.explanation
    assert (longer.outcome, longer.order_id) == ("extended", order.pk)
    order.refresh_from_db()
    assert reads.last_day(order) == date(2022, 1, 24)
    change = order.changes.get(kind=OrderChange.Kind.EXTENDED)
    assert (change.previous_end, change.new_end) == (
        clock.start_of_day(date(2022, 1, 23)),
        clock.start_of_day(date(2022, 1, 25)),
    )
    assert colour(world, days=13) == "orange"
    assert Event.objects.get(name="order_changed").payload["reason"] == "new_exposure"


def test_watching_becomes_staying_when_a_nearer_exposure_is_found(world: World) -> None:
    order = world.issue(case_id=1, degree=2)
    assert colour(world) == "yellow"
    [outcome] = verbs.issue_orders(
        world.tracer, case_id=2, people=[Exposed(world.person.pk, 1, NOON - timedelta(days=1))]
    )
    assert (outcome.outcome, outcome.order_id) == ("extended", order.pk)
    order.refresh_from_db()
    assert (order.kind, order.degree) == ("home", 1)
    assert colour(world) == "orange"


def test_who_is_found_too_late_or_lives_nowhere_known_is_explained(world: World) -> None:
    stranger = make_person("Người Lạ")
    late, homeless, third = verbs.issue_orders(
        world.tracer,
        case_id=1,
        people=[
            Exposed(world.person.pk, 1, NOON - timedelta(days=60)),
            Exposed(stranger.pk, 1, NOON),
            Exposed(make_person("Bậc Ba", world.commune).pk, 3, NOON),
        ],
    )
    assert (late.outcome, homeless.outcome, third.outcome) == ("past", "held", "held")
    assert Order.objects.count() == 0
    assert "F3" in third.explanation
    assert {g.person_id for g in reads.held(world.tracer)} == {homeless.person_id, third.person_id}
    [followed] = verbs.issue_orders(
        world.tracer, case_id=2, people=[Exposed(stranger.pk, 1, NOON)], fallback_unit_id=world.commune.pk
    )
    assert followed.outcome == "issued"


def test_the_system_issues_only_what_somebody_approved(world: World) -> None:
    with pytest.raises(Invalid):
        verbs.issue_orders(world.system, case_id=1, people=[Exposed(world.person.pk, 1, NOON)])
    assert Order.objects.count() == 0


def test_an_officer_issues_only_inside_the_own_commune(world: World) -> None:
    elsewhere = make_actor(Role.COMMUNE_OFFICER, make_unit("Khác"))
    with pytest.raises(NotAllowed):
        verbs.issue_orders(elsewhere, case_id=None, people=[Exposed(world.person.pk, 1, NOON)])
    order = world.issue()
    with pytest.raises(NotFound):
        verbs.end_order_early(elsewhere, order_id=order.pk, reason="âm tính hai lần")
    assert not reads.orders(elsewhere, reads.OrderFilter()).exists()
    leader = make_actor(Role.LEADER, world.province)
    assert not reads.orders(leader, reads.OrderFilter()).exists()
    assert reads.under_order(leader).total == 1


def test_two_orders_at_once_are_refused_by_the_database(world: World) -> None:
    order = world.issue()
    order.pk, order.number = None, "2/2022/QĐ-CLYT"
    with pytest.raises(IntegrityError), transaction.atomic():
        order.save(force_insert=True)


def test_isolation_is_only_a_draft_until_an_officer_signs(world: World) -> None:
    home = world.issue(case_id=1)
    draft = verbs.propose_isolation(
        world.system, case_id=9, person_id=world.person.pk, sampled_at=NOON - timedelta(days=1)
    )
    assert draft is not None
    assert draft.state == "proposed"
    assert colour(world) == "orange"
    again = verbs.propose_isolation(
        world.system, case_id=9, person_id=world.person.pk, sampled_at=NOON - timedelta(days=1)
    )
    assert again == draft
    with pytest.raises(Invalid):
        verbs.sign_order(world.system, order_id=draft.pk)
    signed = verbs.sign_order(world.officer, order_id=draft.pk)
    verbs.sign_order(world.officer, order_id=draft.pk)
    assert (signed.state, signed.number, signed.signed_by) == ("issued", "2/2022/QĐ-CLYT", world.officer.id)
    assert reads.last_day(signed) == date(2022, 1, 19)
    home.refresh_from_db()
    assert (home.state, home.closed_at) == ("ended", NOON)
    assert colour(world) == "red"
    assert [e.payload["kind"] for e in Event.objects.filter(name="orders_issued").order_by("pk")] == [
        "contacts",
        "isolation",
    ]
    [covered] = verbs.issue_orders(world.tracer, case_id=5, people=[Exposed(world.person.pk, 1, NOON)])
    assert covered.outcome == "covered"


def test_a_draft_whose_days_have_passed_is_not_signed(world: World) -> None:
    draft = verbs.propose_isolation(world.system, case_id=9, person_id=world.person.pk, sampled_at=NOON)
    assert draft is not None
    with frozen_at(NOON + timedelta(days=30)):
        with pytest.raises(Conflict):
            verbs.sign_order(world.officer, order_id=draft.pk)
        assert verbs.end_due_orders(world.system) == 1
    draft.refresh_from_db()
    assert draft.state == "cancelled"
    assert "chưa có người ký" in draft.changes.get().reason
    assert not Event.objects.filter(name="order_ended").exists()


def test_extending_and_ending_early_want_a_reason_and_keep_the_history(world: World) -> None:
    order = world.issue()
    for last_day, reason, field in [
        (date(2022, 1, 25), "", "reason"),
        (date(2022, 1, 20), "xét nghiệm ngày 20 còn chờ", "last_day"),
        (date(2032, 1, 25), "xét nghiệm ngày 20 còn chờ", "last_day"),
    ]:
        with pytest.raises(Invalid) as fault:
            verbs.extend_order(world.officer, order_id=order.pk, last_day=last_day, reason=reason)
        assert fault.value.field == field
    verbs.extend_order(
        world.officer, order_id=order.pk, last_day=date(2022, 1, 25), reason="xét nghiệm còn chờ kết quả"
    )
    assert colour(world, days=15) == "orange"
    verbs.end_order_early(world.officer, order_id=order.pk, reason="âm tính hai lần")
    verbs.end_order_early(world.officer, order_id=order.pk, reason="âm tính hai lần")
    order.refresh_from_db()
    assert (order.state, order.ends_at, order.closed_at) == ("ended", NOON, NOON)
    assert colour(world) is None
    assert [c.kind for c in order.changes.order_by("pk")] == ["signed", "extended", "ended_early"]
    assert order.changes.get(kind="ended_early").by_name == world.officer.name
    assert Event.objects.get(name="order_ended").payload["reason"] == "early"
    with pytest.raises(Conflict):
        verbs.extend_order(
            world.officer, order_id=order.pk, last_day=date(2022, 1, 30), reason="đổi ý, cần thêm ngày"
        )


def test_moving_to_a_site_turns_the_card_red_and_a_scan_at_the_site_is_no_alarm(world: World) -> None:
    site = make_place(world.commune, "Khu cách ly Trường Quân sự")
    order = world.issue()
    verbs.move_order(
        world.tracer, order_id=order.pk, kind="site", site_id=site.pk, reason="nhà không có phòng riêng"
    )
    assert colour(world) == "red"
    assert (
        verbs.raise_alarm(
            world.system, person_id=world.person.pk, kind="scanned_outside", evidence={"place": site.pk}
        )
        is None
    )


def test_orders_end_by_themselves_when_their_time_is_over(world: World) -> None:
    order = world.issue()
    verbs.make_due_follow_ups(world.system)
    with frozen_at(order.ends_at):
        assert verbs.end_due_orders(world.system) == 1
        assert verbs.end_due_orders(world.system) == 0
    order.refresh_from_db()
    assert (order.state, order.closed_at) == ("ended", order.ends_at)
    assert order.follow_ups.get().state == FollowUp.State.NOT_NEEDED
    assert Event.objects.get(name="order_ended").payload["reason"] == "time"


def test_closed_orders_are_forgotten_by_their_rule(world: World) -> None:
    order = world.issue()
    verbs.end_order_early(world.officer, order_id=order.pk, reason="âm tính hai lần")
    assert verbs.forget_orders(world.system, before=date(2022, 1, 10)) == 0
    assert verbs.forget_orders(world.system, before=date(2022, 1, 11)) == 1
    assert not OrderGround.objects.exists()
