"""The main job, end to end through the outbox: from a positive result to the case whose clock is complete."""

from __future__ import annotations

from datetime import date

import pytest

from khien.gateways.sms.models import SimulatorBehaviour
from khien.kernel.audit.models import AuditLine
from khien.kernel.clock.reads import frozen_at
from khien.kernel.events.models import Delivery, Event
from khien.kernel.staff import Actor
from khien.kernel.staff.reads import actor_of_resident
from khien.kernel.standing import reads as standing
from khien.response import protocol
from khien.rooms.broadcasts.models import Broadcast, Recipient
from khien.rooms.checkpoints import verbs as checkpoints
from khien.rooms.quarantine import reads as orders
from khien.rooms.quarantine import verbs as quarantine
from khien.rooms.quarantine.jobs import keep_the_day
from khien.rooms.quarantine.models import Alarm, FollowUp, Order
from khien.rooms.testing import verbs as testing
from khien.rooms.testing.models import SamplingRequest, Specimen
from khien.rooms.tracing import verbs as tracing
from khien.rooms.tracing.models import CaseStep, ContactList, HeldResult, TracedContact
from tests.response.conftest import Outbreak, at, faults, inbox


def approve(outbreak: Outbreak) -> None:
    with frozen_at(at(10, 12)):
        tracing.approve_contacts(
            outbreak.tracer,
            case_id=outbreak.case.pk,
            contact_ids=outbreak.case.contacts.values_list("pk", flat=True),
        )
    outbreak.work(at(10, 12, 5))


def test_from_a_positive_result_to_a_case_whose_clock_is_complete(outbreak: Outbreak) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    assert faults() == []

    # The case is open, its contacts are listed by the engine from presence and household; nobody is told.
    case = outbreak.case
    listed = {c.person_id: c for c in TracedContact.objects.filter(case=case)}
    assert set(listed) == {outbreak.neighbour.pk, outbreak.seller.pk}
    assert {c.state for c in listed.values()} == {"proposed"}
    assert Broadcast.objects.count() == 0
    draft = Order.objects.get(person=outbreak.sick)
    assert draft.state == "proposed"
    assert standing.holding([outbreak.sick.pk], at(10, 11, 2)) == {}

    # A tracer approves: orders, messages, follow-ups, test days.
    approve(outbreak)
    assert faults() == []
    order = Order.objects.get(person=outbreak.seller)
    assert (order.state, order.degree, order.case_id, orders.last_day(order)) == (
        "issued",
        1,
        case.pk,
        date(2022, 1, 23),
    )
    assert order.signed_by == outbreak.tracer.id
    assert order.signed_by_name == outbreak.tracer.name
    [message] = inbox("+84912000003")
    assert "23/01/2022" in message
    assert orders.notices([order.pk])[0].link in message
    assert inbox("+84912000004") == []
    assert FollowUp.objects.filter(due_on=date(2022, 1, 10), state="due").count() == 2
    assert set(SamplingRequest.objects.filter(person=outbreak.seller).values_list("due_on", flat=True)) == {
        date(2022, 1, 10),
        date(2022, 1, 16),
    }

    # An officer signs the isolation with one click; the case is told, and its infectious time ends.
    with frozen_at(at(10, 13)):
        quarantine.sign_order(outbreak.officer, order_id=draft.pk)
    outbreak.work(at(10, 13, 1))
    assert standing.holding([outbreak.sick.pk], at(10, 14))[outbreak.sick.pk][0].colour == "red"
    assert "cách ly y tế" in inbox("+84912000001")[0]
    case.refresh_from_db()
    assert case.isolated_at == at(10, 13)

    # Everybody answers; one has symptoms and is to be sampled.
    link = orders.notices([order.pk])[0].link
    assert orders.by_link(link.rstrip("/").rsplit("/", 1)[1]) == order
    with frozen_at(at(11, 8)):
        quarantine.record_follow_up(
            the_seller(outbreak), order_id=order.pk, temperature="38,4", symptoms=["cough"]
        )
        quarantine.record_follow_up(
            outbreak.officer, order_id=Order.objects.get(person=outbreak.neighbour).pk, temperature="36,5"
        )
    outbreak.work(at(11, 8, 1))
    assert faults() == []
    request = SamplingRequest.objects.get(person=outbreak.seller, reason="symptoms")
    assert (request.due_on, request.unit) == (date(2022, 1, 11), outbreak.commune)
    assert Alarm.objects.get().kind == "symptoms"

    # The clock of the case is complete, every step at its own time.
    assert outbreak.steps() == {
        "sampled": at(10, 7),
        "result": at(10, 11),
        "opened": at(10, 11, 1),
        "listed": at(10, 11, 1),
        "approved": at(10, 12),
        "ordered": at(10, 12, 5),
        "told": at(10, 12, 5),
        "followed": at(11, 8),
    }
    assert set(CaseStep.Step.values) == set(outbreak.steps())


