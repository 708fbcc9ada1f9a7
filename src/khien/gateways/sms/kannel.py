"""Kannel, the SMS gateway that some sites run already: its HTTP door `sendsms`, and the receipts that it calls back."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import httpx

from khien.gateways.sms.http import HttpGateway, Request
from khien.gateways.sms.interface import Answer, Delivery, Outcome, OutgoingSms
from khien.gateways.sms.text import encoding_of, normalise

DELIVERED, UNDELIVERED, REFUSED_BY_CARRIER = 1, 2, 16
"""Bits of `dlr-mask`, and what `%d` says in a receipt. Source: Kannel user's guide 1.4.5, delivery reports."""
DELIVERIES = {
    DELIVERED: Delivery.DELIVERED,
    UNDELIVERED: Delivery.UNDELIVERED,
    REFUSED_BY_CARRIER: Delivery.UNDELIVERED,
}
_GSM_7, _UCS_2 = "0", "2"


@dataclass(frozen=True, slots=True)
class Kannel(HttpGateway):
    """`GET url` (`/cgi-bin/sendsms` of its smsbox). Kannel cuts long texts itself, where its `sendsms-user` allows
    (`concatenation`, `max-messages`). `smsc` is its `smsc-id` for this carrier. `receipts_url` is our own door
    `/api/v1/broadcasts/receipts/kannel`, as Kannel reaches it; `secret` signs the client id in it.

    Kannel gives no id of its own: a message's id is our client id. What each answer means:

    - 202: accepted by Kannel, which keeps it on disk and tries on; it says nothing of the carrier yet;
    - 403: throttled, name or password must be mended and nothing was taken; 503: throttled, it takes nothing now;
    - any other 4xx: rejected;
    - anything else, a broken or a late answer (`timeout_s`, seconds): unknown, never sent again here.
    """

    url: str
    username: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    smsc: str = ""
    receipts_url: str = ""
    secret: str = field(default="", repr=False)
    timeout_s: float = 10.0
    window: int = 8
    name: str = "kannel"
    idempotent: bool = False
    again: int = 0

    def request(self, message: OutgoingSms) -> Request:
        text = normalise(message.text)
        asked = {
            "username": self.username,
            "password": self.password,
            "to": message.number,
            "text": text,
            "coding": _GSM_7 if encoding_of(text) == "GSM-7" else _UCS_2,
            "charset": "UTF-8",
        }
        if self.sender:
            asked["from"] = self.sender
        if self.smsc:
            asked["smsc"] = self.smsc
        if self.receipts_url:
            asked["dlr-mask"] = str(sum(DELIVERIES))
            asked["dlr-url"] = receipt_address(self.receipts_url, self.secret, message.client_id)
        return Request("GET", f"{self.url}?{urlencode(asked)}", {})

    def read(self, client_id: str, response: httpx.Response) -> Outcome:
        status = response.status_code
        if status == 202:
            return Outcome(client_id, Answer.ACCEPTED, message_id=client_id)
        code = f"http_{status}"
        if status in {403, 503}:
            return Outcome(client_id, Answer.THROTTLED, code=code)
        if 400 <= status < 500:
            return Outcome(client_id, Answer.REJECTED, code=code)
        return Outcome(client_id, Answer.UNKNOWN, code=code)


def receipt_address(url: str, secret: str, client_id: str) -> str:
    """Where Kannel reports on a message: it puts the kind of report in place of `%d`."""
    asked = f"client_id={quote(client_id, safe='')}&token={token(secret, client_id)}&state=%d"
    return f"{url}?{asked}"


def token(secret: str, client_id: str) -> str:
    """Proof that we have given this address away for this message; good for nothing else."""
    return hmac.new(secret.encode(), f"kannel:{client_id}".encode(), hashlib.sha256).hexdigest()[:40]
