"""The client against a carrier that knows nothing of it (npm `smpp`), well-behaved and otherwise."""

from __future__ import annotations

import asyncio
import json
import ssl
import struct
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from khien.gateways.sms.interface import Answer, Lane
from khien.gateways.sms.smpp import pdu, reports
from khien.gateways.sms.smpp.lanes import Result
from khien.gateways.sms.smpp.session import BindSettings
from khien.gateways.sms.text import normalise
from tests.gateways.sms.smpp.conftest import Inbox, MakeSmsc, parcels, play, pool, settings, until

NOTICE = "Sở Y tế: xã Kim Bảng có ca mắc mới. Anh/chị ở nhà, đeo khẩu trang, khai báo y tế mỗi ngày. " * 2


def lines(journal: Path) -> list[dict]:
    return [json.loads(line) for line in journal.read_text().splitlines()]


def tally(results: list[list[Result]]) -> Counter[str]:
    return Counter(part.answer.value for parts in results for part in parts)


def test_three_part_accented_texts_are_rebuilt_by_the_peer(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal))

    async def scene() -> None:
        async with pool(peer, window=200) as line:
            results = await line.submit(parcels(500, NOTICE))
            assert tally(results) == {"accepted": 1500}
            assert len({part.message_id for parts in results for part in parts}) == 1500

    play(scene)
    assert {(row["coding"], row["esm"], row["udh"][0][:4]) for row in lines(journal)} == {(8, 0x40, "0003")}
    peer.tell(rebuilt=True)
    rebuilt = peer.hear("rebuilt")["rebuilt"]
    assert len(rebuilt) == 500
    assert {row["text"].encode() for row in rebuilt} == {normalise(NOTICE).encode()}


def test_plain_letters_and_those_of_the_extension_arrive(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal))
    text = "Gia 5€ {A} [B] ~ ^ | \\ à é ù"

    async def scene() -> None:
        async with pool(peer) as line:
            assert tally(await line.submit(parcels(1, text))) == {"accepted": 1}

    play(scene)
    (row,) = lines(journal)
    assert (row["coding"], row["text"], row["to"], row["from"]) == (0, text, "84900000000", "KHIEN")


def test_never_more_than_a_window_is_under_way_and_several_binds_share(smsc: MakeSmsc) -> None:
    peer = smsc(delay_ms=30)
    most = []

    async def scene() -> None:
        async with pool(peer, window=7, binds=3) as line:
            await until(lambda: line.status().bound == 3)
            work = asyncio.create_task(line.submit(parcels(200)))
            while not work.done():
                most.append(line.status().under_way)
                await asyncio.sleep(0.002)
            assert tally(await work) == {"accepted": 200}

    play(scene)
    # A campaign leaves one place of each window for what must not wait.
    assert 7 < max(most) <= 18


def test_a_throttle_storm_is_sat_out_and_nothing_is_doubled(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal), throttle=120)

    async def scene() -> None:
        async with pool(peer, window=50, backoff_s=0.02) as line:
            assert tally(await line.submit(parcels(300))) == {"accepted": 300}

    play(scene)
    assert peer.ask()["throttled"] == 120
    assert len({row["to"] for row in lines(journal)}) == len(lines(journal)) == 300


def test_under_a_lasting_throttle_the_client_asks_seldom_and_hands_back(smsc: MakeSmsc) -> None:
    peer = smsc(throttle_ms=60_000)

    async def scene() -> None:
        async with pool(peer, window=10, backoff_s=0.2, patience_s=2.0) as line:
            started = time.monotonic()
            results = await line.submit(parcels(50))
            assert time.monotonic() - started < 10
        assert tally(results) == {"throttled": 50}
        assert {part.code for parts in results for part in parts} <= {"0x00000058", "0x00000014", "throttled"}

    play(scene)
    # Waits of 0.2, 0.4, 0.8 s … : a handful of windows of nine in two seconds.
    assert peer.ask()["throttled"] <= 60
    assert peer.ask()["taken"] == 0


