"""The sender of campaigns: claims chunks, sends them over the carriers' links, settles them.

One asyncio loop does the sending; one thread holds the connection to the database, and with it the sender's lock.
Memory stays small because no more is held than may be under way: a window for each bind.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from django.db import DatabaseError, connection, connections, transaction

from khien.gateways.sms.interface import (
    Answer,
    CarrierLink,
    GatewayNotSet,
    Lane,
    Outcome,
    OutgoingSms,
    Receipt,
)
from khien.gateways.sms.text import measure
from khien.kernel import clock
from khien.kernel.staff import Actor, system_actor
from khien.rooms.broadcasts.models import Campaign, Carrier, Chunk
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs import campaigns as acts
from khien.rooms.broadcasts.verbs import chunks
from khien.rooms.broadcasts.verbs.chunks import Claimed, Room, Settled
from khien.rooms.broadcasts.verbs.receipts import take_receipts

logger = logging.getLogger("khien.sender")
T = TypeVar("T")

POLL_S = 0.5
"""How long an idle sender waits before it looks again."""
TEND_S = 1.0
RECEIPTS = 2000
"""Receipts applied in one transaction at most."""
ORPHANS_S = 10.0
GATHER_S = 0.02
"""Answers of so long are settled together when the links are busy anyhow."""
RESERVE = 0.05
"""The share of a contracted rate that campaigns leave to one-time codes and replies, which other processes send."""
_LONGEST_HOLD_S = 60.0

LinkOf = Callable[[str], CarrierLink]
Fetch = Callable[[int], Sequence[Receipt]]


class Pace:
    """At most `rate` parts a second, a tenth of a second saved up; 0: no limit."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._tokens, self._at = 0.0, time.monotonic()

    def take(self, wanted: int) -> tuple[int, float]:
        """How many of `wanted` parts may leave now, and the seconds until more may."""
        if self.rate <= 0:
            return wanted, 0.0
        now = time.monotonic()
        most = max(1.0, self.rate / 10)
        self._tokens = min(most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        granted = min(wanted, int(self._tokens + 1e-9))
        if granted < 1:
            return 0, (1.0 - self._tokens) / self.rate
        self._tokens -= granted
        return granted, 0.0 if granted == wanted else 1.0 / self.rate

    def owe(self, parts: int) -> None:
        """A long message took more than what was granted: what comes later waits for it."""
        if self.rate > 0:
            self._tokens -= parts


@dataclass(eq=False)
class Door:
    """One link with the carriers that go by it. `under_way`: members claimed and not settled."""

    link: CarrierLink
    carriers: list[int] = field(default_factory=list)
    under_way: int = 0
    hold_until: float = 0.0
    level: int = 0

    @property
    def budget(self) -> int:
        return max(1, self.link.window * self.link.binds)

    def room(self, now: float) -> Room:
        members = 0 if now < self.hold_until else self.budget - self.under_way
        return Room(tuple(self.carriers), max(0, members), self.budget)


class Pump:
    """A sender. `run` until `stop`; `link_of` gives a carrier's link by its code (the same link for several carriers
    that share one), `receipts` so many of those that wait, each once within the transaction that is open."""

    def __init__(self, link_of: LinkOf, *, receipts: Fetch | None = None, drain_s: float = 8.0) -> None:
        self._link_of, self._fetch, self._drain_s = link_of, receipts, drain_s
        self._actor = system_actor("sender")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sender-database")
        self._receiver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sender-receipts")
        self._doors: dict[int, Door] = {}
        self._paces: dict[int, Pace] = {}
        self._settled: deque[Settled] = deque()
        self._sending: set[asyncio.Task[None]] = set()
        self._halted: frozenset[int] = frozenset()
        self._due: list[Campaign] = []
        self._number = 0
        self._locked_on: object = None
        self._mine: dict[int, int] = {}
        self._closed_until: dict[int, float] = {}
        self._tended_at = self._orphans_at = float("-inf")
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self.sent = 0

    def stop(self) -> None:
        """Claim nothing more; `run` returns when what is under way has its answers."""
        self._stopping.set()
        self._news.set()

    async def run(self) -> None:
        """Send until told to stop."""
        receiving = asyncio.create_task(self._receive())
        try:
            while not self._stopping.is_set():
                try:
                    await self._turn()
                except DatabaseError as fault:
                    await self._on_fault(fault)
            await self._drain()
        finally:
            receiving.cancel()
            for thread in (self._thread, self._receiver):
                thread.submit(connections.close_all)
                thread.shutdown()

    async def _receive(self) -> None:
        """Take the receipts that wait, on a connection of their own beside the sending."""
        loop = asyncio.get_running_loop()
        while self._fetch is not None:
            try:
                count = await loop.run_in_executor(self._receiver, self._take_receipts)
            except Exception as fault:
                logger.error("receipts: %s; trying again", type(fault).__name__)
                logger.debug("receipts", exc_info=fault)
                await loop.run_in_executor(self._receiver, _disconnect)
                count = 0
            if count < RECEIPTS:
                await asyncio.sleep(POLL_S)

    def _take_receipts(self) -> int:
        """In one transaction, so that what is handed out and what is applied are the same whatever happens between."""
        assert self._fetch is not None
        with transaction.atomic():
            receipts = self._fetch(RECEIPTS)
            if receipts:
                take_receipts(self._actor, receipts=receipts)
        return len(receipts)

    async def _on_fault(self, fault: DatabaseError) -> None:
        """Whatever it was: a new connection, a moment later."""
        logger.error("database: %s; trying again", type(fault).__name__)
        logger.debug("database", exc_info=fault)
        await self._in_thread(_disconnect)
        await asyncio.sleep(0.5)

    async def _turn(self) -> None:
        """Settle, claim, begin to send what was claimed; then wait until there is something to do."""
        now = time.monotonic()
        if now - self._tended_at >= TEND_S:
            self._tended_at = now
            await self._tend(now)
        self._news.clear()
        claimed = await self._advance([door.room(now) for door in self._open_doors()])
        for chunk in claimed:
            door = self._doors[chunk.carrier]
            door.under_way += len(chunk.seqs)
            task = asyncio.create_task(self._send(chunk, door))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        if not self._settled:
            await self._wait(POLL_S)
        if not self._stopping.is_set():
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        """With half of every window free there is reason to hurry, else answers may gather."""
        doors = self._open_doors()
        hungry = any(2 * door.under_way < door.budget for door in doors) or sum(
            len(one.outcomes) for one in self._settled
        ) * 4 >= sum(door.budget for door in doors)
        return 0.0 if hungry else GATHER_S

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    def _open_doors(self) -> list[Door]:
        return list({id(door): door for door in self._doors.values()}.values())

    async def _advance(self, rooms: Sequence[Room]) -> list[Claimed]:
        """One transaction. What could not be settled for a fault of the database is settled with the next."""
        settled = [self._settled.popleft() for _ in range(len(self._settled))]
        if not settled and not (self._due and any(room.members for room in rooms)):
            return []
        try:
            claimed = await self._in_thread(lambda: self._write(settled, rooms))
        except BaseException:
            self._settled.extendleft(reversed(settled))
            raise
        for one in settled:
            self._doors[one.chunk.carrier].under_way -= len(one.chunk.seqs)
            self._forget(one.chunk.sender)
        for chunk in claimed:
            self._mine[chunk.sender] = self._mine.get(chunk.sender, 0) + 1
        return claimed

    def _write(self, settled: Sequence[Settled], rooms: Sequence[Room]) -> list[Claimed]:
        self._hold_lock()
        return chunks.advance_chunks(
            self._actor, sender=self._number, settled=settled, rooms=rooms, due=self._due
        )

    def _hold_lock(self) -> None:
        """A new connection holds no lock: then we go on under a new number. What was claimed under the old one is still
        settled by us, unless another sender has called it unknown in the meantime."""
        connection.ensure_connection()
        if self._number and self._locked_on is connection.connection:
            return
        self._number = chunks.new_sender()
        self._locked_on = connection.connection
        logger.info("sender=%s began", self._number)

    def _forget(self, sender: int) -> None:
        self._mine[sender] = self._mine.get(sender, 1) - 1
        if self._mine[sender] <= 0:
            del self._mine[sender]

    async def _send(self, chunk: Claimed, door: Door) -> None:
        """Send a chunk as fast as its carrier's contract allows. What is halted before it has left goes back."""
        lane = Lane.EMERGENCY if chunk.lane == Campaign.Lane.EMERGENCY else Lane.CAMPAIGN
        pace = self._paces[chunk.carrier]
        outcomes: list[Outcome] = []
        waiting: list[asyncio.Task[list[Outcome]]] = []
        messages = [
            OutgoingSms(f"khien-c{chunk.campaign}-m{seq}", phone, text, "campaign")
            for seq, phone, text in zip(chunk.seqs, chunk.phones, chunk.texts, strict=True)
        ]
        place = 0
        while place < len(messages):
            if self._stopping.is_set() or chunk.campaign in self._halted:
                break
            granted, wait_s = pace.take(len(messages) - place)
            if granted:
                lot = messages[place : place + granted]
                place += granted
                if pace.rate > 0:
                    pace.owe(sum(_parts(chunk, message) for message in lot) - granted)
                if place == len(messages) and not waiting:
                    outcomes = await self._submit(door.link, lot, lane)
                    break
                waiting.append(asyncio.create_task(self._submit(door.link, lot, lane)))
            if wait_s:
                await asyncio.sleep(wait_s)
        for task in waiting:
            outcomes += await task
        outcomes += [
            Outcome(message.client_id, Answer.THROTTLED, code="stopped")
            for message in messages[len(outcomes) :]
        ]
        self._note(door, outcomes)
        self._settled.append(Settled(chunk, outcomes))
        self._news.set()

    async def _submit(self, link: CarrierLink, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        try:
            return await link.submit(messages, lane)
        except Exception:
            logger.exception("link=%s gave no word of %d messages", link.name, len(messages))
            return [Outcome(message.client_id, Answer.UNKNOWN, code="no_outcome") for message in messages]

    def _note(self, door: Door, outcomes: Sequence[Outcome]) -> None:
        """A carrier that takes nothing is left alone for a while, longer each time."""
        self.sent += sum(outcome.answer is not Answer.THROTTLED for outcome in outcomes)
        if any(outcome.answer is not Answer.THROTTLED for outcome in outcomes):
            door.level, door.hold_until = 0, 0.0
        elif outcomes and any(outcome.code != "stopped" for outcome in outcomes):
            now = time.monotonic()
            if now >= door.hold_until:
                door.hold_until = now + min(_LONGEST_HOLD_S, 2.0**door.level)
                door.level = min(door.level + 1, 6)

    async def _tend(self, now: float) -> None:
        """What time alone brings about, and what carriers and campaigns there are now."""
        with_orphans = now - self._orphans_at >= ORPHANS_S
        if with_orphans:
            self._orphans_at = now
        mine = list(self._mine)
        carriers, living, halted = await self._in_thread(lambda: self._look(with_orphans, mine))
        self._halted = halted
        for carrier in carriers:
            rate = carrier.rate * (1 - RESERVE) / max(1, living)
            if carrier.pk in self._paces:
                self._paces[carrier.pk].rate = rate
            else:
                self._paces[carrier.pk] = Pace(rate)
            if carrier.pk not in self._doors:
                await self._open(carrier)
        active = {carrier.pk for carrier in carriers if carrier.is_active}
        for door in self._open_doors():
            door.carriers = [pk for pk, one in self._doors.items() if one is door and pk in active]

    def _look(self, with_orphans: bool, mine: Sequence[int]) -> tuple[list[Carrier], int, frozenset[int]]:
        self._hold_lock()
        if with_orphans and (unknown := chunks.mark_orphans(self._actor, mine=[*mine, self._number])):
            logger.warning("a sender died: %d messages are unknown", unknown)
        tend(self._actor)
        self._due = chunks.due_campaigns()
        halted = frozenset(
            Campaign.objects.filter(
                chunks__state=Chunk.State.CLAIMED, chunks__sender__in=[*mine, self._number]
            )
            .distinct()
            .values_list("pk", flat=True)
        )
        halted -= frozenset(campaign.pk for campaign in self._due)
        wanted = Chunk.objects.filter(state=Chunk.State.QUEUED, campaign__ended_at__isnull=True)
        known = list(self._doors)
        carriers = list(
            Carrier.objects.filter(pk__in=[*known, *wanted.values_list("carrier", flat=True).distinct()])
        )
        return carriers, chunks.living_senders(), halted

    async def _open(self, carrier: Carrier) -> None:
        if time.monotonic() < self._closed_until.get(carrier.pk, 0.0):
            return
        try:
            link = self._link_of(carrier.code)
        except GatewayNotSet as fault:
            logger.error("carrier=%s has no way out: %s", carrier.code, fault)
            self._closed_until[carrier.pk] = time.monotonic() + _LONGEST_HOLD_S
            return
        for door in self._open_doors():
            if door.link is link:
                self._doors[carrier.pk] = door
                return
        await link.open()
        self._doors[carrier.pk] = Door(link)

    async def _drain(self) -> None:
        """Nothing more leaves; what has left gets its answers, as long as there is time."""
        links = [door.link for door in self._open_doors()]
        closing = asyncio.gather(*(link.close(self._drain_s) for link in links), return_exceptions=True)
        if self._sending:
            await asyncio.wait(self._sending, timeout=self._drain_s + 1.0)
        for _try in range(3):
            try:
                await self._advance([])
                break
            except DatabaseError as fault:
                await self._on_fault(fault)
        await asyncio.wait_for(asyncio.shield(closing), self._drain_s + 5.0)
        logger.info("sender=%s ended, sent=%d", self._number, self.sent)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _disconnect() -> None:
    """Close the connection of the thread that calls: `connection.close` taken elsewhere would be another thread's."""
    connection.close()


def tend(actor: Actor) -> None:
    """What time alone brings about in the campaigns that are open: they start, are judged, expire, finish."""
    now = clock.now()
    for campaign in reads.open_campaigns():
        if campaign.state == Campaign.State.WAITING and not (
            campaign.not_before and campaign.not_before > now
        ):
            acts.start_campaign(actor, campaign=campaign)
        if campaign.not_after is not None and campaign.not_after <= now:
            acts.expire_campaign(actor, campaign=campaign)
        if campaign.state == Campaign.State.CANARY:
            acts.judge_canary(actor, campaign=campaign)
        if (
            campaign.started_at is not None
            or campaign.state == Campaign.State.CANCELLED
            or campaign.not_after
        ):
            acts.finish_campaign(actor, campaign=campaign)


def _parts(chunk: Claimed, message: OutgoingSms) -> int:
    """Of one text for all as the campaign says, of a filled one as it is."""
    return chunk.parts if message.text is chunk.texts[0] else measure(message.text).parts
