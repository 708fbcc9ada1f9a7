"""COSE_Sign1 (RFC 9052) with ES256 and PS256: the one container of our passes and of health certificates.

A message is read, its key id looked up, and only then a signature computed. What is wrong is one of four reasons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from khien.kernel.signing import cbor

ALG, CRIT, KID = 1, 2, 4
ES256, PS256 = -7, -37
SIGN1_TAG, CWT_TAG = 18, 61
MIN_RSA_BITS = 2_048
REASONS = ("malformed", "algorithm", "unknown_key", "bad_signature")

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class CoseError(ValueError):
    """A message that cannot be trusted; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Sign1:
    """A COSE_Sign1 message, not yet verified. `kid` is that of the protected header, or else of the unprotected."""

    protected: bytes = field(repr=False)
    payload: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    alg: int
    kid: bytes


def parse(data: bytes, *, strict: bool = False) -> Sign1:
    """Read a message; verify it before believing a word. `strict` is for what we write ourselves: tag 18 alone, and
    both facts in the protected header.

    Raises `CoseError` ("malformed", or "algorithm" for any but ES256 and PS256).
    """
    try:
        message = cbor.decode(data, tags=frozenset({SIGN1_TAG, CWT_TAG}))
        if not strict and isinstance(message, cbor2.CBORTag) and message.tag == CWT_TAG:
            message = message.value
            if not (isinstance(message, cbor2.CBORTag) and message.tag == SIGN1_TAG):
                raise CoseError("malformed")
        if isinstance(message, cbor2.CBORTag) and message.tag == SIGN1_TAG:
            message = message.value
        elif strict:
            raise CoseError("malformed")
        if not isinstance(message, list | tuple) or len(message) != 4:
            raise CoseError("malformed")
        protected, unprotected, payload, signature = message
        if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
            raise CoseError("malformed")
        header = cbor.decode(protected, tags=frozenset()) if protected else {}
    except cbor.CborError as fault:
        raise CoseError("malformed") from fault
    if not (isinstance(header, Mapping) and isinstance(unprotected, Mapping)) or CRIT in header:
        raise CoseError("malformed")
    kid = header.get(KID) if strict else header.get(KID, unprotected.get(KID))
    if not isinstance(kid, bytes):
        raise CoseError("malformed")
    # An algorithm outside the signature does no harm: the kind of the key decides, and it comes from the trust list.
    alg = header.get(ALG) if strict else header.get(ALG, unprotected.get(ALG))
    if not isinstance(alg, int) or alg not in (ES256, PS256):
        raise CoseError("algorithm")
    return Sign1(protected, payload, signature, alg, kid)


def verify(message: Sign1, keys: Iterable[PublicKey]) -> PublicKey:
    """The one of `keys` (those that have the message's key id) which signed it.

    Raises `CoseError`: "unknown_key" without any key, "bad_signature" when none fits.
    """
    candidates = list(keys)
    if not candidates:
        raise CoseError("unknown_key")
    signed = _signed(message.protected, message.payload)
    for key in candidates:
        if _fits(message.alg, key, message.signature) and _holds(key, message.signature, signed):
            return key
    raise CoseError("bad_signature")


def sign(payload: bytes, key: PrivateKey, kid: bytes) -> bytes:
    """A tagged message with both headers' facts protected: ES256 for a P-256 key, PS256 for RSA."""
    alg = ES256 if isinstance(key, ec.EllipticCurvePrivateKey) else PS256
    protected = cbor.encode({ALG: alg, KID: kid})
    signed = _signed(protected, payload)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = _half(key)
        r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    else:
        signature = key.sign(signed, _pss(), hashes.SHA256())
    return cbor.encode(cbor2.CBORTag(SIGN1_TAG, [protected, {}, payload, signature]))


def _fits(alg: int, key: Any, signature: bytes) -> bool:
    """The kind of key is the algorithm's, and the signature as long as that key makes it: 64 octets for P-256."""
    if alg == ES256:
        return (
            isinstance(key, ec.EllipticCurvePublicKey)
            # RFC 9053, section 2.1, lets ES256 go with other curves, and some issuers use P-384.
            and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
            and len(signature) == 2 * _half(key)
        )
    return (
        isinstance(key, rsa.RSAPublicKey)
        and key.key_size >= MIN_RSA_BITS
        and len(signature) == (key.key_size + 7) // 8
    )


def _holds(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, _pss(), hashes.SHA256())
        else:
            half = len(signature) // 2
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _half(key: ec.EllipticCurvePublicKey | ec.EllipticCurvePrivateKey) -> int:
    return (key.key_size + 7) // 8


def _pss() -> padding.PSS:
    """RFC 8230: the salt is as long as the digest."""
    return padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)


def _signed(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052, section 4.4."""
    return cbor.encode(["Signature1", protected, b"", payload])
