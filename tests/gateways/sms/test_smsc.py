"""The carrier that ships with the product: it behaves, and it misbehaves as told, the same way each time."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import smpplib.client

from khien.gateways.sms.interface import Answer
from khien.gateways.sms.smpp import coding, pdu, reports
from khien.gateways.sms.smpp.session import BindSettings
from khien.gateways.sms.smsc import SHARES, Carrier, Manner
from tests.gateways.sms.smpp.conftest import Inbox, parcels, play, pool, until

COUNT = 400
LONG = (
    "Đề nghị ông bà ở tại nhà, đo thân nhiệt mỗi ngày hai lần và báo cho trạm y tế khi sốt hoặc ho. Cảm ơn."
)


def bind(carrier: Carrier, **more: Any) -> BindSettings:
    return BindSettings("127.0.0.1", carrier.port, "khien", "secret", **{"window": 50, **more})


def with_carrier(
    scene: Callable[[Carrier], Awaitable[None]], manner: Manner | None = None, log: Path | None = None
) -> Carrier:
    """Play a scene with a carrier that behaves so; returns it for its counts."""
    made: list[Carrier] = []

    async def played() -> None:
        carrier = Carrier("viettel", manner, log=log)
        made.append(carrier)
        await carrier.listen()
        try:
            await scene(carrier)
        finally:
            await carrier.close()

    play(played)
    return made[0]


async def answers(carrier: Carrier, count: int = COUNT, **more: Any) -> list[tuple[Answer, str]]:
    """What came of one text to `count` phones, phone by phone."""
    async with pool(bind(carrier, **more), binds=2) as ours:
        results = await ours.submit(parcels(count))
    return [(parts[0].answer, parts[0].code) for parts in results]


def read_log(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()]


def test_what_is_taken_stands_in_its_file_before_it_is_answered(tmp_path: Path) -> None:
    log = tmp_path / "taken.tsv"

    async def scene(carrier: Carrier) -> None:
        async with pool(bind(carrier)) as ours:
            (parts,) = await ours.submit(parcels(1, LONG))
            rows = read_log(log)
            assert [row[1] for row in rows] == [part.message_id for part in parts]
            assert len(parts) == 2
            assert {row[0] for row in rows} == {"viettel"}
            assert {row[2] for row in rows} == {"84900000000"}
            text = b"".join(bytes.fromhex(row[5])[6:] for row in rows).decode("utf-16-be")
            assert text == LONG

    with_carrier(scene, log=log)


MISFORTUNES = {
    "refused": {(Answer.REJECTED, "0x0000000b")},
    "throttled": {(Answer.ACCEPTED, "")},
    "request_lost": {(Answer.UNKNOWN, "no_answer"), (Answer.UNKNOWN, "cut")},
    "answer_lost": {(Answer.UNKNOWN, "no_answer"), (Answer.UNKNOWN, "cut")},
    "garbage": {(Answer.UNKNOWN, "bad_answer")},
}


@pytest.mark.parametrize("name", MISFORTUNES)
def test_a_misfortune_meets_its_share_and_the_same_phones_each_time(name: str) -> None:
    seen: list[list[tuple[Answer, str]]] = []

    async def scene(carrier: Carrier) -> None:
        seen.append(await answers(carrier, answer_timeout_s=1.0, backoff_s=0.05))

    counts = [with_carrier(scene, Manner(**{name: 0.1})).counts for _run in range(2)]
    assert [answer for answer, _code in seen[0]] == [answer for answer, _code in seen[1]]
    met = {told for told in seen[0] if told != (Answer.ACCEPTED, "")}
    assert met <= MISFORTUNES[name]
    if name == "throttled":
        assert counts[0]["throttled"] == counts[1]["throttled"]
        assert 0.04 * COUNT < counts[0]["throttled"] < 0.2 * COUNT
    else:
        assert 0.04 * COUNT < sum(told[0] is not Answer.ACCEPTED for told in seen[0]) < 0.2 * COUNT


def test_another_seed_meets_other_phones() -> None:
    seen = []

    async def scene(carrier: Carrier) -> None:
        seen.append(await answers(carrier))

    for seed in (1, 2):
        with_carrier(scene, Manner(seed=seed, refused=0.2))
    assert seen[0] != seen[1]


@pytest.mark.parametrize("name", ["cut", "broken"])
def test_after_a_cut_the_answers_that_were_due_are_unknown_and_nothing_is_taken_twice(
    name: str, tmp_path: Path
) -> None:
    log = tmp_path / "taken.tsv"
    told: list[tuple[Answer, str]] = []

    async def scene(carrier: Carrier) -> None:
        told.extend(await answers(carrier, answer_timeout_s=2.0))

    with_carrier(scene, Manner(**{name: 0.01}), log=log)
    numbers = Counter(row[2] for row in read_log(log))
    assert set(numbers.values()) == {1}
    accepted = {f"849{place:08d}" for place, (answer, _code) in enumerate(told) if answer is Answer.ACCEPTED}
    assert accepted <= set(numbers)
    unknown = sum(answer is Answer.UNKNOWN for answer, _code in told)
    assert unknown + len(accepted) == COUNT
    assert unknown > 0
    assert len(numbers) - len(accepted) <= unknown


def test_receipts_come_for_each_out_of_order_some_twice_some_failed() -> None:
    inbox, sent = Inbox(), []

    async def scene(carrier: Carrier) -> None:
        async with pool(bind(carrier), receive=inbox) as ours:
            results = await ours.submit(parcels(COUNT))
            sent.extend(parts[0].message_id for parts in results)
            await until(
                lambda: (
                    carrier.counts["acknowledged"] == carrier.counts["receipts"] >= COUNT
                    and not carrier.receipts_waiting
                )
            )

    manner = Manner(receipt_spread_ms=200, receipt_twice=0.1, undelivered=0.1, receipt_early=0.05)
    with_carrier(scene, manner)
    found = [reports.read(message) for message in inbox.kept]
    assert {report.message_id for report in found if report} == set(sent)
    assert [report.message_id for report in found if report][:COUNT] != sent
    twice = len(found) - COUNT
    assert 0.04 * COUNT < twice < 0.2 * COUNT
    failed = {report.message_id for report in found if report and report.state is reports.State.UNDELIVERABLE}
    assert 0.04 * COUNT < len(failed) < 0.2 * COUNT


def test_a_receipt_that_was_not_kept_comes_again() -> None:
    inbox = Inbox()
    inbox.fail = 1

    async def scene(carrier: Carrier) -> None:
        async with pool(bind(carrier), receive=inbox) as ours:
            await ours.submit(parcels(20))
            await until(lambda: carrier.counts["acknowledged"] == 20)

    assert with_carrier(scene).counts["held_back"] > 0
    assert len(inbox.kept) == 20


def test_a_rate_holds_back_what_is_above_it() -> None:
    async def scene(carrier: Carrier) -> None:
        told = await answers(carrier, 60, backoff_s=0.05)
        assert {answer for answer, _code in told} == {Answer.ACCEPTED}

    assert with_carrier(scene, Manner(rate=100)).counts["throttled"] > 0


def test_a_wrong_password_is_refused_and_a_stranger_may_not_send() -> None:
    async def scene(carrier: Carrier) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", carrier.port)
        writer.write(pdu.encode(pdu.Pdu(pdu.SUBMIT_SM, 1, body=pdu.Message("K", "84900000000", b"x"))))
        first = await reader.readexactly(16)
        assert int.from_bytes(first[8:12], "big") == pdu.WRONG_BIND_STATE
        writer.write(pdu.encode(pdu.Pdu(pdu.BIND_TRANSCEIVER, 2, body=pdu.Bind("khien", "guess"))))
        told = pdu.Stream().feed(await reader.read())
        assert [unit.status for unit in told] == [0x0E]

    assert with_carrier(scene, Manner(password="secret")).counts["taken"] == 0


@pytest.mark.parametrize(
    "octets",
    [b"\0\0\0\x05" + b"\0" * 12, b"\xff" * 64, b"GET / HTTP/1.1\r\nHost: khien\r\n\r\n"],
    ids=["short", "long", "http"],
)
def test_garbage_from_a_client_ends_its_connection_only(octets: bytes) -> None:
    async def scene(carrier: Carrier) -> None:
        async with pool(bind(carrier)) as ours:
            reader, writer = await asyncio.open_connection("127.0.0.1", carrier.port)
            writer.write(octets)
            told = list(pdu.Stream().feed(await reader.read()))
            assert [unit.command for unit in told if isinstance(unit, pdu.Pdu)] == [pdu.GENERIC_NACK]
            assert (await ours.submit(parcels(1)))[0][0].answer is Answer.ACCEPTED

    with_carrier(scene)


def test_an_independent_client_is_served() -> None:
    """smpplib, which is not ours."""

    def send(port: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client = smpplib.client.Client("127.0.0.1", port, timeout=10)
        ids: list[str] = []
        received: list[bytes] = []
        client.set_message_sent_handler(lambda pdu: ids.append(pdu.message_id.decode()))
        client.set_message_received_handler(lambda pdu: received.append(pdu.short_message))
        client.connect()
        client.bind_transceiver(system_id="smpplib", password="secret")
        for place in range(20):
            client.send_message(
                source_addr="KHIEN",
                source_addr_ton=5,
                destination_addr=f"849{place:08d}",
                dest_addr_ton=1,
                dest_addr_npi=1,
                short_message=coding.to_gsm7("Khai bao y te"),
                registered_delivery=True,
            )
        while len(ids) < 20 or len(received) < 20:
            client.read_once()
        client.unbind()
        client.disconnect()
        assert len(set(ids)) == 20
        assert all(any(each in text.decode() for text in received) for each in ids)

    async def scene(carrier: Carrier) -> None:
        await asyncio.get_running_loop().run_in_executor(None, send, carrier.port)

    assert with_carrier(scene).counts["acknowledged"] >= 19


def test_phones_answer_when_told() -> None:
    inbox = Inbox()

    async def scene(carrier: Carrier) -> None:
        async with pool(bind(carrier), receive=inbox) as ours:
            await ours.submit(parcels(1))
            await until(lambda: len(inbox.kept) == 2)

    with_carrier(scene, Manner(replied=1.0, reply_text="TU CHOI"))
    texts = [coding.text_of(message)[0] for message in inbox.kept if reports.read(message) is None]
    assert texts == ["TU CHOI"]


def test_a_share_beyond_one_is_refused() -> None:
    for name in SHARES:
        with pytest.raises(ValueError, match=name):
            Manner(**{name: 1.5})


def test_the_command_says_where_it_listens_and_what_it_saw(tmp_path: Path) -> None:
    arguments = ["sms", "simulate", "--port", "0", "--carriers", "2", "--settings", str(tmp_path / "c.toml")]
    child = subprocess.Popen(
        [sys.executable, "-m", "khien.site.cli", *arguments], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        ports = json.loads(child.stdout.readline())["listening"]
        assert list(ports) == ["viettel", "vinaphone"]
        written = (tmp_path / "c.toml").read_text()
        assert f'address = "127.0.0.1:{ports["vinaphone"]}"' in written
        assert (tmp_path / "c.toml").stat().st_mode & 0o077 == 0

        async def scene() -> None:
            async with pool(BindSettings("127.0.0.1", ports["vinaphone"], "khien", "")) as ours:
                await ours.submit(parcels(3))

        play(scene)
        os.kill(child.pid, signal.SIGTERM)
        told, _nothing = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    assert json.loads(told)["counts"]["vinaphone"]["taken"] == 3
