"""A gateway that ships with the product: messages land in a table, and it misbehaves as told."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import F

from khien.gateways.sms.interface import Answer, Delivery, Outcome, OutgoingSms, Receipt
from khien.gateways.sms.models import SimulatedMessage, SimulatedReceipt, SimulatorBehaviour
from khien.gateways.sms.text import measure
from khien.kernel import clock

REFUSAL_CODE = "blocked_number"


def behaviour() -> SimulatorBehaviour:
    """How the simulator behaves now; well, when nothing has been said."""
    return SimulatorBehaviour.objects.filter(pk=1).first() or SimulatorBehaviour()


class Simulator:
    """Keeps the contract of a real gateway: a repeated client id answers what it answered first."""

    name = "simulator"

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        """Each message in a transaction of its own, as the network would have it."""
        manner = behaviour()
        return [self._take(message, manner) for message in messages]

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """The receipts that are due, each handed out once."""
        now = datetime.now(UTC)
        with transaction.atomic():
            due = list(
                SimulatedReceipt.objects.select_for_update(skip_locked=True, of=("self",))
                .select_related("message")
                .filter(taken_at__isnull=True, due_at__lte=now)
                .order_by("due_at", "pk")[:limit]
            )
            SimulatedReceipt.objects.filter(pk__in=[row.pk for row in due]).update(taken_at=now)
        return [
            Receipt(row.message.message_id, Delivery(row.delivery), clock.now(), row.message.client_id)
            for row in due
        ]

    def _take(self, message: OutgoingSms, manner: SimulatorBehaviour) -> Outcome:
        if manner.delay_ms:
            time.sleep(manner.delay_ms / 1000)
        with transaction.atomic():
            known = SimulatedMessage.objects.select_for_update().filter(client_id=message.client_id).first()
            if known is not None:
                return self._again(known, manner)
            return self._first(message, manner)

    def _first(self, message: OutgoingSms, manner: SimulatorBehaviour) -> Outcome:
        answer, arrived = _fate(message.client_id, manner)
        size = measure(message.text)
        row = SimulatedMessage.objects.create(
            client_id=message.client_id,
            number=message.number,
            text=message.text,
            purpose=message.purpose,
            encoding=size.encoding,
            parts=size.parts,
            answer=answer,
            code=_code(answer),
            message_id=_message_id(message.client_id) if arrived else "",
            arrived=arrived,
            at=clock.now(),
        )
        if arrived:
            _plan_receipts(row, manner)
        return _outcome(row)

    def _again(self, row: SimulatedMessage, manner: SimulatorBehaviour) -> Outcome:
        put_off = row.answer == Answer.THROTTLED
        if put_off and row.submissions >= manner.throttled_times:
            row.answer, row.code, row.arrived = Answer.ACCEPTED, "", True
            row.message_id = _message_id(row.client_id)
            _plan_receipts(row, manner)
        elif row.answer == Answer.UNKNOWN and row.arrived:
            # The client asks again with the same id: now the first answer reaches it.
            row.answer, row.code = Answer.ACCEPTED, ""
        row.submissions = F("submissions") + 1
        row.save()
        row.refresh_from_db()
        return _outcome(row)


def chance(seed: int, client_id: str, what: str) -> float:
    """A number in [0, 1) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed}:{what}:{client_id}".encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _fate(client_id: str, manner: SimulatorBehaviour) -> tuple[Answer, bool]:
    """What is answered, and whether the phone shows the message."""

    def happens(what: str, share: float) -> bool:
        return chance(manner.seed, client_id, what) < share

    if happens("refused", manner.refused):
        return Answer.REJECTED, False
    if happens("throttled", manner.throttled):
        return Answer.THROTTLED, False
    if happens("request_lost", manner.request_lost):
        return Answer.UNKNOWN, False
    if happens("answer_lost", manner.answer_lost):
        return Answer.UNKNOWN, True
    return Answer.ACCEPTED, True


def _plan_receipts(row: SimulatedMessage, manner: SimulatorBehaviour) -> None:
    def happens(what: str, share: float) -> bool:
        return chance(manner.seed, row.client_id, what) < share

    if happens("receipt_missing", manner.receipt_missing):
        return
    failed = happens("undelivered", manner.undelivered)
    delivery = Delivery.UNDELIVERED if failed else Delivery.DELIVERED
    late = manner.receipt_late_s if happens("receipt_late", manner.receipt_late) else 0
    due = datetime.now(UTC) + timedelta(seconds=manner.receipt_delay_s + late)
    row.save()
    copies = 2 if happens("receipt_twice", manner.receipt_twice) else 1
    SimulatedReceipt.objects.bulk_create(
        SimulatedReceipt(message=row, delivery=delivery, due_at=due + timedelta(seconds=number))
        for number in range(copies)
    )


def _outcome(row: SimulatedMessage) -> Outcome:
    answer = Answer(row.answer)
    message_id = row.message_id if answer is Answer.ACCEPTED else ""
    return Outcome(row.client_id, answer, message_id, row.code, 1.0 if answer is Answer.THROTTLED else None)


def _code(answer: Answer) -> str:
    return {Answer.REJECTED: REFUSAL_CODE, Answer.THROTTLED: "too_fast", Answer.UNKNOWN: "no_answer"}.get(
        answer, ""
    )


def _message_id(client_id: str) -> str:
    return "sim-" + hashlib.sha256(client_id.encode()).hexdigest()[:20]
