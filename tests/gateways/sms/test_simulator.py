from __future__ import annotations

import pytest

from khien.gateways.sms import sending, verbs
from khien.gateways.sms.interface import Answer, Delivery, OutgoingSms
from khien.gateways.sms.models import SimulatedMessage, SimulatedReceipt, SimulatorBehaviour
from khien.gateways.sms.simulator import Simulator
from khien.kernel import clock
from khien.kernel.errors import Invalid, NotAllowed
from khien.kernel.staff import Role
from tests.factories import NOON, make_actor, make_province

pytestmark = pytest.mark.django_db


def batch(number: int = 200) -> list[OutgoingSms]:
    return [OutgoingSms(f"b1-{i}", f"+8491234{i:04d}", "Xin chào") for i in range(number)]


def misbehave(**how: float) -> None:
    SimulatorBehaviour.objects.update_or_create(pk=1, defaults={"receipt_delay_s": 0, **how})


def test_a_message_arrives_and_its_receipt_comes_once() -> None:
    misbehave()
    outcome = Simulator().submit(batch(1))[0]
    assert outcome.answer is Answer.ACCEPTED
    receipts = Simulator().receipts()
    assert [(r.message_id, r.delivery) for r in receipts] == [(outcome.message_id, Delivery.DELIVERED)]
    assert Simulator().receipts() == []


def test_the_same_client_id_answers_the_same_and_arrives_once() -> None:
    first = Simulator().submit(batch(1))
    assert Simulator().submit(batch(1)) == first
    assert SimulatedMessage.objects.get().submissions == 2


def test_the_same_seed_misbehaves_in_the_same_way() -> None:
    misbehave(seed=5, refused=0.2, throttled=0.2, answer_lost=0.2, request_lost=0.1)
    first = [o.answer for o in Simulator().submit(batch())]
    SimulatedMessage.objects.all().delete()
    assert [o.answer for o in Simulator().submit(batch())] == first
    assert set(first) == set(Answer)
    SimulatedMessage.objects.all().delete()
    misbehave(seed=6)
    assert [o.answer for o in Simulator().submit(batch())] != first


def test_a_lost_answer_is_unknown_though_the_phone_has_it() -> None:
    misbehave(answer_lost=1)
    assert Simulator().submit(batch(1))[0].answer is Answer.UNKNOWN
    assert SimulatedMessage.objects.get().arrived
    SimulatedMessage.objects.all().delete()
    misbehave(answer_lost=0, request_lost=1)
    assert Simulator().submit(batch(1))[0].answer is Answer.UNKNOWN
    assert not SimulatedMessage.objects.get().arrived


def test_a_throttled_message_goes_through_at_a_later_try() -> None:
    misbehave(throttled=1, throttled_times=2)
    answers = [Simulator().submit(batch(1))[0].answer for _ in range(3)]
    assert answers == [Answer.THROTTLED, Answer.THROTTLED, Answer.ACCEPTED]
    assert SimulatedMessage.objects.filter(arrived=True).count() == 1


def test_receipts_come_twice_late_or_never_as_told() -> None:
    misbehave(receipt_twice=1)
    Simulator().submit(batch(1))
    assert SimulatedReceipt.objects.count() == 2
    SimulatedMessage.objects.all().delete()
    misbehave(receipt_twice=0, receipt_missing=1)
    Simulator().submit(batch(1))
    assert SimulatedReceipt.objects.count() == 0
    SimulatedMessage.objects.all().delete()
    misbehave(receipt_missing=0, receipt_late=1)
    Simulator().submit(batch(1))
    assert Simulator().receipts() == []
    SimulatedMessage.objects.all().delete()
    misbehave(receipt_late=0, undelivered=1)
    Simulator().submit(batch(1))
    assert [r.delivery for r in Simulator().receipts()] == [Delivery.UNDELIVERED]


def test_send_now_normalises_and_says_what_came_of_it() -> None:
    outcome = sending.send_now("0912 345 678", "Mã của bạn: 123456", "one_time_code")
    assert outcome.answer is Answer.ACCEPTED
    row = SimulatedMessage.objects.get()
    assert (row.number, row.purpose, row.arrived) == ("+84912345678", "one_time_code", True)
    with pytest.raises(Invalid):
        sending.send_now("0912", "Mã", "one_time_code")
    assert SimulatedMessage.objects.count() == 1


def test_a_gateway_without_its_address_says_which_setting(settings) -> None:
    settings.KHIEN_SMS_GATEWAY = "http_json"
    with pytest.raises(sending.GatewayNotSet, match="KHIEN_SMS_URL"):
        sending.gateway()
    settings.KHIEN_SMS_GATEWAY = "pigeon"
    with pytest.raises(sending.GatewayNotSet, match="pigeon"):
        sending.gateway()
    settings.KHIEN_SMS_GATEWAY, settings.KHIEN_SMS_URL = "http_json", "http://127.0.0.1:1/"
    settings.KHIEN_SMS_FIELDS = "phone=to"
    with pytest.raises(sending.GatewayNotSet, match="phone"):
        sending.gateway()


def test_only_an_administrator_makes_it_misbehave() -> None:
    province, _district, _commune = make_province()
    with pytest.raises(NotAllowed):
        verbs.set_behaviour(make_actor(Role.TRACER, province), refused=0.5)
    administrator = make_actor(Role.ADMINISTRATOR, province)
    assert verbs.set_behaviour(administrator, refused=0.5).refused == 0.5
    verbs.set_behaviour(administrator, refused=0.5)  # the second time changes nothing and is no fault
    with pytest.raises(Invalid) as wrong:
        verbs.set_behaviour(administrator, refused=1.5)
    assert wrong.value.field == "refused"
    with pytest.raises(Invalid):
        verbs.set_behaviour(administrator, mood=1)


def test_old_simulated_messages_are_forgotten() -> None:
    with clock.reads.frozen_at(NOON):
        Simulator().submit(batch(2))
    assert verbs.forget_simulated(NOON.date()) == 0
    assert verbs.forget_simulated(NOON.date().replace(day=11)) == 2
