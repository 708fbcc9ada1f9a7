"""The personal pass: `YT1:` + base45(COSE_Sign1(CWT)), ES256. It identifies and never grants reading.

Claims (RFC 8392): 2 sub, a random pseudonym of 80 bits for this card alone; 6 iat; 4 exp; and of our own
-70001 type ("paper" or "phone"), -70002 masked name, -70003 birth year. A phone's pass also names the key with
which that phone signs time steps (`steps`): 8 cnf (RFC 8747), a point of P-256 as COSE_Key, compressed. No identity
number and nothing derived from one. Who the pseudonym is, only the server knows.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import base45  # type: ignore[import-untyped]
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings

from khien.kernel import keys
from khien.kernel.signing import cbor, cose

PREFIX = "YT1:"
MAX_LENGTH = 600
_SUB, _EXP, _IAT, _CNF = 2, 4, 6, 8
_TYPE, _NAME, _YEAR = -70001, -70002, -70003


class PassError(ValueError):
    """A pass that is not ours; `reason` is "malformed", "unknown_key" or "bad_signature"."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified pass says."""

    sub: str
    issued_at: datetime
    expires_at: datetime
    type: str
    masked_name: str
    birth_year: int | None
    device_key: bytes = b""
    """The phone's public key, P-256, compressed (33 bytes); empty for a pass without one."""


def new_sub() -> str:
    """A pseudonym: 80 random bits as 16 characters of base32."""
    return base64.b32encode(secrets.token_bytes(10)).decode()


def mask_name(full_name: str) -> str:
    """`Nguyễn Văn An` → `N. V. An`: enough to compare with a face that says its name."""
    words = full_name.split()
    return " ".join([*(f"{word[0]}." for word in words[:-1]), *words[-1:]])


def sign(claims: Claims) -> str:
    """The text of the pass, signed with the current pass key."""
    key = keys.current("pass").es256()
    payload = cbor.encode(
        {
            _SUB: claims.sub,
            _EXP: int(claims.expires_at.timestamp()),
            _IAT: int(claims.issued_at.timestamp()),
            _TYPE: claims.type,
            **({_NAME: claims.masked_name} if claims.masked_name else {}),
            **({_YEAR: claims.birth_year} if claims.birth_year else {}),
            **({_CNF: _cose_key(claims.device_key)} if claims.device_key else {}),
        }
    )
    return PREFIX + base45.b45encode(cose.sign(payload, key, _kid_of(key.public_key()))).decode()


def verify(text: str) -> Claims:
    """The claims of a pass that one of our keys signed, whether or not it has expired. Raises `PassError`."""
    if not text.startswith(PREFIX) or len(text) > MAX_LENGTH:
        raise PassError("malformed")
    try:
        message = cose.parse(base45.b45decode(text.removeprefix(PREFIX)), strict=True)
        if message.alg != cose.ES256 or len(message.signature) != 64:
            raise PassError("malformed")
        key = _public_keys(str(settings.KHIEN_KEYS), tuple(keys.all_ids("pass"))).get(message.kid)
        cose.verify(message, [] if key is None else [key])
        return _claims(cbor.decode(message.payload))
    except cose.CoseError as fault:
        raise PassError("malformed" if fault.reason == "algorithm" else fault.reason) from fault
    except PassError:
        raise
    except ValueError as fault:
        raise PassError("malformed") from fault


def _claims(found: Any) -> Claims:
    try:
        sub, kind = found[_SUB], found[_TYPE]
        issued = datetime.fromtimestamp(int(found[_IAT]), UTC)
        expires = datetime.fromtimestamp(int(found[_EXP]), UTC)
        year = found.get(_YEAR)
        if not (isinstance(sub, str) and len(sub) == 16 and kind in {"paper", "phone"}):
            raise PassError("malformed")
        return Claims(
            sub,
            issued,
            expires,
            kind,
            str(found.get(_NAME, "")),
            None if year is None else int(year),
            _point(found.get(_CNF)),
        )
    except (KeyError, TypeError, AttributeError, OverflowError, OSError) as fault:
        raise PassError("malformed") from fault


def _cose_key(point: bytes) -> dict[int, dict[int, object]]:
    """`cnf` with a COSE_Key (RFC 9053, 7.1.1): EC2, P-256, x, and the sign of y."""
    return {1: {1: 2, -1: 1, -2: point[1:], -3: point[0] == 3}}


def _point(confirmation: Any) -> bytes:
    """The compressed point that `cnf` names; empty without one."""
    if confirmation is None:
        return b""
    key = confirmation[1]
    if key[1] != 2 or key[-1] != 1 or len(key[-2]) != 32 or not isinstance(key[-3], bool):
        raise PassError("malformed")
    return (b"\x03" if key[-3] else b"\x02") + bytes(key[-2])


def _kid_of(key: ec.EllipticCurvePublicKey) -> bytes:
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).digest()[:4]


@lru_cache(maxsize=4)
def _public_keys(folder: str, ids: tuple[str, ...]) -> dict[bytes, ec.EllipticCurvePublicKey]:
    """The public keys by key id; remembered for as long as the key folder holds the same keys."""
    known = [keys.get("pass", key_id).es256().public_key() for key_id in ids]
    return {_kid_of(key): key for key in known}
