"""The SMPP client as a gateway of this house: a pool of binds on a loop of its own in the background."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from django.db import close_old_connections, connections

from khien.gateways.sms.interface import Answer, Lane, Outcome, OutgoingSms, Receipt
from khien.gateways.sms.smpp import coding, pdu, reports, store
from khien.gateways.sms.smpp.lanes import Result
from khien.gateways.sms.smpp.pool import Parcel, Pool, PoolStatus
from khien.gateways.sms.smpp.session import BindSettings
from khien.gateways.sms.smpp.writing import Writer

logger = logging.getLogger(__name__)
T = TypeVar("T")

PROMPT_PURPOSES = frozenset({"one_time_code", "reply"})
EMERGENCY_PURPOSES = frozenset({"emergency"})


@dataclass(frozen=True, slots=True)
class SmppSettings:
    """All that an installation says of its carrier. `sender` with its type and plan of numbering (TON 5: letters);
    `alphabet` is what the carrier understands by data_coding 0. `mark` stands before the carrier's message ids, so that
    those of two carriers are never the same. Times in seconds."""

    bind: BindSettings
    binds: int = 1
    sender: str = ""
    sender_ton: int = 5
    sender_npi: int = 0
    alphabet: coding.DefaultAlphabet = "gsm-7"
    receipt_ids: reports.ReceiptIds = "same"
    patience_s: float = 30.0
    idle_s: float = 300.0
    mark: str = ""


class Shipment(NamedTuple):
    """Messages with their parcels; those at the places in `refused` cannot be written and have none."""

    messages: Sequence[OutgoingSms]
    parcels: list[Parcel]
    refused: set[int]


class Shipping:
    """Messages to parcels, and results of parts to outcomes of messages."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings = settings
        self._writer = Writer(settings.sender, settings.sender_ton, settings.sender_npi, settings.alphabet)

    def prepare(self, messages: Sequence[OutgoingSms], lane: Lane | None) -> Shipment:
        """Without a lane, each goes in that of its purpose."""
        parcels: list[Parcel] = []
        refused: set[int] = set()
        write = self._writer.bodies
        for place, message in enumerate(messages):
            try:
                bodies = write(message.number, message.text)
            except pdu.CannotEncode as fault:
                logger.warning("SMS not sent: %s", fault)
                refused.add(place)
            else:
                parcels.append(Parcel(bodies, lane_of(message.purpose) if lane is None else lane))
        return Shipment(messages, parcels, refused)

    def conclude(
        self, shipment: Shipment, results: Sequence[Sequence[Result]]
    ) -> tuple[list[Outcome], list[store.SentParts]]:
        """An outcome for each message, in their order; and what must be remembered of those in several parts."""
        settings, each = self._settings, iter(results)
        outcomes: list[Outcome] = []
        sent: list[store.SentParts] = []
        plain, mark = settings.receipt_ids == "same", settings.mark
        for place, message in enumerate(shipment.messages):
            if place in shipment.refused:
                outcomes.append(Outcome(message.client_id, Answer.REJECTED, code="cannot_encode"))
                continue
            parts = next(each)
            if plain and len(parts) == 1:
                answer, message_id, code, retry_after_s = parts[0]
                if mark and message_id:
                    message_id = mark + message_id
                outcomes.append(Outcome(message.client_id, answer, message_id, code, retry_after_s))
                continue
            outcome = outcome_of(message.client_id, parts, settings.receipt_ids, mark)
            outcomes.append(outcome)
            if len(parts) > 1 and outcome.answer is Answer.ACCEPTED:
                ids = tuple(
                    settings.mark + reports.canonical(part.message_id, settings.receipt_ids, in_receipt=False)
                    for part in parts
                )
                sent.append(store.SentParts(message.client_id, outcome.message_id, ids))
        return outcomes, sent


