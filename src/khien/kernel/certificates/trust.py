"""Whose signatures on health certificates count: a list that the installation is given, and our own keys.

`KHIEN_TRUST_LIST` names a file or a folder: certificates as PEM or DER (`.pem`, `.crt`, `.cer`, `.der`), or JSON
(`.json`), either the lists that EU members publish (`{"certificates": [{"kid", "country", "rawData"}]}`) or plainly
`{"<key id, base64>": "<DER of the certificate, base64>"}`. A bad entry is named in `problems` and stops no other.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.conf import settings

from khien.kernel import keys
from khien.kernel.certificates import contents, ours
from khien.kernel.signing import cose

KID_LENGTH = 8
_SUFFIXES = frozenset({".pem", ".crt", ".cer", ".der", ".json"})
# Which kinds a key may sign; the second branch is that of the EU's test data.
_USES = {
    f"1.3.6.1.4.1.{arc}.2021.1.{number}": kind
    for arc in ("1847", "0.1847")
    for number, kind in ((1, contents.TEST), (2, contents.VACCINATION), (3, contents.RECOVERY))
}


class TrustError(ValueError):
    """An entry of a trust list that is no usable certificate."""


@dataclass(frozen=True, slots=True)
class Signer:
    """One document signer: `kid` as certificates name it, `uses` the kinds that it may sign (empty: any)."""

    kid: bytes
    country: str
    uses: frozenset[str]
    valid_from: datetime
    valid_until: datetime
    key: cose.PublicKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrustList:
    """Signers by key id; several may share one, and all are tried."""

    signers: dict[bytes, tuple[Signer, ...]]
    problems: tuple[str, ...] = ()

    def of(self, kid: bytes) -> tuple[Signer, ...]:
        return self.signers.get(kid, ())

    def __len__(self) -> int:
        return sum(map(len, self.signers.values()))


def current() -> TrustList:
    """The list of this installation with our own keys, old ones too; read again when a file has changed."""
    folder = str(settings.KHIEN_KEYS)
    keys.current(ours.PURPOSE)
    return _current(
        folder,
        tuple(keys.all_ids(ours.PURPOSE)),
        settings.KHIEN_TRUST_LIST,
        _fingerprint(settings.KHIEN_TRUST_LIST),
    )


def load(path: Path) -> TrustList:
    """The list in a file or folder; a path that does not exist is one of its problems."""
    signers: list[Signer] = []
    problems: list[str] = []
    for file in _files(path):
        try:
            entries = list(_entries(file))
        except (OSError, ValueError) as fault:
            problems.append(f"{file.name}: {_why(fault)}")
            continue
        for number, entry in enumerate(entries, 1):
            try:
                signers.append(signer(*entry))
            except (ValueError, TypeError) as fault:
                problems.append(f"{file.name}, entry {number}: {_why(fault)}")
    if not path.exists():
        problems.append(f"{path} does not exist")
    return gathered(signers, tuple(problems))


def gathered(signers: Iterable[Signer], problems: tuple[str, ...] = ()) -> TrustList:
    """A list of these signers."""
    found: dict[bytes, list[Signer]] = defaultdict(list)
    for one in signers:
        if one not in found[one.kid]:
            found[one.kid].append(one)
    return TrustList({kid: tuple(some) for kid, some in found.items()}, problems)


def signer(certificate: x509.Certificate | bytes, kid: bytes = b"", country: str = "") -> Signer:
    """The signer of a certificate (DER or read). Without `kid` it is the first 8 octets of the DER's SHA-256; without
    `country` that of the subject. Raises `TrustError` for keys that neither ES256 nor PS256 can use."""
    try:
        found = x509.load_der_x509_certificate(certificate) if isinstance(certificate, bytes) else certificate
        key = found.public_key()
        names = found.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
        uses = _uses_of(found)
        digest = hashlib.sha256(found.public_bytes(serialization.Encoding.DER)).digest()
    except (ValueError, TypeError) as fault:
        raise TrustError("not a certificate") from fault
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1):
            raise TrustError("a curve other than P-256 and P-384")
    elif not isinstance(key, rsa.RSAPublicKey) or key.key_size < cose.MIN_RSA_BITS:
        raise TrustError("neither an EC key nor an RSA key of 2,048 bits")
    return Signer(
        kid=kid or digest[:KID_LENGTH],
        country=country or (str(names[0].value) if names else ""),
        uses=uses,
        valid_from=found.not_valid_before_utc,
        valid_until=found.not_valid_after_utc,
        key=key,
    )


def _uses_of(certificate: x509.Certificate) -> frozenset[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(_USES[oid.dotted_string] for oid in usage if oid.dotted_string in _USES)


def _entries(file: Path) -> Iterator[tuple[x509.Certificate | bytes, bytes, str]]:
    octets = file.read_bytes()
    if file.suffix.lower() == ".json":
        yield from _json_entries(json.loads(octets))
    elif b"-----BEGIN CERTIFICATE-----" in octets:
        yield from ((found, b"", "") for found in x509.load_pem_x509_certificates(octets))
    else:
        yield octets, b"", ""


def _json_entries(data: object) -> Iterator[tuple[bytes, bytes, str]]:
    rows = data.get("certificates", data) if isinstance(data, dict) else data
    if isinstance(rows, dict):
        rows = [{"kid": kid, "rawData": raw} for kid, raw in rows.items()]
    if not isinstance(rows, list):
        raise TrustError("neither a list of certificates nor a table of key ids")
    for row in rows:
        fields = row if isinstance(row, dict) else {"rawData": row}
        raw, kid, country = fields.get("rawData"), fields.get("kid") or "", fields.get("country") or ""
        yield _base64(raw), _base64(kid), country if isinstance(country, str) else ""


def _base64(text: object) -> bytes:
    """The octets; of what is no base64 none, which is then no certificate either."""
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path] if path.exists() else []
    return sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES and file.is_file())


def _why(fault: Exception) -> str:
    return str(fault) if isinstance(fault, TrustError) else "not readable"


def _fingerprint(text: str) -> tuple[tuple[str, int, int], ...]:
    """Names, times and sizes of the list's files: another fingerprint means that the list is read again."""
    if not text:
        return ()
    found = ((file, file.stat()) for file in _files(Path(text)))
    return tuple((str(file), about.st_mtime_ns, about.st_size) for file, about in found)


@lru_cache(maxsize=4)
def _current(folder: str, ids: tuple[str, ...], path: str, _fingerprint: object) -> TrustList:
    own = [signer(ours.certificate(keys.get(ours.PURPOSE, key_id))) for key_id in ids]
    given = load(Path(path)) if path else TrustList({})
    return gathered([*own, *(one for some in given.signers.values() for one in some)], given.problems)
