"""What gateways say later of the phones: of messages to named people and of campaigns, through one function."""

# ruff: noqa: S608 - statements are put together from pieces of this file alone
from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import Q

from khien.gateways.sms.interface import Delivery, Receipt
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import Campaign, CampaignResult, Recipient, UnmatchedReceipt

_OF_MESSAGE = re.compile(r"khien-b(\d{1,18})-r(\d{1,18})")
_OF_CAMPAIGN = re.compile(r"khien-c(\d{1,18})-m(\d{1,9})")

LATE = timedelta(days=14)
"""A receipt is looked for in campaigns that ended so long ago at most; carriers give up after three days or so."""

AGAIN = timedelta(hours=2)
"""Receipts that found nothing are tried again for so long: their answer may have been written at the same moment."""

_FINAL = {
    Delivery.DELIVERED: "delivered",
    Delivery.UNDELIVERED: "undelivered",
    Delivery.EXPIRED: "undelivered",
}


@dataclass(frozen=True, slots=True)
class ReceiptTally:
    """received = stored + duplicate + held."""

    received: int
    stored: int
    duplicate: int
    held: int


@verb()
def take_receipts(actor: Actor, *, receipts: Sequence[Receipt]) -> ReceiptTally:
    """Apply receipts in whatever order they come: one that comes twice changes nothing, one that overtakes its
    answer waits, and `delivered` is final. What is unknown is settled by a receipt that bears our id or, where no
    carrier gives it back, the number of the only phone it can mean."""
    verdicts = _apply(receipts)
    homeless = [receipt for receipt, verdict in zip(receipts, verdicts, strict=True) if verdict is None]
    held = _hold(homeless)
    stored = sum(verdict is True for verdict in verdicts)
    tally = ReceiptTally(len(receipts), stored, len(receipts) - stored - held, held)
    if stored or held:
        record(actor, "broadcasts.receipts", stored=stored, duplicate=tally.duplicate, held=held)
    else:
        unchanged()
    return tally


@verb()
def rematch_receipts(actor: Actor, *, limit: int = 5000) -> int:
    """Try the latest receipts that found nothing once more. Returns how many have found their message now."""
    rows = list(
        UnmatchedReceipt.objects.select_for_update(skip_locked=True)
        .filter(received_at__gt=clock.now() - AGAIN)
        .order_by("-received_at")[:limit]
    )
    verdicts = _apply(
        [Receipt(row.message_id, Delivery(row.delivery), row.at, row.client_id, row.number) for row in rows]
    )
    gone = [row.pk for row, verdict in zip(rows, verdicts, strict=True) if verdict is not None]
    if not gone:
        unchanged()
        return 0
    UnmatchedReceipt.objects.filter(pk__in=gone).delete()
    record(actor, "broadcasts.receipts", rematched=len(gone))
    return len(gone)


def _apply(receipts: Sequence[Receipt]) -> list[bool | None]:
    """For each: True where it changed something, False where that was known, None where its message is not known."""
    verdicts: list[bool | None] = [None] * len(receipts)
    open_places: list[int] = []
    named: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, receipt in enumerate(receipts):
        ours = _OF_CAMPAIGN.fullmatch(receipt.client_id)
        if ours is not None:
            named[int(ours[1])][int(ours[2])].append(place)
        elif not _OF_MESSAGE.fullmatch(receipt.client_id):
            open_places.append(place)
    for campaign_id in sorted(named):
        _of_campaign(receipts, verdicts, campaign_id, seqs=named[campaign_id])
    if open_places:
        recent = _recent_campaigns()
        for campaign in recent:
            ids = _by_message(receipts, [place for place in open_places if verdicts[place] is None])
            if ids:
                _of_campaign(receipts, verdicts, campaign.pk, message_ids=ids)
        _by_number(receipts, verdicts, open_places, recent)
    _of_messages(receipts, verdicts)
    return verdicts


def _recent_campaigns() -> list[Campaign]:
    rows = Campaign.objects.filter(started_at__isnull=False)
    return list(rows.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=clock.now() - LATE)).order_by("-pk"))


