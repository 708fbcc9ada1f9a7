"""The gateway's machine door: receipts."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from typing import Annotated, Literal

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema
from ninja.security import APIKeyQuery, HttpBearer

from khien.gateways.sms import kannel
from khien.gateways.sms.interface import Delivery, Receipt
from khien.kernel import clock
from khien.kernel.doors.api import PROBLEMS
from khien.kernel.errors import Invalid
from khien.kernel.staff import Actor, system_actor
from khien.rooms.broadcasts import verbs

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


def _aware(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise Invalid(
            _("Giờ trong báo nhận không thể đúng."),
            field="at",
            code="bad_date",
            way_out=_("Gửi giờ theo ISO 8601, ví dụ 2022-01-10T05:00:00Z."),
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
