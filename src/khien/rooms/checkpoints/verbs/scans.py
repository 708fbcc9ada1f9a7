"""The batch door: each event is stored once, whatever is sent again; what cannot be taken is held."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.utils.translation import gettext as _

from khien.kernel import clock, keys, partitions, prepared
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, NotFound
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places.reads import by_code
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.models import Device
from khien.kernel.standing import colours
from khien.kernel.standing.colours import CardColour
from khien.kernel.units import reads as units
from khien.kernel.units.models import Tier
from khien.rooms.checkpoints import passes, posters, typed
from khien.rooms.checkpoints.addresses import commune_of
from khien.rooms.checkpoints.events import PERSON_UNDER_ORDER_SCANNED, SCANS_CLASHED
from khien.rooms.checkpoints.intake import (
    BatchClock,
    Numbered,
    Reader,
    Reading,
    Reason,
    hold_forgotten,
    masked,
)
from khien.rooms.checkpoints.models import HeldScan, Method, PassCard, Scan, TypedPerson
from khien.rooms.checkpoints.verbs import tallies

SCANNERS = (Role.GUARD, Role.COMMUNE_OFFICER)
CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard is shown: a colour, its word, and why. `name` is masked; `birth_year` helps to compare."""

    colour: str
    word: str
    reason: str
    name: str = ""
    birth_year: int | None = None


@dataclass(frozen=True, slots=True)
class ScanAnswer:
    """What became of one event, finally: `stored`, `duplicate` or `held` with its reason."""

    id: str
    outcome: str
    reason: str = ""
    message: str = ""
    flags: tuple[str, ...] = ()
    person: int | None = None
    place: int | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """`received` = `stored` + `duplicate` + `held`; the answers stand in the order of the events."""

    received: int
    stored: int
    duplicate: int
    held: int
    answers: tuple[ScanAnswer, ...]


@verb(*SCANNERS)
def store_scans(
    actor: Actor,
    events: Sequence[Any],
    *,
    sent_at: datetime | None = None,
    boot: UUID | None = None,
    sent_mono: float | None = None,
    since: datetime | None = None,
    verdicts: bool = True,
) -> BatchAnswer:
    """Store a batch of scan events (`intake` says what one looks like), each client-made id once per sender.

    One statement writes ids, scans and what is to be derived anew for each 5,000 events. With `verdicts`, each
    answer says what the gate should show. Whoever is scanned while an order holds is announced. `sent_at`, `boot`
    and `sent_mono` (ms) are the sender's clocks when it sent, `since` when a device was enrolled. A device's ids or
    numbers that come a second time for another event raise an alarm: somebody may have copied it.
    """
    answers: list[ScanAnswer] = []
    for start in range(0, len(events), CHUNK):
        batch = BatchClock(clock.now(), sent_at, None if boot is None else str(boot), sent_mono, since)
        reader = Reader(batch, trusted=actor.sees_everything)
        readings = reader.read(events[start : start + CHUNK])
        answers += _write(actor, readings, batch.received, verdicts)
    return _close(actor, answers, verdicts)


@verb(Role.GUARD)
def hold_from_revoked(actor: Actor, *, device: Device, events: Sequence[Any]) -> BatchAnswer:
    """Keep what a revoked device sends, so that nothing is lost and nothing counts before somebody looked."""
    sender = f"device:{device.pk}"
    now = clock.now()
    readings = Reader(BatchClock(now)).read(events)
    for reading in readings:
        reading.hold(Reason.DEVICE_REVOKED)
    _hold(sender, device.pk, device.unit_id, readings, now)
    return _close(actor, [_held_answer(reading) for reading in readings], verdicts=False)


@verb(residents=True)
def check_in(actor: Actor, *, place_code: str, check: str, direction: str) -> ScanAnswer:
    """A signed-in resident says by the poster's address that they are at a place. Raises `NotFound`."""
    if actor.person_id is None or not posters.is_ours(place_code, check) or by_code(place_code) is None:
        raise NotFound()
    now = clock.now()
    event = {"id": str(uuid4()), "place": place_code, "at": now.isoformat(), "direction": direction}
    readings = Reader(BatchClock(now), trusted=True).read(
        [{**event, "method": Method.PHONE, "person": actor.person_id}]
    )
    answers = _write(actor, readings, now, verdicts=False)
    _close(actor, answers, verdicts=True)
    return answers[0]