def _by_message(receipts: Sequence[Receipt], places: Iterable[int]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for place in places:
        if message_id := receipts[place].message_id[:80]:
            found[message_id].append(place)
    return found


def _of_campaign(
    receipts: Sequence[Receipt],
    verdicts: list[bool | None],
    campaign_id: int,
    *,
    seqs: dict[int, list[int]] | None = None,
    message_ids: dict[str, list[int]] | None = None,
    code: str = "",
) -> None:
    """Settle results of one campaign, named by their place or by the carrier's id."""
    column, wanted, sort = (
        ("seq", list(seqs), "int") if seqs else ("message_id", list(message_ids or ()), "varchar")
    )
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT seq, state, {column} FROM broadcasts_campaignresult WHERE campaign_id = %s"
            f" AND {column} = ANY(%s::{sort}[]) ORDER BY seq FOR NO KEY UPDATE",
            [campaign_id, wanted],
        )
        changed: dict[int, tuple[str, str, str, str]] = {}
        for seq, was, key in cursor.fetchall():
            state, place_of_last = was, None
            for place in (seqs or message_ids or {})[key]:
                said = _FINAL[receipts[place].delivery]
                verdicts[place] = _is_news(state, said)
                if verdicts[place]:
                    state, place_of_last = said, place
            if place_of_last is not None:
                last = receipts[place_of_last]
                why = code or ("" if state == "delivered" else str(last.delivery))
                changed[seq] = (was, state, why, last.message_id[:80])
        if changed:
            _write(cursor, campaign_id, changed, now)


def _is_news(state: str, said: str) -> bool:
    """ "Delivered" is final, and so is what the carrier refused."""
    return state in {"accepted", "unknown"} or (state == "undelivered" and said == "delivered")


def _write(
    cursor: object, campaign_id: int, changed: dict[int, tuple[str, str, str, str]], now: object
) -> None:
    """Results, then the counts of their chunks."""
    execute = cursor.execute  # type: ignore[attr-defined]
    seqs = sorted(changed)
    was, state, code, message_id = ([changed[seq][place] for seq in seqs] for place in range(4))
    execute(
        "UPDATE broadcasts_campaignresult r SET state = v.state, code = v.code, at = %s,"
        " message_id = CASE WHEN r.message_id = '' THEN v.message_id ELSE r.message_id END"
        " FROM unnest(%s::int[], %s::varchar[], %s::varchar[], %s::varchar[]) AS v(seq, state, code, message_id)"
        " WHERE r.campaign_id = %s AND r.seq = v.seq",
        [now, seqs, state, code, message_id, campaign_id],
    )
    execute(
        "WITH hit AS MATERIALIZED ("
        " SELECT k.id, count(*) FILTER (WHERE was = 'accepted') AS accepted,"
        " count(*) FILTER (WHERE was = 'unknown') AS unknown,"
        " count(*) FILTER (WHERE state = 'delivered') AS delivered,"
        " count(*) FILTER (WHERE state = 'undelivered') - count(*) FILTER (WHERE was = 'undelivered') AS undelivered"
        " FROM unnest(%s::int[], %s::varchar[], %s::varchar[]) AS v(seq, was, state), LATERAL"
        " (SELECT id FROM broadcasts_chunk WHERE campaign_id = %s AND first <= v.seq ORDER BY first DESC LIMIT 1) AS k"
        " GROUP BY k.id), locked AS MATERIALIZED ("
        " SELECT id FROM broadcasts_chunk WHERE id IN (SELECT id FROM hit) ORDER BY id FOR NO KEY UPDATE)"
        " UPDATE broadcasts_chunk k SET accepted = k.accepted - hit.accepted, unknown = k.unknown - hit.unknown,"
        " delivered = k.delivered + hit.delivered, undelivered = k.undelivered + hit.undelivered"
        " FROM hit JOIN locked USING (id) WHERE k.id = hit.id",
        [seqs, was, state, campaign_id],
    )


def _by_number(
    receipts: Sequence[Receipt],
    verdicts: list[bool | None],
    places: Sequence[int],
    campaigns: Sequence[Campaign],
) -> None:
    """A receipt whose id nobody knows settles what is unknown at its phone, when one message alone can be meant: one
    unknown result at that number, in a campaign that had begun, and no second id for the number among the receipts."""
    campaigns = [campaign for campaign in campaigns if _has_unknown(campaign.pk)]
    numbers: dict[str, list[int]] = defaultdict(list)
    for place in places if campaigns else ():
        if verdicts[place] is None and (number := _e164(receipts[place].number)):
            numbers[number].append(place)
    wanted = [
        number
        for number, found in numbers.items()
        if len({receipts[place].message_id for place in found}) == 1
    ]
    if not wanted:
        return
    candidates: dict[str, list[tuple[Campaign, int]]] = defaultdict(list)
    with connection.cursor() as cursor:
        for campaign in campaigns:
            cursor.execute(
                "WITH lost AS MATERIALIZED"
                " (SELECT seq FROM broadcasts_campaignresult WHERE campaign_id = %s AND state = 'unknown')"
                " SELECT m.phone, m.seq FROM lost JOIN broadcasts_audiencemember m"
                " ON m.audience_id = %s AND m.seq = lost.seq WHERE m.phone = ANY(%s)",
                [campaign.pk, campaign.audience_id, wanted],
            )
            for phone, seq in cursor.fetchall():
                candidates[phone].append((campaign, seq))
    others = set(
        Recipient.objects.filter(phone__in=wanted, state=Recipient.State.UNKNOWN).values_list(
            "phone", flat=True
        )
    )
    meant: dict[int, dict[int, list[int]]] = defaultdict(dict)
    for phone, found in candidates.items():
        (campaign, seq), *more = found
        if more or phone in others:
            continue
        if any(campaign.started_at and receipts[place].at < campaign.started_at for place in numbers[phone]):
            continue
        meant[campaign.pk][seq] = numbers[phone]
    for campaign_id in sorted(meant):
        _of_campaign(
            receipts, verdicts, campaign_id, seqs=meant[campaign_id], code=CampaignResult.Code.BY_NUMBER
        )


