"""Reading the events of a batch: what each says, or why it cannot be taken. No writes.

An event is a JSON object, made by the device and never changed::

    {"id": "<UUID made by the client>", "place": "<poster code or address>", "at": "2022-01-10T08:00:00+07:00",
     "direction": "in" | "out" | "unknown", "method": "camera" | "hid" | "manual", "code": "<what was read>"}

Instead of `code` it may hold `sealed` (see `sealing`). Optional, and ignored where it is not what it should be:
`seq` (1, 2, 3 … counted by the device over all its events), `boot` (UUID of the page's start) with `mono` (ms since
then), `offline` (bool), `verdict` {`colour`, `reason`, `bundle`} as the device showed it, `group` (UUID, the same for
all who came together: a family, a bus). Only the system itself may name a `person` (id) instead of a `code`, a `place`
by id, and `flags`. Of somebody without any code `about` says who (see `typed`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings

from khien.kernel import codes, keys
from khien.kernel.certificates import hc1
from khien.kernel.people import identity
from khien.kernel.places.models import Place
from khien.kernel.registries import code_owners
from khien.rooms.checkpoints import passes, sealing, steps, typed
from khien.rooms.checkpoints.models import Direction, HeldScan, Method

CLOCK_TOLERANCE = timedelta(minutes=2)
LARGEST_SEQ = 2**53
Reason = HeldScan.Reason
_DIRECTIONS, _METHODS = frozenset(Direction.values), frozenset(Method.values)
_COLOURS = frozenset({"green", "yellow", "orange", "red", "grey"})

_PASS_REASONS = {
    "malformed": Reason.PASS_MALFORMED,
    "unknown_key": Reason.PASS_FORGED,
    "bad_signature": Reason.PASS_FORGED,
}
_CODE_REASONS = {"card_incomplete": Reason.CARD_INCOMPLETE}
DECLARATION = "KB1:"
_CERTIFICATE_REASONS = {
    "malformed": Reason.CERTIFICATE_MALFORMED,
    "unknown_content": Reason.CERTIFICATE_MALFORMED,
    "unknown_key": Reason.CERTIFICATE_UNKNOWN,
    "bad_signature": Reason.CERTIFICATE_FORGED,
    "wrong_use": Reason.CERTIFICATE_FORGED,
}


class Quality:
    """How the moment of a scan is known: by the device's own running clock, by when it said it sent the batch, as it
    said, or not at all (the moment of receipt stands for it)."""

    LINE = "line"
    SENT = "sent"
    SAID = "said"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class BatchClock:
    """What a batch says of clocks: business now, the device's wall clock and running clock (`boot`, ms since it) when
    it sent, and the moment before which this sender cannot have scanned."""

    received: datetime
    sent: datetime | None = None
    boot: str | None = None
    sent_mono: float | None = None
    since: datetime | None = None

    def corrected(
        self, said: datetime, boot: str | None = None, mono: int | None = None
    ) -> tuple[datetime, str, tuple[str, ...]]:
        """The moment by our clock, how it is known, and what is wrong with the device's: no past fact is refused
        for its clock.

        A device is believed about how long ago, not about what time it is. A moment in the future, or one before
        the device was enrolled, becomes the moment of receipt.
        """
        received, sent = self.received, self.sent
        if boot is not None and boot == self.boot and mono is not None and self.sent_mono is not None:
            ago = self.sent_mono - mono
            if 0 <= ago < _LONGEST_MONO:
                at = received - timedelta(0, 0, 0, ago)
                return at, Quality.LINE, () if -CLOCK_TOLERANCE < at - said < CLOCK_TOLERANCE else ("clock",)
        flags: tuple[str, ...] = ()
        at, quality = said, Quality.SAID
        if sent is not None:
            try:
                at, quality = received - (sent - said), Quality.SENT
            except OverflowError:  # clocks at both ends of the calendar
                return received, Quality.RECEIVED, ("clock",)
            if abs(received - sent) > CLOCK_TOLERANCE:
                flags = ("clock",)
        if at > received + CLOCK_TOLERANCE:
            return received, Quality.RECEIVED, (*flags, "future")
        if self.since is not None and at < self.since - CLOCK_TOLERANCE:
            return received, Quality.RECEIVED, ("clock",)
        return min(at, received), quality, flags


_LONGEST_MONO = 400 * 86_400_000


@dataclass(slots=True)
class Reading:
    """One event as understood: `reason` is "" when it can be taken. `card` and `claims` say who, `person_id` is
    set once the ledger knows; `again` says that the batch held this id before ("duplicate" or "id_reused"), `note`
    what a code is that cannot be taken ("vietqr", "web", "keyboard" …)."""

    place_in_batch: int
    event: Any = field(repr=False)
    payload_hash: str
    id: str | None = None
    place_code: str = ""
    place_id: int | None = None
    at: datetime | None = None
    at_said: datetime | None = None
    quality: str = ""
    direction: str = Direction.UNKNOWN
    method: str = Method.CAMERA
    card: Numbered | None = None
    claims: passes.Claims | None = None
    typed: typed.Typed | None = None
    subject_kind: str = ""
    subject: str = ""
    person_id: int | None = None
    seq: int | None = None
    boot: str | None = None
    mono: int | None = None
    offline: bool | None = None
    shown: str | None = None
    group: str | None = None
    flags: tuple[str, ...] = ()
    reason: str = ""
    again: str = ""
    note: str = ""

    def hold(self, reason: str) -> None:
        self.reason = str(reason)

    def flag(self, *flags: str) -> None:
        self.flags = (*self.flags, *flags)


@dataclass(frozen=True, slots=True)
class Numbered:
    """A document's number under every key in use; the rest of the card is read only when nobody bears the number."""

    kind: str
    hashes: tuple[str, ...]
    text: str = field(repr=False)

    def card(self) -> codes.CardCode:
        """The whole card."""
        code = codes.parse(self.text)
        card = code.card if isinstance(code, codes.NationalCode) else code
        assert isinstance(card, codes.CardCode)
        return card


