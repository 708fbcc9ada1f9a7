"""Telling the simulator how to misbehave."""

from __future__ import annotations

from datetime import date

from django.utils.translation import gettext as _

from khien.gateways.sms.models import SimulatedMessage, SimulatorBehaviour
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid
from khien.kernel.staff import Actor, Role

SHARES = (
    "refused",
    "throttled",
    "answer_lost",
    "request_lost",
    "undelivered",
    "receipt_missing",
    "receipt_twice",
    "receipt_late",
)
WHOLE = {
    "seed": (0, 2_000_000_000),
    "throttled_times": (1, 20),
    "delay_ms": (0, 10_000),
    "receipt_delay_s": (0, 86_400),
    "receipt_late_s": (0, 604_800),
}


@verb(Role.ADMINISTRATOR)
def set_behaviour(actor: Actor, **wanted: float) -> SimulatorBehaviour:
    """Set some of `SHARES` (0 to 1) and `WHOLE` (whole numbers in their range); the others stay."""
    for name, value in wanted.items():
        if name in SHARES:
            low, high = 0.0, 1.0
        elif name in WHOLE:
            low, high = WHOLE[name]
        else:
            raise Invalid(_("Máy giả lập không có mục này."), field=name)
        if not low <= value <= high:
            raise Invalid(
                _("Giá trị ngoài giới hạn."),
                field=name,
                way_out=_("Nhập từ %(low)g đến %(high)g.") % {"low": low, "high": high},
            )
    row, created = SimulatorBehaviour.objects.select_for_update().get_or_create(pk=1)
    changed = {name: value for name, value in wanted.items() if getattr(row, name) != value}
    if not (changed or created):
        unchanged()
        return row
    for name, value in changed.items():
        setattr(row, name, value)
    row.save()
    record(actor, row, changed=changed)
    return row


def forget_simulated(before: date) -> int:
    """Remove simulated messages from before a Vietnamese day; returns how many went."""
    _all, by_model = SimulatedMessage.objects.filter(at__lt=clock.start_of_day(before)).delete()
    return by_model.get(SimulatedMessage._meta.label, 0)