# Recognising people


def _recognise(actor: Actor, readings: list[Reading], by_hash: dict[tuple[str, str], int]) -> None:
    """Give the readings the people that the ledger knows (`by_hash`: kind, keyed hash); who is on a card but not in
    the ledger is registered, unless the event came before."""
    subs = {r.claims.sub for r in readings if r.claims is not None}
    cards = {c.sub: c for c in PassCard.objects.filter(sub__in=subs)} if subs else {}
    for reading in readings:
        if reading.claims is not None:
            _with_pass(reading, cards.get(reading.claims.sub))
        elif reading.card is not None:
            card = reading.card
            for number_hash in card.hashes:
                reading.person_id = reading.person_id or by_hash.get((card.kind, number_hash))
            if reading.person_id is None and not reading.reason:
                _with_card(actor, reading, card, by_hash)


def _known_people(readings: Iterable[Reading]) -> tuple[str, prepared.Values]:
    """Who bears the number of a card of the batch, under any key that may be in use: kind, keyed hash, person."""
    wanted = {number_hash for r in readings if r.card is not None for number_hash in r.card.hashes}
    return _DOCUMENTS, {"hashes": f"{{{','.join(wanted)}}}"}


_DOCUMENTS = """
SELECT kind, number_hash, person_id FROM people_identitydocument WHERE number_hash = ANY(%(hashes)s::varchar[])
"""


def _with_pass(reading: Reading, card: PassCard | None) -> None:
    if card is not None:
        reading.person_id = card.person_id
    if reading.reason:
        return
    if card is None:
        reading.hold(Reason.UNKNOWN_PASS)
        return
    assert reading.at is not None
    if card.revoked_at is not None and card.revoked_at <= reading.at:
        reading.flag("pass_revoked")


def _with_card(
    actor: Actor, reading: Reading, numbered: Numbered, by_hash: dict[tuple[str, str], int]
) -> None:
    """Nobody bore the number when the batch came: registers the bearer, if the card says enough."""
    card = numbered.card()
    if not card.full_name or card.birth_date is None or card.birth_date > clock.today():
        reading.flag("unknown_person")
        return
    try:
        person_id = register_person(
            actor,
            full_name=card.full_name,
            unit=commune_of(card.address, clock.today()),
            sex=card.sex,
            birth_date=card.birth_date,
            address=card.address,
            documents=[NewDocument(card.kind, card.number, card.issued_on)],
            source="scan",
        ).pk
    except Conflict:  # another gate registered the same card a moment ago
        person_id = IdentityDocument.objects.get(kind=card.kind, number_hash__in=numbered.hashes).person_id
    by_hash[(card.kind, reading.subject)] = person_id
    reading.person_id = person_id
    reading.flag("new_person")


# Writing

_KNOWN_IDS = """
SELECT id::text, payload_hash FROM checkpoints_scanid WHERE sender = %(sender)s AND id = ANY(%(ids)s::uuid[])
"""

_PLACES = """
SELECT w.n, p.id, p.unit_id, p.closed_at
FROM unnest(%(codes)s::varchar[], %(ids)s::bigint[]) WITH ORDINALITY AS w (code, id, n)
CROSS JOIN LATERAL (
    SELECT id, unit_id, closed_at FROM places_place WHERE code = w.code
    UNION ALL SELECT id, unit_id, closed_at FROM places_place WHERE places_place.id = w.id) p
WHERE %(everywhere)s OR EXISTS (
    SELECT 1 FROM units_adminunit u WHERE u.id = p.unit_id AND u.path LIKE ANY (%(paths)s::text[]))
"""

