"""A gateway that takes one message a request as JSON and answers with its message id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from khien.gateways.sms.http import HttpGateway, Request, retry_after
from khien.gateways.sms.interface import Answer, Outcome, OutgoingSms

DEFAULT_FIELDS: Mapping[str, str] = {
    "client_id": "client_id",
    "to": "to",
    "text": "text",
    "sender": "sender",
    "message_id": "message_id",
    "code": "code",
}
_NOT_NOW = {408, 425, 429, 503}


@dataclass(frozen=True, slots=True)
class HttpJson(HttpGateway):
    """`POST url` with a bearer token and `{client_id, to, text, sender}`; `fields` gives the names that this
    gateway uses for them, and for `message_id` and `code` in its answer.

    What each answer means:

    - 2xx (or 409, the client id is known) with a message id: accepted; without one: unknown;
    - 401, 403: throttled, the token must be mended and nothing was taken;
    - 408, 425, 429, 503, or no connection at all: throttled, not taken, try later;
    - any other 4xx: rejected, with the gateway's code;
    - any other 5xx, a broken or a late answer (`timeout_s`, seconds): unknown; asked for again only where the gateway
      is `idempotent`.
    """

    url: str
    token: str = field(default="", repr=False)
    sender: str = ""
    timeout_s: float = 10.0
    fields: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_FIELDS))
    name: str = "http_json"
    window: int = 8
    idempotent: bool = False
    again: int = 2

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def request(self, message: OutgoingSms) -> Request:
        names = {**DEFAULT_FIELDS, **self.fields}
        body = {
            names["client_id"]: message.client_id,
            names["to"]: message.number,
            names["text"]: message.text,
        }
        if self.sender:
            body[names["sender"]] = self.sender
        return Request("POST", self.url, {"json": body, "headers": {"Idempotency-Key": message.client_id}})

    def read(self, client_id: str, response: httpx.Response) -> Outcome:
        return _read(client_id, response, {**DEFAULT_FIELDS, **self.fields})


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
        return Outcome(client_id, Answer.THROTTLED, code=code, retry_after_s=retry_after(response))
    if 400 <= status < 500:
        return Outcome(client_id, Answer.REJECTED, code=code)
    return Outcome(client_id, Answer.UNKNOWN, code=code)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
