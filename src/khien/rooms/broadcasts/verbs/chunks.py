"""What a sender does with chunks: claim and settle them, and find those of a dead sender.

A sender holds the advisory lock of its number for as long as its connection to the database lives. A chunk claimed by a
number whose lock is free has lost its sender.
"""

# ruff: noqa: S608 - statements are put together from pieces of this file alone
from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.backends.utils import CursorWrapper
from psycopg.types.json import Jsonb

from khien.gateways.sms.interface import Answer, Outcome
from khien.gateways.sms.text import normalise
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.staff import Actor
from khien.rooms.broadcasts import composing
from khien.rooms.broadcasts.models import BulletinVersion, Campaign, CampaignResult
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs.campaigns import CHUNK

SENDERS = 0x4B686273
"""The first key of the advisory locks of senders: "Khbs"."""

RESEND_AFTER_S = 60.0
"""With the policy "at least once" receipts have so long to settle what is unknown before it is sent again."""

_LONGEST_WAIT_S = 300.0
_STATES: Mapping[Answer, str] = {
    Answer.ACCEPTED: "accepted",
    Answer.REJECTED: "rejected",
    Answer.UNKNOWN: "unknown",
}
_ANSWERED = ("accepted", "rejected", "unknown", "delivered", "undelivered")


@dataclass(slots=True)
class Claimed:
    """A chunk that is ours to send: its members by `seqs`, and beside them their phones and texts. `again`: those who
    are sent to a second time."""

    id: int
    sender: int
    campaign: int
    carrier: int
    lane: str
    policy: str
    parts: int
    attempts: int
    resends: bool
    seqs: Sequence[int] = ()
    phones: Sequence[str] = ()
    texts: Sequence[str] = ()
    again: frozenset[int] = frozenset()

    def client_id(self, seq: int) -> str:
        """Ours, unique for ever."""
        return f"khien-c{self.campaign}-m{seq}"


@dataclass(slots=True)
class Settled:
    """A claimed chunk with one outcome for each of its members, in their order."""

    chunk: Claimed
    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Room:
    """What a sender can take for carriers that share one link: so many members now, of chunks of at most `most`."""

    carriers: tuple[int, ...]
    members: int
    most: int


@dataclass(slots=True)
class _Rows:
    """Results to be written, column by column, and what they add up to for each chunk."""

    seqs: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)

    def add(self, seq: int, state: str, code: str, message_id: str) -> None:
        self.seqs.append(seq)
        self.states.append(state)
        self.codes.append(code)
        self.message_ids.append(message_id)


def new_sender() -> int:
    """A number for a sender, whose lock this connection holds from now on and until it ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('broadcasts_sender')")
        number = int(cursor.fetchone()[0])
        cursor.execute("SELECT pg_advisory_lock(%s, %s)", [SENDERS, number])
    return number


def living_senders() -> int:
    """How many senders of this installation live: they share what a contract allows."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s::bigint::oid AND granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND objsubid = 2",
            [SENDERS],
        )
        return int(cursor.fetchone()[0])


@verb()
def advance_chunks(
    actor: Actor,
    *,
    sender: int,
    settled: Sequence[Settled] = (),
    rooms: Sequence[Room] = (),
    due: Sequence[Campaign] = (),
) -> list[Claimed]:
    """Write what came of some chunks and claim others of `due` campaigns, in one transaction with one audit line.
    Only when it has committed may the claimed ones be sent: from then on a member without a result may have been
    sent."""
    tally: Counter[str] = Counter()
    with connection.cursor() as cursor:
        by_campaign: dict[int, list[Settled]] = {}
        for one in settled:
            by_campaign.setdefault(one.chunk.campaign, []).append(one)
        for campaign_id in sorted(by_campaign):
            tally.update(_settle(cursor, campaign_id, by_campaign[campaign_id]))
        claimed = _claim(cursor, sender, rooms, due)
    if settled or claimed:
        record(
            actor,
            f"broadcasts.sender:{sender}",
            settled=dict(tally),
            claimed=dict(Counter(f"{one.campaign}/{one.carrier}" for one in claimed)),
        )
    else:
        unchanged()
    return claimed


