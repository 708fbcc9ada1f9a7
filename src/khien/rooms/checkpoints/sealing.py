"""Codes that a device sealed for the installation, so that it can keep an unsent queue which it cannot read back.

`sealed` is base64url of (ephemeral P-256 public key, 65 bytes uncompressed | 12-byte nonce | AES-256-GCM ciphertext of
the code's UTF-8); the key is HKDF-SHA256 over the ECDH secret of the ephemeral key and the installation's `gate-seal`
key, with the info "khien gate seal"; the event's id as written is the associated data, so that a sealed code cannot be
moved to another event.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from khien.kernel import keys

PURPOSE = "gate-seal"
MAX_LENGTH = 4_096
_INFO = b"khien gate seal"
_POINT, _NONCE, _TAG = 65, 12, 16


class SealError(ValueError):
    """A text that none of our keys opens."""


def public_key() -> bytes:
    """The point that devices seal for: 65 bytes, uncompressed."""
    return (
        keys.current(PURPOSE)
        .es256()
        .public_key()
        .public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    )


def opened(event: Mapping[str, Any]) -> str:
    """The code that `event["sealed"]` holds. Raises `SealError`."""
    text, event_id = event.get("sealed"), event.get("id")
    if not isinstance(text, str) or not isinstance(event_id, str) or len(text) > MAX_LENGTH:
        raise SealError
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as fault:
        raise SealError from fault
    if len(raw) < _POINT + _NONCE + _TAG:
        raise SealError
    point, nonce, cipher = raw[:_POINT], raw[_POINT : _POINT + _NONCE], raw[_POINT + _NONCE :]
    for key_id in reversed(keys.all_ids(PURPOSE) or [keys.current(PURPOSE).id]):
        try:
            code = AESGCM(_shared(str(settings.KHIEN_KEYS), key_id, point)).decrypt(
                nonce, cipher, event_id.encode()
            )
            return code.decode()
        except (InvalidTag, ValueError):
            continue
    raise SealError


def sealed(code: str, event_id: str) -> str:
    """What a device makes of a code: for tests and for devices that run Python."""
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key())
    point = ephemeral.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    nonce = secrets.token_bytes(_NONCE)
    cipher = AESGCM(_derived(ephemeral.exchange(ec.ECDH(), theirs))).encrypt(
        nonce, code.encode(), event_id.encode()
    )
    return base64.urlsafe_b64encode(point + nonce + cipher).decode().rstrip("=")


@lru_cache(maxsize=1024)
def _shared(_folder: str, key_id: str, point: bytes) -> bytes:
    """The key that an ephemeral point and one of ours agree on; a device uses one point from boot to boot."""
    try:
        theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as fault:
        raise SealError from fault
    return _derived(keys.get(PURPOSE, key_id).es256().exchange(ec.ECDH(), theirs))


def _derived(secret: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_INFO).derive(secret)
