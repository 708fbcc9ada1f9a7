"""A link to a carrier that answers what cannot be: each message has one outcome, and none is sent a second time."""

from __future__ import annotations

import asyncio
import random
import ssl
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from khien.gateways.sms.interface import Answer, Lane, Outcome, OutgoingSms
from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.smpp.gateway import SmppSettings
from khien.gateways.sms.smpp.link import SmppLink
from khien.gateways.sms.smpp.session import BindSettings
from khien.gateways.sms.smsc import Carrier, Manner
from tests.gateways.sms.smpp.conftest import play, until
from tests.gateways.sms.smpp.test_session import certificate

WINDOW, COUNT, EVERY = 20, 100, 40


def sms(place: int) -> OutgoingSms:
    return OutgoingSms(f"c-{place}", f"+849{place:08d}", "Khai bao y te")


def settings(port: int, tls: ssl.SSLContext | None = None, patience_s: float = 15.0) -> SmppSettings:
    bind = BindSettings("127.0.0.1", port, "khien", "secret", window=WINDOW, answer_timeout_s=1.0, tls=tls)
    return SmppSettings(bind, sender="KHIEN", patience_s=patience_s)


def good(sequence: int) -> bytes:
    return pdu.encode(pdu.Pdu(pdu.SUBMIT_SM_RESP, sequence, body=pdu.Answered(f"m{sequence}")))


def noise(sequence: int) -> bytes:
    return random.Random(sequence).randbytes(200)


ANSWERS: dict[str, Callable[[int], bytes]] = {
    "noise": noise,
    "zeros": lambda sequence: bytes(64),
    "half a header": lambda sequence: good(sequence)[:7],
    "half a body": lambda sequence: good(sequence)[:-2],
    "a length too short": lambda sequence: struct.pack(">I", 17) + good(sequence)[4:],
    "a length too long": lambda sequence: struct.pack(">I", 60_000) + good(sequence)[4:],
    "a length beyond all": lambda sequence: struct.pack(">I", 0x7FFFFFFF) + good(sequence)[4:],
    "an id without an end": lambda sequence: (
        struct.pack(">IIII", 86, pdu.SUBMIT_SM_RESP, 0, sequence) + b"\xff" * 70
    ),
    "optional parts beyond the end": lambda sequence: (
        struct.pack(">IIII", 22, pdu.SUBMIT_SM_RESP, 0, sequence) + b"\0\x04\x24\xff\xff\x01"
    ),
    "another's sequence": lambda sequence: good(0x7FFFFFF0),
    "twice": lambda sequence: good(sequence) * 2,
    "a web server": lambda sequence: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
}


class Hostile:
    """Takes everything; to every `EVERY`th message it answers with `answer`, and half a second later it hangs up
    where the client has not."""

    def __init__(self, answer: Callable[[int], bytes]) -> None:
        self.answer = answer
        self.taken: Counter[str] = Counter()
        self.port = 0

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = pdu.Stream()
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            for unit in stream.feed(data):
                if isinstance(unit, pdu.PduFault):
                    continue
                if unit.command == pdu.SUBMIT_SM:
                    assert isinstance(unit.body, pdu.Message)
                    self.taken[unit.body.destination] += 1
                    odd = self.taken.total() % EVERY == 0
                    writer.write(self.answer(unit.sequence) if odd else good(unit.sequence))
                    if odd:
                        loop.call_later(0.5, writer.close)
                elif not unit.command & pdu.RESPONSE:
                    body = pdu.Bound("hostile") if unit.command == pdu.BIND_TRANSCEIVER else None
                    writer.write(pdu.encode(pdu.Pdu(unit.command | pdu.RESPONSE, unit.sequence, body=body)))
        writer.close()


