from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from django.db import connection

from khien.gateways.sms.interface import Answer, Delivery, Outcome, OutgoingSms, Receipt
from khien.gateways.sms.models import SimulatedMessage, SimulatorBehaviour
from khien.gateways.sms.simulator import Simulator
from khien.kernel import clock
from khien.kernel.errors import Conflict, NotAllowed
from khien.kernel.events.models import Event
from khien.rooms.broadcasts import jobs, reads, verbs
from khien.rooms.broadcasts.models import Broadcast, Recipient, UnmatchedReceipt
from khien.rooms.broadcasts.sender import send_broadcast
from tests.factories import NOON
from tests.rooms.broadcasts.conftest import House, furnished


def states(broadcast: Broadcast) -> dict[str, int]:
    return reads.counts([broadcast.pk])[broadcast.pk]


class Scripted:
    """A gateway that gives the answers it was told, and remembers what it was handed."""

    name = "scripted"

    def __init__(self, *answers: Outcome | Answer) -> None:
        self.answers = list(answers)
        self.seen: list[str] = []

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        self.seen += [message.client_id for message in messages]
        return [self._one(message) for message in messages]

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        return []

    def _one(self, message: OutgoingSms) -> Outcome:
        answer = self.answers.pop(0) if self.answers else Answer.ACCEPTED
        return Outcome(message.client_id, answer, message_id=f"m-{message.client_id}", retry_after_s=0.0)


def test_a_broadcast_is_sent_in_chunks_and_settled_once(house: House) -> None:
    house.misbehave()
    broadcast = house.send(house.people(205), reference="tracing.case:41")
    assert send_broadcast(broadcast.pk, Simulator()).sent == 205
    assert states(broadcast) == {"accepted": 205}
    assert SimulatedMessage.objects.filter(arrived=True).count() == 205
    assert send_broadcast(broadcast.pk, Simulator()).sent == 0
    settled = Event.objects.get(name="broadcast_settled")
    assert settled.payload == {
        "broadcast": broadcast.pk,
        "reference": "tracing.case:41",
        "counts": {"accepted": 205},
    }


def test_every_answer_has_its_state(house: House) -> None:
    broadcast = house.send(house.people(3))
    send_broadcast(broadcast.pk, Scripted(Answer.ACCEPTED, Answer.REJECTED, Answer.UNKNOWN))
    assert states(broadcast) == {"accepted": 1, "rejected": 1, "unknown": 1}
    assert "delivered" not in states(broadcast)


def test_what_is_unknown_is_never_sent_again_by_software(house: House) -> None:
    broadcast = house.send(house.people(1))
    gateway = Scripted(Answer.UNKNOWN)
    send_broadcast(broadcast.pk, gateway)
    send_broadcast(broadcast.pk, gateway)
    jobs.sweep(timestamp=0)
    assert len(gateway.seen) == 1
    assert SimulatedMessage.objects.count() == 0


def test_a_person_may_ask_for_the_unknown_again_under_the_same_id(house: House) -> None:
    broadcast = house.send(house.people(1))
    gateway = Scripted(Answer.UNKNOWN, Answer.ACCEPTED)
    send_broadcast(broadcast.pk, gateway)
    with pytest.raises(NotAllowed):
        verbs.requeue_unknown(house.tracer, broadcast=broadcast)
    assert verbs.requeue_unknown(house.officer, broadcast=broadcast) == 1
    send_broadcast(broadcast.pk, gateway)
    assert gateway.seen[0] == gateway.seen[1]
    assert states(broadcast) == {"accepted": 1}
    assert Event.objects.filter(name="broadcast_settled").count() == 1
    with pytest.raises(Conflict):
        verbs.requeue_unknown(house.officer, broadcast=broadcast)


def test_a_throttled_row_waits_and_goes_later(house: House) -> None:
    broadcast = house.send(house.people(2))
    gateway = Scripted(Answer.THROTTLED, Answer.ACCEPTED)
    progress = send_broadcast(broadcast.pk, gateway)
    assert states(broadcast) == {"queued": 1, "accepted": 1}
    assert progress.again_in_s is not None
    assert not Event.objects.filter(name="broadcast_settled").exists()
    Recipient.objects.update(retry_at=None)
    send_broadcast(broadcast.pk, gateway)
    assert states(broadcast) == {"accepted": 2}
    assert Event.objects.filter(name="broadcast_settled").count() == 1


def test_a_gateway_that_takes_nothing_is_not_hammered_and_at_last_given_up(house: House) -> None:
    broadcast = house.send(house.people(1))
    gateway = Scripted(*[Answer.THROTTLED] * 50)
    send_broadcast(broadcast.pk, gateway)
    assert len(gateway.seen) == 1
    for _ in range(20):
        Recipient.objects.update(retry_at=None)
        send_broadcast(broadcast.pk, gateway)
    assert len(gateway.seen) == 10
    assert states(broadcast) == {"rejected": 1}


