"""The batch door: each event is stored once, whatever is sent again; what cannot be taken is held."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from khien.kernel import clock, keys, partitions
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, NotFound
from khien.kernel.people import identity
from khien.kernel.people.models import IdentityDocument, Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places.models import Place
from khien.kernel.places.reads import by_code
from khien.kernel.staff import Actor, Role
from khien.kernel.staff.models import Device
from khien.kernel.standing import colours
from khien.kernel.standing import reads as standing
from khien.kernel.standing.colours import CardColour
from khien.kernel.units import reads as units
from khien.kernel.units.models import Tier
from khien.rooms.checkpoints import codes, passes, posters, typed
from khien.rooms.checkpoints.addresses import commune_of
from khien.rooms.checkpoints.events import PERSON_UNDER_ORDER_SCANNED
from khien.rooms.checkpoints.intake import Reading, Reason, masked, read_event
from khien.rooms.checkpoints.models import HeldScan, Method, PassCard, Scan, TypedPerson

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
    scan: int | None = None
    person: int | None = None
    place: int | None = None
    verdict: Verdict | None = None
    typed: bool = False


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
    actor: Actor, events: Sequence[Any], *, sent_at: datetime | None = None, verdicts: bool = True
) -> BatchAnswer:
    """Store a batch of scan events (`intake` says what one looks like), each client-made id once per sender.

    One statement writes ids, scans and what is to be derived anew for each 5,000 events. With `verdicts`, each
    answer says what the gate should show. Whoever is scanned while an order holds is announced.
    """
    answers: list[ScanAnswer] = []
    for start in range(0, len(events), CHUNK):
        answers += _store_chunk(actor, events[start : start + CHUNK], sent_at, verdicts)
    return _close(actor, answers, verdicts)


@verb(Role.GUARD)
def hold_from_revoked(actor: Actor, *, device: Device, events: Sequence[Any]) -> BatchAnswer:
    """Keep what a revoked device sends, so that nothing is lost and nothing counts before somebody looked."""
    sender = f"device:{device.pk}"
    now = clock.now()
    readings = [
        read_event(number, event, received=now, sent=None, trusted=False).held(Reason.DEVICE_REVOKED)
        for number, event in enumerate(events)
    ]
    _hold(sender, device.pk, device.unit_id, readings, now)
    return _close(actor, [_held_answer(reading) for reading in readings], verdicts=False)


@verb(residents=True)
def check_in(actor: Actor, *, place_code: str, check: str, direction: str) -> ScanAnswer:
    """A signed-in resident says by the poster's address that they are at a place. Raises `NotFound`."""
    if actor.person_id is None or not posters.is_ours(place_code, check) or by_code(place_code) is None:
        raise NotFound()
    now = clock.now()
    event = {"id": str(uuid4()), "place": place_code, "at": now.isoformat(), "direction": direction}
    reading = read_event(
        0, {**event, "method": Method.PHONE, "person": actor.person_id}, received=now, sent=None, trusted=True
    )
    answers = _write(actor, [reading], now, verdicts=False)
    _close(actor, answers, verdicts=True)
    return answers[0]


def _store_chunk(
    actor: Actor, events: Sequence[Any], sent_at: datetime | None, verdicts: bool
) -> list[ScanAnswer]:
    now = clock.now()
    trusted = actor.sees_everything
    readings = [
        read_event(number, event, received=now, sent=sent_at, trusted=trusted)
        for number, event in enumerate(events)
    ]
    return _write(actor, _recognised(actor, readings), now, verdicts)


# Recognising people


