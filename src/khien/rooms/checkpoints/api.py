"""The machine's door: devices enrol themselves with a code and send what they scanned."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import ninja.errors
import orjson
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Router, Schema
from ninja.errors import HttpError
from ninja.security import HttpBearer
from pydantic import AwareDatetime, Field, StringConstraints, ValidationError

from khien.kernel import clock
from khien.kernel.doors.api import PROBLEMS, ProblemOut, StaffAuth
from khien.kernel.errors import Invalid, Problem
from khien.kernel.staff import Actor, system_actor
from khien.kernel.staff.models import Device
from khien.kernel.staff.reads import actor_of_device, device_of_token
from khien.kernel.staff.verbs import enrol_device
from khien.rooms.checkpoints import bundle, device_api, verbs

router = Router(tags=["checkpoints"])
router.add_router("", device_api.router)

MOST_EVENTS = 200
MOST_BYTES = 256 * 1024


class DeviceRefused(Problem):
    """The device is revoked or suspended: what it sent is kept aside, and it must be enrolled anew."""

    status = 401
    default_code = "device_revoked"

    def __init__(self, *args: Any, held: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = held

    def as_dict(self) -> dict[str, Any]:
        """With the ids of the events that were held: these a device may delete."""
        return {**super().as_dict(), "held": self.held}


class SenderAuth(HttpBearer):
    """`Authorization: Bearer <device token>`. A revoked device is recognised, so that what it sends is not lost."""

    def authenticate(self, request: HttpRequest, token: str) -> Device | None:
        device = device_of_token(token)
        if device is not None:
            device_api.prove(request, device)
        return device


class EnrolIn(Schema):
    """The one-time code that an administrator made within the last 15 minutes. A device with a key of its own sends
    its P-256 point (`public_key`, 65 bytes as base64url) and its signature over the code (`proof`, ES256)."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    public_key: Annotated[str, StringConstraints(max_length=90)] = ""
    proof: Annotated[str, StringConstraints(max_length=90)] = ""


class EnrolOut(Schema):
    """The new device. `token` is shown this once; `bundle_keys` check every bundle from now on."""

    device_id: int
    name: str
    unit: str
    token: str
    bundle_keys: list[dict[str, str]]
    server_time: datetime


class BatchHead(Schema):
    """A batch apart from its events: the device's clocks when it sends, and whether it wants to be told what to show.

    `sent_at` is the wall clock; `boot` (UUID of the page's start) and `sent_mono` (ms since then) the running one,
    which is believed first. A device that drains a queue of scans which it has judged itself says `verdicts: false`.
    """

    sent_at: AwareDatetime | None = None
    boot: UUID | None = None
    sent_mono: Annotated[float, Field(ge=0)] | None = None
    verdicts: bool = True


class BatchIn(BatchHead):
    """At most 200 events and 256 KB.

    An event: `id` (UUID made by the device), `place` (code or address of the poster), `at` (ISO 8601 with offset, the
    device's wall clock), `direction` (in, out, unknown), `method` (camera, hid, manual), `code` (what was read) or
    `sealed` (the code, sealed for the installation). Optional: `seq` (counted by the device over all its events, from
    1), `boot` and `mono` (as of the batch, at the scan), `verdict` {`colour`, `reason`, `bundle`} as shown, `offline`,
    `group` (UUID, the same for all who came together).
    Each event is answered by itself, so a malformed one never blocks the others. An event that is sent again is sent
    unchanged.
    """

    events: list[Any] = Field(description="events as described above")


class VerdictOut(Schema):
    """What the gate shows: green, yellow, orange, red, or grey when nothing was stored."""

    colour: str
    word: str
    reason: str
    name: str
    birth_year: int | None


class ScanOut(Schema):
    """What became of one event, finally: delete it from the queue when its id is named here."""

    id: str
    outcome: str
    reason: str
    message: str
    flags: list[str]
    verdict: VerdictOut | None


class BatchOut(Schema):
    """`received` = `stored` + `duplicate` + `held`; the answers stand in the order of the events."""

    received: int
    stored: int
    duplicate: int
    held: int
    server_time: datetime
    answers: list[ScanOut]


class RevokedOut(ProblemOut):
    """A device that is not (or no longer) known. `held` names the events of a revoked one that somebody will look at:
    these it may delete."""

    held: list[str] = []