def test_a_refusal_gives_its_code(smsc: MakeSmsc) -> None:
    peer = smsc(refuse="7")

    async def scene() -> None:
        async with pool(peer) as line:
            results = [parts[0] for parts in await line.submit(parcels(10))]
            assert results[7] == Result(Answer.REJECTED, code="0x0000000b")
            assert Counter(result.answer for result in results) == {Answer.ACCEPTED: 9, Answer.REJECTED: 1}

    play(scene)


def test_a_cut_in_mid_window_leaves_the_unanswered_unknown_and_sends_the_rest_after(
    smsc: MakeSmsc, journal: Path
) -> None:
    peer = smsc(log=str(journal), cut_after=500, cut_owing=30)

    async def scene() -> None:
        async with pool(peer, window=50) as line:
            results = await line.submit(parcels(1000))
        counts = tally(results)
        assert 30 <= counts["unknown"] <= 50
        assert counts["accepted"] == 1000 - counts["unknown"]
        assert {part.code for parts in results for part in parts if part.answer is Answer.UNKNOWN} == {"cut"}
        seen = Counter(row["to"] for row in lines(journal))
        assert max(seen.values()) == 1
        accepted = {f"849{n:08d}" for n, (part,) in enumerate(results) if part.answer is Answer.ACCEPTED}
        assert accepted <= set(seen)

    play(scene)


def test_an_answer_that_never_comes_is_unknown_and_never_sent_again(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal), silent=5)

    async def scene() -> None:
        async with pool(peer, window=10, answer_timeout_s=0.5) as line:
            results = await line.submit(parcels(40))
        assert tally(results) == {"accepted": 35, "unknown": 5}
        assert [results[n][0].code for n in range(5)] == ["no_answer"] * 5

    play(scene)
    assert len(lines(journal)) == 40


def test_a_deaf_carrier_is_left_and_bound_again(smsc: MakeSmsc) -> None:
    peer = smsc(deaf=True)

    async def scene() -> None:
        async with pool(peer, enquire_s=0.2, answer_timeout_s=0.3, stop_s=1) as line:
            await until(lambda: "enquire_link" in line.status().fault)
            peer.tell(deaf=False)
            assert tally(await line.submit(parcels(5))) == {"accepted": 5}
        peer.hear("bound")
        peer.hear("bound")

    play(scene)


@pytest.mark.parametrize(
    ("octets", "nack"),
    [
        ("00000003800000040000000000000001", pdu.INVALID_COMMAND_LENGTH),
        ("ffffffffdeadbeefdeadbeefdeadbeef", pdu.INVALID_COMMAND_LENGTH),
    ],
)
def test_garbage_ends_the_connection_and_the_work_goes_on(smsc: MakeSmsc, octets: str, nack: int) -> None:
    peer = smsc()

    async def scene() -> None:
        async with pool(peer, window=10) as line:
            await line.submit(parcels(1))
            peer.tell(garbage=octets)
            results = await line.submit(parcels(100))
            counts = tally(results)
            assert 1 <= counts["unknown"] <= 10
            assert counts["accepted"] == 100 - counts["unknown"]

    play(scene)
    assert peer.hear("nack")["nack"] == nack


@pytest.mark.parametrize(
    ("octets", "nack"),
    [
        (struct.pack(">IIII", 16, 0x777, 0, 5), pdu.INVALID_COMMAND),
        (struct.pack(">IIII", 20, pdu.ENQUIRE_LINK, 0, 6) + b"more", pdu.INVALID_MESSAGE_LENGTH),
        (struct.pack(">IIII", 22, pdu.DELIVER_SM, 0, 7) + b"\0\1\1849", pdu.INVALID_MESSAGE_LENGTH),
        (pdu.encode(pdu.Pdu(pdu.SUBMIT_SM, 8, body=pdu.Message("A", "B"))), pdu.INVALID_COMMAND),
    ],
)
def test_what_cannot_be_read_is_answered_and_the_connection_stays(
    smsc: MakeSmsc, octets: bytes, nack: int
) -> None:
    peer = smsc()

    async def scene() -> None:
        async with pool(peer) as line:
            await line.submit(parcels(1))
            peer.tell(raw=octets.hex())
            said = await asyncio.to_thread(peer.hear, "nack")
            assert (said["nack"], said["sequence"]) == (nack, octets[15])
            assert tally(await line.submit(parcels(3))) == {"accepted": 3}
            assert peer.ask()["sessions"] == 1

    play(scene)