# No join among the rows: a plan that is kept for any number of them would go through all pairs.
_STORE = """
WITH given AS MATERIALIZED (
    SELECT e.*, nextval('checkpoints_scan_number') AS number
    FROM unnest(%(n)s::int[], %(id)s::uuid[], %(hash)s::varchar[], %(stored)s::boolean[], %(place)s::bigint[],
        %(person)s::bigint[], %(kind)s::varchar[], %(subject)s::varchar[], %(direction)s::varchar[],
        %(method)s::varchar[], %(at)s::timestamptz[], %(at_said)s::timestamptz[], %(quality)s::varchar[],
        %(flags)s::varchar[], %(seq)s::bigint[], %(boot)s::uuid[], %(mono)s::bigint[], %(offline)s::boolean[],
        %(shown)s::jsonb[], %(group)s::uuid[])
    AS e (n, id, hash, stored, place_id, person_id, subject_kind, subject, direction, method, at, at_said, quality,
        flags, seq, boot, mono, offline, shown, group_id)
), ids AS (
    INSERT INTO checkpoints_scanid (sender, id, day, payload_hash) SELECT %(sender)s, id, %(day)s, hash FROM given
), scans AS (
    INSERT INTO checkpoints_scan (day, id, sender, client_id, place_id, person_id, subject_kind, subject, direction,
        method, at, at_said, time_quality, received_at, flags, seq, boot, mono, offline, shown, group_id)
    SELECT %(day)s, number, %(sender)s, id, place_id, person_id, subject_kind, subject, direction,
        method, at, at_said, quality, %(received)s, string_to_array(flags, '|'), seq, boot, mono, offline, shown,
        group_id
    FROM given WHERE stored
), due AS (
    INSERT INTO checkpoints_due (person_id, day)
    SELECT DISTINCT person_id, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
    FROM given WHERE stored AND person_id IS NOT NULL
)
SELECT n, number FROM given
WHERE stored AND person_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM standing_standing s
    WHERE s.person_id = given.person_id AND s.kind = 'under_order' AND s.during @> given.at)
"""


@dataclass(frozen=True, slots=True)
class _Known:
    """A place of the batch where the sender scans."""

    id: int
    unit_id: int
    closed_at: datetime | None


def _write(actor: Actor, readings: list[Reading], now: datetime, verdicts: bool) -> list[ScanAnswer]:
    """Store what can be stored, hold the rest, announce who is under order and what was used twice."""
    if not readings:
        return []
    sender = sender_of(actor)
    device_id = actor.id if actor.kind == "device" else None
    day = clock.local(now).date()
    partitions.ensure_once(Scan._meta.db_table, day)
    _forgotten(readings, now)
    # From here on no other batch of this sender is under way, so what is known is all there is.
    named = list({(r.place_code, r.place_id) for r in readings if r.place_code or r.place_id})
    questions = [_known_ids(sender, readings), _places_of(actor, named), _known_people(readings)]
    seen, (ids, where, people) = tallies.in_turn(sender, device_id, readings, questions)
    places = {named[n - 1]: _Known(pk, unit_id, closed_at) for n, pk, unit_id, closed_at in where}
    clashes = _judge(dict(ids), readings, places, seen)
    new = [r for r in readings if r.id is not None and r.reason not in _NOT_NEW]
    by_hash = {(kind, number_hash): person_id for kind, number_hash, person_id in people}
    _recognise(actor, [r for r in readings if r.reason in {"", "duplicate"}], by_hash)
    held = [r for r in readings if r.reason and r.reason not in {"duplicate", Reason.FORGOTTEN}]
    reused: list[Reading] = []
    if held:
        device = None if device_id is None else Device.objects.filter(pk=device_id).first()
        unit_id = device.unit_id if device is not None else _unit_of(actor)
        reused = _new_among(sender, [r for r in held if r.reason == Reason.ID_REUSED])
        _hold(sender, device_id, unit_id, held, now)
    answers = [_answer(reading, places) for reading in readings]
    writes: list[tuple[str, prepared.Values]] = []
    if new:
        writes.append((_STORE, {**_columns(new, places), "sender": sender, "day": day, "received": now}))
    if device_id is not None:
        writes.append(tallies.added(device_id, readings, answers, clashes, reused, now))
    written = prepared.run_all(writes)
    ordered = written[0] if new else []
    _keep_typed([r for r in new if r.typed is not None and not r.reason], places)
    if clashes or reused:
        _alarm(actor, sender, device_id, clashes, reused)
    _announce(actor, ordered, readings, places)
    return _with_verdicts(answers, now) if verdicts else answers


