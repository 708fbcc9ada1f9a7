"""A flood at the residents' sign-in, against the real web server: few messages, no tales, and the owner comes in."""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
from django.db import connection

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.residents.models import MessageDay
from khien.kernel.rules import verbs as rules
from khien.kernel.rules.models import Rule
from khien.kernel.staff import system_actor
from khien.kernel.units.models import AdminUnit
from khien.site import supervisor
from tests.factories import make_person, make_province
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
OWNER, THREADS = "+84912345678", 24


@pytest.fixture
def commune() -> AdminUnit:
    rules.load_seed(system_actor("test"))
    return make_province()[2]


@contextmanager
def web_server() -> Iterator[str]:
    """The product's own web server on the test's database: two processes of four threads, behind one proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host = connection.settings_dict
    url = f"postgresql:///{host['NAME']}?host={host['HOST']}&user={host['USER']}&port={host['PORT']}"
    before = os.environ.get("KHIEN_PORT")
    os.environ["KHIEN_PORT"] = str(port)
    try:
        command = supervisor.web_command()
    finally:
        os.environ.pop("KHIEN_PORT") if before is None else os.environ.update(KHIEN_PORT=before)
    process = subprocess.Popen(
        command,
        env={
            **os.environ,
            "DATABASE_URL": url,
            "KHIEN_PROXIES": "1",
            "KHIEN_URL": f"http://127.0.0.1:{port}",
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}"

        def answers() -> bool:
            try:
                return httpx.get(f"{address}/sign-in/", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        wait_until(answers, 90, "the web server answers")
        yield address
    finally:
        process.terminate()
        process.wait(20)


class Caller:
    """A browser without a screen, behind an address of its own."""

    def __init__(self, address: str, origin: str) -> None:
        self.client = httpx.Client(
            base_url=address, headers={"X-Forwarded-For": origin, "Referer": address}, timeout=60
        )

    def post(self, path: str, **said: str) -> httpx.Response:
        if "csrftoken" not in self.client.cookies:
            self.client.get("/sign-in/")
        token = self.client.cookies["csrftoken"]
        return self.client.post(path, data={**said, "csrfmiddlewaretoken": token})

    def ask(self, number: str) -> httpx.Response:
        return self.post("/sign-in/", phone=number)

    def use(self, code: str) -> httpx.Response:
        return self.post("/sign-in/code/", code=code)


def messages(number: str) -> list[str]:
    return list(SimulatedMessage.objects.filter(number=number).order_by("pk").values_list("text", flat=True))


def code_of(text: str) -> str:
    found = re.search(r"đăng nhập của bạn là (\w+)", text)
    assert found, text
    return found[1]


def test_a_flood_for_one_number_does_not_shut_its_owner_out(commune: AdminUnit) -> None:
    make_person("Trần Thị Bình", commune, phone=OWNER)
    with web_server() as address:

        def attack(n: int) -> None:
            """Ask a few times, and guess as often as one may, from an address of one's own."""
            stranger = Caller(address, f"198.51.{n // 250}.{n % 250}")
            for _round in range(3):
                stranger.ask(OWNER)
                for guess in range(3):
                    stranger.use(f"{(n * 7919 + guess * 104729) % 1_000_000:06d}")

        with ThreadPoolExecutor(THREADS) as pool:
            flood = [pool.submit(attack, n) for n in range(60)]
            wait_until(lambda: messages(OWNER), 30, "a message is sent")
            for job in flood[:20]:
                job.result()
            # In the middle of it the owner wants to come in.
            owner = Caller(address, "203.0.113.7")
            assert owner.ask(OWNER).headers["Location"] == "/sign-in/code/"

            def comes_in() -> bool:
                answer = owner.use(code_of(messages(OWNER)[-1]))
                if answer.status_code == 302:
                    return True
                owner.ask(OWNER)  # the code was guessed dead: ask for another, as the page says
                return False

            began = time.monotonic()
            wait_until(comes_in, 150, "the owner comes in")
            print(f"the owner was in after {time.monotonic() - began:.1f} s of the flood")
            for job in flood:
                job.result()
        assert owner.client.get("/me/").status_code == 200
        assert len(messages(OWNER)) <= 4  # three at once, and one given back when the owner came in