def test_strange_answers_and_an_outbind_change_nothing(smsc: MakeSmsc) -> None:
    peer = smsc()
    strange = b"".join(
        map(
            pdu.encode,
            (
                pdu.Pdu(pdu.SUBMIT_SM_RESP, 9999, body=pdu.Answered("x")),
                pdu.Pdu(pdu.ENQUIRE_LINK_RESP, 12),
                pdu.Pdu(pdu.GENERIC_NACK, 0, pdu.INVALID_COMMAND),
                pdu.Pdu(pdu.OUTBIND, 1, body=pdu.Outbind("smsc", "x")),
                pdu.Pdu(pdu.ALERT_NOTIFICATION, 2, body=pdu.Raw(b"\1\1849\0\1\1849\0")),
                pdu.Pdu(pdu.UNBIND_RESP, 77),
            ),
        )
    )

    async def scene() -> None:
        async with pool(peer) as line:
            await line.submit(parcels(1))
            peer.tell(raw=strange.hex())
            assert tally(await line.submit(parcels(50))) == {"accepted": 50}
            assert peer.ask()["sessions"] == 1

    play(scene)


def test_an_answer_that_cannot_be_read_is_unknown(smsc: MakeSmsc) -> None:
    # The second submission of the bind has sequence 3; its answer has no end.
    peer = smsc()

    async def scene() -> None:
        async with pool(peer) as line:
            await line.submit(parcels(1))
            peer.tell(garbage=(struct.pack(">IIII", 18, pdu.SUBMIT_SM_RESP, 0, 3) + b"ab").hex())
            assert await line.submit(parcels(1)) == [[Result(Answer.UNKNOWN, code="bad_answer")]]

    play(scene)


def test_a_carrier_that_unbinds_gets_its_answer_and_is_bound_anew(smsc: MakeSmsc) -> None:
    peer = smsc(delay_ms=50)

    async def scene() -> None:
        async with pool(peer) as line:
            await line.submit(parcels(1))
            work = asyncio.create_task(line.submit(parcels(30)))
            await until(lambda: line.status().under_way)
            peer.tell(unbind=True)
            assert tally(await work) == {"accepted": 30}

    play(scene)


def test_stopping_waits_for_the_answers_that_are_due_and_hands_back_the_rest(smsc: MakeSmsc) -> None:
    peer = smsc(delay_ms=200)

    async def scene() -> None:
        async with pool(peer, window=10) as line:
            await line.submit(parcels(1))
            work = asyncio.create_task(line.submit(parcels(30)))
            await until(lambda: line.status().under_way == 9)
        results = await work
        assert tally(results) == {"accepted": 9, "throttled": 21}
        assert {part.code for (part,) in results if part.answer is Answer.THROTTLED} == {"stopped"}

    play(scene)
    peer.hear("unbound")
    assert peer.ask()["taken"] == 10


def test_after_a_pause_at_most_a_window_for_each_bind_has_left(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal), delay_ms=10)

    async def scene() -> None:
        async with pool(peer, window=20, binds=2) as line:
            await until(lambda: line.status().bound == 2)
            work = asyncio.create_task(line.submit(parcels(600)))
            await until(lambda: len(lines(journal)) > 100)
            before = len(lines(journal))
            line.pause()
            await until(lambda: line.status().under_way == 0)
            after = len(lines(journal))
            assert after - before <= 2 * 20
            await asyncio.sleep(0.1)
            assert len(lines(journal)) == after
            line.resume()
            assert tally(await work) == {"accepted": 600}

    play(scene)
    assert len(lines(journal)) == 600