@router.post("/devices/enrol", response={200: EnrolOut, **PROBLEMS}, auth=None)
def enrol(request: HttpRequest, body: EnrolIn) -> dict[str, Any]:
    """Use up an enrolment code and get the token of a new device."""
    enrolled = enrol_device(body.code, public_key=body.public_key, proof=body.proof)
    return {
        "device_id": enrolled.device.pk,
        "name": enrolled.device.name,
        "unit": enrolled.device.unit.full_name,
        "token": enrolled.token,
        "bundle_keys": bundle.bundle_keys(),
        "server_time": clock.now(),
    }


@router.post(
    "/scans",
    response={200: BatchOut, 400: ProblemOut, **PROBLEMS, 401: RevokedOut},
    auth=[SenderAuth(), StaffAuth()],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": BatchIn.json_schema()}},
        }
    },
)
def scans(request: HttpRequest) -> HttpResponse:
    """Take a batch of scans; each client-made id is stored once, and every answer is final."""
    # Read and answered without a model: of a busy hour's batches most of the time would go there.
    body, events = _batch(request)
    sender = request.auth  # type: ignore[attr-defined]
    answer = verbs.store_scans(
        _actor(request, events),
        events,
        sent_at=body.sent_at,
        boot=body.boot,
        sent_mono=body.sent_mono,
        since=sender.enrolled_at if isinstance(sender, Device) else None,
        verdicts=body.verdicts,
    )
    return _json({**_counts(answer), "server_time": clock.now(), "answers": _answers(answer)})


def _batch(request: HttpRequest) -> tuple[BatchHead, list[Any]]:
    """The batch without and with its events. Raises what the other doors raise for a body that is not one."""
    raw = request.body
    try:
        # Half a surrogate pair is no JSON for the one, and an event that is held for the other.
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as fault:
            raise HttpError(400, _("không phải JSON")) from fault
    try:
        head = BatchHead.model_validate(body)
    except ValidationError as fault:
        raise ninja.errors.ValidationError(
            [{**error, "loc": ("body", *error["loc"])} for error in fault.errors(include_context=False)]
        ) from fault
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list):
        raise ninja.errors.ValidationError([{"loc": ("body", "events"), "msg": _("phải là một danh sách")}])
    if len(raw) > MOST_BYTES or len(events) > MOST_EVENTS:
        raise Invalid(
            _("Lô quá lớn: nhiều nhất 200 lượt quét và 256 KB."),
            field="events",
            code="too_large",
            way_out=_("Gửi lại thành nhiều lô nhỏ hơn; lượt đã lưu không bị lưu hai lần."),
        )
    return head, events


def _actor(request: HttpRequest, events: list[Any]) -> Actor:
    """The device or the member of staff who sends. What a device that is no longer active sends is held first: a
    revoked one will never be let in again and may forget it, a suspended one keeps its queue."""
    sender: Device | Actor = request.auth  # type: ignore[attr-defined]
    if isinstance(sender, Actor):
        return sender
    if sender.state == Device.State.ACTIVE:
        return actor_of_device(sender)
    kept = verbs.hold_from_revoked(system_actor("checkpoints"), device=sender, events=events)
    raise DeviceRefused(
        _("Thiết bị này đã bị thu hồi hoặc tạm ngừng. Các lượt quét vừa gửi được giữ lại để cán bộ xem."),
        field="Authorization",
        way_out=_("Xóa dữ liệu người dân trên thiết bị, giữ lại hàng chờ và xin mã ghi danh mới."),
        held=[answer.id for answer in kept.answers] if sender.state == Device.State.REVOKED else [],
    )


def _counts(answer: verbs.BatchAnswer) -> dict[str, int]:
    return {
        "received": answer.received,
        "stored": answer.stored,
        "duplicate": answer.duplicate,
        "held": answer.held,
    }


def _answers(answer: verbs.BatchAnswer) -> list[dict[str, Any]]:
    return [
        {
            "id": one.id,
            "outcome": one.outcome,
            "reason": one.reason,
            "message": one.message,
            "flags": one.flags,
            "verdict": one.verdict,
        }
        for one in answer.answers
    ]


def _json(content: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), content_type="application/json; charset=utf-8")
