"""One bind: a connection on which a window of submissions is under way, and messages come in."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Literal

from khien.gateways.sms.interface import Answer
from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.smpp.lanes import Lanes, Outgoing, Result, TokenBucket

logger = logging.getLogger(__name__)

Receive = Callable[[Sequence[pdu.Message]], Awaitable[None]]
"""Takes messages that came in. They are acknowledged when it has returned, so it must have kept them durably; when it
raises, the carrier is asked to send them again."""

Kind = Literal["transceiver", "transmitter", "receiver"]
_BIND_COMMANDS: dict[Kind, int] = {
    "transceiver": pdu.BIND_TRANSCEIVER,
    "transmitter": pdu.BIND_TRANSMITTER,
    "receiver": pdu.BIND_RECEIVER,
}
_NOT_NOW = frozenset({pdu.THROTTLED, pdu.QUEUE_FULL})


@dataclass(frozen=True, slots=True)
class BindSettings:
    """How to reach and use a carrier. Times are seconds; `rate` is submissions a second for each bind, 0 for no limit.
    `inbox` is how many messages may wait to be kept before the carrier is told to hold them back."""

    host: str
    port: int
    system_id: str = ""
    password: str = field(default="", repr=False)
    system_type: str = ""
    kind: Kind = "transceiver"
    tls: ssl.SSLContext | None = None
    window: int = 10
    rate: float = 0.0
    answer_timeout_s: float = 10.0
    connect_timeout_s: float = 10.0
    enquire_s: float = 30.0
    backoff_s: float = 0.5
    longest_backoff_s: float = 30.0
    inbox: int = 10_000

    @property
    def reserve(self) -> int:
        """Places of the window that a campaign never fills, so that a code need not wait for one."""
        return max(1, self.window // 20) if self.window > 1 else 0


class BindFault(Exception):
    """The bind could not be made; `code` for programs, the text for people. Nothing was sent."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class _State(Enum):
    NEW = auto()
    BINDING = auto()
    BOUND = auto()
    DRAINING = auto()
    CLOSED = auto()


