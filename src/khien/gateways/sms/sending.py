"""The gateway that this installation uses, and one message sent at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.conf import settings

from khien.gateways.sms.interface import Answer, GatewayNotSet, Outcome, OutgoingSms, SmsGateway
from khien.gateways.sms.simulator import Simulator
from khien.gateways.sms.text import normalise
from khien.kernel.people.phones import to_e164

stops: list[Callable[[], bool]] = []
"""Asked before a message is sent at once: while one of them says so, nothing leaves. Rooms add theirs."""


def gateway() -> SmsGateway:
    """The chosen gateway: each number's carrier where `KHIEN_SMS_CARRIERS` names a file, else the one of
    `KHIEN_SMS_GATEWAY`. Raises `GatewayNotSet` when its settings are not whole."""
    if settings.KHIEN_SMS_CARRIERS:
        # Here, as below: processes that use one gateway need not load the others.
        from khien.gateways.sms import carriers

        carriers.chosen_file()
        return carriers.ByCarrier()
    kind = settings.KHIEN_SMS_GATEWAY
    if kind == "simulator":
        return Simulator()
    if kind == "http_json":
        if not settings.KHIEN_SMS_URL:
            raise GatewayNotSet("KHIEN_SMS_GATEWAY=http_json needs KHIEN_SMS_URL: the address of the gateway")
        # Here, not above: processes that use another gateway need not load an HTTP client.
        from khien.gateways.sms.http_json import HttpJson

        return HttpJson(
            url=settings.KHIEN_SMS_URL,
            token=settings.KHIEN_SMS_TOKEN,
            sender=settings.KHIEN_SMS_SENDER,
            timeout_s=settings.KHIEN_SMS_TIMEOUT_S,
            fields=_fields(settings.KHIEN_SMS_FIELDS),
        )
    if kind == "smpp":
        from khien.gateways.sms.smpp import chosen

        return chosen.gateway()
    raise GatewayNotSet(f"KHIEN_SMS_GATEWAY={kind!r} is not known: use simulator, http_json or smpp")


def send_now(number: str, text: str, purpose: str) -> Outcome:
    """Send one message at once and say what came of it, e.g. a one-time code (`purpose="one_time_code"`).

    `number` is taken as people write it (raises `Invalid` for what is no mobile number). The caller tells
    the person to ask again unless the outcome is accepted: nothing is sent a second time here. While all sending is
    stopped (`stops`) it comes back as throttled, code "stopped".
    """
    message = OutgoingSms(
        client_id=f"{purpose}-{uuid.uuid4().hex}"[:80],
        number=to_e164(number),
        text=normalise(text),
        purpose=purpose,
    )
    if any(stopped() for stopped in stops):
        return Outcome(message.client_id, Answer.THROTTLED, code="stopped")
    return gateway().submit([message])[0]


def _fields(text: str) -> dict[str, str]:
    pairs = dict(part.split("=", 1) for part in text.split() if "=" in part)
    from khien.gateways.sms.http_json import DEFAULT_FIELDS

    unknown = sorted(set(pairs) - set(DEFAULT_FIELDS))
    if unknown:
        raise GatewayNotSet(
            f"KHIEN_SMS_FIELDS names {', '.join(unknown)}: only {', '.join(DEFAULT_FIELDS)} can be renamed"
        )
    return pairs