@verb()
def mark_orphans(actor: Actor, *, mine: Iterable[int] = ()) -> int:
    """Chunks of dead senders: whoever of their members has no result is unknown, and with the policy "at least once"
    sent to once more. Returns how many became unknown. `mine`: numbers under which the caller has chunks under way."""
    count = chunks = 0
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT sender FROM broadcasts_chunk WHERE state = 'claimed' AND NOT sender = ANY(%s)",
            [list(mine)],
        )
        for (number,) in cursor.fetchall():
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [SENDERS, number])
            if not cursor.fetchone()[0]:
                continue
            cursor.execute(
                "SELECT k.id, k.campaign_id, k.first, k.last, c.audience_id, c.policy FROM broadcasts_chunk k"
                " JOIN broadcasts_campaign c ON c.id = k.campaign_id WHERE k.state = 'claimed' AND k.sender = %s",
                [number],
            )
            rows = cursor.fetchall()
            chunks += len(rows)
            for campaign_id in sorted({row[1] for row in rows}):
                count += _orphan(cursor, campaign_id, [row for row in rows if row[1] == campaign_id])
    if not chunks:
        unchanged()
        return 0
    record(actor, "broadcasts.sender", unknown=count, chunks=chunks)
    return count


# Claiming.


def due_campaigns() -> list[Campaign]:
    """Of what chunks may be claimed now, emergencies first; good for a second or so. What a person may change at any
    moment, its state and the switch, is asked again with each claim."""
    if reads.is_stopped():
        return []
    now = clock.now()
    quiet = reads.quiet_until(now) is not None
    return [campaign for campaign in reads.open_campaigns() if reads.is_due(campaign, now, quiet)]


def _claim(
    cursor: CursorWrapper, sender: int, rooms: Sequence[Room], due: Sequence[Campaign]
) -> list[Claimed]:
    """Carriers with a link of their own are asked for in one statement; those that share one in turns, each for its
    share of the room and the last for what is left."""
    left = {place: room.members for place, room in enumerate(rooms)}
    claimed: list[Claimed] = []
    for campaign in due:
        alone = {room.carriers[0]: place for place, room in enumerate(rooms) if len(room.carriers) == 1}
        turns = [list(alone.items())]
        for place, room in enumerate(rooms):
            turns += [[(carrier, place)] for carrier in room.carriers if len(room.carriers) > 1]
        for turn in turns:
            wanted = []
            for carrier, place in turn:
                room = rooms[place]
                share = left[place] if carrier == room.carriers[-1] else left[place] // len(room.carriers)
                if share > 0:
                    wanted.append((carrier, share, room.most))
            if not wanted:
                continue
            found = _claim_of(cursor, sender, campaign, wanted)
            for chunk, size in found:
                place = next(place for carrier, place in turn if carrier == chunk.carrier)
                left[place] -= size
            claimed += [chunk for chunk, _size in found]
    return claimed


