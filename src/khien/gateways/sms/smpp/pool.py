"""Several binds to one carrier, kept up; what is submitted leaves by whichever has room."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from khien.gateways.sms.interface import Answer, Lane
from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.smpp.lanes import Batch, Lanes, Outgoing, Result
from khien.gateways.sms.smpp.session import BindFault, BindSettings, Receive, Session

logger = logging.getLogger(__name__)

_TICK_S = 0.25
_STEADY_S = 10.0


class Parcel(NamedTuple):
    """The parts of one text to one phone, as `submit_sm` bodies: values, or octets as `pdu.encode_body` gives them."""

    parts: Sequence[pdu.Message | bytes]
    lane: Lane = Lane.CAMPAIGN


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """How it stands: binds that are up, messages under way and waiting, and what is wrong (for people)."""

    bound: int
    binds: int
    under_way: int
    waiting: dict[Lane, int]
    paused: bool
    fault: str


class Pool:
    """`binds` connections with the same settings, made anew after a cut, later each time and never all at once.

    With kind `transmitter` one more bind, a receiver, takes what comes in. `patience_s`: so long may a message wait to
    be sent before it goes back as throttled, certainly unsent. `idle_s`: without submissions for so long, unbind until
    the next one (0: stay). `reconnect_s`: the first wait before a new try; it doubles up to `longest_wait_s`.
    """

    def __init__(
        self,
        settings: BindSettings,
        *,
        binds: int = 1,
        receive: Receive | None = None,
        patience_s: float = 30.0,
        idle_s: float = 0.0,
        reconnect_s: float = 0.5,
        longest_wait_s: float = 60.0,
    ) -> None:
        self._settings = [settings] * binds
        if settings.kind == "transmitter" and receive is not None:
            self._settings.append(replace(settings, kind="receiver"))
        self._receive, self._patience_s, self._idle_s = receive, patience_s, idle_s
        self._reconnect_s, self._longest_wait_s = reconnect_s, longest_wait_s
        self._lanes = Lanes()
        self._sessions: dict[int, Session] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._wanted = asyncio.Event()
        self._stopping = False
        self._used_at = 0.0
        self._fault: BindFault | None = None
        self._jitter = random.Random()  # noqa: S311 - spreads reconnections, keeps no secret

    async def start(self) -> None:
        """Begin to connect; returns at once. What is submitted meanwhile waits."""
        self.touch()
        self._tasks = [asyncio.create_task(self._keep(place)) for place in range(len(self._settings))]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self, drain_s: float = 10.0) -> None:
        """Send nothing more, wait for the answers that are due, unbind. What waited goes back as throttled."""
        self._stopping = True
        for item in self._lanes.empty():
            item.settle(Result(Answer.THROTTLED, code="stopped"))
        await asyncio.gather(*(session.close(drain_s) for session in list(self._sessions.values())))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for item in self._lanes.empty():
            item.settle(Result(Answer.THROTTLED, code="stopped"))

    async def submit(self, parcels: Sequence[Parcel], patience_s: float | None = None) -> list[list[Result]]:
        """Send each parcel in its lane; for each the results of its parts, in the same order, when all are known."""
        if self._stopping:
            return [[Result(Answer.THROTTLED, code="stopped")] * len(parcel.parts) for parcel in parcels]
        patience = self._patience_s if patience_s is None else patience_s
        give_up_at = asyncio.get_running_loop().time() + patience
        batch = Batch(sum(len(parcel.parts) for parcel in parcels))
        place = 0
        for parts, lane in parcels:
            if not parts:
                continue
            first = Outgoing(b"", lane, give_up_at, batch, place)
            place += 1
            if len(parts) > 1:
                first.rest = [
                    Outgoing(b"", lane, give_up_at, batch, place + number) for number in range(len(parts) - 1)
                ]
                place += len(parts) - 1
            try:
                for item, part in zip((first, *first.rest), parts, strict=True):
                    item.body = part if isinstance(part, bytes) else pdu.encode_body(part)
            except pdu.CannotEncode as fault:
                logger.warning("SMPP message not sent: %s", fault)
                first.settle(Result(Answer.REJECTED, code="cannot_encode"))
            else:
                self._lanes.put(first)
        self.touch()
        self._fill()
        found = await batch.done
        if len(found) == len(parcels):
            return [[result] for result in found]
        results = iter(found)
        return [[next(results) for _ in parcel.parts] for parcel in parcels]

    def touch(self) -> None:
        """Be bound, now and for the next `idle_s` seconds."""
        self._used_at = asyncio.get_running_loop().time()
        self._wanted.set()

    def pause(self, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        """From now on nothing of these lanes is sent; what is under way (at most a window for each bind) still gets
        its answer, what waits stays unsent until `resume` or until its patience ends."""
        self._lanes.paused |= set(lanes)

    def resume(self, lanes: Iterable[Lane] = tuple(Lane)) -> None:
        self._lanes.paused -= set(lanes)
        self._fill()

    def status(self) -> PoolStatus:
        up = [session for session in self._sessions.values() if session.bound]
        return PoolStatus(
            bound=len(up),
            binds=len(self._settings),
            under_way=sum(session.under_way for session in self._sessions.values()),
            waiting=self._lanes.waiting(),
            paused=bool(self._lanes.paused),
            fault=str(self._fault or ""),
        )

    def _fill(self) -> None:
        for session in sorted(self._sessions.values(), key=lambda session: session.under_way):
            if not len(self._lanes):
                return
            session.fill()

    async def _keep(self, place: int) -> None:
        """Keep one bind up."""
        clock = asyncio.get_running_loop().time
        failures = 0
        while not self._stopping:
            await self._wanted.wait()
            session = Session(self._settings[place], self._lanes, self._receive)
            try:
                await session.open()
            except BindFault as fault:
                if str(fault) != str(self._fault or ""):
                    logger.error("SMPP bind %d: %s", place + 1, fault)
                self._fault = fault
                failures += 1
            else:
                bound_at, self._fault = clock(), None
                self._sessions[place] = session
                session.fill()
                try:
                    # Cancelling us must not cancel what others wait for.
                    reason = await asyncio.shield(session.closed)
                finally:
                    del self._sessions[place]
                failures = 0 if clock() - bound_at > _STEADY_S else failures + 1
                if not self._stopping and self._wanted.is_set():
                    logger.warning("SMPP bind %d ended: %s", place + 1, reason)
                    self._fault = BindFault("cut", reason)
            if not self._stopping:
                await asyncio.sleep(self._wait_s(failures))

    def _wait_s(self, failures: int) -> float:
        wait = min(self._reconnect_s * 2 ** min(failures, 20), self._longest_wait_s)
        return wait * self._jitter.uniform(0.5, 1.5)

    async def _watch(self) -> None:
        """Hand back what waited too long, and unbind when nobody has sent for long."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(_TICK_S)
            now = clock()
            for item in self._lanes.expired(now):
                item.settle(Result(Answer.THROTTLED, code=self._why_not(item.lane)))
            if self._idle_s and now - self._used_at > self._idle_s and self._wanted.is_set():
                self._wanted.clear()
                await asyncio.gather(*(session.close() for session in list(self._sessions.values())))

    def _why_not(self, lane: Lane) -> str:
        if lane in self._lanes.paused:
            return "paused"
        if not any(session.bound for session in self._sessions.values()):
            return self._fault.code if self._fault else "unreachable"
        return "throttled" if any(session.held for session in self._sessions.values()) else "busy"