class Reader:
    """Reads the events of one batch. `trusted` senders (the system itself) may name people and places by id."""

    def __init__(self, batch: BatchClock, *, trusted: bool = False) -> None:
        self._clock = batch
        self._trusted = trusted
        self._hasher = identity.Hasher()
        self._key = settings.SECRET_KEY.encode()[:64]
        self._places: dict[str, tuple[str, int | None]] = {}
        self._uuids: dict[str, str | None] = {}
        self._verdicts: dict[tuple[Any, Any, Any], str | None] = {}

    def read(self, events: Sequence[Any]) -> list[Reading]:
        """What each event says, in their order; those that repeat an id of the batch are marked."""
        readings = [self._one(number, event) for number, event in enumerate(events)]
        first: dict[str, str] = {}
        for reading in readings:
            if reading.id is None:
                continue
            known = first.setdefault(reading.id, reading.payload_hash)
            if known is not reading.payload_hash:
                reading.again = "duplicate" if known == reading.payload_hash else "id_reused"
        return readings

    def _one(self, number: int, event: Any) -> Reading:
        reading = Reading(number, event, hash_of(event, self._key))
        if type(event) is not dict:
            reading.hold(Reason.MALFORMED)
            return reading
        get = event.get
        reading.id = _uuid(get("id"))
        said = _moment(get("at"))
        direction, method = get("direction", Direction.UNKNOWN), get("method", Method.CAMERA)
        place_code, place_id = self._place(get("place"))
        self._about_the_device(reading, get)
        if (
            reading.id is None
            or said is None
            or not isinstance(direction, str)
            or direction not in _DIRECTIONS
            or not isinstance(method, str)
            or method not in _METHODS
            or not (place_code or place_id)
        ):
            reading.hold(Reason.MALFORMED)
            return reading
        reading.at, reading.quality, reading.flags = self._clock.corrected(said, reading.boot, reading.mono)
        if self._trusted:
            reading.flag(*get("flags", ()))
        reading.at_said = said
        reading.place_code, reading.place_id = place_code, place_id
        reading.direction, reading.method = direction, method
        person = get("person")
        if person is not None:
            if not self._trusted or isinstance(person, bool) or not isinstance(person, int):
                reading.hold(Reason.MALFORMED)
                return reading
            reading.person_id, reading.subject_kind, reading.subject = person, "person", str(person)
            return reading
        code = typed.code_of(event)
        if code is None and "sealed" in event:
            try:
                code = sealing.opened(event)
            except sealing.SealError:
                reading.hold(Reason.SEAL_BROKEN)
                return reading
        self._read_code(reading, code)
        return reading

    def _about_the_device(self, reading: Reading, get: Any) -> None:
        """What is optional: nothing of it can make an event unusable."""
        seq, mono, offline, shown = get("seq"), get("mono"), get("offline"), get("verdict")
        boot, group = get("boot"), get("group")
        if type(seq) is int and 0 < seq <= LARGEST_SEQ:
            reading.seq = seq
        if type(boot) is str:
            reading.boot = self._shared(boot)
        if type(group) is str:
            reading.group = self._shared(group)
        if type(mono) in (int, float) and 0 <= mono < _LONGEST_MONO:
            reading.mono = int(mono)
        if type(offline) is bool:
            reading.offline = offline
        if type(shown) is dict:
            reading.shown = self._shown(shown)

    def _shared(self, text: str) -> str | None:
        """A UUID that many events of a batch bear."""
        if text not in self._uuids:
            self._uuids[text] = _uuid(text)
        return self._uuids[text]

    def _shown(self, shown: dict[str, Any]) -> str | None:
        """The verdict as JSON. Most of a batch are alike."""
        colour, reason, bundle = shown.get("colour"), shown.get("reason"), shown.get("bundle")
        try:
            return self._verdicts[colour, reason, bundle]
        except KeyError:
            told = self._verdicts[colour, reason, bundle] = _shown(colour, reason, bundle)
            return told
        except TypeError:
            return _shown(colour, reason, bundle)

    def _place(self, value: Any) -> tuple[str, int | None]:
        if not isinstance(value, str):
            return _place(value, self._trusted)
        found = self._places.get(value)
        if found is None:
            found = self._places[value] = _place(value, self._trusted)
        return found

    def _read_code(self, reading: Reading, text: Any) -> None:
        if not isinstance(text, str):
            reading.hold(Reason.MALFORMED)
            return
        number = quick_number(text)
        if number:
            self._numbered(reading, "cccd", number, text)
            return
        if text.startswith(typed.PREFIX):
            _read_typed(reading, text)
            return
        try:
            code = codes.parse(text)
        except codes.CodeError as fault:
            reading.note = fault.reason
            reading.hold(_CODE_REASONS.get(fault.reason, Reason.UNKNOWN_CODE))
            return
        card = code.card if isinstance(code, codes.NationalCode) else code
        if isinstance(card, codes.CardCode):
            self._numbered(reading, card.kind, card.number, text)
        elif isinstance(code, codes.NationalCode):
            reading.hold(Reason.STARRED)
        elif isinstance(code, codes.PassCode):
            _read_pass(reading, code.text)
        elif isinstance(code, codes.CertificateCode):
            _read_certificate(reading, code.text)
        elif isinstance(code, codes.DeclarationCode):
            _read_declaration(reading, code.token)
        else:
            reading.note = code.kind
            reading.hold(Reason.UNKNOWN_CODE)

    def _numbered(self, reading: Reading, kind: str, number: str, text: str) -> None:
        hashes = self._hasher.hashes(kind, number)
        reading.card = Numbered(kind, hashes, text)
        reading.subject_kind, reading.subject = kind, hashes[-1]


