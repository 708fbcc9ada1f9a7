"""An administrator has what failed delivered again."""

from __future__ import annotations

from khien.kernel.acts import record, unchanged, verb
from khien.kernel.events.models import Delivery
from khien.kernel.staff.actors import Actor
from khien.kernel.staff.roles import Role


@verb(Role.ADMINISTRATOR)
def retry_delivery(actor: Actor, *, delivery: Delivery) -> None:
    """Make a delivery that failed due at once, with all its attempts before it; one that is done stays done."""
    changed = Delivery.objects.filter(pk=delivery.pk, done_at__isnull=True).update(attempts=1, retry_at=None)
    if changed:
        record(actor, delivery, event_id=delivery.event_id, handler=delivery.handler)
    else:
        unchanged()
