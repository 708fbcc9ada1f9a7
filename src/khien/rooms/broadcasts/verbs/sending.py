"""Claim, submit, settle: each step in a transaction of its own, so that a crash leaves rows that are called
unknown and are never sent a second time by software."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from khien.gateways.sms.interface import Answer, Outcome
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict
from khien.kernel.staff import Actor, Role
from khien.rooms.broadcasts import reads
from khien.rooms.broadcasts.events import BROADCAST_SETTLED
from khien.rooms.broadcasts.models import Broadcast, Recipient, UnmatchedReceipt

CHUNK = 100
"""Rows claimed at once: it bounds how many become unknown when the sender dies."""
MAX_ATTEMPTS = 10
_LONGEST_WAIT_S = 300.0


@verb()
def claim_rows(actor: Actor, *, broadcast: Broadcast, limit: int = CHUNK) -> list[Recipient]:
    """Take rows that are due from the queue into `submitting`. Their transaction commits before anything is
    sent: from here on a row that nobody settles is unknown."""
    now = datetime.now(UTC)
    rows = list(
        Recipient.objects.select_for_update(skip_locked=True)
        .filter(Q(retry_at__isnull=True) | Q(retry_at__lte=now), broadcast=broadcast, state="queued")
        .order_by("pk")[:limit]
    )
    if not rows:
        unchanged()
        return []
    Recipient.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=Recipient.State.SUBMITTING,
        attempts=F("attempts") + 1,
        submitted_at=Coalesce(F("submitted_at"), clock.now()),
    )
    record(actor, broadcast, claimed=len(rows))
    return rows


@verb()
def settle_rows(actor: Actor, *, rows: Sequence[Recipient], outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Write what the gateway answered; returns how many rows came to each state.

    Throttled rows go back to the queue with a growing wait, and are given up after `MAX_ATTEMPTS`. A row
    that a receipt has settled in the meantime keeps what the receipt said.
    """
    answered = {outcome.client_id: outcome for outcome in outcomes}
    early = _early_receipts(outcome.message_id for outcome in outcomes)
    locked = list(
        Recipient.objects.select_for_update().filter(pk__in=[row.pk for row in rows]).order_by("pk")
    )
    tally: dict[str, int] = {}
    for row in locked:
        outcome = answered.get(row.client_id)
        if outcome is None:
            outcome = Outcome(row.client_id, Answer.UNKNOWN, code="no_outcome")
        _apply(row, outcome, early)
        tally[row.state] = tally.get(row.state, 0) + 1
    _write(locked)
    record(actor, f"broadcasts.broadcast:{rows[0].broadcast_id}", settled=tally)
    return tally


@verb()
def mark_interrupted(actor: Actor, *, broadcast: Broadcast) -> int:
    """Rows that a dead sender had claimed are unknown: they may have been sent. Returns how many. Only for a
    caller that holds the broadcast's sending lock."""
    count = Recipient.objects.filter(broadcast=broadcast, state=Recipient.State.SUBMITTING).update(
        state=Recipient.State.UNKNOWN, code="interrupted"
    )
    if not count:
        unchanged()
        return 0
    record(actor, broadcast, unknown=count)
    return count


@verb()
def settle_broadcast(actor: Actor, *, broadcast: Broadcast) -> bool:
    """Announce `broadcast_settled` when no row is queued or under way; once only. Returns whether it did."""
    if not settle_if_done(actor, broadcast):
        unchanged()
        return False
    return True


@verb(Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR)
def requeue_unknown(actor: Actor, *, broadcast: Broadcast) -> int:
    """A person decides that what is unknown be submitted once more, under the same client ids: a gateway that
    knows them answers with the first outcome, another may send twice. Returns how many rows."""
    if broadcast.unit is not None:
        actor.must_cover(broadcast.unit, Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR)
    count = Recipient.objects.filter(broadcast=broadcast, state=Recipient.State.UNKNOWN).update(
        state=Recipient.State.QUEUED, code="", retry_at=None
    )
    if not count:
        raise Conflict(_("Không còn tin nào chưa rõ."), way_out=_("Tải lại trang."))
    from khien.rooms.broadcasts.jobs import send

    record(actor, broadcast, requeued=count)
    send.defer(broadcast_id=broadcast.pk)
    return count


def settle_if_done(actor: Actor, broadcast: Broadcast) -> bool:
    """The rest of `settle_broadcast`, for verbs that have their own line."""
    locked = Broadcast.objects.select_for_update().get(pk=broadcast.pk)
    if locked.settled_at is not None:
        return False
    counts = reads.counts([locked.pk])[locked.pk]
    if any(counts.get(state) for state in reads.OPEN_STATES):
        return False
    locked.settled_at = clock.now()
    locked.save(update_fields=["settled_at"])
    record(
        actor,
        locked,
        event=BROADCAST_SETTLED,
        payload={"broadcast": locked.pk, "reference": locked.reference, "counts": counts},
    )
    return True


def _write(rows: Sequence[Recipient]) -> None:
    """All rows in one statement, whatever each of them says."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE broadcasts_recipient AS r SET state = v.state, code = v.code, message_id = v.message_id,"
            " retry_at = v.retry_at, delivered_at = v.delivered_at"
            " FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::varchar[], %s::timestamptz[],"
            " %s::timestamptz[]) AS v(id, state, code, message_id, retry_at, delivered_at) WHERE r.id = v.id",
            [
                [row.pk for row in rows],
                [str(row.state) for row in rows],
                [row.code[:60] for row in rows],
                [row.message_id[:80] for row in rows],
                [row.retry_at for row in rows],
                [row.delivered_at for row in rows],
            ],
        )


def _apply(row: Recipient, outcome: Outcome, early: dict[str, UnmatchedReceipt]) -> None:
    if row.state not in (Recipient.State.SUBMITTING, Recipient.State.UNKNOWN):
        row.message_id = row.message_id or outcome.message_id
        return
    row.code, row.retry_at = outcome.code, None
    if outcome.answer is Answer.ACCEPTED:
        row.state, row.message_id, row.code = Recipient.State.ACCEPTED, outcome.message_id, ""
        if receipt := early.get(row.message_id):
            _apply_early_receipt(row, receipt)
    elif outcome.answer is Answer.REJECTED or (
        outcome.answer is Answer.THROTTLED and row.attempts >= MAX_ATTEMPTS
    ):
        row.state = Recipient.State.REJECTED
    elif outcome.answer is Answer.THROTTLED:
        row.state = Recipient.State.QUEUED
        wait = outcome.retry_after_s or 2.0 ** min(row.attempts, 9)
        row.retry_at = datetime.now(UTC) + timedelta(seconds=min(wait, _LONGEST_WAIT_S))
    else:
        row.state = Recipient.State.UNKNOWN


def _early_receipts(message_ids: Iterable[str]) -> dict[str, UnmatchedReceipt]:
    """Receipts that overtook their answers and waited under the gateway's message ids; they wait no more."""
    rows = UnmatchedReceipt.objects.filter(message_id__in=[pk for pk in message_ids if pk]).order_by("at")
    found = {row.message_id: row for row in rows}
    if found:
        UnmatchedReceipt.objects.filter(message_id__in=list(found)).delete()
    return found


def _apply_early_receipt(row: Recipient, receipt: UnmatchedReceipt) -> None:
    delivered = receipt.delivery == "delivered"
    row.state = Recipient.State.DELIVERED if delivered else Recipient.State.UNDELIVERED
    row.delivered_at = receipt.at if delivered else None