def test_the_rate_of_a_bind_is_kept(smsc: MakeSmsc, journal: Path) -> None:
    peer = smsc(log=str(journal))

    async def scene() -> None:
        async with pool(peer, window=50, rate=100) as line:
            assert tally(await line.submit(parcels(150))) == {"accepted": 150}

    play(scene)
    at = [row["at"] for row in lines(journal)]
    for moment in at:
        # A hundred a second, ten saved up, and some that the machine delivered late.
        assert sum(moment <= other < moment + 500 for other in at) <= 50 + 10 + 15


def test_a_one_time_code_overtakes_a_campaign(smsc: MakeSmsc) -> None:
    peer = smsc(delay_ms=20)
    waits = []

    async def scene() -> None:
        async with pool(peer, window=20, rate=200) as line:
            work = asyncio.create_task(line.submit(parcels(2000), patience_s=600))
            await until(lambda: line.status().under_way)
            for number in range(50):
                started = time.monotonic()
                code = parcels(1, "Ma 123456", Lane.PROMPT, first=5000 + number)
                assert tally(await line.submit(code)) == {"accepted": 1}
                waits.append(time.monotonic() - started)
            assert not work.done()
            line.pause()
            work.cancel()

    play(scene)
    assert sorted(waits)[int(0.99 * len(waits))] < 1.0


def test_a_wrong_password_is_said_and_what_waited_goes_back(smsc: MakeSmsc) -> None:
    peer = smsc(password="another")

    async def scene() -> None:
        async with pool(peer, patience_s=0.5) as line:
            results = await line.submit(parcels(3))
            assert results == [[Result(Answer.THROTTLED, code="bind_refused_0x0e")]] * 3
            assert "0x0e" in line.status().fault

    play(scene)


def test_nobody_there_is_said_and_nothing_counts_as_sent() -> None:
    async def scene() -> None:
        async with pool(BindSettings("127.0.0.1", 1), patience_s=0.5) as line:
            assert await line.submit(parcels(1)) == [[Result(Answer.THROTTLED, code="unreachable")]]

    play(scene)


def test_receipts_that_overtake_come_twice_or_in_any_order_are_all_kept(smsc: MakeSmsc) -> None:
    for manner, form, times in (("early", "text", 1), ("twice", "tlv", 2), ("shuffled", "odd", 1)):
        peer = smsc(receipts=manner, receipt_form=form, undelivered="5")
        inbox_box: list[Inbox] = []

        async def scene(peer=peer, times=times, box=inbox_box) -> None:
            inbox = Inbox()
            box.append(inbox)
            async with pool(peer, receive=inbox, window=50) as line:
                results = await line.submit(parcels(200))
                await until(lambda: len(inbox.kept) == 200 * times)
            said = Counter(
                (report.message_id, report.state) for report in map(reports.read, inbox.kept) if report
            )
            wanted = {
                (part.message_id, "undeliverable" if number % 10 == 5 else "delivered"): times
                for number, (part,) in enumerate(results)
            }
            assert said == wanted

        play(scene)
        counts = peer.ask()
        assert (counts["acknowledged"], counts["rejected_deliveries"]) == (200 * times, 0)


def test_a_message_is_acknowledged_only_when_it_is_kept(smsc: MakeSmsc) -> None:
    peer = smsc()

    async def scene() -> None:
        inbox = Inbox()
        inbox.gate.clear()
        async with pool(peer, receive=inbox) as line:
            await line.submit(parcels(1))
            peer.tell(deliver={"source_addr": "84901", "destination_addr": "8088", "short_message": "TC 12"})
            # The carrier still answers other things while the message waits to be kept.
            assert tally(await line.submit(parcels(5))) == {"accepted": 5}
            with pytest.raises(AssertionError):
                await asyncio.to_thread(peer.hear, "delivered", 0.3)
            inbox.gate.set()
            assert (await asyncio.to_thread(peer.hear, "delivered"))["delivered"] == pdu.OK
            inbox.fail = 1
            peer.tell(deliver={"source_addr": "84901", "short_message": "again"})
            assert (await asyncio.to_thread(peer.hear, "delivered"))["delivered"] == pdu.TEMPORARY_FAULT
            peer.tell(deliver={"source_addr": "84901", "short_message": "again"})
            assert (await asyncio.to_thread(peer.hear, "delivered"))["delivered"] == pdu.OK
        assert [message.short_message for message in inbox.kept] == [b"TC 12", b"again"]

    play(scene)


