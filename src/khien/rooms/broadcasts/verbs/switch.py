"""The switch for every message of this installation."""

from __future__ import annotations

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid, NotAllowed
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import SendingSwitch

HOLDERS = (Role.COMMUNICATION_OFFICER, Role.LEADER, Role.ADMINISTRATOR)


@verb(*HOLDERS)
def stop_all(actor: Actor, *, because: str) -> SendingSwitch:
    """Nothing leaves any more: campaigns, messages to named people, replies and one-time codes alike. What is under way
    still leaves. For those who hold a role over a whole province."""
    if not because.strip():
        raise Invalid(_("Chưa ghi lý do."), field="because", way_out=_("Ghi vì sao phải dừng mọi tin."))
    return _throw(actor, stopped=True, because=because.strip()[:200])


@verb(*HOLDERS)
def allow_all(actor: Actor) -> SendingSwitch:
    """Messages may leave again; what waited goes on by itself."""
    return _throw(actor, stopped=False, because="")


def may_throw(actor: Actor) -> bool:
    """Whether the switch is this actor's to throw: a role of theirs holds over a unit at the top."""
    tops = AdminUnit.objects.filter(parent__isnull=True).only("path")
    return actor.sees_everything or any(actor.covers(unit, *HOLDERS) for unit in tops)


def _throw(actor: Actor, *, stopped: bool, because: str) -> SendingSwitch:
    if not may_throw(actor):
        raise NotAllowed(
            _("Chỉ người phụ trách cả tỉnh được dừng hoặc mở lại mọi tin."),
            way_out=_("Báo lãnh đạo hoặc cán bộ truyền thông của tỉnh."),
        )
    row, _created = SendingSwitch.objects.select_for_update().get_or_create(pk=1)
    if row.is_stopped == stopped:
        unchanged()
        return row
    row.is_stopped, row.because, row.by, row.at = stopped, because, actor.id, clock.now()
    row.save()
    record(actor, row, because=because)
    return row
