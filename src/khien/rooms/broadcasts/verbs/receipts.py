"""What gateways say later of the phones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from khien.gateways.sms.interface import Delivery, Receipt
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import Recipient, UnmatchedReceipt

_CLIENT_ID = re.compile(r"khien-b(\d+)-r(\d+)")


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
    answer waits, and `delivered` is final. An unknown row is settled by a receipt that bears our id."""
    stored = duplicate = held = 0
    for receipt in receipts:
        row = _row_of(receipt)
        if row is None:
            _found, created = UnmatchedReceipt.objects.get_or_create(
                message_id=receipt.message_id[:80],
                client_id=receipt.client_id[:80],
                delivery=receipt.delivery,
                defaults={"at": receipt.at, "received_at": clock.now()},
            )
            held, duplicate = held + created, duplicate + (not created)
        elif _settle(row, receipt):
            stored += 1
        else:
            duplicate += 1
    tally = ReceiptTally(len(receipts), stored, duplicate, held)
    if stored or held:
        record(actor, "broadcasts.receipts", stored=stored, duplicate=duplicate, held=held)
    else:
        unchanged()
    return tally


def _row_of(receipt: Receipt) -> Recipient | None:
    rows = Recipient.objects.select_for_update()
    ours = _CLIENT_ID.fullmatch(receipt.client_id)
    if ours is not None:
        return rows.filter(pk=int(ours[2]), broadcast_id=int(ours[1])).first()
    if not receipt.message_id:
        return None
    return rows.filter(message_id=receipt.message_id).first()


def _settle(row: Recipient, receipt: Receipt) -> bool:
    delivered = receipt.delivery is Delivery.DELIVERED
    if row.state == Recipient.State.DELIVERED or (row.state == Recipient.State.UNDELIVERED and not delivered):
        return False
    row.state = Recipient.State.DELIVERED if delivered else Recipient.State.UNDELIVERED
    row.code = "" if delivered else str(receipt.delivery)
    row.delivered_at = receipt.at if delivered else None
    row.message_id = row.message_id or receipt.message_id
    row.save(update_fields=["state", "code", "delivered_at", "message_id"])
    return True
