"""Numbers whose owners want no bulletins."""

from __future__ import annotations

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.people.phones import to_e164
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import WRITERS, OptOut


@verb(*WRITERS)
def opt_out(actor: Actor, *, number: str, how: str) -> bool:
    """A number gets no bulletins from now on, emergencies excepted; false when it got none before. `how` is "sms",
    "page" or "desk". Raises `Invalid` for what is no mobile number."""
    _row, created = OptOut.objects.get_or_create(
        number=to_e164(number), defaults={"at": clock.now(), "how": how}
    )
    if not created:
        unchanged()
        return False
    record(actor, "broadcasts.optout", how=how)
    return True


@verb(*WRITERS)
def opt_in(actor: Actor, *, number: str, how: str) -> bool:
    """A number gets bulletins again; false when it got them already. Raises `Invalid` for what is no mobile number."""
    gone, _by_model = OptOut.objects.filter(number=to_e164(number)).delete()
    if not gone:
        unchanged()
        return False
    record(actor, "broadcasts.optout", how=how)
    return True
