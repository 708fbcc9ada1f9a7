"""Our own key for health certificates, and its certificate, with which others can verify what we issue.

The certificate follows from the key alone (its signature too is deterministic, RFC 6979), so only the key has to be
kept, and the key id stays the same wherever it is computed.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from khien.kernel import keys

PURPOSE = "hc1"
LIFE = timedelta(days=3_653)
_USES = [x509.ObjectIdentifier(f"1.3.6.1.4.1.1847.2021.1.{number}") for number in (1, 2, 3)]


def certificate(key: keys.Key) -> x509.Certificate:
    """The self-signed certificate of one of our `hc1` keys, always the same for the same key."""
    private = key.es256()
    public = private.public_key()
    octets = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Khiên"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"hc1 {key.id}"),
        ]
    )
    begin = datetime.strptime(key.id[:8], "%Y%m%d").replace(tzinfo=UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(int.from_bytes(hashlib.sha256(octets).digest()[:8], "big") or 1)
        .not_valid_before(begin)
        .not_valid_after(begin + LIFE)
        .add_extension(x509.ExtendedKeyUsage(_USES), critical=False)
        .sign(private, hashes.SHA256(), ecdsa_deterministic=True)
    )