def _has_unknown(campaign_id: int) -> bool:
    return CampaignResult.objects.filter(campaign_id=campaign_id, state="unknown").exists()


def _e164(number: str) -> str:
    """As carriers write numbers (84…, +84…, 0…), in the form of members. Not `to_e164`: receipts come by thousands."""
    digits = number.removeprefix("+")
    if not digits.isdigit():
        return ""
    return f"+84{digits[1:]}" if digits.startswith("0") else f"+{digits}"


def _of_messages(receipts: Sequence[Receipt], verdicts: list[bool | None]) -> None:
    """Those of messages to named people, by our id or the gateway's."""
    places = [place for place, verdict in enumerate(verdicts) if verdict is None]
    ids: dict[int, tuple[int, int]] = {}
    for place in places:
        if (ours := _OF_MESSAGE.fullmatch(receipts[place].client_id)) is not None:
            ids[place] = (int(ours[1]), int(ours[2]))
    by_gateway = {
        receipts[place].message_id
        for place in places
        if place not in ids
        and receipts[place].message_id
        and not _OF_CAMPAIGN.fullmatch(receipts[place].client_id)
    }
    if not ids and not by_gateway:
        return
    rows = list(
        Recipient.objects.select_for_update()
        .filter(Q(pk__in=[pk for _broadcast, pk in ids.values()]) | Q(message_id__in=by_gateway))
        .order_by("pk")
    )
    by_id = {(row.broadcast_id, row.pk): row for row in rows}
    by_message = {row.message_id: row for row in reversed(rows) if row.message_id}
    changed: dict[int, Recipient] = {}
    for place in places:
        receipt = receipts[place]
        row = by_id.get(ids[place]) if place in ids else None
        if row is None and place not in ids and receipt.message_id in by_gateway:
            row = by_message.get(receipt.message_id)
        if row is None:
            continue
        verdicts[place] = _settle(row, receipt)
        if verdicts[place]:
            changed[row.pk] = row
    Recipient.objects.bulk_update(
        list(changed.values()), ["state", "code", "delivered_at", "message_id"], batch_size=1000
    )


def _settle(row: Recipient, receipt: Receipt) -> bool:
    delivered = receipt.delivery is Delivery.DELIVERED
    if row.state == Recipient.State.DELIVERED or (row.state == Recipient.State.UNDELIVERED and not delivered):
        return False
    row.state = Recipient.State.DELIVERED if delivered else Recipient.State.UNDELIVERED
    row.code = "" if delivered else str(receipt.delivery)
    row.delivered_at = receipt.at if delivered else None
    row.message_id = row.message_id or receipt.message_id[:80]
    return True


def _hold(receipts: Sequence[Receipt]) -> int:
    """Keep what found nothing; returns how many were not kept already."""
    if not receipts:
        return 0
    now = clock.now()
    once = Counter((r.message_id[:80], r.client_id[:80], str(r.delivery)) for r in receipts)
    rows = {(r.message_id[:80], r.client_id[:80], str(r.delivery)): r for r in reversed(receipts)}
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO broadcasts_unmatchedreceipt (message_id, client_id, delivery, number, at, received_at)"
            " SELECT v.*, %s FROM unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::varchar[], %s::timestamptz[])"
            " AS v ON CONFLICT (message_id, client_id, delivery) DO NOTHING",
            [
                now,
                [key[0] for key in once],
                [key[1] for key in once],
                [key[2] for key in once],
                [rows[key].number[:21] for key in once],
                [rows[key].at for key in once],
            ],
        )
        return int(cursor.rowcount)
