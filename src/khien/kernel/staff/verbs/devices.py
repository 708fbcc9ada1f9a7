"""Devices: a one-time code made by an administrator enrols one; its token is shown once and kept as a hash."""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
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
def make_enrolment_code(
    actor: Actor,
    *,
    name: str,
    unit: AdminUnit,
    place_ids: Sequence[int] = (),
    other_units: Sequence[AdminUnit] = (),
) -> tuple[EnrolmentCode, str]:
    """A code (10 characters, 50 bits) that enrols one device of `unit` once within 15 minutes.

    `place_ids` names the places where it will work (none: all of its units); a travelling team also works in
    `other_units`. The caller has seen to it that the places are the actor's.
    """
    actor.must_cover(unit, Role.ADMINISTRATOR)
    for other in other_units:
        actor.must_cover(other, Role.ADMINISTRATOR)
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
        place_ids=sorted(set(place_ids)),
        other_units=sorted({other.pk for other in other_units} - {unit.pk}),
    )
    record(actor, row, unit=unit.pk)
    return row, code


def enrol_device(code: str, *, public_key: str = "", proof: str = "") -> Enrolled:
    """The device that shows a valid code becomes one of ours, as a guard of the code's unit.

    `public_key` is the device's own P-256 point (65 bytes, base64url) and `proof` its signature over the code's
    letters and digits: what the device sends later is then signed too. Raises `Invalid` for a code that is unknown,
    used or older than 15 minutes (the three are not told apart), and for a key without its proof.
    """
    return _enrol(system_actor("enrolment"), code=code, public_key=public_key, proof=proof)


def signed_by(public_key: str, signature: str, message: bytes) -> bool:
    """Whether `signature` (r and s, 64 bytes, base64url) over `message` is of the P-256 key, ES256."""
    try:
        point, raw = _octets(public_key), _octets(signature)
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        if len(raw) != 64:
            return False
        dss = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        key.verify(dss, message, ec.ECDSA(hashes.SHA256()))
    except (ValueError, binascii.Error, InvalidSignature):
        return False
    return True


def _octets(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


@verb()
def _enrol(actor: Actor, *, code: str, public_key: str, proof: str) -> Enrolled:
    """Use up an enrolment code; the door is open because the code is the proof."""
    text = "".join(code.split()).upper().replace("-", "")
    if public_key and not signed_by(public_key, proof, text.encode()):
        raise Invalid(
            _("Khóa của thiết bị không kèm bằng chứng đúng."),
            field="proof",
            code="enrolment_proof",
            way_out=_("Ký mã ghi danh bằng chính khóa gửi lên, ES256, rồi gửi lại."),
        )
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
        public_key=public_key.rstrip("="),
        place_ids=row.place_ids,
        other_units=row.other_units,
    )
    row.used_by = device
    row.save(update_fields=["used_by"])
    record(actor, device, unit=device.unit_id)
    return Enrolled(device, token)


def note_heartbeat(
    device: Device,
    *,
    unsent: int,
    unsent_since: datetime | None,
    bundle_version: str,
    app_version: str,
    clock_offset_ms: int,
) -> None:
    """What a device says of itself each minute; a fact about a machine, so there is no audit line."""
    Device.objects.filter(pk=device.pk).update(
        last_seen_at=clock.now(),
        unsent=max(0, unsent),
        unsent_since=unsent_since,
        bundle_version=bundle_version[:40],
        app_version=app_version[:40],
        clock_offset_ms=clock_offset_ms,
    )


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
