"""The file of carriers: what it may say, which mistakes it names, and who is reached by it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from khien.gateways.sms import carriers, links, sending
from khien.gateways.sms.http_json import HttpJson
from khien.gateways.sms.interface import Answer, CarrierLink, Lane, Outcome, OutgoingSms
from khien.gateways.sms.kannel import Kannel
from khien.gateways.sms.models import SimulatedMessage, SmppPart, SmppReceipt
from khien.gateways.sms.smpp import chosen
from khien.gateways.sms.smpp import link as link_module
from khien.gateways.sms.smpp.link import SmppLink
from khien.gateways.sms.smsc import Carrier, Manner
from khien.rooms.broadcasts.models import Carrier as CarrierRow
from khien.rooms.broadcasts.models import CarrierPrefix, PortedNumber
from khien.rooms.broadcasts.reads.carriers import code_of
from tests.gateways.sms.smpp.conftest import until
from tests.gateways.sms.test_http_json import Carrier as HttpCarrier
from tests.gateways.sms.test_http_json import carrier as carrier
from tests.waiting import wait_until

LONG = (
    "Đề nghị ông bà ở tại nhà, đo thân nhiệt mỗi ngày hai lần và báo cho trạm y tế khi sốt hoặc ho. Cảm ơn."
)
SMPP = 'kind = "smpp"\naddress = "127.0.0.1:2775"\n'
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """`write(text)`: the installation's file of carriers."""
    path = tmp_path / "carriers.toml"

    def put(text: str) -> Path:
        path.write_text(text)
        path.chmod(0o600)
        return path

    with override_settings(KHIEN_SMS_CARRIERS=str(path)):
        yield put
    chosen.close()


def sms(place: int, text: str = "Khai bao y te", purpose: str = "") -> OutgoingSms:
    return OutgoingSms(f"c-{place}", f"+849{place:08d}", text, purpose)


def play(scene: Any) -> Any:
    """In a thread of its own: a browser of another test may have left a running loop in this one."""
    with ThreadPoolExecutor(1) as alone:
        return alone.submit(asyncio.run, scene).result(60)