def _claim_of(
    cursor: CursorWrapper, sender: int, campaign: Campaign, wanted: Sequence[tuple[int, int, int]]
) -> list[tuple[Claimed, int]]:
    """Some chunks of a campaign with their sizes, for each carrier at most so many members, in chunks of at most so
    many. The state of the campaign and the switch are asked in the same statement: after a pause has committed,
    nothing is claimed."""
    for carrier, members, most in wanted:
        if most < CHUNK:
            _split(cursor, campaign.pk, carrier, most, 1 + members // most)
    names = composing.placeholders(campaign.text)
    values = "array_agg(m.values ORDER BY m.seq)" if names else "NULL"
    cursor.execute(
        "WITH next AS MATERIALIZED ("
        " SELECT k.id, k.size, k.rank, k.carrier_id, room.members, room.most"
        " FROM unnest(%(carriers)s::bigint[], %(members)s::int[], %(mosts)s::int[]) AS room(carrier_id, members, most),"
        " LATERAL (SELECT k.id, k.last - k.first + 1 AS size, k.rank, k.carrier_id FROM broadcasts_chunk k"
        "  JOIN broadcasts_campaign c ON c.id = k.campaign_id"
        "  WHERE k.campaign_id = %(campaign)s AND k.carrier_id = room.carrier_id AND k.state = 'queued'"
        "  AND (k.retry_at IS NULL OR k.retry_at <= now())"
        "  AND (c.state = 'running' OR c.state = 'canary' AND k.is_canary)"
        "  AND NOT EXISTS (SELECT 1 FROM broadcasts_sendingswitch WHERE is_stopped)"
        "  ORDER BY k.rank LIMIT 2 + room.members / 20 FOR UPDATE OF k SKIP LOCKED) AS k),"
        " picked AS (SELECT id FROM (SELECT id, size, members, most,"
        "   sum(size) OVER (PARTITION BY carrier_id ORDER BY rank, id) AS so_far FROM next) AS ranked"
        "  WHERE so_far <= members OR (so_far = size AND members >= most)),"
        " claimed AS (UPDATE broadcasts_chunk k SET state = 'claimed', sender = %(sender)s, claimed_at = now(),"
        "  retry_at = NULL, attempts = LEAST(attempts + 1, 10000)"
        "  FROM picked WHERE k.id = picked.id RETURNING k.id, k.carrier_id, k.first, k.last, k.attempts, k.resends)"
        " SELECT claimed.*, of.* FROM claimed, LATERAL (SELECT array_agg(m.seq ORDER BY m.seq),"
        f"  array_agg(m.phone ORDER BY m.seq), {values} FROM broadcasts_audiencemember m"
        "  WHERE m.audience_id = %(audience)s AND m.seq BETWEEN claimed.first AND claimed.last) AS of",
        {
            "campaign": campaign.pk,
            "audience": campaign.audience_id,
            "sender": sender,
            "carriers": [carrier for carrier, _members, _most in wanted],
            "members": [members for _carrier, members, _most in wanted],
            "mosts": [most for _carrier, _members, most in wanted],
        },
    )
    text = normalise(campaign.text)
    found = []
    for pk, carrier, first, last, attempts, resends, seqs, phones, given in cursor.fetchall():
        chunk = Claimed(
            pk,
            sender,
            campaign.pk,
            carrier,
            campaign.lane,
            campaign.policy,
            campaign.parts,
            attempts,
            resends,
            seqs,
            phones,
            [composing.fill(campaign.text, _mapping(row)) for row in given] if names else [text] * len(seqs),
        )
        if attempts > 1 or resends:
            _leave_out(cursor, chunk, first, last)
        found.append((chunk, last - first + 1))
    return found


def _split(cursor: CursorWrapper, campaign_id: int, carrier_id: int, most: int, chunks: int) -> None:
    """Cut the next chunks to what the window of a small link can hold."""
    cursor.execute(
        "WITH big AS MATERIALIZED ("
        " SELECT id, carrier_id, unit_id, first, last, rank, is_canary FROM broadcasts_chunk"
        " WHERE campaign_id = %(campaign)s AND carrier_id = %(carrier)s AND state = 'queued' AND attempts = 0"
        " AND last - first + 1 > %(most)s ORDER BY rank LIMIT %(chunks)s FOR UPDATE SKIP LOCKED),"
        " cut AS (UPDATE broadcasts_chunk k SET last = k.first + %(most)s - 1 FROM big WHERE k.id = big.id)"
        " INSERT INTO broadcasts_chunk (campaign_id, carrier_id, unit_id, first, last, rank, is_canary, state,"
        " attempts, resends, accepted, rejected, unknown, delivered, undelivered, cancelled)"
        " SELECT %(campaign)s, carrier_id, unit_id, piece, LEAST(piece + %(most)s - 1, last), rank, is_canary,"
        " 'queued', 0, false, 0, 0, 0, 0, 0, 0 FROM big, generate_series(first + %(most)s, last, %(most)s) AS piece",
        {"campaign": campaign_id, "carrier": carrier_id, "most": most, "chunks": chunks},
    )


def _leave_out(cursor: CursorWrapper, chunk: Claimed, first: int, last: int) -> None:
    """Of a chunk that was tried before, keep those who have no result yet and those who are to be sent to again."""
    cursor.execute(
        "UPDATE broadcasts_campaignresult SET code = %s, attempts = attempts + 1 WHERE campaign_id = %s"
        " AND seq BETWEEN %s AND %s AND state = 'unknown' AND code = %s RETURNING seq",
        [CampaignResult.Code.RESENDING, chunk.campaign, first, last, CampaignResult.Code.RESEND],
    )
    chunk.again = frozenset(seq for (seq,) in cursor.fetchall())
    cursor.execute(
        "SELECT seq FROM broadcasts_campaignresult WHERE campaign_id = %s AND seq BETWEEN %s AND %s",
        [chunk.campaign, first, last],
    )
    done = {seq for (seq,) in cursor.fetchall()} - chunk.again
    kept = [place for place, seq in enumerate(chunk.seqs) if seq not in done]
    chunk.seqs = [chunk.seqs[place] for place in kept]
    chunk.phones = [chunk.phones[place] for place in kept]
    chunk.texts = [chunk.texts[place] for place in kept]


def _mapping(values: Any) -> Mapping[str, str]:
    return json.loads(values) if isinstance(values, str) else values


# Settling.


def _settle(cursor: CursorWrapper, campaign_id: int, settled: Sequence[Settled]) -> Counter[str]:
    """Results first, then chunks: whoever takes receipts locks them in the same order."""
    early = _early(
        cursor,
        [o.message_id for one in settled for o in one.outcomes if o.answer is Answer.ACCEPTED],
        [o.client_id for one in settled for o in one.outcomes if o.answer is Answer.UNKNOWN],
    )
    accepted_seqs: list[int] = []
    accepted_ids: list[str] = []
    rest = _Rows()
    plain: list[tuple[Any, ...]] = []
    recount: list[tuple[Settled, float | None]] = []
    tally: Counter[str] = Counter()
    for one in settled:
        chunk = one.chunk
        counts: Counter[str] = Counter()
        codes: Counter[str] = Counter()
        put_off: list[int] = []
        marked = False
        wait: float | None = None
        for seq, outcome in zip(chunk.seqs, one.outcomes, strict=True):
            answer = outcome.answer
            if answer is Answer.THROTTLED:
                put_off.append(seq)
                wait = max(wait or 0.0, outcome.retry_after_s or 0.0)
                continue
            known = early.get(outcome.message_id if answer is Answer.ACCEPTED else outcome.client_id)
            if known is not None:
                state = "delivered" if known[0] == "delivered" else "undelivered"
                message_id = outcome.message_id or known[1]
                rest.add(seq, state, "" if state == "delivered" else known[0], message_id[:80])
            elif answer is Answer.ACCEPTED:
                state = "accepted"
                accepted_seqs.append(seq)
                accepted_ids.append(outcome.message_id[:80])
            else:
                state, code = _STATES[answer], outcome.code[:60]
                if answer is Answer.UNKNOWN and _once_more(chunk, seq):
                    code, wait, marked = CampaignResult.Code.RESEND, RESEND_AFTER_S, True
                if answer is Answer.REJECTED:
                    codes[code or "?"] += 1
                rest.add(seq, state, code, "")
            counts[state] += 1
        tally.update(counts)
        tally["put_off"] += len(put_off)
        if put_off:
            wait = min(_LONGEST_WAIT_S, max(wait or 0.0, 2.0 ** min(chunk.attempts, 9) / 2))
            if not any(
                outcome.code != "stopped" for outcome in one.outcomes if outcome.answer is Answer.THROTTLED
            ):
                wait = 0.0
            _put_back(cursor, campaign_id, [seq for seq in put_off if seq in chunk.again])
        if chunk.again or marked:
            recount.append((one, wait))
        else:
            plain.append((chunk, counts, codes, wait))
    _insert(cursor, campaign_id, accepted_seqs, accepted_ids, rest)
    missed = _update_chunks(cursor, plain)
    by_id = {one.chunk.id: one for one in settled}
    recount += [(by_id[pk], None) for pk in missed]
    for one, wait in recount:
        _recount(cursor, campaign_id, one.chunk.id, one.chunk.sender, wait)
    return +tally


def _once_more(chunk: Claimed, seq: int) -> bool:
    return chunk.policy == BulletinVersion.Policy.AT_LEAST_ONCE and seq not in chunk.again


def _early(
    cursor: CursorWrapper, message_ids: Sequence[str], client_ids: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Receipts that overtook their answers, by the id that will find them: what they say, and the carrier's id. They
    wait no more; of several about one message "delivered" counts."""
    cursor.execute("SELECT EXISTS (SELECT 1 FROM broadcasts_unmatchedreceipt)")
    if not cursor.fetchone()[0]:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for column, place, ids in (("message_id", 0, message_ids), ("client_id", 1, client_ids)):
        named = [one for one in ids if one]
        if not named:
            continue
        cursor.execute(
            f"DELETE FROM broadcasts_unmatchedreceipt WHERE {column} = ANY(%s)"
            " RETURNING message_id, client_id, delivery",
            [named],
        )
        for row in cursor.fetchall():
            if found.get(row[place], ("", ""))[0] != "delivered":
                found[row[place]] = (row[2], row[0])
    return found


def _insert(
    cursor: CursorWrapper, campaign_id: int, seqs: Sequence[int], message_ids: Sequence[str], rest: _Rows
) -> None:
    """A result is written once; only what is unknown may be learned better."""
    now = clock.now()
    better = (
        " ON CONFLICT (campaign_id, seq) DO UPDATE SET state = excluded.state, code = excluded.code, at = excluded.at,"
        " message_id = excluded.message_id WHERE broadcasts_campaignresult.state = 'unknown'"
    )
    if seqs:
        cursor.execute(
            "INSERT INTO broadcasts_campaignresult (campaign_id, seq, state, message_id, at)"
            " SELECT %s, seq, 'accepted', message_id, %s FROM unnest(%s::int[], %s::varchar[]) AS v(seq, message_id)"
            f"{better}",
            [campaign_id, now, list(seqs), list(message_ids)],
        )
    if rest.seqs:
        cursor.execute(
            "INSERT INTO broadcasts_campaignresult (campaign_id, seq, state, code, message_id, at)"
            " SELECT %s, seq, state, code, message_id, %s"
            " FROM unnest(%s::int[], %s::varchar[], %s::varchar[], %s::varchar[]) AS v(seq, state, code, message_id)"
            f"{better}",
            [campaign_id, now, rest.seqs, rest.states, rest.codes, rest.message_ids],
        )


def _update_chunks(cursor: CursorWrapper, plain: Sequence[tuple[Any, ...]]) -> list[int]:
    """Add what came to the counts of chunks that are still ours; returns the ids of those that are not."""
    if not plain:
        return []
    plain = sorted(plain, key=lambda row: row[0].id)
    now = datetime.now(UTC)
    ids = [chunk.id for chunk, *_rest in plain]
    cursor.execute(
        "WITH locked AS MATERIALIZED"
        " (SELECT id FROM broadcasts_chunk WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)"
        " UPDATE broadcasts_chunk k SET settled_at = now(), retry_at = v.retry_at,"
        " state = CASE WHEN v.again THEN 'queued' ELSE 'settled' END,"
        " accepted = k.accepted + v.accepted, rejected = k.rejected + v.rejected, unknown = k.unknown + v.unknown,"
        " delivered = k.delivered + v.delivered, undelivered = k.undelivered + v.undelivered,"
        " resends = k.resends AND v.again,"
        " codes = CASE WHEN v.codes IS NULL THEN k.codes WHEN k.codes IS NULL THEN v.codes ELSE"
        "  (SELECT jsonb_object_agg(key, n) FROM (SELECT key, sum(value::int) AS n FROM"
        "   (SELECT * FROM jsonb_each_text(k.codes) UNION ALL SELECT * FROM jsonb_each_text(v.codes)) AS codes"
        "   GROUP BY key) AS summed) END"
        " FROM unnest(%s::bigint[], %s::bigint[], %s::int[], %s::int[], %s::int[], %s::int[], %s::int[], %s::bool[],"
        "  %s::timestamptz[], %s::jsonb[])"
        " AS v(id, sender, accepted, rejected, unknown, delivered, undelivered, again, retry_at, codes)"
        " JOIN locked USING (id) WHERE k.id = v.id AND k.sender = v.sender AND k.state = 'claimed' RETURNING k.id",
        [
            ids,
            ids,
            [chunk.sender for chunk, *_rest in plain],
            *([counts[state] for _chunk, counts, *_rest in plain] for state in _ANSWERED),
            [wait is not None for *_rest, wait in plain],
            [None if not wait else now + timedelta(seconds=wait) for *_rest, wait in plain],
            [Jsonb(dict(codes)) if codes else None for _chunk, _counts, codes, _wait in plain],
        ],
    )
    done = {pk for (pk,) in cursor.fetchall()}
    return [pk for pk in ids if pk not in done]


def _recount(cursor: CursorWrapper, campaign_id: int, chunk_id: int, sender: int, wait: float | None) -> None:
    """The counts of one chunk from its results. Where it is still ours its state follows: queued after `wait` seconds
    when somebody in it is to be sent to yet, settled otherwise."""
    cursor.execute(
        "SELECT first, last, state = 'claimed' AND sender = %s FROM broadcasts_chunk WHERE id = %s FOR NO KEY UPDATE",
        [sender, chunk_id],
    )
    first, last, ours = cursor.fetchone()
    cursor.execute(
        "SELECT state, code, count(*) FROM broadcasts_campaignresult WHERE campaign_id = %s AND seq BETWEEN %s AND %s"
        " GROUP BY state, code",
        [campaign_id, first, last],
    )
    counts: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    resend = 0
    for state, code, count in cursor.fetchall():
        counts[state] += count
        if state == "rejected":
            codes[code or "?"] += count
        if state == "unknown" and code == CampaignResult.Code.RESEND:
            resend += count
    queued = bool(resend) or last - first + 1 > counts.total()
    found: list[Any] = [*(counts[state] for state in _ANSWERED), Jsonb(dict(codes)) if codes else None]
    cursor.execute(
        "UPDATE broadcasts_chunk SET accepted = %s, rejected = %s, unknown = %s, delivered = %s, undelivered = %s,"
        " codes = %s, settled_at = now() WHERE id = %s",
        [*found, chunk_id],
    )
    if ours:
        retry_at = datetime.now(UTC) + timedelta(seconds=wait) if wait and queued else None
        cursor.execute(
            "UPDATE broadcasts_chunk SET state = %s, resends = %s, retry_at = %s WHERE id = %s",
            ["queued" if queued else "settled", bool(resend), retry_at, chunk_id],
        )


def _put_back(cursor: CursorWrapper, campaign_id: int, seqs: Sequence[int]) -> None:
    """They were to be sent to a second time and were not: they still are."""
    if seqs:
        cursor.execute(
            "UPDATE broadcasts_campaignresult SET code = %s, attempts = attempts - 1"
            " WHERE campaign_id = %s AND seq = ANY(%s) AND state = 'unknown'",
            [CampaignResult.Code.RESEND, campaign_id, list(seqs)],
        )


def _orphan(cursor: CursorWrapper, campaign_id: int, rows: Sequence[tuple[Any, ...]]) -> int:
    """The chunks of one campaign that a dead sender had claimed. Returns how many members became unknown."""
    audience_id, policy = rows[0][4], rows[0][5]
    ranges = {
        "campaign": campaign_id,
        "audience": audience_id,
        "firsts": [row[2] for row in rows],
        "lasts": [row[3] for row in rows],
        "at": clock.now(),
        "interrupted": CampaignResult.Code.INTERRUPTED,
        "resending": CampaignResult.Code.RESENDING,
        "resend": CampaignResult.Code.RESEND,
    }
    of_ranges = "FROM unnest(%(firsts)s::int[], %(lasts)s::int[]) AS range(first, last)"
    cursor.execute(
        "INSERT INTO broadcasts_campaignresult (campaign_id, seq, state, code, at)"
        f" SELECT %(campaign)s, m.seq, 'unknown', %(interrupted)s, %(at)s {of_ranges}"
        " JOIN broadcasts_audiencemember m ON m.audience_id = %(audience)s AND m.seq BETWEEN range.first AND range.last"
        " ON CONFLICT (campaign_id, seq) DO NOTHING",
        ranges,
    )
    count = cursor.rowcount
    cursor.execute(
        f"UPDATE broadcasts_campaignresult r SET code = %(interrupted)s, at = %(at)s {of_ranges}"
        " WHERE r.campaign_id = %(campaign)s AND r.seq BETWEEN range.first AND range.last AND r.state = 'unknown'"
        " AND r.code = %(resending)s",
        ranges,
    )
    # Receipts that came before anybody knew that the members were sent to.
    cursor.execute(
        "WITH known AS (DELETE FROM broadcasts_unmatchedreceipt u USING"
        f" (SELECT r.seq, 'khien-c' || %(campaign)s || '-m' || r.seq AS client_id {of_ranges}"
        "  JOIN broadcasts_campaignresult r ON r.campaign_id = %(campaign)s"
        "  AND r.seq BETWEEN range.first AND range.last AND r.state = 'unknown') AS lost"
        " WHERE u.client_id = lost.client_id RETURNING lost.seq, u.delivery, u.message_id)"
        " UPDATE broadcasts_campaignresult r SET at = %(at)s, message_id = best.message_id,"
        " state = CASE WHEN best.delivery = 'delivered' THEN 'delivered' ELSE 'undelivered' END,"
        " code = CASE WHEN best.delivery = 'delivered' THEN '' ELSE best.delivery END"
        " FROM (SELECT DISTINCT ON (seq) * FROM known ORDER BY seq, delivery <> 'delivered') AS best"
        " WHERE r.campaign_id = %(campaign)s AND r.seq = best.seq",
        ranges,
    )
    if policy == BulletinVersion.Policy.AT_LEAST_ONCE:
        cursor.execute(
            f"UPDATE broadcasts_campaignresult r SET code = %(resend)s {of_ranges}"
            " WHERE r.campaign_id = %(campaign)s AND r.seq BETWEEN range.first AND range.last AND r.state = 'unknown'"
            " AND r.code = %(interrupted)s AND r.attempts = 1",
            ranges,
        )
    for row in rows:
        cursor.execute("SELECT sender FROM broadcasts_chunk WHERE id = %s", [row[0]])
        _recount(cursor, campaign_id, row[0], cursor.fetchone()[0], RESEND_AFTER_S)
    return count