def _keep_typed(readings: list[Reading], places: dict[tuple[str, int | None], _Known]) -> None:
    """Who was typed in for want of a code, sealed: found, or for the officer to link."""
    rows = []
    for reading in readings:
        place = places[(reading.place_code, reading.place_id)]
        assert reading.typed is not None
        assert reading.at is not None
        rows.append(
            typed.row(
                reading.typed,
                unit_id=place.unit_id,
                place_id=place.id,
                at=reading.at,
                person_id=reading.person_id,
                group_id=reading.group,
            )
        )
    if rows:
        TypedPerson.objects.bulk_create(rows)


_NOT_NEW = frozenset({"duplicate", str(Reason.ID_REUSED), str(Reason.FORGOTTEN)})


def _places_of(actor: Actor, named: list[tuple[str, int | None]]) -> tuple[str, prepared.Values]:
    """The places that the batch names, of those where the actor scans: which of `named`, and the place."""
    return _PLACES, {
        "codes": _array([code or None for code, _id in named]),
        "ids": _array([place_id for _code, place_id in named]),
        "everywhere": actor.sees_everything or actor.kind == "resident",
        "paths": [f"{path}%" for path in actor.paths(*SCANNERS)],
    }


def _known_ids(sender: str, readings: Iterable[Reading]) -> tuple[str, prepared.Values]:
    """Which of the ids came before, each with the hash of what it named."""
    return _KNOWN_IDS, {"sender": sender, "ids": _array([r.id for r in readings if r.id is not None])}


def _judge(
    known: dict[str, str],
    readings: list[Reading],
    places: dict[tuple[str, int | None], _Known],
    seen: set[int],
) -> list[Reading]:
    """Say of each reading whether it came before (`known`: ids with their hashes), and whether its place is known;
    returns those that bear a number of the device which came before with another id."""
    clashes = []
    for reading in readings:
        if reading.reason == Reason.FORGOTTEN:
            continue
        before = known.get(reading.id) if reading.id is not None else None
        if before is not None:
            reading.hold("duplicate" if before == reading.payload_hash else Reason.ID_REUSED)
            continue
        if reading.again:
            reading.hold(reading.again)
            continue
        if not reading.reason:
            place = places.get((reading.place_code, reading.place_id))
            if place is None:
                reading.hold(Reason.UNKNOWN_PLACE)
            elif place.closed_at is not None and reading.at is not None and place.closed_at <= reading.at:
                reading.flag("closed_place")
        if reading.seq is not None and reading.id is not None:
            if reading.seq in seen:
                reading.flag("seq_reused")
                clashes.append(reading)
            seen.add(reading.seq)
    return clashes


def _answer(reading: Reading, places: dict[tuple[str, int | None], _Known]) -> ScanAnswer:
    place = places.get((reading.place_code, reading.place_id))
    if not reading.reason:
        assert reading.id is not None
        assert place is not None
        return ScanAnswer(reading.id, "stored", flags=reading.flags, person=reading.person_id, place=place.id)
    if reading.reason == "duplicate":
        return ScanAnswer(
            _client_id(reading),
            "duplicate",
            person=reading.person_id,
            place=None if place is None else place.id,
        )
    return _held_answer(reading)


def _forgotten(readings: list[Reading], now: datetime) -> None:
    """Mark what is of a day whose scans were forgotten; the rule is asked only when something is old."""
    oldest = min((r.at for r in readings if r.at is not None), default=now)
    if oldest > now - timedelta(days=1):
        return
    try:
        days = int(rules.on("retention.scans", clock.local(now).date()).value["days"])
    except NotFound:
        return
    hold_forgotten(readings, clock.local(now).date() - timedelta(days=days))