class Smpp:
    """An `SmsGateway` for one carrier. The binds are made when they are first needed and kept; `close` drains them.

    What each answer means:

    - accepted: the carrier took every part; `message_id` is its id, with `+n` behind it for a message of n parts;
    - rejected, with the status in hexadecimal: it took none of the parts and says why;
    - throttled: nothing left this machine, or all of it was sent back with 0x58 or 0x14. Codes: the status,
      `unreachable`, `bind_timeout`, `bind_refused_0x…`, `tls`, `tls_certificate`, `cut`, `paused`, `busy`, `stopped`;
    - unknown: an answer is missing (`no_answer`, `cut`), cannot be read (`bad_answer`), or only some of the parts
      were taken (`partly_sent`). Nothing here sends such a message again.
    """

    name = "smpp"

    def __init__(self, settings: SmppSettings) -> None:
        self.settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pool: Pool | None = None
        self._starting = threading.Lock()
        # One after the other: what came first is kept first, by one connection to the database.
        self._keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="smpp-inbox")
        self._shipping = Shipping(settings)

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        """See `SmsGateway.submit`. Blocks until each message has its answer or its patience has ended."""
        shipment = self._shipping.prepare(messages, None)
        outcomes, sent = self._shipping.conclude(shipment, self._results(shipment.parcels))
        store.remember_parts(sent)
        return outcomes

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """See `SmsGateway.receipts`; also keeps the binds up, over which they come."""
        pool, loop = self._running()
        loop.call_soon_threadsafe(pool.touch)
        return store.hand_out(limit)

    def replies(self, limit: int = 1000) -> list[store.Reply]:
        """What people have sent to our number and nobody has taken so far."""
        return store.hand_out_replies(limit)

    def pause(self, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        """Nothing of these lanes leaves any more, from this process; at most a window for each bind is under way."""
        pool, loop = self._running()
        loop.call_soon_threadsafe(pool.pause, tuple(lanes))

    def resume(self, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        pool, loop = self._running()
        loop.call_soon_threadsafe(pool.resume, tuple(lanes))

    def status(self) -> PoolStatus:
        """How the binds of this process stand."""
        pool, _loop = self._running()

        async def ask() -> PoolStatus:
            return pool.status()

        return self._ask(ask(), 10.0)

    def close(self) -> None:
        """Drain, unbind, end the background. A later call would start anew."""
        with self._starting:
            pool, loop, self._pool, self._loop = self._pool, self._loop, None, None
        if pool is None or loop is None:
            return
        answer_s = self.settings.bind.answer_timeout_s
        try:
            asyncio.run_coroutine_threadsafe(pool.stop(answer_s), loop).result(answer_s + 15.0)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            self._keeper.submit(connections.close_all).result(10.0)
            try:
                self._keeper.submit(connections.close_all).result(10.0)
            except RuntimeError:
                logger.debug("the interpreter is going: its connections go with it")

    def _results(self, parcels: Sequence[Parcel]) -> list[list[Result]]:
        if not parcels:
            return []
        pool, _loop = self._running()
        # Longer than any message may wait: only a loop that has died lets this pass.
        seconds = self.settings.patience_s + self.settings.bind.answer_timeout_s + 3600.0
        try:
            return self._ask(pool.submit(parcels), seconds)
        except Exception:
            logger.exception("SMPP: no word of what became of %d messages", len(parcels))
            return [[Result(Answer.UNKNOWN, code="no_outcome")] * len(parcel.parts) for parcel in parcels]

    def _running(self) -> tuple[Pool, asyncio.AbstractEventLoop]:
        """The pool and its loop, started when there is none."""
        with self._starting:
            if self._pool is None or self._loop is None:
                settings, loop = self.settings, asyncio.new_event_loop()
                threading.Thread(target=loop.run_forever, name="smpp", daemon=True).start()

                async def begin() -> Pool:
                    pool = Pool(
                        settings.bind,
                        binds=settings.binds,
                        receive=self._receive,
                        patience_s=settings.patience_s,
                        idle_s=settings.idle_s,
                    )
                    await pool.start()
                    return pool

                self._pool = asyncio.run_coroutine_threadsafe(begin(), loop).result(10.0)
                self._loop = loop
                atexit.register(self.close)
            return self._pool, self._loop

    def _ask(self, question: Coroutine[Any, Any, T], seconds: float) -> T:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(question, self._loop).result(seconds)

    async def _receive(self, messages: Sequence[pdu.Message]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._keeper, self._keep, messages)

    def _keep(self, messages: Sequence[pdu.Message]) -> None:
        close_old_connections()
        store.keep(messages, self.settings.alphabet, self.settings.receipt_ids, self.settings.mark)


def lane_of(purpose: str) -> Lane:
    """The lane for a message's purpose: what nobody named waits with the campaigns."""
    if purpose in EMERGENCY_PURPOSES:
        return Lane.EMERGENCY
    return Lane.PROMPT if purpose in PROMPT_PURPOSES else Lane.CAMPAIGN


def outcome_of(
    client_id: str, parts: Sequence[Result], receipt_ids: reports.ReceiptIds = "same", mark: str = ""
) -> Outcome:
    """One outcome for the parts of a message. Whatever may have reached a phone in part is unknown: to send it again
    would double it, and to call it refused would be wrong."""
    answers = {part.answer for part in parts}
    if answers == {Answer.ACCEPTED}:
        first = mark + reports.canonical(parts[0].message_id, receipt_ids, in_receipt=False)
        return Outcome(
            client_id, Answer.ACCEPTED, message_id=first if len(parts) == 1 else f"{first}+{len(parts)}"
        )
    if Answer.UNKNOWN in answers:
        worst = next(part for part in parts if part.answer is Answer.UNKNOWN)
        return Outcome(client_id, Answer.UNKNOWN, code=worst.code)
    if Answer.ACCEPTED in answers:
        return Outcome(client_id, Answer.UNKNOWN, code="partly_sent")
    worst = next((part for part in parts if part.answer is Answer.REJECTED), parts[0])
    return Outcome(client_id, worst.answer, code=worst.code, retry_after_s=worst.retry_after_s)
