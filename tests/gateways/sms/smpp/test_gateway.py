"""The client as a gateway of this house: with its database, and with the room that sends through it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import override_settings

from khien.gateways.sms import sending
from khien.gateways.sms.interface import Answer, Delivery, GatewayNotSet, Lane, Outcome, OutgoingSms
from khien.gateways.sms.models import SmppPart, SmppReceipt, SmppReply
from khien.gateways.sms.smpp import chosen, pdu, store
from khien.gateways.sms.smpp.gateway import Smpp, SmppSettings, lane_of, outcome_of
from khien.gateways.sms.smpp.lanes import Result
from khien.kernel import clock
from khien.rooms.broadcasts import jobs, reads
from khien.rooms.broadcasts.models import Broadcast, UnmatchedReceipt
from khien.rooms.broadcasts.sender import send_broadcast
from tests.factories import NOON
from tests.gateways.sms.smpp.conftest import MakeSmsc, settings
from tests.peers import Smsc
from tests.rooms.broadcasts.conftest import furnished
from tests.waiting import wait_until

LONG = "Đề nghị anh/chị ở nhà và khai báo y tế mỗi ngày, gọi trạm y tế khi sốt hoặc ho. " * 2
Gateway = Callable[..., Smpp]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """`gateway(peer, window=5)`: a gateway to that carrier, ended with the test."""
    made: list[Smpp] = []

    def make(peer: Smsc, **more: Any) -> Smpp:
        own = {name: more.pop(name) for name in ("patience_s", "receipt_ids", "binds") if name in more}
        made.append(Smpp(SmppSettings(settings(peer, **more), sender="KHIEN", **{"patience_s": 5.0, **own})))
        return made[-1]

    yield make
    for each in made:
        each.close()


def sms(number: int, text: str = "Xin chao", purpose: str = "test") -> OutgoingSms:
    return OutgoingSms(f"khien-{number}", f"+8491234{number:04d}", text, purpose)


def kept(text: str, message_id: str, **more: Any) -> pdu.Message:
    return pdu.Message("84901", "KHIEN", f"id:{message_id} stat:{text} err:0".encode(), esm_class=4, **more)


@pytest.mark.django_db(transaction=True)
def test_outcomes_come_in_order_and_receipts_follow(smsc: MakeSmsc, gateway: Gateway) -> None:
    peer = smsc(refuse="3", receipts="once", undelivered="5")
    line = gateway(peer)
    outcomes = line.submit([sms(number) for number in range(10)] + [sms(1, "hỏng \ud83d")])
    assert [outcome.client_id for outcome in outcomes] == [f"khien-{n}" for n in [*range(10), 1]]
    assert outcomes[3] == Outcome("khien-3", Answer.REJECTED, code="0x0000000b")
    assert outcomes[10] == Outcome("khien-1", Answer.REJECTED, code="cannot_encode")
    wait_until(lambda: SmppReceipt.objects.count() == 9, 20)
    said = {receipt.message_id: receipt.delivery for receipt in line.receipts()}
    assert said == {
        outcome.message_id: Delivery.UNDELIVERED if outcome.client_id == "khien-5" else Delivery.DELIVERED
        for outcome in outcomes
        if outcome.answer is Answer.ACCEPTED
    }
    assert line.receipts() == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("manner", ["once", "early", "twice"])
def test_a_long_message_is_delivered_when_all_its_parts_are(
    smsc: MakeSmsc, gateway: Gateway, manner: str
) -> None:
    peer = smsc(receipts=manner)
    line = gateway(peer)
    (outcome,) = line.submit([sms(1, LONG)])
    assert outcome.answer is Answer.ACCEPTED
    assert outcome.message_id.endswith("+3")
    wait_until(lambda: SmppReceipt.objects.count() == (6 if manner == "twice" else 3), 20)
    (receipt,) = line.receipts()
    assert (receipt.client_id, receipt.message_id, receipt.delivery) == (
        "khien-1",
        outcome.message_id,
        Delivery.DELIVERED,
    )


@pytest.mark.django_db
def test_one_lost_part_makes_a_message_undelivered_in_any_order() -> None:
    store.keep([kept("DELIVRD", "a"), kept("UNDELIV", "c")], "gsm-7", "same")
    # Before the answer was settled nobody knows that these are parts.
    assert Counter(receipt.client_id for receipt in store.hand_out(10)) == {"": 2}
    store.remember_parts([store.SentParts("khien-9", "a+3", ("a", "b", "c"))])
    (receipt,) = store.hand_out(10)
    assert (receipt.client_id, receipt.delivery) == ("khien-9", Delivery.UNDELIVERED)
    store.keep([kept("DELIVRD", "b"), kept("DELIVRD", "c")], "gsm-7", "same")
    assert [receipt.delivery for receipt in store.hand_out(10)] == [
        Delivery.UNDELIVERED,
        Delivery.DELIVERED,
    ]


@pytest.mark.django_db
def test_receipts_are_handed_out_once_and_again_only_if_the_taker_failed() -> None:
    store.keep([kept("DELIVRD", f"m{n}") for n in range(5)] + [kept("ENROUTE", "m9")], "gsm-7", "same")

    def die() -> None:
        with transaction.atomic():
            assert len(store.hand_out(10)) == 5
            raise RuntimeError("the taker died")

    with pytest.raises(RuntimeError, match="the taker died"):
        die()
    assert [receipt.message_id for receipt in store.hand_out(3)] == ["m0", "m1", "m2"]
    assert [receipt.message_id for receipt in store.hand_out(3)] == ["m3", "m4"]
    assert store.hand_out(3) == []
    assert SmppReceipt.objects.get(message_id="m9").state == "enroute"


@pytest.mark.django_db
def test_ids_in_another_notation_agree() -> None:
    store.keep([kept("DELIVRD", "0000000026")], "gsm-7", "decimal")
    assert [receipt.message_id for receipt in store.hand_out(3)] == ["26"]
    assert outcome_of("x", [Result(Answer.ACCEPTED, "1A")], "decimal").message_id == "26"


@pytest.mark.django_db(transaction=True)
def test_replies_are_kept_and_a_long_one_waits_for_its_parts(smsc: MakeSmsc, gateway: Gateway) -> None:
    peer = smsc()
    line = gateway(peer)
    line.submit([sms(1)])
    who = {"source_addr": "84901", "destination_addr": "8088"}
    peer.tell(deliver={**who, "short_message_hex": b"TC 0 12".hex()})
    assert peer.hear("delivered")["delivered"] == pdu.OK
    for part, text in ((2, "khỏe"), (1, "Tôi ")):
        head = bytes((5, 0, 3, 77, 2, part))
        octets = (head + text.encode("utf-16-be")).hex()
        peer.tell(deliver={**who, "esm_class": 0x40, "data_coding": 8, "short_message_hex": octets})
        assert peer.hear("delivered")["delivered"] == pdu.OK
        assert SmppReply.objects.count() == (2 if part == 2 else 3)
        if part == 2:
            assert [reply.text for reply in line.replies()] == ["TC 0 12"]
    (reply,) = line.replies()
    assert (reply.number, reply.address, reply.text) == ("84901", "8088", "Tôi khỏe")
    assert line.replies() == []


@pytest.mark.django_db
def test_what_is_old_is_forgotten() -> None:
    with clock.reads.frozen_at(NOON - timedelta(days=40)):
        store.keep([kept("DELIVRD", "a"), pdu.Message("84901", "8088", b"hi")], "gsm-7", "same")
        store.remember_parts([store.SentParts("khien-1", "a+2", ("a", "b"))])
    with clock.reads.frozen_at(NOON):
        store.keep([kept("DELIVRD", "new")], "gsm-7", "same")
        assert store.forget(clock.today() - timedelta(days=30)) == 4
    assert [row.message_id for row in SmppReceipt.objects.all()] == ["new"]
    assert not SmppReply.objects.exists()
    assert not SmppPart.objects.exists()


ACCEPTED, REJECTED = Result(Answer.ACCEPTED, "m"), Result(Answer.REJECTED, code="0x0b")
UNKNOWN, THROTTLED = Result(Answer.UNKNOWN, code="cut"), Result(Answer.THROTTLED, code="0x58")


@pytest.mark.parametrize(
    ("parts", "answer", "code"),
    [
        ([ACCEPTED, ACCEPTED], Answer.ACCEPTED, ""),
        ([ACCEPTED, UNKNOWN], Answer.UNKNOWN, "cut"),
        ([REJECTED, UNKNOWN], Answer.UNKNOWN, "cut"),
        ([ACCEPTED, REJECTED], Answer.UNKNOWN, "partly_sent"),
        ([THROTTLED, ACCEPTED], Answer.UNKNOWN, "partly_sent"),
        ([THROTTLED, REJECTED], Answer.REJECTED, "0x0b"),
        ([THROTTLED, THROTTLED], Answer.THROTTLED, "0x58"),
    ],
)
def test_a_message_that_left_in_part_is_never_called_refused(
    parts: list[Result], answer: Answer, code: str
) -> None:
    outcome = outcome_of("x", parts)
    assert (outcome.answer, outcome.code) == (answer, code)


def test_codes_and_emergencies_do_not_wait_with_the_campaigns() -> None:
    purposes = {"emergency": Lane.EMERGENCY, "one_time_code": Lane.PROMPT, "orders_issued": Lane.CAMPAIGN}
    assert {purpose: lane_of(purpose) for purpose in purposes} == purposes


@pytest.mark.django_db(transaction=True)
def test_a_paused_gateway_sends_nothing(smsc: MakeSmsc, gateway: Gateway) -> None:
    peer = smsc()
    line = gateway(peer, patience_s=0.5)
    line.pause()
    assert [outcome.code for outcome in line.submit([sms(1), sms(2)])] == ["paused", "paused"]
    assert line.status().paused
    assert peer.ask()["taken"] == 0
    line.resume()
    assert line.submit([sms(1)])[0].answer is Answer.ACCEPTED


@pytest.mark.django_db(transaction=True)
def test_the_room_sends_and_settles_through_it(smsc: MakeSmsc, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an installation does, by its settings: texts of one and of several parts, refusals, receipts in disorder."""
    peer = smsc(receipts="shuffled", undelivered="7", refuse="0013")
    with (
        clock.reads.frozen_at(NOON),
        override_settings(
            KHIEN_SMS_GATEWAY="smpp",
            KHIEN_SMPP_ADDRESS=f"127.0.0.1:{peer.port}",
            KHIEN_SMPP_SYSTEM_ID="khien",
            KHIEN_SMPP_PASSWORD="secret",
            KHIEN_SMPP_WINDOW=50,
            KHIEN_SMS_SENDER="KHIEN",
        ),
    ):
        try:
            house = furnished()
            broadcast = house.send(house.people(60), text="{name}: " + LONG)
            assert sending.gateway() is sending.gateway()
            assert send_broadcast(broadcast.pk, sending.gateway()).sent == 60
            counts = reads.counts([broadcast.pk])[broadcast.pk]
            assert counts == {"accepted": 59, "rejected": 1}
            peer.tell(flush=True)
            wait_until(lambda: SmppReceipt.objects.count() == 3 * 59, 20)
            jobs.collect_receipts()
            counts = reads.counts([broadcast.pk])[broadcast.pk]
            assert counts == {"delivered": 53, "undelivered": 6, "rejected": 1}
            # A part's receipt that overtook the answers is kept, and belongs to nobody.
            assert UnmatchedReceipt.objects.filter(client_id__startswith="khien-b").count() == 0
            jobs.collect_receipts()
            assert Broadcast.objects.get(pk=broadcast.pk).settled_at is not None
        finally:
            chosen.close()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("KHIEN_SMPP_ADDRESS", ""),
        ("KHIEN_SMPP_ADDRESS", "carrier"),
        ("KHIEN_SMPP_ADDRESS", "carrier:99999"),
        ("KHIEN_SMPP_BIND", "both"),
        ("KHIEN_SMPP_ALPHABET", "utf-8"),
        ("KHIEN_SMPP_RECEIPT_IDS", "octal"),
        ("KHIEN_SMPP_WINDOW", 0),
        ("KHIEN_SMPP_BINDS", 0),
        ("KHIEN_SMPP_RATE", -1),
        ("KHIEN_SMPP_CA", "/nowhere/ca.pem"),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: object) -> None:
    whole = {"KHIEN_SMS_GATEWAY": "smpp", "KHIEN_SMPP_ADDRESS": "carrier:2775", "KHIEN_SMPP_TLS": True}
    with override_settings(**{**whole, setting: value}), pytest.raises(GatewayNotSet, match=setting):
        sending.gateway()


def test_equal_settings_are_one_gateway_and_the_secret_is_not_shown() -> None:
    with override_settings(KHIEN_SMPP_ADDRESS="[::1]:2775", KHIEN_SMPP_TLS=True, KHIEN_SMPP_PASSWORD="hush"):
        first = chosen.from_settings()
        assert first == chosen.from_settings()
        assert (first.bind.host, first.bind.port) == ("::1", 2775)
        assert first != replace(first, binds=2)
        assert "hush" not in repr(first)
