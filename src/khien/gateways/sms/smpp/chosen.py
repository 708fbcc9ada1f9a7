"""The SMPP gateway that the installation's settings describe: one for each process, because its binds are counted by
the carrier."""

from __future__ import annotations

import functools
import os
import ssl
import threading

from django.conf import settings

from khien.gateways.sms.interface import GatewayNotSet
from khien.gateways.sms.smpp.coding import DEFAULT_ALPHABETS
from khien.gateways.sms.smpp.gateway import Smpp, SmppSettings
from khien.gateways.sms.smpp.reports import RECEIPT_IDS
from khien.gateways.sms.smpp.session import BindSettings, Kind

KINDS: dict[str, Kind] = {"transceiver": "transceiver", "transmitter": "transmitter"}
_lock = threading.Lock()
_running: dict[tuple[int, SmppSettings], Smpp] = {}


def gateway() -> Smpp:
    """This process' gateway. Raises `GatewayNotSet` when a setting is missing or wrong."""
    return running(from_settings())


def running(wanted: SmppSettings) -> Smpp:
    """This process' gateway with these settings."""
    key = (os.getpid(), wanted)
    with _lock:
        if key not in _running:
            _running[key] = Smpp(wanted)
        return _running[key]


def close() -> None:
    """Drain and end what `gateway` and `running` gave out in this process."""
    with _lock:
        for pid, each in list(_running):
            found = _running.pop((pid, each))
            if pid == os.getpid():
                found.close()


def from_settings() -> SmppSettings:
    """The `KHIEN_SMPP_…` settings as one value. Raises `GatewayNotSet`."""
    host, _colon, port = settings.KHIEN_SMPP_ADDRESS.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise GatewayNotSet("KHIEN_SMS_GATEWAY=smpp needs KHIEN_SMPP_ADDRESS=host:port of the carrier")
    if settings.KHIEN_SMPP_BIND not in KINDS:
        raise GatewayNotSet("KHIEN_SMPP_BIND is neither transceiver nor transmitter")
    kind = KINDS[settings.KHIEN_SMPP_BIND]
    if settings.KHIEN_SMPP_ALPHABET not in DEFAULT_ALPHABETS:
        raise GatewayNotSet(f"KHIEN_SMPP_ALPHABET is none of {', '.join(DEFAULT_ALPHABETS)}")
    if settings.KHIEN_SMPP_RECEIPT_IDS not in RECEIPT_IDS:
        raise GatewayNotSet(f"KHIEN_SMPP_RECEIPT_IDS is none of {', '.join(RECEIPT_IDS)}")
    for name, low, high in (
        ("BINDS", 1, 50),
        ("WINDOW", 1, 10_000),
        ("RATE", 0, 1_000_000),
        ("SOURCE_TON", 0, 6),
        ("SOURCE_NPI", 0, 18),
    ):
        if not low <= getattr(settings, f"KHIEN_SMPP_{name}") <= high:
            raise GatewayNotSet(f"KHIEN_SMPP_{name} is not between {low} and {high}")
    return SmppSettings(
        bind=BindSettings(
            host=host.strip("[]"),
            port=int(port),
            system_id=settings.KHIEN_SMPP_SYSTEM_ID,
            password=settings.KHIEN_SMPP_PASSWORD,
            system_type=settings.KHIEN_SMPP_SYSTEM_TYPE,
            kind=kind,
            tls=tls(settings.KHIEN_SMPP_CA, f"KHIEN_SMPP_CA={settings.KHIEN_SMPP_CA!r}")
            if settings.KHIEN_SMPP_TLS
            else None,
            window=settings.KHIEN_SMPP_WINDOW,
            rate=settings.KHIEN_SMPP_RATE,
            answer_timeout_s=settings.KHIEN_SMS_TIMEOUT_S,
        ),
        binds=settings.KHIEN_SMPP_BINDS,
        sender=settings.KHIEN_SMS_SENDER,
        sender_ton=settings.KHIEN_SMPP_SOURCE_TON,
        sender_npi=settings.KHIEN_SMPP_SOURCE_NPI,
        alphabet=settings.KHIEN_SMPP_ALPHABET,
        receipt_ids=settings.KHIEN_SMPP_RECEIPT_IDS,
    )


@functools.cache
def tls(authority: str, called: str) -> ssl.SSLContext:
    """One context for each file, so that equal settings are equal. Raises `GatewayNotSet`; `called` names the file."""
    try:
        return ssl.create_default_context(cafile=authority or None)
    except OSError as fault:
        raise GatewayNotSet(f"{called} cannot be read: {fault}") from fault
