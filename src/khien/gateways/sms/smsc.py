"""A carrier that ships with the product: an SMPP 3.4 server that takes what it is given and misbehaves as told.

What happens to a message depends on the seed, its number and its text alone, whoever sends it, in whatever order and
however often: a run can be repeated, and what a crash did can be told from what the carrier did. `khien sms simulate`
starts one or several; tests start them in their own loop. Knows neither Django nor the database.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import itertools
import os
import secrets
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.smpp.coding import UDHI
from khien.gateways.sms.smpp.lanes import TokenBucket

REFUSED = 0x0B
"""Status of a refusal: the number is not valid."""
WRONG_PASSWORD = 0x0E

_RECEIPT = 0x04
_TRANSMITS = frozenset({pdu.BIND_TRANSMITTER, pdu.BIND_TRANSCEIVER})
_RECEIVES = frozenset({pdu.BIND_RECEIVER, pdu.BIND_TRANSCEIVER})
_BINDS = _TRANSMITS | _RECEIVES
_CHANCES = struct.Struct(">16I")
_AGAIN_S = 1.0

Deliver = tuple[float, int, bytes]
"""A `deliver_sm` that waits: due (loop time), a number that keeps the order, its body."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a carrier behaves. Shares are 0 to 1, of all messages; a long message meets its fate part by part.

    `garbage` answers with what cannot be read, `broken` with a length that cannot be, `cut` ends the connection: half
    of those were taken before. `rate`: above so many a second, 0x58 (0: no limit). With `receipts`, messages that ask
    for one get it `receipt_delay_ms` after the answer and up to `receipt_spread_ms` later still, so that they come out
    of order; `receipt_window` of them may wait for their acknowledgement on each bind.
    """

    seed: int = 1
    password: str = ""
    delay_ms: int = 0
    rate: int = 0
    refused: float = 0.0
    throttled: float = 0.0
    throttled_times: int = 1
    request_lost: float = 0.0
    answer_lost: float = 0.0
    cut: float = 0.0
    garbage: float = 0.0
    broken: float = 0.0
    receipts: bool = True
    undelivered: float = 0.0
    receipt_missing: float = 0.0
    receipt_twice: float = 0.0
    receipt_early: float = 0.0
    receipt_late: float = 0.0
    receipt_delay_ms: int = 0
    receipt_spread_ms: int = 0
    receipt_late_ms: int = 60_000
    receipt_window: int = 1_000
    receipt_form: Literal["text", "tlv"] = "text"
    replied: float = 0.0
    reply_text: str = "TU CHOI"

    def __post_init__(self) -> None:
        for name in SHARES:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} is a share from 0 to 1")

    @property
    def well(self) -> bool:
        """Nothing happens to a message but that it is taken and delivered."""
        return not any(getattr(self, name) for name in SHARES)


SHARES: tuple[str, ...] = (
    "refused",
    "throttled",
    "request_lost",
    "answer_lost",
    "cut",
    "garbage",
    "broken",
    "undelivered",
    "receipt_missing",
    "receipt_twice",
    "receipt_early",
    "receipt_late",
    "replied",
)
"""In the order of the lots that are drawn for each message; a new one goes to the end: old runs stay the same."""
_COIN = 15
"""The lot that decides between two ways of the same misfortune."""
_SPREAD = 14


class Fate:
    """What happens to one part of a message: the lots that its number and text have drawn."""

    __slots__ = ("_lots", "key")

    def __init__(self, seed: int, message: pdu.Message) -> None:
        octets = message.short_message
        if message.esm_class & UDHI and len(octets) > 3:
            # The reference of a long message is drawn by chance when it is sent.
            octets = octets[:3] + octets[4:]
        self.key = hashlib.blake2b(
            octets, key=b"%d:%b" % (seed, message.destination.encode("latin-1"))
        ).digest()
        self._lots = _CHANCES.unpack(self.key)

    def has(self, name: str, share: float) -> bool:
        return share > 0 and self._lots[SHARES.index(name)] < share * 2**32

    @property
    def coin(self) -> bool:
        return self._lots[_COIN] % 2 == 0

    @property
    def spread(self) -> float:
        return self._lots[_SPREAD] / 2**32


class Carrier:
    """One carrier on one port. `log`: a file to which each message that was taken is added before it is answered: a
    line with the carrier's name, its id, the number, `esm_class`, `data_coding` and the octets in hexadecimal, between
    tabs.
    """

    def __init__(
        self, name: str = "carrier", manner: Manner | None = None, *, log: Path | None = None
    ) -> None:
        self.name = name
        self.port = 0
        self.counts: Counter[str] = Counter()
        """taken, refused, throttled, unanswered, receipts, acknowledged, held_back, nack, binds."""
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if log else None
        self._server: asyncio.Server | None = None
        self._sessions: set[_Session] = set()
        self._receivers: list[_Session] = []
        self._ids = itertools.count(1)
        self._prefix = secrets.token_hex(3)
        self._put_off: Counter[bytes] = Counter()
        self._order = itertools.count()
        self._later: list[Deliver] = []
        self._now: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self.behave(manner or Manner())

    def behave(self, manner: Manner) -> None:
        """From the next message on."""
        self.manner, self._well = manner, manner.well
        self._bucket = TokenBucket(manner.rate)

    async def listen(self, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        """Begin to listen; with port 0, on one that is free, which `port` then says."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), host, port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut every connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        self.cut()
        if self._server is not None:
            await self._server.wait_closed()
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def cut(self) -> None:
        """Cut every connection, whatever is under way."""
        for session in list(self._sessions):
            session.abort()

    @property
    def receipts_waiting(self) -> int:
        return len(self._later) + len(self._now)

    # For sessions.

    def joined(self, session: _Session, receives: bool) -> None:
        self.counts["binds"] += 1
        if receives:
            self._receivers.append(session)
            self.pump()

    def left(self, session: _Session, owed: Iterable[bytes]) -> None:
        self._sessions.discard(session)
        if session in self._receivers:
            self._receivers.remove(session)
        # What was not acknowledged is sent again, as carriers do.
        self._now.extendleft(reversed(list(owed)))

    def opened(self, session: _Session) -> None:
        self._sessions.add(session)

    def write_log(self, lines: list[str]) -> None:
        if self._log is not None:
            octets = "".join(lines).encode()
            while octets:
                octets = octets[os.write(self._log, octets) :]

    def take(self, unit: pdu.Pdu, lines: list[str], out: list[bytes], now: float) -> bool:
        """Deal with one `submit_sm`: its answer goes to `out`, its line to `lines`. Returns whether the connection
        shall end now."""
        message = unit.body
        assert isinstance(message, pdu.Message)
        manner, counts, sequence = self.manner, self.counts, unit.sequence
        if manner.rate and self._bucket.take(now):
            counts["throttled"] += 1
            out.append(pdu.with_header(pdu.SUBMIT_SM_RESP, sequence, b"", pdu.THROTTLED))
            return False
        fate = None if self._well else Fate(manner.seed, message)
        if fate is not None:
            if fate.has("refused", manner.refused):
                counts["refused"] += 1
                out.append(pdu.with_header(pdu.SUBMIT_SM_RESP, sequence, b"", REFUSED))
                return False
            if fate.has("throttled", manner.throttled) and self._put_off[fate.key] < manner.throttled_times:
                self._put_off[fate.key] += 1
                counts["throttled"] += 1
                status = pdu.THROTTLED if fate.coin else pdu.QUEUE_FULL
                out.append(pdu.with_header(pdu.SUBMIT_SM_RESP, sequence, b"", status))
                return False
            if fate.has("request_lost", manner.request_lost):
                counts["unanswered"] += 1
                return False
            if fate.has("cut", manner.cut) and not fate.coin:
                return True
        counts["taken"] += 1
        message_id = f"{self._prefix}{next(self._ids):x}"
        if self._log is not None:
            lines.append(
                f"{self.name}\t{message_id}\t{message.destination}\t{message.esm_class}"
                f"\t{message.data_coding}\t{message.short_message.hex()}\n"
            )
        answer = pdu.with_header(pdu.SUBMIT_SM_RESP, sequence, message_id.encode() + b"\0")
        if fate is None:
            out.append(answer)
            if manner.receipts and message.registered_delivery & 1:
                self._receipt(message, message_id, fate, now)
            return False
        early = fate.has("receipt_early", manner.receipt_early)
        wanted = manner.receipts and message.registered_delivery & 1
        if wanted and not fate.has("receipt_missing", manner.receipt_missing):
            self._receipt(message, message_id, fate, now, early=early)
            if early:
                self.pump()
        if fate.has("replied", manner.replied):
            reply = pdu.Message(message.destination, message.source, manner.reply_text.encode("latin-1"))
            self._put(pdu.encode_body(reply), now + manner.receipt_delay_ms / 1000 + 0.001)
        if fate.has("cut", manner.cut):
            return True
        if fate.has("answer_lost", manner.answer_lost):
            counts["unanswered"] += 1
        elif fate.has("garbage", manner.garbage):
            # A message id without its end, or an answer that says neither yes nor no.
            out.append(
                pdu.with_header(pdu.SUBMIT_SM_RESP, sequence, b"\xff" * 70)
                if fate.coin
                else pdu.with_header(pdu.GENERIC_NACK, sequence, b"")
            )
        elif fate.has("broken", manner.broken):
            out.append(struct.pack(">IIII", 0xFFFFFFFF, pdu.SUBMIT_SM_RESP, 0, sequence))
        else:
            out.append(answer)
        return False

    def pump(self) -> None:
        """Send what is due to whoever receives."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._later and self._later[0][0] <= now:
            self._now.append(heapq.heappop(self._later)[2])
        for session in self._receivers:
            if not self._now:
                break
            session.deliver(self._now)
        if self._later and self._timer is None:
            self._timer = loop.call_at(max(self._later[0][0], now + 0.01), self._on_timer)

    def put_again(self, body: bytes) -> None:
        """It was not kept: once more, later."""
        self.counts["held_back"] += 1
        self._put(body, asyncio.get_running_loop().time() + _AGAIN_S)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _put(self, body: bytes, due: float) -> None:
        heapq.heappush(self._later, (due, next(self._order), body))

    def _receipt(
        self,
        message: pdu.Message,
        message_id: str,
        fate: Fate | None,
        now: float,
        early: bool = False,
    ) -> None:
        manner = self.manner
        failed = fate is not None and fate.has("undelivered", manner.undelivered)
        body = _receipt_body(message, message_id, failed=failed, form=manner.receipt_form)
        if early:
            self._now.appendleft(body)
        elif fate is None:
            wait = manner.receipt_delay_ms / 1000
            if wait:
                self._put(body, now + wait)
            else:
                self._now.append(body)
        else:
            late = manner.receipt_late_ms if fate.has("receipt_late", manner.receipt_late) else 0
            wait = (manner.receipt_delay_ms + late + fate.spread * manner.receipt_spread_ms) / 1000
            self._put(body, now + wait)
        if fate is not None and fate.has("receipt_twice", manner.receipt_twice):
            self._put(body, now + (manner.receipt_delay_ms + manner.receipt_spread_ms) / 1000)


class _Session(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._stream = pdu.Stream()
        self._bind = 0
        self._sequence = 0
        self._owed: dict[int, bytes] = {}
        self._writable = True
        self._ended = False

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if (raw := transport.get_extra_info("socket")) is not None:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._carrier.opened(self)

    def connection_lost(self, fault: Exception | None) -> None:
        self._ended = True
        self._carrier.left(self, self._owed.values())
        self._owed.clear()

    def pause_writing(self) -> None:
        # A client that reads nothing shall not fill our memory.
        self._writable = False
        if self._transport is not None and not self._ended:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._writable = True
        if self._transport is not None and not self._ended:
            self._transport.resume_reading()
            self._carrier.pump()

    def data_received(self, data: bytes) -> None:
        carrier, now = self._carrier, self._loop.time()
        lines: list[str] = []
        out: list[bytes] = []
        ending = False
        transmits = self._bind in _TRANSMITS
        for unit in self._stream.feed(data):
            if isinstance(unit, pdu.PduFault):
                carrier.counts["nack"] += 1
                out.append(pdu.with_header(pdu.GENERIC_NACK, unit.sequence, b"", unit.status))
                ending = unit.fatal
            elif unit.command == pdu.SUBMIT_SM:
                if transmits:
                    ending = carrier.take(unit, lines, out, now)
                    if ending:
                        break
                else:
                    out.append(pdu.with_header(pdu.SUBMIT_SM_RESP, unit.sequence, b"", pdu.WRONG_BIND_STATE))
            elif unit.command == pdu.DELIVER_SM_RESP:
                self._acknowledged(unit)
            else:
                ending = self._other(unit, out)
                transmits = self._bind in _TRANSMITS
                if ending:
                    break
        carrier.write_log(lines)
        self._answer(out, then=self._end if ending else None)
        carrier.pump()

    # For the carrier.

    def deliver(self, waiting: deque[bytes]) -> None:
        """Send what waits, as far as the window of receipts allows."""
        room = self._carrier.manner.receipt_window - len(self._owed)
        out = []
        while room > 0 and waiting and self._writable and not self._ended:
            body = waiting.popleft()
            self._sequence = self._sequence % pdu.MAX_SEQUENCE + 1
            self._owed[self._sequence] = body
            out.append(pdu.with_header(pdu.DELIVER_SM, self._sequence, body))
            room -= 1
        self._carrier.counts["receipts"] += len(out)
        self._write(b"".join(out))

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # Within.

    def _acknowledged(self, unit: pdu.Pdu) -> None:
        body = self._owed.pop(unit.sequence, None)
        if body is None:
            return
        if unit.status == pdu.OK:
            self._carrier.counts["acknowledged"] += 1
        else:
            self._carrier.put_again(body)

    def _other(self, unit: pdu.Pdu, out: list[bytes]) -> bool:
        """Binds, questions and farewells; returns whether the connection shall end."""
        command, sequence = unit.command, unit.sequence
        if command in _BINDS:
            assert isinstance(unit.body, pdu.Bind)
            wanted = self._carrier.manner.password
            wrong = bool(wanted) and unit.body.password != wanted
            status = WRONG_PASSWORD if wrong else pdu.OK
            answer = pdu.Pdu(command | pdu.RESPONSE, sequence, status, pdu.Bound(self._carrier.name[:15]))
            out.append(pdu.encode(answer))
            if not wrong:
                self._bind = command
                # Receipts that wait must not overtake the answer to the bind.
                self._write(b"".join(out))
                out.clear()
                self._carrier.joined(self, command in _RECEIVES)
            return wrong
        if command == pdu.ENQUIRE_LINK:
            out.append(pdu.with_header(pdu.ENQUIRE_LINK_RESP, sequence, b""))
        elif command == pdu.UNBIND:
            out.append(pdu.with_header(pdu.UNBIND_RESP, sequence, b""))
            return True
        elif command == pdu.GENERIC_NACK:
            self._carrier.counts["nack"] += 1
        elif not command & pdu.RESPONSE:
            out.append(pdu.with_header(pdu.GENERIC_NACK, sequence, b"", pdu.INVALID_COMMAND))
        return False

    def _answer(self, out: list[bytes], then: Callable[[], None] | None) -> None:
        octets = b"".join(out)
        delay = self._carrier.manner.delay_ms / 1000 if self._bind else 0.0
        if delay and octets:
            self._loop.call_later(delay, self._write, octets)
        else:
            self._write(octets)
        if then is not None:
            self._loop.call_later(delay, then)

    def _end(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)


def _receipt_body(
    message: pdu.Message, message_id: str, *, failed: bool, form: Literal["text", "tlv"]
) -> bytes:
    if form == "tlv":
        text, tlvs = (
            b"",
            (
                (pdu.TAG_RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0"),
                (pdu.TAG_MESSAGE_STATE, b"\x05" if failed else b"\x02"),
            ),
        )
        return pdu.encode_body(
            pdu.Message(message.destination, message.source, text, esm_class=_RECEIPT, tlvs=tlvs)
        )
    stat = "UNDELIV" if failed else "DELIVRD"
    written = (
        f"id:{message_id} sub:001 dlvrd:{0 if failed else 1:03d} submit date:2111300900"
        f" done date:2111300901 stat:{stat} err:{1 if failed else 0:03d} text:"
    )
    return pdu.encode_body(
        pdu.Message(message.destination, message.source, written.encode(), esm_class=_RECEIPT)
    )


def names() -> tuple[str, ...]:
    """All that can be told a carrier."""
    return tuple(field.name for field in fields(Manner))