def _columns(readings: list[Reading], places: dict[tuple[str, int | None], _Known]) -> dict[str, str]:
    """The readings as texts of PostgreSQL arrays: written in one go, many times faster than element by element."""
    where = [places.get((r.place_code, r.place_id)) for r in readings]
    return {
        "n": _array([r.place_in_batch for r in readings]),
        "id": _array([r.id for r in readings]),
        "hash": _array([r.payload_hash for r in readings]),
        "stored": _array([not r.reason for r in readings]),
        "place": _array([None if place is None else place.id for place in where]),
        "person": _array([r.person_id for r in readings]),
        "kind": _texts([r.subject_kind for r in readings]),
        "subject": _texts([r.subject for r in readings]),
        "direction": _texts([r.direction for r in readings]),
        "method": _texts([r.method for r in readings]),
        "at": _array([r.at for r in readings]),
        "at_said": _array([r.at_said for r in readings]),
        "quality": _texts([r.quality for r in readings]),
        "flags": _texts(["|".join(r.flags) for r in readings]),
        "seq": _array([r.seq for r in readings]),
        "boot": _array([r.boot for r in readings]),
        "mono": _array([r.mono for r in readings]),
        "offline": _array([r.offline for r in readings]),
        "shown": _quoted([r.shown for r in readings]),
        "group": _array([r.group for r in readings]),
    }


def _array(values: list[Any]) -> str:
    """Values without anything that an array's text must escape (a moment's blank is none within quotes)."""
    if values and values.count(values[0]) == len(values):  # of a device most are alike
        return "{" + ",".join(["NULL" if values[0] is None else f'"{values[0]}"'] * len(values)) + "}"
    if None in values:
        return "{" + ",".join(["NULL" if value is None else f'"{value}"' for value in values]) + "}"
    return '{"' + '","'.join(map(str, values)) + '"}' if values else "{}"


def _texts(values: list[str]) -> str:
    """Codes of our own: letters, digits and "|" and "_", or nothing at all."""
    return '{"' + '","'.join(values) + '"}' if values else "{}"


def _quoted(values: list[str | None]) -> str:
    """Texts of any sort."""
    quoted: dict[str | None, str] = {None: "NULL"}
    for value in set(values) - {None}:
        assert value is not None
        quoted[value] = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return "{" + ",".join([quoted[value] for value in values]) + "}"


def _new_among(sender: str, reused: list[Reading]) -> list[Reading]:
    """Those that are not held yet: the same answer may be asked for many times, the alarm is raised once."""
    if not reused:
        return []
    known = set(
        HeldScan.objects.filter(
            sender=sender, reason=Reason.ID_REUSED, payload_hash__in={r.payload_hash for r in reused}
        ).values_list("payload_hash", flat=True)
    )
    return [reading for reading in reused if reading.payload_hash not in known]


def _alarm(
    actor: Actor, sender: str, device_id: int | None, clashes: list[Reading], reused: list[Reading]
) -> None:
    """One event a batch: what a sender used twice, by count, with an example of each to begin with."""
    record(
        actor,
        f"checkpoints.sender:{sender}",
        event=SCANS_CLASHED,
        payload={
            "sender": sender,
            "device": device_id,
            "ids_reused": len(reused),
            "seqs_reused": len(clashes),
            "seq": clashes[0].seq if clashes else None,
            "id": str((clashes or reused)[0].id),
        },
        ids_reused=len(reused),
        seqs_reused=len(clashes),
    )


def sender_of(actor: Actor) -> str:
    """Whose ids these are: two senders may make the same id and mean two scans."""
    kind = {"device": "device", "staff": "account", "resident": "person", "system": "system"}[actor.kind]
    return f"{kind}:{actor.name if actor.kind == 'system' else actor.id}"[:24]


def _unit_of(actor: Actor) -> int | None:
    """Whose officers see what was held: the first unit where the actor scans, or the province."""
    if actor.kind != "staff":
        province = units.on(clock.today()).filter(tier=Tier.PROVINCE, code=settings.KHIEN_PROVINCE).first()
        return None if province is None else province.pk
    paths = actor.paths(*SCANNERS)
    return int(paths[0].rstrip(".").rsplit(".", 1)[-1]) if paths else None