def the_seller(outbreak: Outbreak) -> Actor:
    return actor_of_resident(outbreak.seller.pk)


def test_everything_delivered_again_changes_nothing(outbreak: Outbreak) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    approve(outbreak)
    with frozen_at(at(11, 8)):
        keep_the_day()
        for order in Order.objects.filter(state="issued"):
            quarantine.record_follow_up(
                outbreak.officer, order_id=order.pk, temperature="38,4", symptoms=["cough"]
            )
            quarantine.extend_order(
                outbreak.officer, order_id=order.pk, last_day=date(2022, 1, 30), reason="còn chờ kết quả"
            )
    outbreak.work(at(11, 8, 1))
    before = everything()
    assert before["orders"] == 3
    outbreak.replay(at(11, 9))
    assert faults() == []
    assert everything() == before


def everything() -> dict[str, int]:
    return {
        "events": Event.objects.count(),
        "writes": AuditLine.objects.filter(sort="write").count(),
        "lists": ContactList.objects.count(),
        "orders": Order.objects.count(),
        "steps": CaseStep.objects.count(),
        "messages": Recipient.objects.count(),
        "follow_ups": FollowUp.objects.count(),
        "requests": SamplingRequest.objects.count(),
    }


def test_a_gateway_that_is_down_holds_up_nothing_else_and_is_caught_up(outbreak: Outbreak) -> None:
    SimulatorBehaviour.objects.update_or_create(pk=1, defaults={"throttled": 1.0, "throttled_times": 20})
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    approve(outbreak)
    assert Order.objects.filter(state="issued").count() == 2
    assert FollowUp.objects.count() == 2
    assert SamplingRequest.objects.count() == 4
    steps = outbreak.steps()
    assert "ordered" in steps
    assert "told" not in steps
    assert inbox("+84912000003") == []
    SimulatorBehaviour.objects.update(throttled_times=1)
    Recipient.objects.filter(state="queued").update(retry_at=None)
    outbreak.work(at(10, 15))
    assert outbreak.steps()["told"] == at(10, 15)
    assert len(inbox("+84912000003")) == 1


def test_one_handler_that_fails_loses_neither_the_others_nor_itself(
    outbreak: Outbreak, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))

    def refuse(*_args: object, **_more: object) -> None:
        raise ConnectionError("the room of messages is closed")

    with monkeypatch.context() as broken:
        broken.setattr(protocol.broadcasts, "send_to_people", refuse)
        approve(outbreak)
    assert Order.objects.filter(state="issued").count() == 2
    assert FollowUp.objects.count() == 2
    assert [f.split(":")[0] for f in faults()] == ["khien.response.protocol.tell_the_people"]
    assert inbox("+84912000003") == []
    Delivery.objects.update(retry_at=None)
    outbreak.work(at(10, 12, 30))
    assert len(inbox("+84912000003")) == 1


def test_a_negative_result_starts_nothing(outbreak: Outbreak) -> None:
    specimen = testing.collect_specimen(outbreak.sampler, barcode="KH00000018", person=outbreak.sick)
    testing.record_result(outbreak.laboratory, specimen=specimen, value="negative")
    outbreak.work(at(10, 11))
    assert not ContactList.objects.exists()
    assert not Order.objects.exists()