def _recognised(actor: Actor, readings: list[Reading]) -> list[Reading]:
    """The readings with the people that the ledger knows; who is on a card but not in the ledger is registered."""
    subs = {r.claims.sub for r in readings if r.claims is not None}
    cards = {c.sub: c for c in PassCard.objects.filter(sub__in=subs)} if subs else {}
    by_hash = _known_people(readings)
    here = _places_in_scope(actor, readings)
    found = []
    for reading in readings:
        if reading.claims is not None:
            found.append(_with_pass(reading, cards.get(reading.claims.sub)))
        elif reading.card is not None and not reading.reason:
            found.append(
                _with_card(actor, reading, reading.card, by_hash, may_register=reading.place_code in here)
            )
        else:
            found.append(reading)
    return found


def _known_people(readings: Iterable[Reading]) -> dict[tuple[str, str], int]:
    """Person by (kind, keyed hash), for every card of the batch and every key that may be in use."""
    wanted = {
        number_hash
        for r in readings
        if r.card is not None
        for number_hash in identity.hashes(r.card.kind, r.card.number)
    }
    if not wanted:
        return {}
    rows = IdentityDocument.objects.filter(number_hash__in=wanted).values_list(
        "kind", "number_hash", "person_id"
    )
    return {(kind, number_hash): person_id for kind, number_hash, person_id in rows}


def _places_in_scope(actor: Actor, readings: Iterable[Reading]) -> set[str]:
    """Which poster codes of the batch the actor scans at: nobody is registered for an event that will be held."""
    wanted = {r.place_code for r in readings if r.card is not None and r.place_code}
    if not wanted:
        return set()
    rows = Place.objects.filter(code__in=wanted).select_related("unit")
    return {place.code for place in rows if actor.covers(place.unit, *SCANNERS)}


def _with_pass(reading: Reading, card: PassCard | None) -> Reading:
    if card is None:
        return reading.held(Reason.UNKNOWN_PASS)
    at = reading.at
    assert at is not None
    reading = replace(reading, person_id=card.person_id)
    if card.revoked_at is not None and card.revoked_at <= at:
        return reading.flagged("pass_revoked")
    return reading


def _with_card(
    actor: Actor,
    reading: Reading,
    card: codes.CardCode,
    by_hash: dict[tuple[str, str], int],
    *,
    may_register: bool,
) -> Reading:
    known = [by_hash.get((card.kind, h)) for h in identity.hashes(card.kind, card.number)]
    person_id = next((pk for pk in known if pk is not None), None)
    if person_id is not None:
        return replace(reading, person_id=person_id)
    if not may_register or not card.full_name or card.birth_date is None or card.birth_date > clock.today():
        return reading.flagged("unknown_person")
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
        hashes = identity.hashes(card.kind, card.number)
        person_id = IdentityDocument.objects.get(kind=card.kind, number_hash__in=hashes).person_id
    by_hash[(card.kind, reading.subject)] = person_id
    return replace(reading, person_id=person_id).flagged("new_person")


# Writing

