"""What devices at gates ask for besides sending scans: their bundle, a look at one code, and a sign of life."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from ninja import Router, Schema
from ninja.security import HttpBearer
from pydantic import AwareDatetime, Field, StringConstraints

from khien.kernel import clock
from khien.kernel.doors.api import PROBLEMS
from khien.kernel.errors import NotFound, Problem
from khien.kernel.staff import system_actor
from khien.kernel.staff.models import Device
from khien.kernel.staff.reads import actor_of_device, hash_token
from khien.kernel.staff.verbs import note_heartbeat, signed_by
from khien.rooms.checkpoints import bundle, checking, sealing, verbs
from khien.rooms.checkpoints.models import GateBuild

router = Router(tags=["checkpoints"])
SIGNATURE = "X-Khien-Signature"


class WrongSignature(Problem):
    """A device that has a key did not sign what it sent with it: the batch is neither stored nor held."""

    status = 401
    default_code = "bad_signature"


class NotActive(Problem):
    """The device is revoked or suspended: it wipes what it knows of people and keeps its queue."""

    status = 401
    default_code = "device_revoked"


def prove(request: HttpRequest, device: Device) -> None:
    """Raise `WrongSignature` unless a device with a key signed the body: `X-Khien-Signature`, ES256, base64url."""
    if device.public_key and request.method == "POST":
        signature = request.headers.get(SIGNATURE, "")
        if not signed_by(device.public_key, signature, request.body):
            raise WrongSignature(
                _("Chữ ký của thiết bị trên dữ liệu gửi lên không đúng."),
                field=SIGNATURE,
                way_out=_("Giữ hàng chờ trên máy, ghi danh lại thiết bị rồi gửi lại."),
            )


class ActiveDevice(HttpBearer):
    """The token of an active device and, where it has a key, its signature on what it posts."""

    def authenticate(self, request: HttpRequest, token: str) -> Device | None:
        device = Device.objects.select_related("unit").filter(token_hash=hash_token(token)).first()
        if device is None:
            return None
        prove(request, device)
        if device.state != Device.State.ACTIVE:
            raise NotActive(
                _("Thiết bị này đã bị thu hồi hoặc tạm ngừng."),
                field="Authorization",
                way_out=_("Xóa dữ liệu người dân trên thiết bị, giữ lại hàng chờ và xin mã ghi danh mới."),
            )
        return device


class BundleOut(Schema):
    """`payload` is base64url of a JSON text, `signature` ES256 over that text, `kid` which `gate-bundle` key."""

    payload: str
    signature: str
    kid: str


class CheckIn(Schema):
    """One code, as read (`code`) or sealed for the installation with `id` as the associated data (`sealed`)."""

    id: Annotated[str, StringConstraints(max_length=64)] = ""
    code: Annotated[str, StringConstraints(max_length=4000)] = ""
    sealed: Annotated[str, StringConstraints(max_length=sealing.MAX_LENGTH)] = ""


class CheckOut(Schema):
    """What the gate shows now: `known` is false when the ledger has nobody with this code."""

    known: bool
    colour: str
    word: str
    reason: str
    name: str
    birth_year: int | None
    server_time: datetime


class HeartbeatIn(Schema):
    """What a device says of itself. `oldest` is when the oldest unsent scan was made, by the device's clock."""

    sent_at: AwareDatetime
    unsent: Annotated[int, Field(ge=0, le=10_000_000)]
    oldest: AwareDatetime | None = None
    bundle: Annotated[str, StringConstraints(max_length=40)] = ""
    app: Annotated[str, StringConstraints(max_length=40)] = ""


class HeartbeatOut(Schema):
    """The server's clock, and whether there is a newer bundle than the one that the device named."""

    server_time: datetime
    bundle: str


@router.get("/bundle", response={200: BundleOut, 304: None, **PROBLEMS}, auth=ActiveDevice())
def get_bundle(request: HttpRequest, response: HttpResponse, kids: str = "") -> Any:
    """What the device knows without asking, signed. `kids` names the signing keys that it knows, with commas."""
    device: Device = request.auth  # type: ignore[attr-defined]
    body = bundle.payload(device, _build())
    tag = _tag(body, kids)
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag, "Cache-Control": "private, no-cache"})
    response["ETag"], response["Cache-Control"] = tag, "private, no-cache"
    patch_vary_headers(response, ["Authorization"])
    return bundle.signed(body, kids)


@router.get("/bundle/{sha256}", response={200: None, **PROBLEMS}, auth=ActiveDevice())
def get_filter(request: HttpRequest, sha256: str) -> Any:
    """The filter file that a bundle names; it never changes."""
    if not GateBuild.objects.filter(sha256=sha256).exists() or not bundle.file_path(sha256).exists():
        raise NotFound(_("Không còn tệp này."), way_out=_("Tải lại gói dữ liệu của thiết bị."))
    return FileResponse(
        bundle.file_path(sha256).open("rb"),
        content_type="application/octet-stream",
        headers={"Cache-Control": "private, max-age=86400, immutable"},
    )


@router.post("/check", response={200: CheckOut, **PROBLEMS}, auth=ActiveDevice())
def check(request: HttpRequest, body: CheckIn) -> dict[str, Any]:
    """What the gate shows for one code by what is known now: it clears what a filter stopped by chance."""
    device: Device = request.auth  # type: ignore[attr-defined]
    code = body.code
    if body.sealed:
        try:
            code = sealing.opened({"sealed": body.sealed, "id": body.id})
        except sealing.SealError as fault:
            raise NotFound(
                _("Không mở được mã đã niêm phong."),
                field="sealed",
                way_out=_("Tải lại gói dữ liệu rồi quét lại."),
            ) from fault
    seen = checking.look(actor_of_device(device), code)
    return {
        "known": seen.known,
        "colour": seen.colour,
        "word": seen.word,
        "reason": seen.reason,
        "name": seen.name,
        "birth_year": seen.birth_year,
        "server_time": clock.now(),
    }


@router.post("/devices/heartbeat", response={200: HeartbeatOut, **PROBLEMS}, auth=ActiveDevice())
def heartbeat(request: HttpRequest, body: HeartbeatIn) -> dict[str, Any]:
    """The device is alive: how much it has not sent yet, and how wrong its clock is."""
    device: Device = request.auth  # type: ignore[attr-defined]
    now = clock.now()
    offset = now - body.sent_at
    note_heartbeat(
        device,
        unsent=body.unsent,
        unsent_since=_moved(body.oldest, offset),
        bundle_version=body.bundle,
        app_version=body.app,
        clock_offset_ms=round(offset.total_seconds() * 1000),
    )
    build = bundle.latest()
    return {"server_time": now, "bundle": "" if build is None else str(build.pk)}


def _moved(moment: datetime | None, offset: timedelta) -> datetime | None:
    """A moment of the device's clock by ours; None where no calendar reaches."""
    try:
        return None if moment is None else (moment.astimezone(UTC) + offset)
    except OverflowError:
        return None


def _build() -> GateBuild:
    """The build of today; the first device to ask has it made when the worker has not yet."""
    found = bundle.latest()
    if found is None or not bundle.file_path(found.sha256).exists():
        found = verbs.build_bundle(system_actor("checkpoints"))
    return found


def _tag(body: Mapping[str, Any], kids: str) -> str:
    return f'"{body["version"]}-{hashlib.sha256(kids.encode()).hexdigest()[:8]}"'
