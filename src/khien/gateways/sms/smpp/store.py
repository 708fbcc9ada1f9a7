"""What carriers hand us over SMPP, kept before it is acknowledged, and handed on to the room once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from django.db import connection, transaction

from khien.gateways.sms.interface import Delivery, Receipt
from khien.gateways.sms.models import SmppPart, SmppReceipt, SmppReply
from khien.gateways.sms.smpp import coding, pdu, reports
from khien.kernel import clock

_COPY_RECEIPTS = (
    "COPY sms_smppreceipt (message_id, delivery, state, error, number, received_at, taken_at) FROM STDIN"
)
_TAKE_RECEIPTS = """
    WITH due AS (
        SELECT id FROM sms_smppreceipt WHERE taken_at IS NULL ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
    )
    UPDATE sms_smppreceipt AS r SET taken_at = %s FROM due WHERE r.id = due.id
    RETURNING r.id, r.message_id, r.delivery, r.received_at, number
"""


class _Row(NamedTuple):
    """A receipt that is handed out now."""

    id: int
    message_id: str
    delivery: str
    received_at: datetime
    number: str


@dataclass(frozen=True, slots=True)
class Reply:
    """A text that somebody sent to one of our numbers. `number` and `address` as the carrier writes them; `id` is the
    same when it is handed out again."""

    number: str
    address: str
    text: str
    at: datetime
    id: str = ""


@dataclass(frozen=True, slots=True)
class SentParts:
    """A message that left in several parts: the carrier's id of each, and `whole`, under which we know it."""

    client_id: str
    whole: str
    message_ids: tuple[str, ...]


def keep(
    messages: Sequence[pdu.Message],
    alphabet: coding.DefaultAlphabet,
    receipt_ids: reports.ReceiptIds,
    mark: str = "",
) -> None:
    """Keep what came in, all or nothing. A receipt that settles nothing is kept too, and handed to nobody. `mark`: see
    `SmppSettings`."""
    now = clock.now()
    receipts: list[tuple[object, ...]] = []
    replies: list[SmppReply] = []
    for message in messages:
        report = reports.read(message, alphabet)
        if report is not None:
            message_id = (mark + reports.canonical(report.message_id, receipt_ids, in_receipt=True))[:80]
            taken_at = None if report.delivery and report.message_id else now
            receipts.append(
                (
                    _storable(message_id),
                    report.delivery or "",
                    report.state or "",
                    _storable(report.error),
                    _storable(message.source),
                    now,
                    taken_at,
                )
            )
            continue
        text, concatenation = coding.text_of(message, alphabet)
        replies.append(
            SmppReply(
                number=_storable(message.source),
                address=_storable(message.destination),
                text=_storable(text),
                reference=concatenation.reference if concatenation else None,
                parts=concatenation.parts if concatenation else 1,
                part=concatenation.part if concatenation else 1,
                received_at=now,
            )
        )
    with transaction.atomic():
        if receipts:
            # By COPY: a carrier sends as many of them as there are messages.
            with connection.cursor() as cursor, cursor.copy(_COPY_RECEIPTS) as copy:
                for row in receipts:
                    copy.write_row(row)
        if replies:
            SmppReply.objects.bulk_create(replies, batch_size=1000)


def keep_reply(number: str, address: str, text: str) -> None:
    """Keep a text from a phone that came in another way than over a bind."""
    SmppReply.objects.create(
        number=_storable(number)[:21],
        address=_storable(address)[:21],
        text=_storable(text),
        received_at=clock.now(),
    )


def remember_parts(sent: Iterable[SentParts]) -> None:
    """Keep which parts make which message, so that their receipts can be put together. Receipts of parts that came
    before this are taken up again."""
    rows = [
        SmppPart(message_id=message_id[:80], client_id=each.client_id, whole=each.whole, sent_at=clock.now())
        for each in sent
        for message_id in each.message_ids
    ]
    if not rows:
        return
    with transaction.atomic():
        SmppPart.objects.bulk_create(rows, batch_size=1000)
        SmppReceipt.objects.filter(
            message_id__in=[row.message_id for row in rows], taken_at__isnull=False
        ).exclude(delivery="").update(taken_at=None)


