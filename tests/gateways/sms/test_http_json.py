"""The HTTP gateway against a real server on the loopback."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from khien.gateways.sms.http_json import HttpJson
from khien.gateways.sms.interface import Answer, OutgoingSms

Reply = Callable[[BaseHTTPRequestHandler, dict[str, Any]], None]


class Carrier:
    """A tiny carrier: keeps what it was sent and answers as the test says."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Reply = accept
        carrier = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                carrier.seen.append(body)
                carrier.headers.append(dict(self.headers))
                carrier.reply(self, body)

            def log_message(self, *_args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/send"
        self.released = threading.Event()


def answer(status: int, body: object = None, **headers: str) -> Reply:
    def write(handler: BaseHTTPRequestHandler, _asked: dict[str, Any]) -> None:
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return write


def accept(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
    answer(200, {"message_id": f"m-{asked['client_id']}"})(handler, asked)


@pytest.fixture
def carrier() -> Iterator[Carrier]:
    carrier = Carrier()
    thread = threading.Thread(target=carrier.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield carrier
    carrier.released.set()
    carrier.server.shutdown()
    thread.join()
    carrier.server.server_close()


def sms(client_id: str = "c1") -> OutgoingSms:
    return OutgoingSms(client_id, "+84912345678", "Xin chào")


def test_an_accepted_message_has_the_carriers_id_and_ours_goes_along(carrier: Carrier) -> None:
    outcomes = HttpJson(carrier.url, token="t0ken", sender="KHIEN").submit([sms("a"), sms("b")])
    assert [(o.client_id, o.answer, o.message_id) for o in outcomes] == [
        ("a", Answer.ACCEPTED, "m-a"),
        ("b", Answer.ACCEPTED, "m-b"),
    ]
    by_id = {body["client_id"]: body for body in carrier.seen}
    assert by_id["a"] == {"client_id": "a", "to": "+84912345678", "text": "Xin chào", "sender": "KHIEN"}
    assert {h["Authorization"] for h in carrier.headers} == {"Bearer t0ken"}
    assert {h["Idempotency-Key"] for h in carrier.headers} == {"a", "b"}


def test_the_fields_take_the_names_of_the_carrier(carrier: Carrier) -> None:
    carrier.reply = answer(200, {"id": 77})
    gateway = HttpJson(carrier.url, fields={"to": "phone", "text": "content", "message_id": "id"})
    assert gateway.submit([sms()])[0].message_id == "77"
    assert carrier.seen[0] == {"client_id": "c1", "phone": "+84912345678", "content": "Xin chào"}


@pytest.mark.parametrize(
    ("reply", "expected", "code"),
    [
        (answer(400, {"code": "blocked_number"}), Answer.REJECTED, "blocked_number"),
        (answer(422, b"no json"), Answer.REJECTED, "http_422"),
        (answer(409, {"message_id": "first"}), Answer.ACCEPTED, ""),
        (answer(429, {}, Retry_After="7"), Answer.THROTTLED, "http_429"),
        (answer(503, {}), Answer.THROTTLED, "http_503"),
        (answer(401, {}), Answer.THROTTLED, "http_401"),
        (answer(500, {}), Answer.UNKNOWN, "http_500"),
        (answer(200, {}), Answer.UNKNOWN, "no_message_id"),
        (answer(200, b"<html>"), Answer.UNKNOWN, "no_message_id"),
    ],
)
def test_each_answer_has_one_meaning(carrier: Carrier, reply: Reply, expected: Answer, code: str) -> None:
    carrier.reply = reply
    outcome = HttpJson(carrier.url).submit([sms()])[0]
    assert (outcome.answer, outcome.code) == (expected, code)


def test_a_throttled_message_knows_when_to_come_back(carrier: Carrier) -> None:
    carrier.reply = answer(429, {}, Retry_After="7")
    assert HttpJson(carrier.url).submit([sms()])[0].retry_after_s == 7.0


def test_a_late_answer_is_unknown_and_asked_once_only(carrier: Carrier) -> None:
    def wait(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        carrier.released.wait(10)

    carrier.reply = wait
    outcome = HttpJson(carrier.url, timeout_s=0.2).submit([sms()])[0]
    assert (outcome.answer, outcome.code) == (Answer.UNKNOWN, "read_timeout")
    assert len(carrier.seen) == 1


def test_a_connection_cut_before_the_answer_is_unknown(carrier: Carrier) -> None:
    def cut(handler: BaseHTTPRequestHandler, asked: dict[str, Any]) -> None:
        handler.connection.shutdown(socket.SHUT_RDWR)

    carrier.reply = cut
    assert HttpJson(carrier.url).submit([sms()])[0].answer is Answer.UNKNOWN
    assert len(carrier.seen) == 1


def test_a_carrier_that_is_not_there_took_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        outcome = HttpJson(f"http://127.0.0.1:{port}/").submit([sms()])[0]
    assert (outcome.answer, outcome.code) == (Answer.THROTTLED, "unreachable")
