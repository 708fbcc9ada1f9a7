"""Addresses that nobody can guess, made from a key outside the database and kept nowhere.

A link is the order's row number and 96 bits of an HMAC over it and its purpose: the daily form of the
person ("f"), or the check that a printed order is genuine ("v"). Old keys of the purpose go on working.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from django.conf import settings
from django.urls import reverse

from khien.kernel import keys

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def token(purpose: str, order_id: int) -> str:
    """The token of an order for one purpose, e.g. `a7-Kf3…` (letters, digits, `-` and `_`)."""
    return f"{_base36(order_id)}-{_mac(purpose, order_id, keys.current('links'))}"


def order_id_of(purpose: str, text: str) -> int | None:
    """The order that a token opens for this purpose; None for anything else."""
    number, _dash, mac = text.partition("-")
    if not number.isascii() or not number.isalnum() or len(number) > 12:
        return None
    order_id = int(number, 36)
    keys.current("links")
    for key_id in reversed(keys.all_ids("links")):
        expected = _mac(purpose, order_id, keys.get("links", key_id))
        if hmac.compare_digest(expected.encode(), mac.encode()):
            return order_id
    return None


def follow_up_url(order_id: int) -> str:
    """The address of the daily form, as it is sent to the person."""
    return settings.KHIEN_URL + reverse("quarantine:by_link", args=[token("f", order_id)])


def verify_url(order_id: int) -> str:
    """The address behind the QR code of a printed order."""
    return settings.KHIEN_URL + reverse("quarantine:verify", args=[token("v", order_id)])


def _mac(purpose: str, order_id: int, key: keys.Key) -> str:
    digest = hmac.new(key.secret, f"quarantine.order:{purpose}:{order_id}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest[:12]).decode()


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return digits or "0"