class Session(asyncio.Protocol):
    """A bind from `open` until `closed`. It takes from `lanes` whatever its window, its rate and the carrier's patience
    allow; what is under way when the connection ends, or stays without an answer, settles as unknown."""

    def __init__(self, settings: BindSettings, lanes: Lanes, receive: Receive | None = None) -> None:
        self.settings = settings
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the connection ended, once it has."""
        self.strays = 0
        """Answers to nothing that was under way, e.g. those that came too late."""
        self._lanes, self._receive = lanes, receive
        self._loop = asyncio.get_running_loop()
        self._state = _State.NEW
        self._transport: asyncio.Transport | None = None
        self._stream = pdu.Stream()
        self._sequence = 0
        self._under_way: dict[int, Outgoing] = {}
        self._bucket = TokenBucket(settings.rate)
        self._writable = True
        self._level, self._hold_until = 0, 0.0
        self._wake: asyncio.TimerHandle | None = None
        self._tick: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._enquired_at: float | None = None
        self._bound: asyncio.Future[pdu.Pdu | None] = self._loop.create_future()
        self._unbound: asyncio.Future[None] = self._loop.create_future()
        self._quiet: asyncio.Future[None] | None = None
        self._inbox: list[tuple[int, pdu.Message]] = []
        self._keeping = 0
        self._keeper: asyncio.Task[None] | None = None
        self._reason = ""

    @property
    def bound(self) -> bool:
        return self._state is _State.BOUND

    @property
    def under_way(self) -> int:
        """Submissions without an answer so far."""
        return len(self._under_way)

    @property
    def held(self) -> bool:
        """The carrier has asked us to wait."""
        return self._loop.time() < self._hold_until

    async def open(self) -> None:
        """Connect and bind. Raises `BindFault`."""
        settings = self.settings
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                await self._loop.create_connection(
                    lambda: self, settings.host, settings.port, ssl=settings.tls
                )
                self._state = _State.BINDING
                body = pdu.Bind(settings.system_id, settings.password, settings.system_type)
                self._write(
                    pdu.encode(pdu.Pdu(_BIND_COMMANDS[settings.kind], self._next_sequence(), body=body))
                )
                answer = await self._bound
                if answer is None:
                    raise ConnectionResetError(self._reason or "cut before the bind was answered")
        except ssl.SSLCertVerificationError as fault:
            raise self._unopened(
                "tls_certificate", f"the carrier's certificate: {fault.verify_message}"
            ) from fault
        except ssl.SSLError as fault:
            raise self._unopened("tls", f"no TLS with the carrier: {fault.reason or fault}") from fault
        except TimeoutError as fault:
            raise self._unopened(
                "bind_timeout", f"no bind within {settings.connect_timeout_s:g} s"
            ) from fault
        except pdu.CannotEncode as fault:
            raise self._unopened("bind_settings", f"the bind cannot be written: {fault}") from fault
        except OSError as fault:
            raise self._unopened(
                "unreachable", f"{settings.host}:{settings.port} is not reached: {fault}"
            ) from fault
        except asyncio.CancelledError:
            self._abort("cancelled")
            raise
        if answer.status != pdu.OK:
            raise self._unopened(
                f"bind_refused_0x{answer.status:02x}",
                f"the carrier refused the bind with status 0x{answer.status:02x}",
            )
        self._state = _State.BOUND
        self._on_tick()

    def fill(self) -> None:
        """Send what may be sent now, in one write."""
        under_way = self._under_way
        room = self.settings.window - len(under_way)
        if self._state is not _State.BOUND or not self._writable or room <= 0:
            return
        if self.settings.kind == "receiver":
            return
        now = self._loop.time()
        if now < self._hold_until:
            self._wake_at(self._hold_until)
            return
        reserve, bucket, take, header = self.settings.reserve, self._bucket, self._lanes.take, pdu.with_header
        out = []
        while room > 0:
            if wait := bucket.take(now):
                self._wake_at(now + wait)
                break
            item = take(now, room <= reserve)
            if item is None:
                bucket.give_back()
                break
            sequence = self._next_sequence()
            item.sent_at = now
            under_way[sequence] = item
            out.append(header(pdu.SUBMIT_SM, sequence, item.body))
            room -= 1
        if out:
            self._write(b"".join(out))

    async def close(self, drain_s: float = 10.0) -> None:
        """Send nothing more, wait for the answers that are due (at most `drain_s` seconds), unbind, disconnect."""
        if self._state is _State.BOUND:
            await self._drain(drain_s)
            if self._state is _State.DRAINING:
                self._write(pdu.encode(pdu.Pdu(pdu.UNBIND, self._next_sequence())))
                await asyncio.wait(
                    [self._unbound, self.closed], timeout=min(drain_s, 5.0), return_when="FIRST_COMPLETED"
                )
        self._end("closed by us")
        await self.closed

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self.fill()

    def data_received(self, data: bytes) -> None:
        self._heard_at, self._enquired_at = self._loop.time(), None
        for unit in self._stream.feed(data):
            if self._state is _State.CLOSED:
                return
            if isinstance(unit, pdu.PduFault):
                self._on_fault(unit)
            elif unit.command == pdu.SUBMIT_SM_RESP:
                self._on_answer(unit)
            elif unit.command == pdu.DELIVER_SM:
                self._on_message(unit)
            else:
                self._on_other(unit)
        # At once, not in larger bites: what we write bears the acknowledgement for which a carrier's Nagle waits.
        self.fill()

    def connection_lost(self, fault: Exception | None) -> None:
        if self._state is _State.CLOSED and self.closed.done():
            return
        self._state = _State.CLOSED
        reason = self._reason or (f"cut: {fault}" if fault else "cut by the carrier")
        if self._stream.unfinished:
            reason += f", in the middle of a PDU ({self._stream.unfinished} octets)"
        for timer in (self._wake, self._tick):
            if timer is not None:
                timer.cancel()
        lost, self._under_way = list(self._under_way.values()), {}
        for item in lost:
            item.settle(Result(Answer.UNKNOWN, code="cut"))
        if lost:
            logger.warning("SMPP connection ended (%s): %d messages are unknown", reason, len(lost))
        self._inbox.clear()
        if not self._bound.done():
            self._bound.set_result(None)
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        self.closed.set_result(reason)

    # What the carrier says.

    def _on_answer(self, unit: pdu.Pdu) -> None:
        item = self._under_way.pop(unit.sequence, None)
        if item is None:
            self.strays += 1
            return
        if unit.status == pdu.OK:
            if item.sent_at >= self._hold_until:
                self._level = 0
            assert isinstance(unit.body, pdu.Answered)
            item.settle(Result(Answer.ACCEPTED, unit.body.message_id))
        else:
            self._refused(item, unit.status)
        self._note_quiet()

    def _refused(self, item: Outgoing, status: int) -> None:
        code = f"0x{status:08x}"
        if status not in _NOT_NOW:
            item.settle(Result(Answer.REJECTED, code=code))
            return
        now = self._loop.time()
        if now >= self._hold_until:
            # Once for a whole window that is sent back, not once for each of its messages.
            wait = min(self.settings.backoff_s * 2**self._level, self.settings.longest_backoff_s)
            self._level = min(self._level + 1, 16)
            self._hold_until = now + wait
            self._wake_at(self._hold_until)
        if item.give_up_at <= self._hold_until or self._state is not _State.BOUND:
            item.settle(Result(Answer.THROTTLED, code=code, retry_after_s=self._hold_until - now))
        else:
            self._lanes.put_back(item)

    def _on_fault(self, fault: pdu.PduFault) -> None:
        logger.warning("SMPP carrier sent what cannot be read: %s (command 0x%08x)", fault, fault.command)
        if fault.command & pdu.RESPONSE and not fault.fatal:
            item = self._under_way.pop(fault.sequence, None)
            if item is not None:
                # Perhaps it was taken: the status may be in the header, but such an answer proves nothing.
                item.settle(Result(Answer.UNKNOWN, code="bad_answer"))
                self._note_quiet()
            elif not self._bound.done():
                self._end("an answer to the bind that cannot be read")
            return
        self._write(pdu.encode(pdu.Pdu(pdu.GENERIC_NACK, fault.sequence, fault.status)))
        if fault.fatal:
            self._hang_up(f"garbage: {fault}")

    def _on_message(self, unit: pdu.Pdu) -> None:
        assert isinstance(unit.body, pdu.Message)
        if self._receive is None or self._state is _State.BINDING:
            self._acknowledge([unit.sequence], pdu.WRONG_BIND_STATE)
        elif len(self._inbox) + self._keeping >= self.settings.inbox:
            self._acknowledge([unit.sequence], pdu.QUEUE_FULL)
        else:
            self._inbox.append((unit.sequence, unit.body))
            if self._keeper is None:
                self._keeper = self._loop.create_task(self._keep())

    def _on_other(self, unit: pdu.Pdu) -> None:
        command = unit.command
        if command == pdu.ENQUIRE_LINK:
            self._write(pdu.encode(pdu.Pdu(pdu.ENQUIRE_LINK_RESP, unit.sequence)))
        elif command == _BIND_COMMANDS[self.settings.kind] | pdu.RESPONSE:
            if not self._bound.done():
                self._bound.set_result(unit)
        elif command == pdu.GENERIC_NACK:
            self._on_nack(unit)
        elif command == pdu.UNBIND:
            self._loop.create_task(self._leave(unit.sequence)).add_done_callback(_no_trouble)
        elif command == pdu.UNBIND_RESP:
            if not self._unbound.done():
                self._unbound.set_result(None)
        elif command in {pdu.ENQUIRE_LINK_RESP, pdu.OUTBIND, pdu.ALERT_NOTIFICATION}:
            pass
        elif command & pdu.RESPONSE:
            self.strays += 1
        else:
            # A request that only a carrier takes.
            self._write(pdu.encode(pdu.Pdu(pdu.GENERIC_NACK, unit.sequence, pdu.INVALID_COMMAND)))

    def _on_nack(self, unit: pdu.Pdu) -> None:
        if not self._bound.done():
            self._bound.set_result(unit if unit.status else unit._replace(status=pdu.INVALID_COMMAND))
            return
        item = self._under_way.pop(unit.sequence, None)
        if item is None:
            self.strays += 1
            logger.warning("SMPP carrier could not read us: status 0x%08x", unit.status)
            return
        if unit.status == pdu.OK:
            item.settle(Result(Answer.UNKNOWN, code="bad_answer"))
        else:
            self._refused(item, unit.status)
        self._note_quiet()

    # What we do about it.

    async def _keep(self) -> None:
        """Hand over what came in, all that waits at once, and acknowledge what was kept."""
        assert self._receive is not None
        while self._inbox and self._state is not _State.CLOSED:
            batch, self._inbox = self._inbox, []
            self._keeping = len(batch)
            try:
                await self._receive([message for _sequence, message in batch])
            except Exception:
                logger.exception("SMPP messages could not be kept; the carrier is asked to send them again")
                status = pdu.TEMPORARY_FAULT
            else:
                status = pdu.OK
            self._keeping = 0
            self._acknowledge([sequence for sequence, _message in batch], status)
        self._keeper = None
        self._note_quiet()

    def _acknowledge(self, sequences: Sequence[int], status: int) -> None:
        command = pdu.DELIVER_SM_RESP
        self._write(b"".join(pdu.with_header(command, sequence, b"\0", status) for sequence in sequences))

    async def _leave(self, sequence: int) -> None:
        """The carrier unbinds: what is due may still be answered, for a moment."""
        await self._drain(min(2.0, self.settings.answer_timeout_s))
        self._write(pdu.encode(pdu.Pdu(pdu.UNBIND_RESP, sequence)))
        self._end("unbound by the carrier")

    async def _drain(self, seconds: float) -> None:
        if self._state is _State.BOUND:
            self._state = _State.DRAINING
        self._quiet = self._loop.create_future()
        self._note_quiet()
        await asyncio.wait([self._quiet], timeout=seconds)

    def _note_quiet(self) -> None:
        if self._quiet is None or self._quiet.done():
            return
        if not self._under_way and self._keeper is None:
            self._quiet.set_result(None)

    def _on_tick(self) -> None:
        """Now and then: answers that did not come, a line that is silent."""
        settings, now = self.settings, self._loop.time()
        overdue = 0
        while self._under_way:
            sequence = next(iter(self._under_way))
            item = self._under_way[sequence]
            if item.sent_at + settings.answer_timeout_s > now:
                break
            del self._under_way[sequence]
            item.settle(Result(Answer.UNKNOWN, code="no_answer"))
            overdue += 1
        if overdue:
            logger.warning("SMPP: %d messages without an answer are unknown", overdue)
            self._note_quiet()
        silent = now - self._heard_at
        if self._enquired_at is not None and now - self._enquired_at > settings.answer_timeout_s:
            self._abort("no answer to enquire_link")
            return
        if self._enquired_at is None and (
            silent > settings.enquire_s or (overdue and silent > settings.answer_timeout_s)
        ):
            self._enquired_at = now
            self._write(pdu.encode(pdu.Pdu(pdu.ENQUIRE_LINK, self._next_sequence())))
        pace = min(1.0, settings.answer_timeout_s / 5, settings.enquire_s / 5)
        self._tick = self._loop.call_later(pace, self._on_tick)
        self.fill()

    def _wake_at(self, moment: float) -> None:
        if self._wake is not None and not self._wake.cancelled() and self._wake.when() > self._loop.time():
            if self._wake.when() <= moment:
                return
            self._wake.cancel()
        self._wake = self._loop.call_at(moment, self.fill)

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % pdu.MAX_SEQUENCE + 1
        while self._sequence in self._under_way:
            self._sequence = self._sequence % pdu.MAX_SEQUENCE + 1
        return self._sequence

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def _end(self, reason: str) -> None:
        """Disconnect after what is written has left."""
        self._reason = self._reason or reason
        if self._transport is None:
            self.connection_lost(None)
        elif not self._transport.is_closing():
            self._transport.close()
            # A peer that reads nothing more would keep us waiting for ever.
            self._loop.call_later(1.0, self._transport.abort)

    def _hang_up(self, reason: str) -> None:
        """Disconnect from a carrier that still talks: to close with octets unread would take back what we said last."""
        self._state, self._reason = _State.DRAINING, self._reason or reason
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(0.5, self._end, reason)

    def _abort(self, reason: str) -> None:
        self._reason = self._reason or reason
        if self._transport is None:
            self.connection_lost(None)
        else:
            self._transport.abort()

    def _unopened(self, code: str, text: str) -> BindFault:
        self._abort(text)
        return BindFault(code, text)


def _no_trouble(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (fault := task.exception()) is not None:
        logger.error("SMPP: leaving failed", exc_info=fault)