@pytest.mark.parametrize("name", ANSWERS)
def test_each_message_has_one_outcome_and_leaves_once(name: str) -> None:
    peer = Hostile(ANSWERS[name])
    told: list[Outcome] = []

    async def scene() -> None:
        server = await peer.start()
        link = SmppLink("hostile", settings(peer.port))
        await link.open()
        told.extend(await link.submit([sms(place) for place in range(COUNT)], Lane.CAMPAIGN))
        await link.close(2.0)
        server.close()

    play(scene)
    assert [each.client_id for each in told] == [f"c-{place}" for place in range(COUNT)]
    assert set(peer.taken.values()) == {1}
    tally = Counter(each.answer for each in told)
    assert tally[Answer.REJECTED] == 0
    # At most a window for each connection that ended.
    assert tally[Answer.UNKNOWN] <= WINDOW * (COUNT // EVERY)
    assert tally[Answer.ACCEPTED] >= COUNT - WINDOW * (COUNT // EVERY)
    accepted = {sms(place).number[1:] for place, each in enumerate(told) if each.answer is Answer.ACCEPTED}
    assert accepted <= set(peer.taken)


def test_a_certificate_that_expires_in_mid_campaign_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """The sender's loop: what goes back unsent is submitted again, what is unknown never."""
    valid = certificate(tmp_path, "good", days=(-1, 10))
    expired = certificate(tmp_path, "old", days=(-10, -1))
    trusting = ssl.create_default_context()
    for each in (valid, expired):
        trusting.load_verify_locations(each["cert"])

    def server_side(files: dict[str, str]) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(files["cert"], files["key"])
        return made

    log = tmp_path / "taken.tsv"
    codes: Counter[str] = Counter()
    final: dict[str, Answer] = {}

    async def scene() -> None:
        carrier = Carrier("viettel", Manner(receipts=False), log=log)
        await carrier.listen(tls=server_side(valid))
        port = carrier.port
        link = SmppLink("viettel", settings(port, trusting, patience_s=1.0))
        await link.open()

        async def submit(messages: list[OutgoingSms]) -> list[OutgoingSms]:
            """Those that go back into the queue."""
            back = []
            for message, told in zip(messages, await link.submit(messages, Lane.CAMPAIGN), strict=True):
                codes[told.code] += 1
                if told.answer is Answer.THROTTLED:
                    back.append(message)
                else:
                    final[message.client_id] = told.answer
            return back

        assert await submit([sms(place) for place in range(100)]) == []
        await carrier.close()
        await until(lambda: (status := link.status()) is not None and status.bound == 0)
        carrier = Carrier("viettel", Manner(receipts=False), log=log)
        await carrier.listen(port, tls=server_side(expired))
        queue = await submit([sms(place) for place in range(100, 200)])
        assert len(queue) == 100
        assert codes["tls_certificate"] == 100
        status = link.status()
        assert status is not None
        assert "expired" in status.fault
        assert carrier.counts["taken"] == 0
        await carrier.close()
        carrier = Carrier("viettel", Manner(receipts=False), log=log)
        await carrier.listen(port, tls=server_side(valid))
        while queue:
            queue = await submit(queue)
        await link.close(5.0)
        await carrier.close()

    play(scene)
    assert Counter(final.values()) == {Answer.ACCEPTED: 200}
    taken = Counter(line.split("\t")[2] for line in log.read_text().splitlines())
    assert set(taken.values()) == {1}
    assert len(taken) == 200


def test_a_carrier_that_reads_nothing_leaves_the_rest_unsent() -> None:
    """What left is unknown, the rest may go later."""

    async def scene() -> None:
        served: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(writer)
            head = await reader.readexactly(16)
            await reader.readexactly(int.from_bytes(head[:4], "big") - 16)
            sequence = int.from_bytes(head[12:], "big")
            writer.write(pdu.encode(pdu.Pdu(pdu.BIND_TRANSCEIVER_RESP, sequence, body=pdu.Bound("deaf"))))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        made = settings(port, patience_s=2.0)
        link = SmppLink("deaf", replace(made, bind=replace(made.bind, enquire_s=60.0)))
        await link.open()
        told = await link.submit([sms(place) for place in range(COUNT)], Lane.CAMPAIGN)
        answers = Counter(each.answer for each in told)
        assert answers[Answer.ACCEPTED] == answers[Answer.REJECTED] == 0
        assert answers[Answer.THROTTLED] > 0
        for writer in served:
            writer.close()
        await link.close(1.0)
        server.close()

    play(scene)