def _read_typed(reading: Reading, text: str) -> None:
    said = typed.parse(text)
    if said is None:
        reading.hold(Reason.MALFORMED)
        return
    reading.typed, reading.subject_kind, reading.subject = said, typed.SUBJECT_KIND, said.subject
    reading.person_id = typed.person_of(said)
    reading.flag("typed")


def _read_pass(reading: Reading, text: str) -> None:
    try:
        step = steps.verify(text)
    except passes.PassError as fault:
        reading.hold(_PASS_REASONS[fault.reason])
        return
    claims = step.claims
    reading.claims, reading.subject_kind, reading.subject = claims, "pass", claims.sub
    assert reading.at is not None
    reading.flag(*steps.flags(step, reading.at, reading.at_said))
    if claims.expires_at <= reading.at:
        reading.flag("pass_expired")


def declarer_of(token: str) -> int | None:
    """Whom the code of a declaration names; None while nobody has said whose it is."""
    owners = [owner for prefix, owner in code_owners.items() if prefix == DECLARATION]
    return next((found for owner in owners if (found := owner.person_of(token)) is not None), None)


def _read_declaration(reading: Reading, token: str) -> None:
    """The code of a declaration names its declarer once somebody has said who that is; until then it is held."""
    person = declarer_of(token)
    if person is None:
        reading.note = codes.DeclarationCode.kind
        reading.hold(Reason.UNKNOWN_CODE)
        return
    reading.person_id, reading.subject_kind = person, "declared"
    reading.subject = identity.number_hash("declaration", token, keys.current("identity-hash"))
    reading.flag("declaration_code")