def _hold(
    sender: str, device_id: int | None, unit_id: int | None, readings: list[Reading], now: datetime
) -> None:
    key = keys.current("identity-cipher")
    cipher = AESGCM(key.secret)
    rows = []
    for reading in readings:
        nonce = secrets.token_bytes(12)
        raw = json.dumps(reading.event, ensure_ascii=False, default=str).encode("utf-8", "surrogatepass")
        rows.append(
            HeldScan(
                sender=sender,
                device_id=device_id,
                unit_id=unit_id,
                client_id=_client_id(reading),
                reason=reading.reason,
                shown=masked(reading.event),
                sealed=nonce + cipher.encrypt(nonce, raw, b"held_scan"),
                key_id=key.id,
                payload_hash=reading.payload_hash,
                received_at=now,
            )
        )
    HeldScan.objects.bulk_create(rows, ignore_conflicts=True)


def _client_id(reading: Reading) -> str:
    if reading.id is not None:
        return str(reading.id)
    said = reading.event.get("id") if isinstance(reading.event, dict) else None
    return "".join(c for c in said[:64] if c.isprintable()) if isinstance(said, str) else ""


def _held_answer(reading: Reading) -> ScanAnswer:
    return ScanAnswer(_client_id(reading), "held", reading.reason, held_message(reading.reason, reading.note))


def held_message(reason: str, note: str = "") -> str:
    """What is wrong and the way out, for the one who scanned; `note` says what an unknown code is."""
    if reason == "unknown_code" and (said := other_code(note)):
        return said
    return {
        "malformed": _("Sự kiện thiếu hoặc sai mã, giờ, địa điểm hay hướng. Đã giữ lại để cán bộ xem."),
        "unknown_code": _(
            "Mã này không phải thẻ Khiên, CCCD hay thẻ bảo hiểm. Quét mã khác hoặc nhập số CCCD."
        ),
        "card_incomplete": _("Mã CCCD bị đọc thiếu. Quét lại, hoặc nhập 12 số in trên thẻ."),
        "pass_malformed": _("Thẻ Khiên đọc không trọn. Quét lại; nếu thẻ rách, dùng CCCD."),
        "pass_forged": _("Thẻ này không do hệ thống ký. Yêu cầu xem CCCD."),
        "unknown_pass": _("Thẻ không còn trong sổ. Dùng CCCD và xin cấp lại thẻ."),
        "starred": _("Mã QR quốc gia này che số giấy tờ. Quét thẻ CCCD, hoặc nhập số CCCD."),
        "certificate_malformed": _("Chứng nhận đọc không trọn. Quét lại, hoặc dùng CCCD."),
        "certificate_forged": _("Chứng nhận sai chữ ký. Yêu cầu xem CCCD."),
        "certificate_unknown": _("Chưa kiểm tra được nơi cấp chứng nhận này. Dùng CCCD."),
        "unknown_place": _(
            "Địa điểm không có trong địa bàn của bạn. Chọn lại địa điểm hoặc quét lại áp phích."
        ),
        "id_reused": _("Mã lượt quét đã dùng cho nội dung khác. Đã giữ lại để cán bộ xem."),
        "device_revoked": _("Thiết bị đã bị thu hồi. Lượt quét được giữ lại để cán bộ xem."),
        "seal_broken": _("Mã đã niêm phong không mở được. Đã giữ lại để cán bộ xem."),
        "forgotten": _("Lượt quét cũ hơn thời hạn lưu. Không lưu lại gì."),
    }[reason]


def other_code(kind: str) -> str:
    """What a code is that is nobody's pass or card, said kindly, with what to scan instead; "" for any other kind."""
    return {
        "vietqr": _("Đây là mã chuyển tiền VietQR, không phải mã của người. Quét thẻ Khiên hoặc CCCD."),
        "web": _("Đây là địa chỉ trang web, không phải mã của người. Quét thẻ Khiên hoặc CCCD."),
        "poster": _("Đây là mã của một địa điểm. Quét mã của người qua chốt."),
        "declaration": _("Đây là mã tờ khai. Quét thêm thẻ Khiên hoặc CCCD của người khai."),
        "keyboard": _("Bộ gõ tiếng Việt đã làm hỏng mã. Tắt Telex hoặc VNI rồi quét lại, hoặc nhập số CCCD."),
    }.get(kind, "")


