"""HC1: `HC1:` + base45(zlib(COSE_Sign1(CWT))), the container of EU, Vietnamese and WHO health certificates.

Source: ehn-dcc-development/hcert-spec, hcert_spec.md 1.0.8; CWT is RFC 8392. A certificate is believed only with the
signature of somebody on the trust list; whether it has expired is for the caller to ask, at the moment that counts.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import base45  # type: ignore[import-untyped]

from khien.kernel import clock, keys
from khien.kernel.certificates import contents, ours, trust
from khien.kernel.signing import cbor, cose

PREFIX = "HC1:"
MAX_LENGTH = 4_296  # letters of the largest QR code
MAX_INFLATED = 10_240  # octets
ISS, EXP, IAT, HCERT = 1, 4, 6, -260
REASONS = ("malformed", "unknown_key", "bad_signature", "wrong_use", "unknown_content")


class CertificateError(ValueError):
    """A certificate that is not believed; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a verified certificate says. `issuer` is a country ("VN"); it holds from `issued_at` to `expires_at`, both
    included."""

    issuer: str
    issued_at: datetime
    expires_at: datetime
    content: contents.Content
    signer: trust.Signer
    fingerprint: str = field(repr=False)

    def holds(self, at: datetime) -> bool:
        return self.issued_at <= at <= self.expires_at

    @property
    def unique_id(self) -> str:
        """The id that its issuer gave it (UVCI), or else the hash of what was signed."""
        return self.content.unique_id or self.fingerprint


def verify(text: str, trusted: trust.TrustList | None = None) -> Certificate:
    """The certificate in the text of a QR code, signed by somebody on the list (default: the installation's).

    Whether it holds at a moment: ask `holds`. Raises `CertificateError`.
    """
    return verify_message(unwrap(text), trust.current() if trusted is None else trusted)


def verify_message(octets: bytes, trusted: trust.TrustList) -> Certificate:
    """The certificate in the octets of a COSE_Sign1 message. Raises `CertificateError`."""
    try:
        message = cose.parse(octets)
        signers = trusted.of(message.kid)
        key = cose.verify(message, [one.key for one in signers])
        claims = cbor.decode(message.payload)
    except cose.CoseError as fault:
        raise CertificateError("malformed" if fault.reason == "algorithm" else fault.reason) from fault
    except cbor.CborError as fault:
        raise CertificateError("malformed") from fault
    return _certificate(claims, message, next(one for one in signers if one.key is key))


def unwrap(text: str) -> bytes:
    """The signed octets in the text of a QR code. Raises `CertificateError` ("malformed")."""
    if not text.startswith(PREFIX) or len(text) > MAX_LENGTH:
        raise CertificateError("malformed")
    try:
        return inflate(base45.b45decode(text.removeprefix(PREFIX)))
    except ValueError as fault:
        raise CertificateError("malformed") from fault


def inflate(octets: bytes) -> bytes:
    """One whole zlib stream of at most `MAX_INFLATED` octets, and nothing behind it. Raises `CertificateError`."""
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(octets, MAX_INFLATED + 1)
    except zlib.error as fault:
        raise CertificateError("malformed") from fault
    if len(found) > MAX_INFLATED or not stream.eof or stream.unused_data:
        raise CertificateError("malformed")
    return found


def issue(content: Mapping[str, Any], *, expires_at: datetime, subclaim: int = contents.DCC) -> str:
    """The text of a certificate signed with our current key, from now until `expires_at`.

    `content` is the sub-claim (`contents.dcc` makes one). Raises `contents.ContentError` when it cannot be read back.
    """
    contents.read({subclaim: content})
    key = keys.current(ours.PURPOSE)
    claims = {
        ISS: "VN",
        EXP: int(expires_at.timestamp()),
        IAT: int(clock.now().timestamp()),
        HCERT: {subclaim: dict(content)},
    }
    kid = trust.signer(ours.certificate(key)).kid
    message = cose.sign(cbor.encode(claims), key.es256(), kid)
    return PREFIX + base45.b45encode(zlib.compress(message, 9)).decode()


def _certificate(claims: Any, message: cose.Sign1, signer: trust.Signer) -> Certificate:
    if not isinstance(claims, Mapping):
        raise CertificateError("malformed")
    issued, expires, issuer = _moment(claims.get(IAT)), _moment(claims.get(EXP)), claims.get(ISS)
    if expires is None:
        raise CertificateError("malformed")
    try:
        content = contents.read(claims.get(HCERT))
    except contents.ContentError as fault:
        raise CertificateError("unknown_content") from fault
    late = issued is not None and issued > signer.valid_until
    if late or (signer.uses and not signer.uses.issuperset(content.kinds)):
        raise CertificateError("wrong_use")
    fingerprint = hashlib.sha256(message.payload).hexdigest()
    return Certificate(
        issuer[:10] if isinstance(issuer, str) else signer.country,
        issued or signer.valid_from,
        expires,
        content,
        signer,
        fingerprint,
    )


def _moment(value: Any) -> datetime | None:
    """Seconds since 1970, whole or not, plain or in CBOR's tag 1."""
    if isinstance(value, datetime):
        return value if value.tzinfo else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
