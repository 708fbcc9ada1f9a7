"""Peers on the loopback that know nothing of our code: a loudspeaker station, and a push service with its browser."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Peer:
    """An HTTP server; `behave` decides what becomes of each request."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.behave: Callable[[BaseHTTPRequestHandler, bytes], None] = lambda handler, body: answer(
            handler, 201
        )
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                peer.requests.append((self.path, dict(self.headers.items()), body))
                try:
                    peer.behave(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    return

            def log_message(self, *_args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def bodies(self) -> list[Any]:
        return [json.loads(body) for _path, _headers, body in self.requests]


@contextmanager
def running() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.server.shutdown()
    peer.server.server_close()


def answer(handler: BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def drip(handler: BaseHTTPRequestHandler, seconds: float) -> None:
    """A letter now and then, so that no single read takes long."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        handler.wfile.write(b"X")
        handler.wfile.flush()
        time.sleep(0.1)


class Browser:
    """Keys of a browser's subscription, and what only it can read."""

    def __init__(self, peer: Peer, name: str = "one") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.secret = os.urandom(16)
        self.path = f"/push/{name}"
        self.peer = peer
        point = self.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.subscription = {
            "endpoint": peer.url + self.path,
            "expirationTime": None,
            "keys": {"p256dh": b64(point), "auth": b64(self.secret)},
        }

    def told(self) -> list[dict[str, Any]]:
        """What it would show."""
        return [
            json.loads(
                http_ece.decrypt(body, private_key=self.key, auth_secret=self.secret, version="aes128gcm")
            )
            for path, _headers, body in self.peer.requests
            if path == self.path
        ]
