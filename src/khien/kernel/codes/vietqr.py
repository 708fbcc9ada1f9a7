"""VietQR and other EMVCo payment codes: recognised, so that the guard can be told kindly what was shown.

Source: NAPAS, QR format 1.5.2, on EMVCo's merchant-presented mode 1.1: two digits of tag, two of length, the value; the
last object is 63, CRC-16/CCITT-FALSE over everything before its value.
"""

from __future__ import annotations

import binascii
import re

NAPAS = "A000000727"
# Merchant accounts, additional data, the merchant's name in another language, and what is not yet assigned.
_TEMPLATES = frozenset({*range(26, 52), 62, 64, *range(80, 100)})


class PaymentError(ValueError):
    """A text that is no EMVCo payment code."""


def is_payment(text: str) -> bool:
    """Whether this is a whole VietQR code or that of another payment network."""
    try:
        read(text)
    except PaymentError:
        return False
    return True


def read(text: str) -> dict[int, str]:
    """The objects of a payment code by tag. Raises `PaymentError` on a wrong length, tag or checksum."""
    if not text.startswith("000201") or not re.fullmatch(r"6304[0-9A-Fa-f]{4}", text[-8:]):
        raise PaymentError("neither begin nor end of a payment code")
    if crc16(text[:-4].encode("utf-8", "surrogatepass")) != int(text[-4:], 16):
        raise PaymentError("the checksum is another")
    found = _objects(text)
    for tag, value in found.items():
        if tag in _TEMPLATES:
            _objects(value)
    if list(found)[-1] != 63:
        raise PaymentError("the checksum does not come last")
    return found


def crc16(octets: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, start FFFF, nothing reflected."""
    return binascii.crc_hqx(octets, 0xFFFF)


def _objects(text: str) -> dict[int, str]:
    found: dict[int, str] = {}
    at = 0
    while at < len(text):
        head = text[at : at + 4]
        if not re.fullmatch(r"[0-9]{4}", head):
            raise PaymentError("a head that is none")
        tag, length = int(head[:2]), int(head[2:])
        value = text[at + 4 : at + 4 + length]
        if tag in found or length == 0 or len(value) != length:
            raise PaymentError("a wrong length, or a tag twice")
        found[tag] = value
        at += 4 + length
    if not found:
        raise PaymentError("an empty template")
    return found