def test_receipts_settle_in_any_order_and_once(house: House) -> None:
    broadcast = house.send(house.people(2))
    send_broadcast(broadcast.pk, Scripted(Answer.ACCEPTED, Answer.UNKNOWN))
    known, lost = broadcast.recipients.order_by("pk")
    receipts = [
        Receipt(known.message_id, Delivery.DELIVERED, NOON),
        Receipt(known.message_id, Delivery.DELIVERED, NOON),
        Receipt(known.message_id, Delivery.EXPIRED, NOON),
        Receipt("nobody", Delivery.DELIVERED, NOON),
        Receipt("late", Delivery.DELIVERED, NOON, client_id=lost.client_id),
    ]
    tally = verbs.take_receipts(house.system, receipts=receipts)
    assert (tally.received, tally.stored, tally.duplicate, tally.held) == (5, 2, 2, 1)
    assert states(broadcast) == {"delivered": 2}
    assert verbs.take_receipts(house.system, receipts=receipts).stored == 0
    assert UnmatchedReceipt.objects.count() == 1


def test_a_receipt_that_overtakes_the_answer_is_applied_when_it_comes(house: House) -> None:
    broadcast = house.send(house.people(1))
    (row,) = verbs.claim_rows(house.system, broadcast=broadcast)
    verbs.take_receipts(house.system, receipts=[Receipt("m-1", Delivery.DELIVERED, NOON)])
    verbs.settle_rows(
        house.system, rows=[row], outcomes=[Outcome(row.client_id, Answer.ACCEPTED, message_id="m-1")]
    )
    assert states(broadcast) == {"delivered": 1}
    assert not UnmatchedReceipt.objects.exists()


def test_an_answer_after_the_receipt_does_not_undo_it(house: House) -> None:
    broadcast = house.send(house.people(1))
    (row,) = verbs.claim_rows(house.system, broadcast=broadcast)
    receipt = Receipt("m-1", Delivery.DELIVERED, NOON, client_id=row.client_id)
    verbs.take_receipts(house.system, receipts=[receipt])
    verbs.settle_rows(house.system, rows=[row], outcomes=[Outcome(row.client_id, Answer.UNKNOWN)])
    assert states(broadcast) == {"delivered": 1}


def test_the_simulators_receipts_reach_the_rows(house: House) -> None:
    house.misbehave(receipt_twice=1)
    broadcast = house.send(house.people(3))
    send_broadcast(broadcast.pk, Simulator())
    jobs.collect_receipts()
    assert states(broadcast) == {"delivered": 3}


def test_only_the_system_sends(house: House) -> None:
    broadcast = house.send(house.people(1))
    with pytest.raises(NotAllowed):
        verbs.claim_rows(house.officer, broadcast=broadcast)


def test_old_messages_are_forgotten(house: House) -> None:
    house.send(house.people(2))
    assert verbs.forget_messages(NOON.date()) == 0
    assert verbs.forget_messages(NOON.date() + timedelta(days=1)) == 2


CRASH = """
import os, signal, sys, django
django.setup()
from khien.gateways.sms.simulator import Simulator
from khien.rooms.broadcasts.sender import send_broadcast

class Dying(Simulator):
    chunks = 0
    def submit(self, messages):
        Dying.chunks += 1
        if Dying.chunks < 2:
            return super().submit(messages)
        super().submit(messages[:int(sys.argv[2])])
        os.kill(os.getpid(), signal.SIGKILL)

send_broadcast(int(sys.argv[1]), Dying())
"""


@pytest.fixture
def committed_house(transactional_db: None) -> Iterator[House]:
    with clock.reads.frozen_at(NOON):
        yield furnished()


@pytest.mark.parametrize("taken_before_death", [0, 37, 100])
def test_a_sender_killed_between_claim_and_settle_sends_nothing_twice(
    committed_house: House, taken_before_death: int
) -> None:
    house = committed_house
    house.misbehave()
    broadcast = house.send(house.people(250))
    database = connection.settings_dict
    password = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
    user = f"{database['USER']}{password}@" if password else ""
    url = f"postgresql://{user}/{database['NAME']}?host={database['HOST']}&user={database['USER']}&port={database['PORT']}"
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, str(broadcast.pk), str(taken_before_death)],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "khien.site.settings"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert states(broadcast) == {"accepted": 100, "submitting": 100, "queued": 50}

    send_broadcast(broadcast.pk, Simulator())

    assert states(broadcast) == {"accepted": 150, "unknown": 100}
    assert set(SimulatedMessage.objects.values_list("submissions", flat=True)) == {1}
    assert SimulatedMessage.objects.filter(arrived=True).count() == 150 + taken_before_death
    assert Event.objects.get(name="broadcast_settled").payload["counts"] == {"accepted": 150, "unknown": 100}
    assert SimulatorBehaviour.objects.exists()