@pytest.mark.django_db
def test_every_kind_can_be_said_and_keys_have_the_defaults_of_the_settings(
    write: Write, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    (tmp_path / "secret").chmod(0o640)
    write(
        f'default = "mobifone"\n[viettel]\n{SMPP}password_file = "secret"\nrate = 100\nwindow = 50\ntls = true\n'
        '[mobifone]\nkind = "http_json"\nurl = "https://sms.example/send"\ntoken = "t"\nidempotent = true\n'
        'fields = {to = "phone"}\n'
        '[vinaphone]\nkind = "kannel"\nurl = "http://127.0.0.1:13013/cgi-bin/sendsms"\nusername = "khien"\n'
        f'password_file = "{tmp_path / "secret"}"\nsmsc = "vina"\n'
        '[try]\nkind = "simulator"\n'
    )
    assert carriers.configured() == ["viettel", "mobifone", "vinaphone", "try"]
    viettel = carriers.link("viettel")
    assert isinstance(viettel, SmppLink)
    assert (viettel.name, viettel.window, viettel.binds) == ("viettel", 50, 1)
    assert (viettel.settings.bind.password, viettel.settings.bind.rate) == ("s3cret", 100.0)
    assert viettel.settings.bind.tls is not None
    assert "s3cret" not in repr(viettel.settings)
    mobifone = carriers.gateway("mobifone")
    assert isinstance(mobifone, HttpJson)
    assert (mobifone.window, mobifone.idempotent, mobifone.fields) == (8, True, {"to": "phone"})
    vinaphone = carriers.gateway("vinaphone")
    assert isinstance(vinaphone, Kannel)
    assert (vinaphone.password, vinaphone.smsc) == ("s3cret", "vina")
    assert "s3cret" not in repr(vinaphone)
    assert carriers.code_for("+84900000001") == "mobifone"


MISTAKES = {
    "not TOML": ("[viettel\n", "is not TOML"),
    "empty": ("", "names no carrier"),
    "outside": ('kind = "smpp"\n', "'kind' stands outside"),
    "code": (f"[Viettel]\n{SMPP}", "[Viettel] is no carrier's code"),
    "no kind": ('[viettel]\naddress = "a:1"\n', "[viettel] kind is none of smpp"),
    "other kind": ('[viettel]\nkind = "telex"\n', "[viettel] kind is none of smpp"),
    "no address": ('[viettel]\nkind = "smpp"\n', "[viettel] address is missing"),
    "bad address": (
        '[viettel]\nkind = "smpp"\naddress = "here"\n',
        "[viettel] address = 'here' is not host:port",
    ),
    "unknown key": (f"[viettel]\n{SMPP}windows = 3\n", "[viettel] windows is not known for kind smpp"),
    "type": (f'[viettel]\n{SMPP}window = "3"\n', "[viettel] window is not a whole number"),
    "flag": (f"[viettel]\n{SMPP}tls = 1\n", "[viettel] tls is not true or false"),
    "range": (f"[viettel]\n{SMPP}window = 0\n", "[viettel] window is not between 1 and 10000"),
    "truth is no number": (f"[viettel]\n{SMPP}window = true\n", "[viettel] window is not a whole number"),
    "choice": (f'[viettel]\n{SMPP}alphabet = "koi8"\n', "[viettel] alphabet is none of gsm-7"),
    "long name": (f'[viettel]\n{SMPP}system_id = "{"k" * 16}"\n', "[viettel] system_id is longer than 15"),
    "authority": (
        f'[viettel]\n{SMPP}tls = true\nca = "/nowhere"\n',
        "[viettel] ca = '/nowhere' cannot be read",
    ),
    "secret's file": (
        f'[viettel]\n{SMPP}password_file = "no"\n',
        "[viettel] password_file = 'no' cannot be read",
    ),
    "two secrets": (
        f'[viettel]\n{SMPP}password = "a"\npassword_file = "b"\n',
        "password_file and password are both",
    ),
    "default": (f'default = "mobi"\n[viettel]\n{SMPP}', "default = 'mobi' is none of viettel"),
    "url": ('[a]\nkind = "http_json"\nurl = "ftp://x"\n', "[a] url = 'ftp://x' is no http or https address"),
    "fields": ('[a]\nkind = "http_json"\nurl = "http://x"\nfields = {too = "x"}\n', "[a] fields names too"),
    "kannel's secret": (
        '[a]\nkind = "kannel"\nurl = "http://x"\nusername = "k"\n',
        "[a] password is missing, or pass",
    ),
    "receipts": (
        '[a]\nkind = "kannel"\nurl = "http://x"\nusername = "k"\npassword = "p"\nreceipts_url = "http://x/r"\n',
        "[a] receipts_url needs KHIEN_SMS_TOKEN",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
@override_settings(KHIEN_SMS_TOKEN="")
def test_a_mistake_names_the_file_the_table_and_the_key(name: str, write: Write) -> None:
    text, told = MISTAKES[name]
    path = write(text)
    with pytest.raises(carriers.CarriersFileFault) as fault:
        carriers.configured()
    assert told in str(fault.value)
    assert str(path) in str(fault.value)


def test_what_others_may_read_is_not_used(write: Write, tmp_path: Path) -> None:
    path = write(f"[viettel]\n{SMPP}")
    path.chmod(0o644)
    with pytest.raises(carriers.CarriersFileFault, match=r"may be read or changed by everybody.*chmod 600"):
        carriers.configured()
    (tmp_path / "open").write_text("secret")
    (tmp_path / "open").chmod(0o644)
    write(f'[viettel]\n{SMPP}password_file = "open"\n')
    with pytest.raises(carriers.CarriersFileFault, match=r"\[viettel\] password_file = 'open' may be read"):
        carriers.configured()
    path.unlink()
    with pytest.raises(carriers.CarriersFileFault, match="cannot be read: No such file"):
        carriers.configured()


def test_a_carrier_that_is_not_there_is_named(write: Write) -> None:
    write(f"[viettel]\n{SMPP}")
    with pytest.raises(carriers.CarriersFileFault, match=r"no table \[mobifone\]: it names viettel"):
        carriers.link("mobifone")


def test_the_file_is_read_anew_when_it_changes(write: Write) -> None:
    path = write(f"[viettel]\n{SMPP}")
    assert carriers.configured() == ["viettel"]
    write(f"[mobifone]\n{SMPP}")
    os.utime(path, (1, 1))
    assert carriers.configured() == ["mobifone"]


@pytest.mark.django_db
def test_a_number_goes_where_it_was_ported_else_where_its_range_lies() -> None:
    viettel, mobifone = (
        CarrierRow.objects.get_or_create(code=code, defaults={"name": code})[0]
        for code in ("viettel", "mobifone")
    )
    for prefix, owner in (("+8499", viettel), ("+84998", mobifone)):
        CarrierPrefix.objects.update_or_create(prefix=prefix, defaults={"carrier": owner})
    PortedNumber.objects.create(number="+84998000001", carrier=viettel, since=date(2021, 1, 1))
    assert code_of("+84990000001") == "viettel"
    assert code_of("+84998000002") == "mobifone"
    assert code_of("+84998000001") == "viettel"
    assert code_of("+19998000001") == ""
    CarrierRow.objects.filter(pk=viettel.pk).update(is_active=False)
    assert code_of("+84990000001") == ""


def table(code: str, carrier: Carrier, more: str = "") -> str:
    return f'[{code}]\nkind = "smpp"\naddress = "127.0.0.1:{carrier.port}"\nwindow = 20\n{more}\n'


@pytest.mark.django_db(transaction=True)
def test_a_link_sends_in_order_long_texts_too_and_receipts_are_kept_under_the_carriers_name(
    write: Write, tmp_path: Path
) -> None:
    async def scene() -> list[Outcome]:
        peer = Carrier("viettel", Manner(refused=0.1), log=tmp_path / "log")
        await peer.listen()
        write(table("viettel", peer))
        link = carriers.link("viettel")
        await link.open()
        told = await link.submit([sms(place) for place in range(50)] + [sms(99, "\ud83d")], Lane.CAMPAIGN)
        told += await link.submit([sms(100, LONG)], Lane.EMERGENCY)
        await until(lambda: peer.counts["acknowledged"] == peer.counts["taken"])
        await link.close(5.0)
        assert (await link.submit([sms(1)], Lane.PROMPT))[0].code == "stopped"
        await peer.close()
        return told

    told = play(scene())
    assert [each.client_id for each in told] == [f"c-{place}" for place in [*range(50), 99, 100]]
    assert told[50] == Outcome("c-99", Answer.REJECTED, code="cannot_encode")
    assert told[51].answer is Answer.ACCEPTED
    assert told[51].message_id.endswith("+2")
    accepted = {each.message_id for each in told if each.answer is Answer.ACCEPTED}
    assert all(each.startswith("viettel:") for each in accepted)
    refused = [each for each in told[:50] if each.answer is Answer.REJECTED]
    assert {each.code for each in refused} == {"0x0000000b"}
    assert 0 < len(refused) < 20
    kept = set(SmppReceipt.objects.values_list("message_id", flat=True))
    parts = set(SmppPart.objects.values_list("message_id", flat=True))
    assert kept == (accepted - {told[51].message_id}) | parts
    rebuilt = b"".join(
        bytes.fromhex(row[5])[6:]
        for row in (line.split("\t") for line in (tmp_path / "log").read_text().splitlines())
        if row[2] == "84900000100"
    )
    assert rebuilt.decode("utf-16-be") == LONG


@pytest.mark.django_db(transaction=True)
def test_one_code_and_a_broadcast_leave_by_the_carrier_of_each_number(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocking callers: the carriers run on a loop of their own."""
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as alone:
        running = alone.submit(loop.run_forever)
        peers = [Carrier("viettel"), Carrier("mobifone")]
        for peer in peers:
            asyncio.run_coroutine_threadsafe(peer.listen(), loop).result(10)
        write("".join(table(peer.name, peer) for peer in peers))
        odd = lambda number: "mobifone" if int(number[-1]) % 2 else "viettel"  # noqa: E731
        monkeypatch.setattr(carriers, "_routes", [odd])
        try:
            assert sending.send_now("0900000001", "Ma: 123", "one_time_code").answer is Answer.ACCEPTED
            told = sending.gateway().submit([sms(place) for place in range(10)])
            assert [each.client_id for each in told] == [f"c-{place}" for place in range(10)]
            assert [each.message_id.split(":")[0] for each in told] == ["viettel", "mobifone"] * 5
            assert [peer.counts["taken"] for peer in peers] == [5, 6]
            wait_until(lambda: SmppReceipt.objects.count() == 11, 20)
            found = {receipt.message_id for receipt in sending.gateway().receipts()}
            assert {each.message_id for each in told} <= found
            assert len(found) == 11
        finally:
            chosen.close()
            for peer in peers:
                asyncio.run_coroutine_threadsafe(peer.close(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            running.result(10)
            loop.close()


@pytest.mark.django_db(transaction=True)
@override_settings(KHIEN_SMS_CARRIERS="", KHIEN_SMS_GATEWAY="simulator")
def test_without_a_file_every_carrier_goes_by_the_one_gateway() -> None:
    assert carriers.configured() == []

    async def scene() -> list[Outcome]:
        ways = [carriers.link(code) for code in ("viettel", "mobifone")]
        for way in ways:
            await way.open()
        told = [await way.submit([sms(place)], Lane.CAMPAIGN) for place, way in enumerate(ways)]
        await ways[0].close(1.0)
        told.append(await ways[1].submit([sms(2)], Lane.CAMPAIGN))
        await ways[1].close(1.0)
        return [outcome for each in told for outcome in each]

    assert [each.answer for each in play(scene())] == [Answer.ACCEPTED] * 3
    assert SimulatedMessage.objects.count() == 3


def test_links_by_one_gateway_share_its_connections() -> None:
    async def scene() -> None:
        peer = Carrier("only")
        await peer.listen()
        with override_settings(
            KHIEN_SMS_CARRIERS="", KHIEN_SMS_GATEWAY="smpp", KHIEN_SMPP_ADDRESS=f"127.0.0.1:{peer.port}"
        ):
            ways: list[CarrierLink] = [carriers.link(code) for code in ("viettel", "mobifone", "vinaphone")]
        for way in ways:
            await way.open()
        told = await asyncio.gather(*(way.submit([sms(1)], Lane.PROMPT) for way in ways))
        assert [each[0].answer for each in told] == [Answer.ACCEPTED] * 3
        for way in ways:
            await way.close(5.0)
        assert peer.counts["binds"] == 1
        await peer.close()

    with override_settings(KHIEN_SMPP_BINDS=1):
        play(scene())


@pytest.mark.django_db(transaction=True)
def test_a_fault_of_ours_leaves_one_message_unknown_and_the_link_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken: list[str] = []

    def fails_once(message: OutgoingSms) -> Outcome:
        taken.append(message.client_id)
        if len(taken) == 1:
            raise RuntimeError("the database is away")
        return Outcome(message.client_id, Answer.ACCEPTED)

    monkeypatch.setattr(links, "_simulate", fails_once)

    async def scene() -> list[Outcome]:
        link = links.SimulatorLink("try")
        await link.open()
        told = await link.submit([sms(place) for place in range(3)], Lane.CAMPAIGN)
        await link.close(1.0)
        return told

    assert [each.answer for each in play(scene())] == [Answer.UNKNOWN, Answer.ACCEPTED, Answer.ACCEPTED]
    assert taken == ["c-0", "c-1", "c-2"]


@pytest.mark.django_db(transaction=True)
def test_what_was_taken_is_told_even_when_its_parts_cannot_be_kept(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(sent: object) -> None:
        raise RuntimeError("the database is away")

    monkeypatch.setattr(link_module, "_remember", away)

    async def scene() -> list[Outcome]:
        peer = Carrier("viettel", Manner(receipts=False))
        await peer.listen()
        write(table("viettel", peer))
        link = carriers.link("viettel")
        await link.open()
        told = await link.submit([sms(1, LONG)], Lane.CAMPAIGN)
        await link.close(1.0)
        await peer.close()
        return told

    assert [each.answer for each in play(scene())] == [Answer.ACCEPTED]


def http(url: str, more: str = "") -> str:
    return f'[a]\nkind = "http_json"\nurl = "{url}"\ntimeout_s = 1.0\n{more}\n'


def test_a_link_over_http_keeps_its_connections_and_its_window(write: Write, carrier: HttpCarrier) -> None:
    write(http(carrier.url, "window = 3"))

    async def scene() -> list[Outcome]:
        link = carriers.link("a")
        assert (link.window, link.binds) == (3, 1)
        await link.open()
        told = await link.submit([sms(place) for place in range(30)], Lane.CAMPAIGN)
        await link.close(2.0)
        return told

    told = play(scene())
    assert [each.message_id for each in told] == [f"m-c-{place}" for place in range(30)]
    assert len(carrier.seen) == 30


@pytest.mark.parametrize(
    ("idempotent", "asked", "answer"), [("true", 2, "accepted"), ("false", 1, "unknown")]
)
def test_a_missing_answer_is_asked_for_again_only_where_the_gateway_knows_our_ids(
    write: Write, carrier: HttpCarrier, idempotent: str, asked: int, answer: str
) -> None:
    from tests.gateways.sms.test_http_json import accept
    from tests.gateways.sms.test_http_json import answer as say

    def once(handler: Any, body: dict[str, Any]) -> None:
        (say(500, {}) if len(carrier.seen) == 1 else accept)(handler, body)

    carrier.reply = once
    write(http(carrier.url, f"idempotent = {idempotent}"))

    async def scene() -> list[Outcome]:
        link = carriers.link("a")
        await link.open()
        told = await link.submit([sms(1)], Lane.PROMPT)
        await link.close(2.0)
        return told

    assert play(scene())[0].answer == answer
    assert [body["client_id"] for body in carrier.seen] == ["c-1"] * asked


def test_what_may_have_been_taken_stays_unknown_when_the_gateway_then_takes_nothing(
    write: Write, carrier: HttpCarrier
) -> None:
    from tests.gateways.sms.test_http_json import answer as say

    carrier.reply = lambda handler, body: say(500 if len(carrier.seen) == 1 else 503, {})(handler, body)
    write(http(carrier.url, "idempotent = true\nagain = 1"))
    (told,) = carriers.gateway("a").submit([sms(1)])
    assert (told.answer, told.code) == (Answer.UNKNOWN, "http_500")
    assert len(carrier.seen) == 2


def test_over_http_a_code_overtakes_a_campaign_and_what_waits_at_the_end_is_not_taken(
    write: Write, carrier: HttpCarrier
) -> None:
    write(http(carrier.url, "window = 1"))

    async def scene() -> tuple[list[Outcome], list[Outcome]]:
        link = carriers.link("a")
        await link.open()
        campaign = asyncio.create_task(link.submit([sms(place) for place in range(40)], Lane.CAMPAIGN))
        await until(lambda: carrier.seen)
        code = await link.submit([sms(99)], Lane.PROMPT)
        await link.close(5.0)
        return code, await campaign

    code, campaign = play(scene())
    assert code[0].answer is Answer.ACCEPTED
    order = [body["client_id"] for body in carrier.seen]
    assert order.index("c-99") < 39
    unsent = [each for each in campaign if each.code == "stopped"]
    assert unsent
    assert {each.answer for each in unsent} == {Answer.THROTTLED}
    assert {each.client_id for each in campaign} - {each.client_id for each in unsent} == set(order) - {
        "c-99"
    }
