"""Devices: a one-time code made by an administrator enrols one; its token is shown once and kept as a hash."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid
from khien.kernel.staff.actors import Actor, system_actor
from khien.kernel.staff.models import Device, EnrolmentCode
from khien.kernel.staff.reads import hash_token
from khien.kernel.staff.roles import Role
from khien.kernel.units.models import AdminUnit

CODE_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH = 10
CODE_LIFE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A new device and its token, which is never shown again."""

    device: Device
    token: str


@verb(Role.ADMINISTRATOR)
def make_enrolment_code(actor: Actor, *, name: str, unit: AdminUnit) -> tuple[EnrolmentCode, str]:
    """A code (10 characters, 50 bits) that enrols one device of `unit` once within 15 minutes."""
    actor.must_cover(unit, Role.ADMINISTRATOR)
    name = " ".join(name.split())
    if not name:
        raise Invalid(
            _("Thiếu tên thiết bị."), field="name", way_out=_("Ví dụ: Điện thoại chốt Cầu Hồng Phú.")
        )
    if actor.kind != "staff" or actor.id is None:
        raise Invalid(_("Mã ghi danh do một người quản trị tạo."), field="actor")
    code = "".join(secrets.choice(CODE_ALPHABET) for _place in range(CODE_LENGTH))
    now = clock.now()
    row = EnrolmentCode.objects.create(
        code_hash=hash_token(code),
        name=name,
        unit=unit,
        created_by_id=actor.id,
        created_at=now,
        expires_at=now + CODE_LIFE,
    )
    record(actor, row, unit=unit.pk)
    return row, code


def enrol_device(code: str) -> Enrolled:
    """The device that shows a valid code becomes one of ours, as a guard of the code's unit.

    Raises `Invalid` for a code that is unknown, used or older than 15 minutes: the three are not told apart.
    """
    return _enrol(system_actor("enrolment"), code=code)


@verb()
def _enrol(actor: Actor, *, code: str) -> Enrolled:
    """Use up an enrolment code; the door is open because the code is the proof."""
    text = "".join(code.split()).upper().replace("-", "")
    row = EnrolmentCode.objects.select_for_update().filter(code_hash=hash_token(text)).first()
    if row is None or row.used_by_id is not None or row.expires_at <= clock.now():
        raise Invalid(
            _("Mã ghi danh không đúng, đã dùng hoặc quá 15 phút."),
            field="code",
            code="enrolment_code",
            way_out=_("Nhờ quản trị viên tạo mã mới."),
        )
    token = secrets.token_urlsafe(32)
    device = Device.objects.create(
        name=row.name,
        unit_id=row.unit_id,
        token_hash=hash_token(token),
        enrolled_at=clock.now(),
        enrolled_by_id=row.created_by_id,
    )
    row.used_by = device
    row.save(update_fields=["used_by"])
    record(actor, device, unit=device.unit_id)
    return Enrolled(device, token)


@verb(Role.ADMINISTRATOR)
def revoke_device(actor: Actor, *, device: Device) -> Device:
    """The device is nobody from now on; what it still sends is held. A replacement is another device."""
    actor.must_cover(device.unit, Role.ADMINISTRATOR)
    device = Device.objects.select_for_update().get(pk=device.pk)
    if device.state == Device.State.REVOKED:
        unchanged()
        return device
    device.state, device.revoked_at = Device.State.REVOKED, clock.now()
    device.save(update_fields=["state", "revoked_at"])
    record(actor, device, unit=device.unit_id)
    return device


@verb(Role.ADMINISTRATOR)
def suspend_device(actor: Actor, *, device: Device, suspended: bool = True) -> Device:
    """Stop an active device for a while, or let a suspended one work again."""
    actor.must_cover(device.unit, Role.ADMINISTRATOR)
    device = Device.objects.select_for_update().get(pk=device.pk)
    state = Device.State.SUSPENDED if suspended else Device.State.ACTIVE
    if device.state == Device.State.REVOKED:
        raise Invalid(
            _("Thiết bị đã bị thu hồi."), field="device", way_out=_("Ghi danh lại bằng một mã mới.")
        )
    if device.state == state:
        unchanged()
        return device
    device.state = state
    device.save(update_fields=["state"])
    record(actor, device, state=state)
    return device