_STORE = """
WITH given AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS e (
        n int, id uuid, place_code text, place_id bigint, person_id bigint, subject_kind text, subject text,
        direction text, method text, at timestamptz, at_said timestamptz, flags text[], reason text, hash text)
), judged AS MATERIALIZED (
    SELECT g.*, p.id AS found_place, p.unit_id,
        CASE WHEN p.closed_at <= g.at THEN g.flags || 'closed_place'::text ELSE g.flags END AS all_flags,
        CASE
            WHEN known.payload_hash = g.hash THEN 'duplicate'
            WHEN known.payload_hash IS NOT NULL THEN 'id_reused'
            WHEN row_number() OVER (PARTITION BY g.id ORDER BY g.n) > 1 AND g.id IS NOT NULL THEN
                CASE WHEN first_value(g.hash) OVER (PARTITION BY g.id ORDER BY g.n) = g.hash
                    THEN 'duplicate' ELSE 'id_reused' END
            WHEN g.reason <> '' THEN g.reason
            WHEN p.id IS NULL THEN 'unknown_place'
            ELSE 'stored'
        END AS outcome
    FROM given g
    LEFT JOIN checkpoints_scanid known ON known.sender = %(sender)s AND known.id = g.id
    LEFT JOIN places_place named ON named.code = g.place_code
    LEFT JOIN places_place p ON p.id = coalesce(g.place_id, named.id) AND (%(everywhere)s OR EXISTS (
        SELECT 1 FROM units_adminunit u WHERE u.id = p.unit_id AND u.path LIKE ANY (%(paths)s::text[])))
), ids AS (
    INSERT INTO checkpoints_scanid (sender, id, day, payload_hash)
    SELECT %(sender)s, id, %(day)s, hash FROM judged
    WHERE id IS NOT NULL AND outcome NOT IN ('duplicate', 'id_reused')
    ON CONFLICT DO NOTHING
    RETURNING id
), scans AS (
    INSERT INTO checkpoints_scan (day, sender, client_id, place_id, person_id, subject_kind, subject, direction,
        method, at, at_said, received_at, flags)
    SELECT %(day)s, %(sender)s, j.id, found_place, person_id, subject_kind, subject, direction,
        method, at, at_said, %(received)s, all_flags
    FROM judged j JOIN ids ON ids.id = j.id WHERE outcome = 'stored'
    ORDER BY j.n
    RETURNING id, client_id, person_id, at
), due AS (
    INSERT INTO checkpoints_due (person_id, day)
    SELECT DISTINCT person_id, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date FROM scans WHERE person_id IS NOT NULL
)
SELECT j.n, CASE WHEN j.outcome IN ('duplicate', 'id_reused') OR j.id IS NULL OR ids.id IS NOT NULL THEN j.outcome
                 ELSE 'duplicate' END,
    scans.id, j.found_place, j.unit_id, j.all_flags
FROM judged j LEFT JOIN ids ON ids.id = j.id
    LEFT JOIN scans ON scans.client_id = j.id AND j.outcome = 'stored'
ORDER BY j.n
"""


def _write(actor: Actor, readings: list[Reading], now: datetime, verdicts: bool) -> list[ScanAnswer]:
    """Store what can be stored, hold the rest, announce who is under order."""
    if not readings:
        return []
    sender = sender_of(actor)
    partitions.ensure_once(Scan._meta.db_table, clock.local(now).date())
    with connection.cursor() as cursor:
        cursor.execute(
            _STORE,
            {
                "rows": json.dumps([_row(reading) for reading in readings], ensure_ascii=False),
                "sender": sender,
                "everywhere": actor.sees_everything or actor.kind == "resident",
                "paths": [f"{path}%" for path in actor.paths(*SCANNERS)],
                "day": clock.local(now).date(),
                "received": now,
            },
        )
        rows = cursor.fetchall()
    answers: list[ScanAnswer] = []
    held: list[Reading] = []
    stored: list[tuple[Reading, int, int, int]] = []
    for reading, (_n, outcome, scan_id, place_id, unit_id, flags) in zip(readings, rows, strict=True):
        if outcome == "stored":
            answers.append(
                ScanAnswer(
                    str(reading.id),
                    "stored",
                    flags=tuple(flags),
                    scan=scan_id,
                    person=reading.person_id,
                    place=place_id,
                    typed=reading.typed is not None,
                )
            )
            stored.append((reading, scan_id, place_id, unit_id))
        elif outcome == "duplicate":
            answers.append(
                ScanAnswer(_client_id(reading), "duplicate", person=reading.person_id, place=place_id)
            )
        else:
            held.append(reading.held(outcome))
            answers.append(_held_answer(held[-1]))
    if held:
        device = Device.objects.filter(pk=actor.id or 0).first() if actor.kind == "device" else None
        unit_id = device.unit_id if device is not None else _unit_of(actor)
        _hold(sender, device.pk if device is not None else None, unit_id, held, now)
    TypedPerson.objects.bulk_create(
        typed.row(r.typed, unit_id=unit, place_id=place, at=r.at, person_id=r.person_id)
        for r, _scan, place, unit in stored
        if r.typed is not None and r.at is not None
    )
    _announce(actor, stored, now)
    return _with_verdicts(answers, now) if verdicts else answers


