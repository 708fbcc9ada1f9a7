"""A gateway that takes one message a request as JSON and answers with its message id."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx

from khien.gateways.sms.interface import Answer, Outcome, OutgoingSms, Receipt

logger = logging.getLogger(__name__)

# httpx logs every address it asks, and some gateways carry the number in theirs.
logging.getLogger("httpx").setLevel(logging.WARNING)

DEFAULT_FIELDS: Mapping[str, str] = {
    "client_id": "client_id",
    "to": "to",
    "text": "text",
    "sender": "sender",
    "message_id": "message_id",
    "code": "code",
}
_NOT_NOW = {408, 425, 429, 503}
_REQUESTS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class HttpJson:
    """`POST url` with a bearer token and `{client_id, to, text, sender}`; `fields` gives the names that this
    gateway uses for them, and for `message_id` and `code` in its answer.

    What each answer means:

    - 2xx (or 409, the client id is known) with a message id: accepted; without one: unknown;
    - 401, 403: throttled, the token must be mended and nothing was taken;
    - 408, 425, 429, 503, or no connection at all: throttled, not taken, try later;
    - any other 4xx: rejected, with the gateway's code;
    - any other 5xx, a broken or a late answer (`timeout_s`, seconds): unknown, never sent again here.
    """

    url: str
    token: str = ""
    sender: str = ""
    timeout_s: float = 10.0
    fields: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_FIELDS))
    name: str = "http_json"

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        with (
            httpx.Client(timeout=self.timeout_s, headers=headers, follow_redirects=False) as client,
            ThreadPoolExecutor(max_workers=min(_REQUESTS_AT_ONCE, len(messages) or 1)) as pool,
        ):
            return list(pool.map(lambda message: self._one(client, message), messages))

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """None to fetch: this gateway pushes them to `/api/v1/broadcasts/receipts`."""
        return []

    def _one(self, client: httpx.Client, message: OutgoingSms) -> Outcome:
        names = {**DEFAULT_FIELDS, **self.fields}
        body = {
            names["client_id"]: message.client_id,
            names["to"]: message.number,
            names["text"]: message.text,
        }
        if self.sender:
            body[names["sender"]] = self.sender
        try:
            response = client.post(self.url, json=body, headers={"Idempotency-Key": message.client_id})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as fault:
            logger.warning("SMS gateway not reached: %s", type(fault).__name__)
            return Outcome(message.client_id, Answer.THROTTLED, code="unreachable")
        except httpx.TransportError as fault:
            logger.warning("SMS gateway gave no answer: %s", type(fault).__name__)
            return Outcome(message.client_id, Answer.UNKNOWN, code=_snake(type(fault).__name__))
        return _read(message.client_id, response, names)


def _read(client_id: str, response: httpx.Response, names: Mapping[str, str]) -> Outcome:
    status = response.status_code
    answer = _json(response)
    code = str(answer.get(names["code"]) or f"http_{status}")[:40]
    message_id = str(answer.get(names["message_id"]) or "")[:80]
    if response.is_success or status == 409:
        if message_id:
            return Outcome(client_id, Answer.ACCEPTED, message_id=message_id)
        return Outcome(client_id, Answer.UNKNOWN, code="no_message_id")
    if status in _NOT_NOW or status in {401, 403}:
        return Outcome(client_id, Answer.THROTTLED, code=code, retry_after_s=_retry_after(response))
    if 400 <= status < 500:
        return Outcome(client_id, Answer.REJECTED, code=code)
    return Outcome(client_id, Answer.UNKNOWN, code=code)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isdigit() else None


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
