"""Debian's Kannel between us and an independent carrier: what leaves, what arrives, and what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.test import Client, override_settings

from khien.gateways.sms import carriers
from khien.gateways.sms.interface import Answer, Lane, Outcome, OutgoingSms
from khien.gateways.sms.kannel import Kannel, receipt_address, token
from khien.gateways.sms.text import measure
from khien.rooms.broadcasts import reads
from khien.rooms.broadcasts.models import UnmatchedReceipt
from khien.rooms.broadcasts.sender import send_broadcast
from tests.gateways.sms.smpp.conftest import MakeSmsc
from tests.gateways.sms.smpp.conftest import smsc as smsc
from tests.peers import kannel as peers
from tests.rooms.broadcasts.conftest import furnished
from tests.waiting import wait_until

SECRET = "receipts-secret"
LONG = "Đề nghị ông bà ở tại nhà, đo thân nhiệt mỗi ngày hai lần và báo cho trạm y tế khi sốt hoặc ho. " * 2
RECEIPTS = "/api/v1/broadcasts/receipts/kannel"


def sms(place: int, text: str = "Khai bao y te [1]") -> OutgoingSms:
    return OutgoingSms(f"c-{place}", f"+849{place:08d}", text)


@pytest.fixture
def kannel(smsc: MakeSmsc, tmp_path: Path) -> Iterator[tuple[Any, peers.Kannel]]:
    """A carrier of npm `smpp`, and Kannel bound to it."""
    if why := peers.missing():
        pytest.skip(why)
    carrier = smsc(log=str(tmp_path / "log"), receipts="once", undelivered="7")
    made = peers.Kannel(carrier.port, tmp_path)
    try:
        carrier.hear("bound")
        yield carrier, made
    finally:
        made.close()


@pytest.mark.django_db(transaction=True)
def test_texts_arrive_byte_for_byte_through_a_link(kannel: tuple[Any, peers.Kannel], tmp_path: Path) -> None:
    carrier, made = kannel
    assert measure(LONG).parts == 3
    path = tmp_path / "carriers.toml"
    path.touch(0o600)
    path.write_text(
        f'[viettel]\nkind = "kannel"\nurl = "{made.url}"\nusername = "{peers.USER}"\n'
        f'password = "{peers.PASSWORD}"\nsender = "KHIEN"\nsmsc = "peer"\n'
    )

    async def scene() -> list[Outcome]:
        link = carriers.link("viettel")
        await link.open()
        texts = ["Khai bao y te [1] {2} ~", "Xin chào, ông bà Nguyễn & Trần?", LONG]
        told = await link.submit([sms(place, text) for place, text in enumerate(texts)], Lane.CAMPAIGN)
        await link.close(5.0)
        return told

    with override_settings(KHIEN_SMS_CARRIERS=str(path)), ThreadPoolExecutor(1) as alone:
        told = alone.submit(asyncio.run, scene()).result(60)
    assert [(each.answer, each.message_id) for each in told] == [
        (Answer.ACCEPTED, f"c-{n}") for n in range(3)
    ]
    wait_until(lambda: len((tmp_path / "log").read_text().splitlines()) == 5, 20, "five parts")
    rows = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert {row["from"] for row in rows} == {"KHIEN"}
    by_number: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_number.setdefault(row["to"].removeprefix("+"), []).append(row)
    (short,), (accented,) = by_number["84900000000"], by_number["84900000001"]
    assert (short["text"], short["coding"]) == ("Khai bao y te [1] {2} ~", 0)
    assert (accented["text"], accented["coding"]) == ("Xin chào, ông bà Nguyễn & Trần?", 8)
    carrier.tell(rebuilt=True)
    (rebuilt,) = carrier.hear("rebuilt")["rebuilt"]
    assert rebuilt["text"] == LONG.strip()


@pytest.mark.django_db(transaction=True)
def test_a_broadcast_leaves_by_kannel_and_its_receipts_come_back(
    kannel: tuple[Any, peers.Kannel], live_server: Any
) -> None:
    _carrier, made = kannel
    with override_settings(KHIEN_SMS_TOKEN=SECRET, ALLOWED_HOSTS=["*"]):
        way = Kannel(
            made.url,
            username=peers.USER,
            password=peers.PASSWORD,
            sender="KHIEN",
            receipts_url=f"{live_server.url}{RECEIPTS}",
            secret=SECRET,
        )
        house = furnished()
        broadcast = house.send(house.people(20), text="{name}: " + LONG)
        assert send_broadcast(broadcast.pk, way).sent == 20

        def counts() -> dict[str, int]:
            return reads.counts([broadcast.pk])[broadcast.pk]

        wait_until(
            lambda: sum(n for state, n in counts().items() if "delivered" in state) == 20, 30, "receipts"
        )
        assert counts() == {"delivered": 18, "undelivered": 2}


@pytest.mark.django_db(transaction=True)
def test_a_wrong_password_is_no_refusal_of_the_message(kannel: tuple[Any, peers.Kannel]) -> None:
    _carrier, made = kannel
    (told,) = Kannel(made.url, username=peers.USER, password="guess").submit([sms(1)])
    assert (told.answer, told.code) == (Answer.THROTTLED, "http_403")


@pytest.mark.parametrize(
    ("status", "answer", "code"),
    [
        (202, Answer.ACCEPTED, ""),
        (400, Answer.REJECTED, "http_400"),
        (403, Answer.THROTTLED, "http_403"),
        (404, Answer.REJECTED, "http_404"),
        (503, Answer.THROTTLED, "http_503"),
        (500, Answer.UNKNOWN, "http_500"),
        (200, Answer.UNKNOWN, "http_200"),
    ],
)
def test_each_status_has_one_meaning(status: int, answer: Answer, code: str) -> None:
    told = Kannel("http://kannel").read("c-1", httpx.Response(status, text="0: Accepted for delivery"))
    assert (told.answer, told.code) == (answer, code)


def test_a_kannel_that_is_not_there_took_nothing() -> None:
    (port,) = peers.free_ports(1)
    (told,) = Kannel(f"http://127.0.0.1:{port}/cgi-bin/sendsms").submit([sms(1)])
    assert (told.answer, told.code) == (Answer.THROTTLED, "unreachable")


def test_the_address_for_receipts_is_good_for_one_message_and_holds_no_secret() -> None:
    way = Kannel("http://k/sendsms", password="p", receipts_url="https://khien/r", secret=SECRET)
    asked = parse_qs(urlsplit(way.request(sms(1)).url).query)
    assert asked["dlr-mask"] == ["19"]
    address = asked["dlr-url"][0]
    assert address == receipt_address("https://khien/r", SECRET, "c-1")
    assert SECRET not in address
    assert token(SECRET, "c-1") != token(SECRET, "c-2")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "status", "held"),
    [
        ({}, 200, 1),
        ({"state": "8"}, 200, 0),
        ({"client_id": "c-2"}, 401, 0),
        ({"token": ""}, 401, 0),
        ({"token": "é"}, 401, 0),
        ({"state": "x"}, 422, 0),
    ],
    ids=["good", "settles nothing", "another message", "no token", "odd token", "no state"],
)
def test_the_door_for_receipts(client: Client, change: dict[str, str], status: int, held: int) -> None:
    asked = {"client_id": "c-1", "token": token(SECRET, "c-1"), "state": "1", **change}
    with override_settings(KHIEN_SMS_TOKEN=SECRET):
        assert client.get(RECEIPTS, asked).status_code == status
    assert UnmatchedReceipt.objects.count() == held
    with override_settings(KHIEN_SMS_TOKEN=""):
        assert client.get(RECEIPTS, {**asked, "token": token("", "c-1")}).status_code in {401, 422}