def _read_certificate(reading: Reading, text: str) -> None:
    """A verified health certificate counts as a scan of somebody without a number; its id is kept as a keyed hash."""
    try:
        found = hc1.verify(text)
    except hc1.CertificateError as fault:
        reading.hold(_CERTIFICATE_REASONS[fault.reason])
        return
    reading.subject_kind = "hc1"
    reading.subject = identity.number_hash("hc1", found.unique_id, keys.current("identity-hash"))
    assert reading.at is not None
    reading.flag("certificate" if found.holds(reading.at) else "certificate_expired")


def quick_number(text: str) -> str:
    """The number of an identity card's code, without reading the rest of it; "" when `codes.parse` must look.

    Almost every code of a busy gate is such a card, or a typed number, of somebody whom the ledger knows.
    """
    number = text[:12]
    if len(number) == 12 and number.isascii() and number.isdigit() and len(text) <= codes.MAX_LENGTH:
        if len(text) == 12:
            return number
        if text[12] == "|" and text.count("|") >= 6 and text.isprintable():
            # A national code has the day of birth where a card has the name, and its number is to be looked at.
            third = text.split("|", 3)[2].lstrip()[:1]
            return "" if third == "*" or third.isdigit() else number
    return ""


def hash_of(event: Any, key: bytes | None = None) -> str:
    """128 bits over the event, keyed because it may hold an identity number."""
    try:
        text = orjson.dumps(event, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # half a surrogate pair, an integer beyond 64 bits, or no JSON at all
        text = json.dumps(
            event, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str
        ).encode("utf-8", "surrogatepass")
    if key is None:
        key = settings.SECRET_KEY.encode()[:64]
    return hashlib.blake2b(text, digest_size=16, key=key).hexdigest()


def masked(event: Any) -> str:
    """The event for people to look at: every long number masked but its end, and never more than 2,000 letters."""
    text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False, default=str)
    text = "".join(c for c in text if c.isprintable() or c == " ")
    return re.sub(r"\d(?:[ .]?\d){5,}((?:[ .]?\d){3})", r"•••\1", text)[:2000]


def hold_forgotten(readings: Sequence[Reading], first_day: date) -> None:
    """Scans of days that were forgotten: the answer says so, and nothing of them is kept."""
    for reading in readings:
        if reading.at is not None and (reading.at + _LOCAL).date() < first_day:
            reading.hold(Reason.FORGOTTEN)


_LOCAL = timedelta(hours=7)


def _shown(colour: Any, reason: Any, bundle: Any) -> str | None:
    if not isinstance(colour, str) or colour not in _COLOURS:
        return None
    told = {"colour": colour}
    if isinstance(reason, str):
        told["reason"] = _plain(reason)
    if isinstance(bundle, str | int) and not isinstance(bundle, bool):
        told["bundle"] = _plain(str(bundle))
    try:
        return orjson.dumps(told).decode()
    except TypeError:
        return None


def _plain(text: str) -> str:
    return text[:200] if text.isprintable() else "".join(c for c in text[:200] if c.isprintable())


_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def _uuid(value: Any) -> str | None:
    """The one spelling of a UUID."""
    if not isinstance(value, str):
        return str(value) if isinstance(value, UUID) else None
    if _UUID.fullmatch(value):
        return value
    try:
        return str(UUID(value))
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    if type(value) is str and len(value) <= 40:
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