def _row(reading: Reading) -> dict[str, Any]:
    return {
        "n": reading.place_in_batch,
        "id": None if reading.id is None else str(reading.id),
        "place_code": reading.place_code or None,
        "place_id": reading.place_id,
        "person_id": reading.person_id,
        "subject_kind": reading.subject_kind,
        "subject": reading.subject,
        "direction": reading.direction,
        "method": reading.method,
        "at": None if reading.at is None else reading.at.isoformat(),
        "at_said": None if reading.at_said is None else reading.at_said.isoformat(),
        "flags": list(reading.flags),
        "reason": reading.reason,
        "hash": reading.payload_hash,
    }


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
    return ScanAnswer(_client_id(reading), "held", reading.reason, held_message(reading.reason))


def held_message(reason: str) -> str:
    """What is wrong and the way out, for the one who scanned."""
    return {
        "malformed": _("Sự kiện thiếu hoặc sai mã, giờ, địa điểm hay hướng. Đã giữ lại để cán bộ xem."),
        "unknown_code": _(
            "Mã này không phải thẻ Khiên, CCCD hay thẻ bảo hiểm. Quét mã khác hoặc nhập số CCCD."
        ),
        "card_incomplete": _("Mã CCCD bị đọc thiếu. Quét lại, hoặc nhập 12 số in trên thẻ."),
        "pass_malformed": _("Thẻ Khiên đọc không trọn. Quét lại; nếu thẻ rách, dùng CCCD."),
        "pass_forged": _("Thẻ này không do hệ thống ký. Yêu cầu xem CCCD."),
        "unknown_pass": _("Thẻ không còn trong sổ. Dùng CCCD và xin cấp lại thẻ."),
        "unknown_place": _(
            "Địa điểm không có trong địa bàn của bạn. Chọn lại địa điểm hoặc quét lại áp phích."
        ),
        "id_reused": _("Mã lượt quét đã dùng cho nội dung khác. Đã giữ lại để cán bộ xem."),
        "device_revoked": _("Thiết bị đã bị thu hồi. Lượt quét được giữ lại để cán bộ xem."),
    }[reason]


# Who is under order, and what the gate shows


def _announce(actor: Actor, stored: list[tuple[Reading, int, int, int]], now: datetime) -> None:
    """Announce each scan of somebody for whom an order held at that moment."""
    people = {r.person_id for r, *_rest in stored if r.person_id is not None}
    if not people:
        return
    found = standing.touching(people, min(r.at for r, *_rest in stored if r.at is not None), now)
    for reading, scan_id, place_id, unit_id in stored:
        rows = found.get(reading.person_id or 0, [])
        if reading.at is not None and any(
            row.kind == "under_order" and reading.at in row.during for row in rows
        ):
            record(
                actor,
                f"checkpoints.scan:{scan_id}",
                persons=[reading.person_id],
                event=PERSON_UNDER_ORDER_SCANNED,
                payload={
                    "scan": scan_id,
                    "person": reading.person_id,
                    "place": place_id,
                    "unit": unit_id,
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
    if answer.person is None and answer.typed:
        reason = _("Chưa tìm thấy trong sổ. Đã lưu để cán bộ xã đối chiếu.")
        return Verdict("yellow", colours.word("yellow"), reason)
    if answer.person is None:
        reason = _("Số này chưa có trong sổ. Hỏi họ tên, ngày sinh, hoặc quét mã trên thẻ CCCD.")
        return Verdict("yellow", colours.word("yellow"), reason)
    card = cards[answer.person]
    colour, reason = card.colour, card.reason
    if {"pass_revoked", "pass_expired"} & set(answer.flags) and colour in {"yellow", "green"}:
        colour, reason = "orange", _("Thẻ đã hết hạn hoặc đã được thay. Yêu cầu xem CCCD.")
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
