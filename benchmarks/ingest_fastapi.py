"""The peer of `khien bench ingest`: the same batch door as its makers' guides would have it.

FastAPI with pydantic models in and out, asyncpg's pool, one transaction a batch, arrays by `unnest`, uvicorn with
uvloop and httptools. It makes the same checks of the same events, gives the same answers, writes the same rows to the
same tables (its audit line too) by the same statement, and knows cards and typed numbers only: the events of the bench
have no others. What it cannot take it holds, without sealing it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, TypeAdapter, ValidationError

TOLERANCE = timedelta(minutes=2)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
HASH_SECRET = bytes.fromhex(os.environ["INGEST_HASH_SECRET"])
PAYLOAD_SECRET = bytes.fromhex(os.environ["INGEST_PAYLOAD_SECRET"])
STORE = os.environ["INGEST_STORE"]
ORDER = os.environ["INGEST_STORE_ORDER"].split()


class Shown(BaseModel):
    colour: Literal["green", "yellow", "orange", "red", "grey"]
    reason: str = ""
    bundle: str = ""


def _loose(kind: type) -> Any:
    """What is optional is ignored where it is not what it should be."""
    adapter = TypeAdapter(kind)

    def read(value: Any) -> Any:
        try:
            return None if value is None else adapter.validate_python(value)
        except ValidationError:
            return None

    return BeforeValidator(read)


class Event(BaseModel):
    id: UUID
    place: Annotated[str, Field(pattern=r"^[0-9A-Z]{1,12}$")]
    at: AwareDatetime
    direction: Literal["in", "out", "unknown"] = "unknown"
    method: Literal["camera", "hid", "manual", "phone", "import"] = "camera"
    code: str
    seq: Annotated[int | None, _loose(int)] = None
    boot: Annotated[UUID | None, _loose(UUID)] = None
    mono: Annotated[float | None, _loose(float)] = None
    offline: Annotated[bool | None, _loose(bool)] = None
    verdict: Annotated[Shown | None, _loose(Shown)] = None
    group: Annotated[UUID | None, _loose(UUID)] = None


class BatchIn(BaseModel):
    sent_at: AwareDatetime | None = None
    boot: UUID | None = None
    sent_mono: float | None = None
    verdicts: bool = True
    events: Annotated[list[Any], Field(max_length=200)]


class Answer(BaseModel):
    id: str
    outcome: str
    reason: str = ""
    message: str = ""
    flags: list[str] = []
    verdict: None = None


class BatchOut(BaseModel):
    received: int
    stored: int
    duplicate: int
    held: int
    server_time: datetime
    answers: list[Answer]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        host=os.environ["INGEST_HOST"], user="khien", database="khien", min_size=4, max_size=8
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
bearer = HTTPBearer()


async def device(found: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> asyncpg.Record:
    token = hashlib.sha256(found.credentials.encode()).hexdigest()
    row = await app.state.pool.fetchrow(
        "SELECT d.id, d.name, d.unit_id, d.enrolled_at, u.path FROM staff_device d"
        " JOIN units_adminunit u ON u.id = d.unit_id WHERE d.token_hash = $1 AND d.state = 'active'",
        token,
    )
    if row is None:
        raise HTTPException(401)
    return row


@app.post("/scans")
async def scans(body: BatchIn, sender: Annotated[asyncpg.Record, Depends(device)]) -> BatchOut:
    now = datetime.now(UTC)
    rows = [_row(number, event, body, now, sender["enrolled_at"]) for number, event in enumerate(body.events)]
    async with app.state.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "INSERT INTO checkpoints_devicetally (device_id) VALUES ($1) ON CONFLICT DO NOTHING", sender["id"]
        )
        await connection.fetchrow(
            "SELECT 1 FROM checkpoints_devicetally WHERE device_id = $1 FOR UPDATE", sender["id"]
        )
        known = {
            (row["kind"], row["number_hash"]): row["person_id"]
            for row in await connection.fetch(
                "SELECT kind, number_hash, person_id FROM people_identitydocument WHERE number_hash = ANY($1)",
                [row["subject"] for row in rows if row["subject"]],
            )
        }
        before = {
            row["id"]: row["payload_hash"]
            for row in await connection.fetch(
                "SELECT id, payload_hash FROM checkpoints_scanid WHERE sender = $1 AND id = ANY($2)",
                f"device:{sender['id']}",
                [row["id"] for row in rows if row["id"]],
            )
        }
        places = {
            row["code"]: row
            for row in await connection.fetch(
                "SELECT p.code, p.id, p.closed_at FROM places_place p JOIN units_adminunit u ON u.id = p.unit_id"
                " WHERE p.code = ANY($1) AND u.path LIKE $2",
                list({row["place_code"] for row in rows if row["place_code"]}),
                f"{sender['path']}%",
            )
        }
        used = {
            number
            for part in (
                await connection.fetchval(
                    "SELECT seen * (SELECT coalesce(range_agg(int8range(seq, seq, '[]')), '{}') FROM"
                    " unnest($2::bigint[]) AS s (seq)) FROM checkpoints_devicetally WHERE device_id = $1",
                    sender["id"],
                    [row["seq"] for row in rows if row["seq"] is not None],
                )
            )
            for number in range(part.lower, part.upper)
        }
        first: dict[UUID, str] = {}
        for row in rows:
            known_hash = before.get(row["id"]) or (first.get(row["id"]) if row["id"] else None)
            if row["id"] is not None:
                first.setdefault(row["id"], row["hash"])
            if known_hash is not None:
                row["reason"] = "duplicate" if known_hash == row["hash"] else "id_reused"
                continue
            place = places.get(row["place_code"])
            if not row["reason"] and place is None:
                row["reason"] = "unknown_place"
            flags = [row["flags"]] if row["flags"] else []
            if place is not None:
                row["place"] = place["id"]
                if (
                    place["closed_at"] is not None
                    and row["at"] is not None
                    and place["closed_at"] <= row["at"]
                ):
                    flags.append("closed_place")
            if row["seq"] is not None and row["id"] is not None:
                if row["seq"] in used:
                    flags.append("seq_reused")
                used.add(row["seq"])
            if not row["reason"]:
                row["person"] = known.get((row["kind"], row["subject"]))
                if row["person"] is None:
                    flags.append("unknown_person")
            row["stored"], row["flags"] = not row["reason"], "|".join(flags)
        new = [
            row for row in rows if row["id"] is not None and row["reason"] not in {"duplicate", "id_reused"}
        ]
        values: dict[str, Any] = {
            name: [row[name] for row in new]
            for name in rows[0]
            if name not in {"place_code", "event", "reason"}
        }
        values |= {
            "sender": f"device:{sender['id']}",
            "day": now.astimezone(ZONE).date(),
            "received": now,
        }
        if new:
            await connection.fetch(STORE, *[values[name] for name in ORDER])
        answers = []
        seqs = []
        for row in rows:
            if row["seq"] is not None and row["id"] is not None:
                seqs.append(row["seq"])
            told = str(row["id"]) if row["id"] else ""
            if not row["reason"]:
                answers.append(
                    Answer(id=told, outcome="stored", flags=row["flags"].split("|") if row["flags"] else [])
                )
            elif row["reason"] == "duplicate":
                answers.append(Answer(id=told, outcome="duplicate"))
            else:
                answers.append(Answer(id=told, outcome="held", reason=row["reason"]))
        await _hold(connection, sender, rows, answers, now)
        counts = [sum(answer.outcome == o for answer in answers) for o in ("stored", "duplicate", "held")]
        await connection.execute(
            "UPDATE checkpoints_devicetally SET seen = seen + range_agg, stored = stored + $2,"
            " duplicate = duplicate + $3, held = held + $4, last_batch_at = $5 FROM (SELECT coalesce(range_agg("
            " int8range(seq, seq, '[]')), '{}') AS range_agg FROM unnest($6::bigint[]) AS s (seq)) AS come"
            " WHERE device_id = $1",
            sender["id"],
            *counts,
            now,
            seqs,
        )
        if counts[0] or counts[2]:
            await connection.execute(
                "INSERT INTO audit_auditline (at, recorded_at, sort, act, actor_kind, actor_id, actor_name, purpose,"
                " subject, persons, details) VALUES ($1, $2, 'write', 'checkpoints.store_scans', 'device', $3, $4,"
                " '', 'checkpoints.scan', '{}', $5)",
                now,
                datetime.now(UTC),
                sender["id"],
                sender["name"],
                json.dumps(dict(zip(("stored", "duplicate", "held"), counts, strict=True))),
            )
    return BatchOut(
        received=len(answers),
        stored=counts[0],
        duplicate=counts[1],
        held=counts[2],
        server_time=datetime.now(UTC),
        answers=answers,
    )


def _row(number: int, raw: Any, body: BatchIn, now: datetime, since: datetime) -> dict[str, Any]:
    text = json.dumps(raw, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    row: dict[str, Any] = {
        "n": number,
        "event": raw,
        "id": None,
        "place": None,
        "place_code": "",
        "person": None,
        "kind": "",
        "subject": "",
        "direction": "unknown",
        "method": "camera",
        "at": None,
        "at_said": None,
        "quality": "",
        "flags": "",
        "reason": "",
        "stored": False,
        "seq": None,
        "boot": None,
        "mono": None,
        "offline": None,
        "shown": None,
        "group": None,
        "hash": hashlib.blake2b(text.encode(), digest_size=16, key=PAYLOAD_SECRET).hexdigest(),
    }
    try:
        event = Event.model_validate(raw)
    except ValidationError:
        row["reason"] = "malformed"
        try:
            row["id"] = UUID(raw["id"])
        except (TypeError, KeyError, ValueError, AttributeError):
            row["id"] = None
        return row
    row |= {"id": event.id, "place_code": event.place, "direction": event.direction, "method": event.method}
    row |= {"seq": event.seq, "boot": event.boot, "offline": event.offline, "at_said": event.at}
    row["group"] = event.group
    row["mono"] = None if event.mono is None else int(event.mono)
    row["shown"] = None if event.verdict is None else event.verdict.model_dump_json()
    row["at"], row["quality"], row["flags"] = _corrected(event, body, now, since)
    card = _card(event.code)
    if card is None:
        row["reason"] = "unknown_code"
    else:
        row["kind"], number_text = card
        row["subject"] = hmac.new(
            HASH_SECRET, f"{card[0]}:{number_text}".encode(), hashlib.sha256
        ).hexdigest()
    return row


def _corrected(event: Event, body: BatchIn, now: datetime, since: datetime) -> tuple[datetime, str, str]:
    if event.boot == body.boot and event.mono is not None and body.sent_mono is not None:
        ago = body.sent_mono - event.mono
        if ago >= 0:
            at = now - timedelta(milliseconds=ago)
            return at, "line", "clock" if abs(at - event.at) > TOLERANCE else ""
    flags, at, quality = "", event.at, "said"
    if body.sent_at is not None:
        at, quality = now - (body.sent_at - event.at), "sent"
        flags = "clock" if abs(now - body.sent_at) > TOLERANCE else ""
    if at > now + TOLERANCE:
        return now, "received", f"{flags}|future" if flags else "future"
    if at < since - TOLERANCE:
        return now, "received", "clock"
    return min(at, now), quality, flags


def _card(text: str) -> tuple[str, str] | None:
    if re.match(r"\d{12}\|", text) and text.count("|") >= 6:
        return "cccd", text[:12]
    number = re.sub(r"[ .\-]", "", text)
    if re.fullmatch(r"[0-9]{12}", number):
        return "cccd", number
    return ("cmnd", number) if re.fullmatch(r"[0-9]{9}", number) else None


async def _hold(
    connection: Any, sender: asyncpg.Record, rows: list[dict[str, Any]], answers: list[Answer], now: datetime
) -> None:
    held = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer.outcome == "held"]
    if held:
        await connection.executemany(
            "INSERT INTO checkpoints_heldscan (sender, device_id, unit_id, client_id, reason, shown, sealed, key_id,"
            " payload_hash, received_at) VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9) ON CONFLICT DO NOTHING",
            [
                (
                    *(f"device:{sender['id']}", sender["id"], sender["unit_id"], answer.id, answer.reason),
                    *("", secrets.token_bytes(12), row["hash"], now),
                )
                for row, answer in held
            ],
        )