def test_a_corrected_result_takes_the_unsigned_draft_away(outbreak: Outbreak) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    draft = Order.objects.get(person=outbreak.sick)
    with frozen_at(at(10, 12)):
        testing.correct_result(
            outbreak.laboratory,
            specimen=Specimen.objects.get(),
            value="negative",
            reason="nhầm ống khi đọc máy",
        )
    outbreak.work(at(10, 12, 1))
    assert faults() == []
    draft.refresh_from_db()
    assert draft.state == "cancelled"
    assert inbox("+84912000001") == [], "nobody was told of a draft, so nobody is told of its end"


def test_a_result_of_a_closed_case_waits_for_somebody(outbreak: Outbreak) -> None:
    late = testing.collect_specimen(outbreak.sampler, barcode="KH00000019", person=outbreak.sick)
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    with frozen_at(at(10, 12)):
        tracing.approve_contacts(
            outbreak.tracer,
            case_id=outbreak.case.pk,
            contact_ids=outbreak.case.contacts.values_list("pk", flat=True),
        )
        tracing.close_case(outbreak.tracer, case_id=outbreak.case.pk, note="khỏi bệnh, âm tính hai lần")
        testing.record_result(outbreak.laboratory, specimen=late, value="positive")
    outbreak.work(at(10, 12, 1))
    assert HeldResult.objects.get().person == outbreak.sick
    assert outbreak.case.status == "closed"


def test_changes_and_ends_are_told_but_not_an_end_that_another_order_replaces(outbreak: Outbreak) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    approve(outbreak)
    seller, neighbour = (Order.objects.get(person=p) for p in (outbreak.seller, outbreak.neighbour))
    with frozen_at(at(11, 9)):
        quarantine.extend_order(
            outbreak.officer, order_id=seller.pk, last_day=date(2022, 1, 30), reason="còn chờ kết quả"
        )
    outbreak.work(at(11, 9, 1))
    with frozen_at(at(11, 10)):
        quarantine.end_order_early(outbreak.officer, order_id=seller.pk, reason="âm tính hai lần")
        draft = quarantine.propose_isolation(
            outbreak.officer, case_id=outbreak.case.pk, person_id=neighbour.person_id, sampled_at=at(11, 7)
        )
        assert draft is not None
        quarantine.sign_order(outbreak.officer, order_id=draft.pk)
    outbreak.work(at(11, 10, 1))
    assert faults() == []
    _issued, changed, ended = inbox("+84912000003")
    assert "30/01/2022" in changed
    assert "đã hết thời gian cách ly" in ended
    assert ["cách ly y tế" in text for text in inbox("+84912000002")] == [False, True]


def test_a_scan_of_somebody_under_order_is_an_alarm_for_an_officer(outbreak: Outbreak) -> None:
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    approve(outbreak)
    seen = {
        "id": "0191d7a0-0000-7000-8000-000000000001",
        "place": outbreak.market.code,
        "at": at(10, 16).isoformat(),
        "direction": "in",
        "method": "camera",
        "person": outbreak.seller.pk,
    }
    before = seen | {"id": "0191d7a0-0000-7000-8000-000000000002", "at": at(10, 9).isoformat()}
    with frozen_at(at(10, 17)):
        for _again in range(2):
            checkpoints.store_scans(protocol.ACTOR, [seen, before])
    outbreak.work(at(10, 17, 1))
    outbreak.replay(at(10, 17, 2))
    assert faults() == []
    [alarm] = orders.open_alarms(outbreak.officer)
    assert (alarm.kind, alarm.times, alarm.evidence[0]["at"]) == (
        "scanned_outside",
        1,
        at(10, 16).isoformat(),
    )
    assert alarm.order.state == "issued"


def test_contacts_who_are_all_under_order_already_leave_no_step_open(outbreak: Outbreak) -> None:
    with frozen_at(at(9, 20)):
        quarantine.issue_orders(
            outbreak.tracer,
            case_id=None,
            people=[
                quarantine.Exposed(outbreak.seller.pk, 1, at(9, 20)),
                quarantine.Exposed(outbreak.neighbour.pk, 1, at(9, 20)),
            ],
        )
    outbreak.positive()
    outbreak.work(at(10, 11, 1))
    approve(outbreak)
    assert faults() == []
    assert {"ordered", "told"} <= set(outbreak.steps())
    assert Order.objects.filter(degree=1).count() == 2