def test_a_flood_of_receipts_is_held_back_and_loses_nothing_that_was_acknowledged(smsc: MakeSmsc) -> None:
    peer = smsc(receipts="flood")

    async def scene() -> None:
        inbox = Inbox()
        async with pool(peer, receive=inbox, window=100, inbox=300) as line:
            inbox.gate.clear()
            assert tally(await line.submit(parcels(100))) == {"accepted": 100}
            await until(lambda: peer.ask()["rejected_deliveries"] >= 700)
            inbox.gate.set()
            await until(lambda: peer.ask()["acknowledged"] == 300)
        assert len(inbox.kept) == 300

    play(scene)
    assert peer.ask()["rejected_deliveries"] == 700


def test_a_transmitter_has_a_receiver_beside_it(smsc: MakeSmsc) -> None:
    peer = smsc(receipts="")

    async def scene() -> None:
        inbox = Inbox()
        async with pool(peer, receive=inbox, kind="transmitter") as line:
            await until(lambda: line.status().bound == 2)
            assert tally(await line.submit(parcels(20))) == {"accepted": 20}

    play(scene)
    assert {peer.hear("bound")["bound"] for _ in range(2)} == {"bind_transmitter", "bind_receiver"}


def test_an_idle_pool_unbinds_and_binds_again_when_it_is_needed(smsc: MakeSmsc) -> None:
    peer = smsc()

    async def scene() -> None:
        async with pool(peer, idle_s=0.3) as line:
            assert tally(await line.submit(parcels(1))) == {"accepted": 1}
            await until(lambda: line.status().bound == 0)
            assert tally(await line.submit(parcels(1))) == {"accepted": 1}

    play(scene)


def certificate(folder: Path, name: str, *, days: tuple[int, int]) -> dict[str, str]:
    """Files of a self-signed certificate for 127.0.0.1, valid between two days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"smsc {name}")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = {"key": folder / f"{name}.key", "cert": folder / f"{name}.pem"}
    paths["key"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths["cert"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return {kind: str(path) for kind, path in paths.items()}


def test_a_certificate_that_expires_in_mid_campaign_is_said_and_the_campaign_goes_on_with_a_new_one(
    smsc: MakeSmsc, tmp_path: Path
) -> None:
    good = certificate(tmp_path, "good", days=(-1, 10))
    old = certificate(tmp_path, "old", days=(-10, -1))
    authority = ssl.create_default_context()
    for each in (good, old):
        authority.load_verify_locations(each["cert"])
    peer = smsc(**good, delay_ms=5)

    async def scene() -> None:
        async with pool(settings(peer, tls=authority), patience_s=3) as line:
            assert tally(await line.submit(parcels(50))) == {"accepted": 50}
            peer.tell(listen=False, cut=True, **old)
            await asyncio.to_thread(peer.hear, "listening")
            peer.tell(listen=True)
            await asyncio.to_thread(peer.hear, "port")
            results = await line.submit(parcels(50, first=100))
            assert tally(results) == {"throttled": 50}
            assert {part.code for (part,) in results} == {"tls_certificate"}
            assert "expired" in line.status().fault
            peer.tell(listen=False, **good)
            await asyncio.to_thread(peer.hear, "listening")
            peer.tell(listen=True)
            await asyncio.to_thread(peer.hear, "port")
            assert tally(await line.submit(parcels(50, first=100), patience_s=20)) == {"accepted": 50}
            assert line.status().fault == ""

    play(scene)
    assert peer.ask()["taken"] == 100
