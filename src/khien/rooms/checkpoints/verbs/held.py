"""What the batch door held: somebody looks, and says so."""

from __future__ import annotations

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import NotFound
from khien.kernel.staff import Actor, Role
from khien.rooms.checkpoints.models import HeldScan


@verb(Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)
def settle_held(actor: Actor, *, held_id: int) -> HeldScan:
    """Say that a held scan was looked at; it leaves the list and goes with its retention rule."""
    row = HeldScan.objects.seen_by(actor).select_for_update(of=("self",)).filter(pk=held_id).first()
    if row is None:
        raise NotFound(_("Không có dòng bị giữ này."))
    held: HeldScan = row
    if held.settled_at is not None:
        unchanged()
        return held
    held.settled_at, held.settled_by = clock.now(), actor.id
    held.save(update_fields=["settled_at", "settled_by"])
    record(actor, held, reason=held.reason)
    return held
