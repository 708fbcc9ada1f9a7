"""What a gateway is asked and what it may answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
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


class Lane(IntEnum):
    """Who goes first within one carrier: the lower, always."""

    EMERGENCY = 0
    PROMPT = 1
    """One-time codes and replies: somebody looks at a phone and waits."""
    CAMPAIGN = 2


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
    """A word about a phone, at any time after (or before) the answer, possibly twice. `number`: of the phone, as the
    carrier writes it, where it says so."""

    message_id: str
    delivery: Delivery
    at: datetime
    client_id: str = ""
    number: str = ""


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


class CarrierLink(Protocol):
    """The way to one carrier from within a sender's event loop, which is the only loop that may use it.

    What comes back over it (receipts, replies) is kept in tables, as with `SmsGateway`.
    """

    @property
    def name(self) -> str:
        """The carrier's code, e.g. "viettel"."""
        ...

    @property
    def window(self) -> int:
        """Messages that may be under way without an answer, on each of `binds`."""
        ...

    @property
    def binds(self) -> int: ...

    async def open(self) -> None:
        """Begin to connect; returns at once. What is submitted meanwhile waits."""
        ...

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        """As `SmsGateway.submit`: one outcome each, in the same order, once all are known; raises for nothing that
        goes wrong outside. Several may be under way: those of a lower lane go first."""
        ...

    async def close(self, drain_s: float) -> None:
        """Send nothing more, wait for the answers that are due (at most `drain_s` seconds), disconnect."""
        ...
