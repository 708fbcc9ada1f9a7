"""What a gateway is asked and what it may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class GatewayNotSet(RuntimeError):
    """The settings name no gateway that can be used; the text says which setting to mend."""


class Answer(StrEnum):
    """What is known after one submission.

    `ACCEPTED` says that the gateway took the message, never that a phone received it. `UNKNOWN` says that
    it may or may not have been taken: such a message is not submitted again by software. `THROTTLED`
    says that it was certainly not taken and may be tried later.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    THROTTLED = "throttled"


class Delivery(StrEnum):
    """What a receipt says of the phone."""

    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class OutgoingSms:
    """One message to one phone. `client_id` is ours, unique for ever: the gateway's idempotency key.

    `number` is E.164, `text` is NFC. `purpose` is a code such as "one_time_code", for the simulator's
    page and the gateway's lane; it never leaves with the text.
    """

    client_id: str
    number: str
    text: str
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one submission: `message_id` where accepted, `code` of the gateway where not.

    `retry_after_s` (seconds) is set for a throttled message when the gateway named a time.
    """

    client_id: str
    answer: Answer
    message_id: str = ""
    code: str = ""
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A word about a phone, at any time after (or before) the answer, possibly twice."""

    message_id: str
    delivery: Delivery
    at: datetime
    client_id: str = ""


class SmsGateway(Protocol):
    """One outside system that sends text messages."""

    @property
    def name(self) -> str: ...

    def submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        """Hand over messages; one outcome each, in the same order. Does not raise for what goes wrong
        outside: that is `UNKNOWN` (perhaps taken) or `THROTTLED` (certainly not taken)."""
        ...

    def receipts(self, limit: int = 1000) -> list[Receipt]:
        """Receipts that wait to be fetched; empty for a gateway that pushes them to us."""
        ...