def test_a_flood_of_numbers_stops_at_the_days_cap_and_tells_nothing(commune: AdminUnit) -> None:
    rule = Rule.objects.get(key__key="sign_in.messages")
    rule.value["house"] = {"a_day": 50, "an_hour": 100_000, "kept_for_known": 0.2, "alarm_at": 0.8}
    rule.save()
    known = [f"+8490000{n:04d}" for n in range(150)]
    for n, number in enumerate(known):
        make_person(f"Người {n}", commune, phone=number)
    make_person("Trần Thị Bình", commune, phone=OWNER)
    with web_server() as address:
        owner = Caller(address, "203.0.113.7")
        owner.ask(OWNER)
        wait_until(lambda: messages(OWNER), 30, "a message is sent")
        assert owner.use(code_of(messages(OWNER)[-1])).status_code == 302
        assert "khien_browser" in owner.client.cookies

        first, second = Caller(address, "203.0.113.8"), Caller(address, "203.0.113.9")

        def shape(answer: httpx.Response) -> tuple[int, str, str]:
            text = re.sub(
                r'value="[^"]*"|hx-headers=\'[^\']*\'|0\d{3} \d{3} \d{3}|\d\d:\d\d', "…", answer.text
            )
            return answer.status_code, answer.headers.get("Location", ""), text

        assert shape(first.ask(known[0])) == shape(second.ask("+84999999999"))
        assert shape(first.client.get("/sign-in/code/")) == shape(second.client.get("/sign-in/code/"))
        assert shape(first.use("000000")) == shape(second.use("000000"))

        def attack(n: int) -> float:
            stranger = Caller(address, f"198.51.{n // 250}.{n % 250}")
            stranger.client.get("/sign-in/")
            began = time.perf_counter()
            stranger.ask(known[n // 2] if n % 2 else f"+8490009{n:04d}")
            return time.perf_counter() - began

        with ThreadPoolExecutor(THREADS) as pool:
            times = list(pool.map(attack, range(300)))
        wait_until(lambda: MessageDay.objects.get().refused, 60, "the cap is reached")
        day = MessageDay.objects.get()
        assert day.sent == 40  # four fifths of fifty
        assert day.alarm_at is not None
        assert day.exhausted_at is not None
        wait_until(lambda: SimulatedMessage.objects.count() == 40, 30, "what was claimed is sent")
        print(
            f"median of a known number {statistics.median(times[1::2]) * 1000:.0f} ms,"
            f" of an unknown one {statistics.median(times[::2]) * 1000:.0f} ms"
        )
        assert "hết số tin nhắn" in first.ask("+84999999998").text
        owner.post("/sign-out/")
        owner.ask(OWNER)  # a browser that was here before has its share
        wait_until(lambda: len(messages(OWNER)) == 2, 30, "the owner's message is sent")
        assert owner.use(code_of(messages(OWNER)[-1])).status_code == 302


def test_limits_outlive_the_server_and_count_a_network_as_one(commune: AdminUnit) -> None:
    make_person("Trần Thị Bình", commune, phone=OWNER)
    began = time.monotonic()

    def allowed_of(address: str, tail: str, most: int) -> int:
        """How many of a network are let through before one is refused."""
        for n in range(most + 1):
            answer = Caller(address, f"2001:db8:1:2:{tail}::{n:x}").ask(
                f"+8490{n:03d}{int(tail, 16) % 10_000:04d}"
            )
            if answer.status_code != 302:
                assert "từ mạng này" in answer.text
                return n
        raise AssertionError(f"{most + 1} were let through")

    def won_back() -> int:
        """The network gets one more each 15 seconds."""
        return int((time.monotonic() - began) / 15) + 1

    with web_server() as address:
        assert 60 <= allowed_of(address, "0", 400) <= 60 + won_back()
    with web_server() as address:
        assert allowed_of(address, "abcd", 60) <= won_back()
        assert Caller(address, "2001:db8:1:3::1").ask(OWNER).status_code == 302
        assert urlsplit(address).port
        wait_until(lambda: messages(OWNER), 30, "a message is sent")