# Who is under order, and what the gate shows


def _announce(
    actor: Actor,
    ordered: list[tuple[Any, ...]],
    readings: list[Reading],
    places: dict[tuple[str, int | None], _Known],
) -> None:
    """Announce each scan (place in the batch, number) of somebody for whom an order held at that moment."""
    first = readings[0].place_in_batch
    for n, number in sorted(ordered):
        reading = readings[n - first]
        place = places[reading.place_code, reading.place_id]
        assert reading.at is not None
        record(
            actor,
            f"checkpoints.scan:{number}",
            persons=[reading.person_id],
            event=PERSON_UNDER_ORDER_SCANNED,
            payload={
                "scan": number,
                "person": reading.person_id,
                "place": place.id,
                "unit": place.unit_id,
                "at": reading.at.isoformat(),
            },
        )


def _with_verdicts(answers: list[ScanAnswer], now: datetime) -> list[ScanAnswer]:
    """The answers with what the gate shows now, for everybody in three questions."""
    people = {answer.person for answer in answers if answer.person is not None}
    cards = colours.of(people, now)
    names = {
        pk: (passes.mask_name(name), year)
        for pk, name, year in Person.objects.filter(pk__in=people).values_list(
            "pk", "full_name", "birth_year"
        )
    }
    return [
        replace(answer, verdict=_verdict(answer, cards, *names.get(answer.person or 0, ("", None))))
        for answer in answers
    ]


def _verdict(answer: ScanAnswer, cards: dict[int, CardColour], name: str, year: int | None) -> Verdict:
    if answer.outcome == "held":
        return Verdict("grey", _("Chưa ghi nhận"), answer.message)
    if answer.person is None and "typed" in answer.flags:
        reason = _("Chưa tìm thấy trong sổ. Đã lưu để cán bộ xã đối chiếu.")
        return Verdict("yellow", colours.word("yellow"), reason)
    if answer.person is None and "certificate" in answer.flags:
        reason = _("Chứng nhận hợp lệ. So tên với giấy tờ; nhập số CCCD để ghi nhận người này.")
        return Verdict("yellow", colours.word("yellow"), reason)
    if answer.person is None and "certificate_expired" in answer.flags:
        return Verdict(
            "orange", colours.word("orange"), _("Chứng nhận không còn hiệu lực. Yêu cầu xem CCCD.")
        )
    if answer.person is None:
        reason = _("Số này chưa có trong sổ. Hỏi họ tên, ngày sinh, hoặc quét mã trên thẻ CCCD.")
        return Verdict("yellow", colours.word("yellow"), reason)
    card = cards[answer.person]
    colour, reason = card.colour, card.reason
    if {"pass_revoked", "pass_expired"} & set(answer.flags) and colour in {"yellow", "green"}:
        colour, reason = "orange", _("Thẻ đã hết hạn hoặc đã được thay. Yêu cầu xem CCCD.")
    if "stale_step" in answer.flags and colour == "green":
        colour, reason = "yellow", _("Ảnh chụp màn hình? Yêu cầu mở thẻ trên điện thoại, hoặc xem CCCD.")
    return Verdict(colour, colours.word(colour), reason, name, year)


def _close(actor: Actor, answers: list[ScanAnswer], verdicts: bool) -> BatchAnswer:
    """The audit line of the batch: the people by name of row where they were shown to somebody, else counts."""
    counts = {
        outcome: sum(answer.outcome == outcome for answer in answers)
        for outcome in ("stored", "duplicate", "held")
    }
    if counts["stored"] or counts["held"]:
        persons = sorted({a.person for a in answers if a.person is not None}) if verdicts else []
        record(
            actor,
            "checkpoints.scan",
            persons=persons,
            stored=counts["stored"],
            duplicate=counts["duplicate"],
            held=counts["held"],
        )
    else:
        unchanged()
    return BatchAnswer(len(answers), counts["stored"], counts["duplicate"], counts["held"], tuple(answers))
