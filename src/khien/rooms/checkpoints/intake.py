"""Reading one event of a batch: what it says, or why it cannot be taken. No writes.

An event is a JSON object::

    {"id": "<UUID made by the client>", "place": "<poster code or address>", "at": "2022-01-10T08:00:00+07:00",
     "direction": "in" | "out" | "unknown", "method": "camera" | "hid" | "manual", "code": "<what was read>"}

Only the system itself may name a `person` (id) instead of a `code`, and a `place` by id.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from khien.kernel.people import identity
from khien.kernel.places.models import Place
from khien.rooms.checkpoints import codes, passes, sealing, typed
from khien.rooms.checkpoints.models import Direction, HeldScan, Method

CLOCK_TOLERANCE = timedelta(minutes=2)
OLDEST = timedelta(days=366)
Reason = HeldScan.Reason
_DIRECTIONS, _METHODS = frozenset(Direction.values), frozenset(Method.values)

_PASS_REASONS = {
    "malformed": Reason.PASS_MALFORMED,
    "unknown_key": Reason.PASS_FORGED,
    "bad_signature": Reason.PASS_FORGED,
}
_CODE_REASONS = {"card_incomplete": Reason.CARD_INCOMPLETE}


@dataclass(frozen=True, slots=True)
class Reading:
    """One event as understood: `reason` is "" when it can be taken. `card` and `claims` say who, `person_id` is
    set once the ledger knows."""

    place_in_batch: int
    event: Any = field(repr=False)
    payload_hash: str
    id: UUID | None = None
    place_code: str = ""
    place_id: int | None = None
    at: datetime | None = None
    at_said: datetime | None = None
    direction: str = Direction.UNKNOWN
    method: str = Method.CAMERA
    card: codes.CardCode | None = None
    claims: passes.Claims | None = None
    typed: typed.Typed | None = None
    subject_kind: str = ""
    subject: str = ""
    person_id: int | None = None
    flags: tuple[str, ...] = ()
    reason: str = ""

    def held(self, reason: str) -> Reading:
        return replace(self, reason=str(reason))

    def flagged(self, *flags: str) -> Reading:
        return replace(self, flags=(*self.flags, *flags))


def read_event(
    number: int, event: Any, *, received: datetime, sent: datetime | None, trusted: bool
) -> Reading:
    """What an event says. `received` is business now, `sent` the device's clock when it sent the batch; `trusted`
    senders (the system itself) may name people and places by id."""
    reading = Reading(number, event, hash_of(event))
    if not isinstance(event, Mapping):
        return reading.held(Reason.MALFORMED)
    reading = replace(reading, id=_uuid(event.get("id")))
    said = _moment(event.get("at"))
    direction, method = event.get("direction", Direction.UNKNOWN), event.get("method", Method.CAMERA)
    place_code, place_id = _place(event.get("place"), trusted)
    if (
        reading.id is None
        or said is None
        or direction not in _DIRECTIONS
        or method not in _METHODS
        or not (place_code or place_id)
    ):
        return reading.held(Reason.MALFORMED)
    at, flags = corrected(said, received=received, sent=sent)
    if at < received - OLDEST:
        return reading.held(Reason.MALFORMED)
    reading = replace(
        reading,
        place_code=place_code,
        place_id=place_id,
        at=at,
        at_said=said,
        direction=direction,
        method=method,
        flags=flags,
    )
    person = event.get("person")
    if person is not None:
        if not trusted or isinstance(person, bool) or not isinstance(person, int):
            return reading.held(Reason.MALFORMED)
        return replace(reading, person_id=person, subject_kind="person", subject=str(person))
    code = typed.code_of(event)
    if code is None and "sealed" in event:
        try:
            code = sealing.opened(event)
        except sealing.SealError:
            return reading.held(Reason.MALFORMED)
    return _read_code(reading, code)


def corrected(
    said: datetime, *, received: datetime, sent: datetime | None
) -> tuple[datetime, tuple[str, ...]]:
    """The moment by our clock, and what is wrong with the device's: no past fact is refused for its clock.

    A device that also says when it sent the batch is believed about how long ago, not about what time it is.
    A moment in the future becomes the moment of receipt.
    """
    flags: tuple[str, ...] = ()
    at = said
    if sent is not None:
        at = received - (sent - said)
        if abs(received - sent) > CLOCK_TOLERANCE:
            flags = ("clock",)
    if at > received + CLOCK_TOLERANCE:
        return received, (*flags, "future")
    return min(at, received), flags


def hash_of(event: Any) -> str:
    """128 bits over the event, keyed because it may hold an identity number."""
    text = json.dumps(event, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.blake2b(
        text.encode("utf-8", "surrogatepass"), digest_size=16, key=settings.SECRET_KEY.encode()[:64]
    ).hexdigest()


def masked(event: Any) -> str:
    """The event for people to look at: every long number masked but its end, and never more than 2,000 letters."""
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, default=str)
    text = "".join(c for c in text if c.isprintable() or c == " ")
    return re.sub(r"\d(?:[ .]?\d){5,}((?:[ .]?\d){3})", r"•••\1", text)[:2000]


def _read_code(reading: Reading, text: Any) -> Reading:
    if not isinstance(text, str):
        return reading.held(Reason.MALFORMED)
    if text.startswith(typed.PREFIX):
        said = typed.parse(text)
        if said is None:
            return reading.held(Reason.MALFORMED)
        return replace(
            reading,
            typed=said,
            subject_kind=typed.SUBJECT_KIND,
            subject=said.subject,
            person_id=typed.person_of(said),
        )
    try:
        code = codes.parse(text)
    except codes.CodeError as fault:
        return reading.held(_CODE_REASONS.get(fault.reason, Reason.UNKNOWN_CODE))
    if isinstance(code, codes.CardCode):
        hashes = identity.hashes(code.kind, code.number)
        return replace(reading, card=code, subject_kind=code.kind, subject=hashes[-1])
    if isinstance(code, codes.PassCode):
        try:
            claims = passes.verify(code.text)
        except passes.PassError as fault:
            return reading.held(_PASS_REASONS[fault.reason])
        reading = replace(reading, claims=claims, subject_kind="pass", subject=claims.sub)
        assert reading.at is not None
        return reading.flagged("pass_expired") if claims.expires_at <= reading.at else reading
    return reading.held(Reason.UNKNOWN_CODE)


def _uuid(value: Any) -> UUID | None:
    try:
        return value if isinstance(value, UUID) else UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        return None
    try:
        return value.astimezone(UTC)
    except OverflowError:
        return None


def _place(value: Any, trusted: bool) -> tuple[str, int | None]:
    if isinstance(value, int) and not isinstance(value, bool):
        return "", value if trusted else None
    if not isinstance(value, str):
        return "", None
    if "://" in value:
        try:
            code = codes.parse(value)
        except codes.CodeError:
            return "", None
        return (code.place, None) if isinstance(code, codes.PosterCode) else ("", None)
    text = value.strip().upper()
    longest = Place._meta.get_field("code").max_length or 0
    return (text, None) if 0 < len(text) <= longest and text.isascii() and text.isalnum() else ("", None)