def hand_out(limit: int) -> list[Receipt]:
    """Receipts that were not handed out before, oldest first. A message of several parts is delivered when all of them
    are, and undelivered as soon as one is. In a transaction of the caller they count as handed out when it commits."""
    receipts: list[Receipt] = []
    while not receipts:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(_TAKE_RECEIPTS, [limit, clock.now()])
                rows = [_Row(*row) for row in sorted(cursor.fetchall())]
            if not rows:
                break
            receipts = _joined(rows)
    return receipts


def hand_out_replies(limit: int) -> list[Reply]:
    """Replies that were not handed out before, oldest first; a long one when all its parts are there. As `hand_out`,
    within the caller's transaction."""
    with transaction.atomic():
        rows = list(
            SmppReply.objects.select_for_update(skip_locked=True)
            .filter(taken_at__isnull=True)
            .order_by("pk")[:limit]
        )
        gathered: dict[tuple[object, ...], dict[int, SmppReply]] = {}
        for row in rows:
            key = (row.number, row.address, row.reference, row.parts) if row.parts > 1 else (row.pk,)
            gathered.setdefault(key, {})[row.part] = row
        replies, taken = [], []
        for parts in gathered.values():
            first = next(iter(parts.values()))
            if len(parts) < first.parts:
                continue
            text = "".join(parts[number].text for number in sorted(parts))
            replies.append(Reply(first.number, first.address, text, first.received_at, str(first.pk)))
            taken += [row.pk for row in parts.values()]
        SmppReply.objects.filter(pk__in=taken).update(taken_at=clock.now())
    return replies


def forget(before: date) -> int:
    """Remove what came in or was sent before a Vietnamese day; returns how many rows went."""
    edge = clock.start_of_day(before)
    return (
        SmppReceipt.objects.filter(received_at__lt=edge).delete()[0]
        + SmppReply.objects.filter(received_at__lt=edge).delete()[0]
        + SmppPart.objects.filter(sent_at__lt=edge).delete()[0]
    )


def _joined(rows: Sequence[_Row]) -> list[Receipt]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT message_id, whole FROM sms_smpppart WHERE message_id = ANY(%s) ORDER BY id",
            [[row.message_id for row in rows]],
        )
        parts: dict[str, str] = dict(cursor.fetchall())
    # Locked in one order, message by message, so that two who hand out at once do not wait for each other for ever.
    wholes: dict[str, list[SmppPart]] = {}
    if named := sorted(set(parts.values())):
        for part in SmppPart.objects.select_for_update().filter(whole__in=named).order_by("whole", "pk"):
            wholes.setdefault(part.whole, []).append(part)
    receipts, changed = [], {}
    for row in rows:
        known = parts.get(row.message_id)
        if known is None:
            receipts.append(
                Receipt(row.message_id, Delivery(row.delivery), row.received_at, number=row.number)
            )
            continue
        part = next(one for one in wholes[known] if one.message_id == row.message_id)
        if part.delivery in {Delivery.DELIVERED, row.delivery}:
            continue
        part.delivery = row.delivery
        changed[part.pk] = part
        if (delivery := _of_all(wholes[part.whole])) is not None:
            receipts.append(Receipt(part.whole, delivery, row.received_at, part.client_id, row.number))
    if changed:
        SmppPart.objects.bulk_update(list(changed.values()), ["delivery"], batch_size=1000)
    return receipts


def _of_all(parts: Sequence[SmppPart]) -> Delivery | None:
    said = {part.delivery for part in parts}
    for failed in (Delivery.UNDELIVERED, Delivery.EXPIRED):
        if failed in said:
            return failed
    return Delivery.DELIVERED if said == {Delivery.DELIVERED} else None


def _storable(text: str) -> str:
    """PostgreSQL keeps no zero."""
    return text.replace("\0", "")
