"""What gateways over HTTP have in common: one message a request, on connections that are kept."""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from khien.gateways.sms.interface import Answer, Outcome, OutgoingSms, Receipt

logger = logging.getLogger(__name__)

# httpx logs every address it asks, and some gateways carry the number in theirs.
logging.getLogger("httpx").setLevel(logging.WARNING)

_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one message: `how` are the arguments of httpx' `request`."""

    method: str
    url: str
    how: dict[str, Any]


class HttpGateway(ABC):
    """An `SmsGateway` that makes a request for each message, `window` at once, and waits `timeout_s` seconds for its
    answer. Where the gateway knows our client ids (`idempotent`), a message whose answer is missing is asked for again
    under the same one, `again` times at most; elsewhere it is unknown at once and nothing here sends it again."""

    __slots__ = ()

    url: str
    timeout_s: float
    window: int
    idempotent: bool
    again: int

    @abstractmethod
    def request(self, message: OutgoingSms) -> Request:
        """How to ask for this message."""

    @abstractmethod
    def read(self, client_id: str, response: httpx.Response) -> Outcome:
        """What the answer means."""

    def headers(self) -> dict[str, str]:
        return {}

    def limits(self) -> dict[str, Any]:
        """Arguments for a client of httpx."""
        return {
            "timeout": self.timeout_s,
            "headers": self.headers(),
            "follow_redirects": False,
            "limits": httpx.Limits(max_connections=self.window, max_keepalive_connections=self.window),
        }

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        """See `SmsGateway.submit`."""
        with (
            httpx.Client(**self.limits()) as client,
            ThreadPoolExecutor(max_workers=min(self.window, len(messages) or 1)) as pool,
        ):
            return list(pool.map(lambda message: self._send(client, message), messages))

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """None to fetch: such a gateway pushes them to us."""
        return []

    def _send(self, client: httpx.Client, message: OutgoingSms) -> Outcome:
        asked = self.request(message)
        tries = Tries(self)
        while True:
            try:
                told = self.read(message.client_id, client.request(asked.method, asked.url, **asked.how))
            except httpx.HTTPError as fault:
                told = missing(message.client_id, fault)
            wait = tries.after(told)
            if wait is None:
                return tries.outcome(told)
            time.sleep(wait)

    async def send(self, client: httpx.AsyncClient, message: OutgoingSms) -> Outcome:
        """As `submit`, for one message on a loop."""
        asked = self.request(message)
        tries = Tries(self)
        while True:
            try:
                response = await client.request(asked.method, asked.url, **asked.how)
                told = self.read(message.client_id, response)
            except httpx.HTTPError as fault:
                told = missing(message.client_id, fault)
            wait = tries.after(told)
            if wait is None:
                return tries.outcome(told)
            await asyncio.sleep(wait)


class Tries:
    """Whether a message is asked for again, and what all its answers together say."""

    __slots__ = ("_doubt", "_left", "_wait")

    def __init__(self, gateway: HttpGateway) -> None:
        self._left = gateway.again if gateway.idempotent else 0
        self._wait = _PAUSE_S
        self._doubt: Outcome | None = None

    def after(self, told: Outcome) -> float | None:
        """Seconds until the next try; None when there is none."""
        if told.answer is Answer.UNKNOWN:
            self._doubt = told
        elif self._doubt is None or told.answer is not Answer.THROTTLED:
            return None
        if not self._left:
            return None
        self._left -= 1
        wait, self._wait = self._wait, self._wait * 2
        return wait

    def outcome(self, told: Outcome) -> Outcome:
        """Not taken now does not say that it was not taken before."""
        if told.answer is Answer.THROTTLED and self._doubt is not None:
            return self._doubt
        return told


def missing(client_id: str, fault: httpx.HTTPError) -> Outcome:
    """What it means that no answer came."""
    if isinstance(
        fault, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.UnsupportedProtocol
    ):
        logger.warning("SMS gateway not reached: %s", type(fault).__name__)
        return Outcome(client_id, Answer.THROTTLED, code="unreachable")
    logger.warning("SMS gateway gave no answer: %s", type(fault).__name__)
    return Outcome(client_id, Answer.UNKNOWN, code=_snake(type(fault).__name__))


def retry_after(response: httpx.Response) -> float | None:
    """Seconds, where the gateway says so."""
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
