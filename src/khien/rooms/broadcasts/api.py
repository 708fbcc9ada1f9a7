"""The gateway's machine door: receipts."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema
from ninja.security import APIKeyQuery, HttpBearer

from khien.gateways.sms import kannel
from khien.gateways.sms.interface import Delivery, Receipt
from khien.gateways.sms.smpp import store
from khien.kernel import clock
from khien.kernel.doors.api import PROBLEMS, ProblemOut
from khien.kernel.errors import Invalid
from khien.kernel.staff import Actor, system_actor
from khien.rooms.broadcasts import verbs
from khien.rooms.broadcasts.channels import loudspeakers, tokens
from khien.rooms.broadcasts.models import Station
from khien.rooms.broadcasts.verbs import replies, stations

router = Router(tags=["broadcasts"])


class GatewayAuth(HttpBearer):
    """`Authorization: Bearer <KHIEN_SMS_TOKEN>`; without that setting nobody gets in."""

    def authenticate(self, request: HttpRequest, token: str) -> Actor | None:
        expected = settings.KHIEN_SMS_TOKEN
        if not expected or not hmac.compare_digest(token.encode(), expected.encode()):
            return None
        return system_actor("sms gateway")


class KannelAuth(APIKeyQuery):
    """`token` of the address that we gave Kannel with the message `client_id`; good for nothing else."""

    param_name = "token"

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        secret, client_id = settings.KHIEN_SMS_TOKEN, request.GET.get("client_id", "")
        if not secret or not key:
            return None
        if not hmac.compare_digest(key.encode(), kannel.token(secret, client_id).encode()):
            return None
        return system_actor("sms gateway")


class KannelInboundAuth(APIKeyQuery):
    """`token` of the address that `khien sms kannel` prints."""

    param_name = "token"

    def authenticate(self, request: HttpRequest, key: str | None) -> Actor | None:
        secret = settings.KHIEN_SMS_TOKEN
        if not secret or not key:
            return None
        if not hmac.compare_digest(key.encode(), kannel.inbound_token(secret).encode()):
            return None
        return system_actor("sms gateway")


class ReceiptIn(Schema):
    """What the gateway knows of a phone. `client_id` is the id that we sent, where the gateway gives it back."""

    message_id: str = Field(min_length=1, max_length=80, pattern=r"^[\x20-\x7e]+$")
    client_id: str = Field("", max_length=80, pattern=r"^[\x20-\x7e]*$")
    state: Literal["delivered", "undelivered", "expired"]
    at: datetime = Field(description="ISO 8601; UTC where no zone is given")


class ReceiptsIn(Schema):
    receipts: list[ReceiptIn] = Field(min_length=1, max_length=1000)


class TallyOut(Schema):
    """received = stored + duplicate + held; a held receipt waits for its message."""

    received: int
    stored: int
    duplicate: int
    held: int


@router.post(
    "/receipts",
    auth=GatewayAuth(),
    response={200: TallyOut, **PROBLEMS},
    summary="Take delivery receipts from the SMS gateway",
    operation_id="send_receipts",
)
def send_receipts(request: HttpRequest, batch: ReceiptsIn) -> TallyOut:
    """In any order, each as often as the gateway likes."""
    receipts = [
        Receipt(row.message_id, Delivery(row.state), _aware(row.at), row.client_id) for row in batch.receipts
    ]
    tally = verbs.take_receipts(request.auth, receipts=receipts)  # type: ignore[attr-defined]
    return TallyOut(received=tally.received, stored=tally.stored, duplicate=tally.duplicate, held=tally.held)


@router.get(
    "/receipts/kannel",
    auth=KannelAuth(),
    response={200: TallyOut, **PROBLEMS},
    summary="Take a delivery receipt from Kannel",
    operation_id="send_kannel_receipt",
)
def send_kannel_receipt(
    request: HttpRequest,
    client_id: Annotated[str, Query(min_length=1, max_length=80, pattern=r"^[\x20-\x7e]+$")],
    state: Annotated[int, Query(ge=0, le=255)],
) -> TallyOut:
    """The `dlr-url` that we gave it with the message. A state that settles nothing is answered and forgotten."""
    delivery = kannel.DELIVERIES.get(state)
    if delivery is None:
        return TallyOut(received=0, stored=0, duplicate=0, held=0)
    receipt = Receipt(client_id, delivery, clock.now(), client_id)
    tally = verbs.take_receipts(request.auth, receipts=[receipt])  # type: ignore[attr-defined]
    return TallyOut(received=tally.received, stored=tally.stored, duplicate=tally.duplicate, held=tally.held)


@router.get(
    "/inbound/kannel",
    auth=KannelInboundAuth(),
    response={200: None, **PROBLEMS},
    summary="Take a text that somebody has sent to our number, from Kannel",
    operation_id="send_kannel_inbound",
)
def send_kannel_inbound(
    request: HttpRequest,
    number: Annotated[str, Query(min_length=1, max_length=21)],
    address: Annotated[str, Query(max_length=21)] = "",
    charset: Annotated[str, Query(max_length=20)] = "",
) -> HttpResponse:
    """Kept with what comes over SMPP. `text` is in the letters that `charset` names. The answer is empty: Kannel
    would send it to the phone."""
    octets = parse_qs(request.META.get("QUERY_STRING", ""), encoding="latin-1").get("text", [""])[0]
    store.keep_reply(number, address, kannel.inbound_text(octets.encode("latin-1"), charset))
    return HttpResponse("")


class InboundIn(Schema):
    """Texts from phones, each an object with `id` (the gateway's, unique), `number`, `text` and, where known, `address`
    (our number) and `at` (ISO 8601). A row that is no such object is held and does not keep the others out."""

    messages: list[Any] = Field(min_length=1, max_length=1000)


class RowOut(Schema):
    """What became of one row, in the order sent: stored, duplicate, or held with the reason."""

    state: str
    code: str
    message: str


class InboundOut(TallyOut):
    rows: list[RowOut]


@router.post(
    "/inbound",
    auth=GatewayAuth(),
    response={200: InboundOut, **PROBLEMS},
    summary="Take texts that people have sent to our numbers",
    operation_id="send_inbound",
)
def send_inbound(request: HttpRequest, batch: InboundIn) -> InboundOut:
    """Each text once by its id, however often it is sent. Questions that software knows are answered by SMS."""
    tally = replies.take_inbound(request.auth, messages=batch.messages)  # type: ignore[attr-defined]
    return InboundOut(
        received=tally.received,
        stored=tally.count("stored"),
        duplicate=tally.count("duplicate"),
        held=tally.count("held"),
        rows=[RowOut(state=row.state, code=row.code, message=row.message) for row in tally.rows],
    )


class StationAuth(HttpBearer):
    """`Authorization: Bearer <token of the station>`."""

    def authenticate(self, request: HttpRequest, token: str) -> Station | None:
        return tokens.station_of(token)


class QueueOut(Schema):
    """What a station is to play, in order, and the ids of what it must not play any more."""

    now: datetime
    bulletins: list[dict[str, Any]]
    cancelled: list[int]


class ReportsIn(Schema):
    """What a station played, each an object with `id`, `state` (played or not_played), `at` (ISO 8601: when it began),
    `times` (how often) and, where it was not played, `reason`."""

    reports: list[Any] = Field(min_length=1, max_length=stations.MOST_REPORTS)


@router.get(
    "/stations/queue",
    auth=StationAuth(),
    response={200: QueueOut, **PROBLEMS},
    summary="What a loudspeaker station is to play",
    operation_id="station_queue",
)
def station_queue(request: HttpRequest) -> QueueOut:
    """Ask every 30 seconds. An emergency is played at once, the rest at `not_before`; the audio is checked against its
    `sha256`, and the text is read where there is none. What was got before is in it until it has been reported."""
    station = request.auth  # type: ignore[attr-defined]
    plays, cancelled = stations.hand_out(system_actor("stations"), station=station)
    return QueueOut(
        now=clock.now(), bulletins=[loudspeakers.bulletin_for(play) for play in plays], cancelled=cancelled
    )


@router.post(
    "/stations/reports",
    auth=StationAuth(),
    response={200: InboundOut, 429: ProblemOut, **PROBLEMS},
    summary="What a loudspeaker station has played",
    operation_id="station_reports",
)
def station_reports(request: HttpRequest, batch: ReportsIn) -> InboundOut:
    """Row by row; what cannot be so is held and shown to somebody."""
    station = request.auth  # type: ignore[attr-defined]
    rows = stations.take_reports(system_actor("stations"), station=station, reports=batch.reports)
    states = [row.state for row in rows]
    return InboundOut(
        received=len(rows),
        stored=states.count("stored"),
        duplicate=states.count("duplicate"),
        held=states.count("held"),
        rows=[RowOut(state=row.state, code=row.code, message=row.message) for row in rows],
    )


def _aware(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise Invalid(
            _("Giờ trong báo nhận không thể đúng."),
            field="at",
            code="bad_date",
            way_out=_("Gửi giờ theo ISO 8601, ví dụ 2022-01-10T05:00:00Z."),
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
