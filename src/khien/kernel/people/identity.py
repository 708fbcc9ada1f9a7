"""Identity numbers: checked, found by keyed hash, kept as ciphertext, re-keyed in batches.

Twelve digits can be guessed back from a plain hash in seconds, so the hash is an HMAC with a key that
lies outside the database; the number itself is AES-256-GCM with the person's document row as context.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.utils.translation import gettext as _

from khien.kernel import keys
from khien.kernel.errors import Invalid
from khien.kernel.people.models import DocumentKind, IdentityDocument

_SHAPES = {
    DocumentKind.CCCD: re.compile(r"\d{12}"),
    DocumentKind.CMND: re.compile(r"\d{9}"),
    DocumentKind.PASSPORT: re.compile(r"[A-Z]{1,2}\d{6,8}|[A-Z0-9]{6,9}"),
    DocumentKind.INSURANCE: re.compile(r"\d{10}"),
}
_SHAPE_NAMES = {
    DocumentKind.CCCD: "12 chữ số",
    DocumentKind.CMND: "9 chữ số",
    DocumentKind.PASSPORT: "6 đến 9 chữ và số",
    DocumentKind.INSURANCE: "10 chữ số, hoặc 2 chữ và 13 chữ số",
}


def normalise(kind: str, number: str) -> str:
    """The one spelling of a number: no spaces, capitals; of an insurance card the ten digits of the person.

    Raises `Invalid`, whose text never repeats the number.
    """
    text = re.sub(r"[\s.\-]", "", number).upper()
    if kind == DocumentKind.INSURANCE and re.fullmatch(r"[A-Z]{2}\d{13}", text):
        text = text[-10:]
    if not _SHAPES[DocumentKind(kind)].fullmatch(text):
        raise Invalid(
            _("Số %(kind)s không đúng dạng (%(shape)s).")
            % {"kind": DocumentKind(kind).label, "shape": _SHAPE_NAMES[DocumentKind(kind)]},
            field="number",
            way_out=_("Xem lại số in trên giấy."),
        )
    return text


def possible_kinds(text: str) -> list[tuple[str, str]]:
    """Every (kind, normalised number) that a typed text may be; empty when it is no identity number."""
    found = []
    for kind in DocumentKind:
        try:
            number = normalise(kind, text)
        except Invalid:
            continue
        if any(character.isdigit() for character in number):
            found.append((str(kind), number))
    return found


def number_hash(kind: str, number: str, key: keys.Key) -> str:
    """HMAC-SHA-256 over kind and normalised number, hex."""
    return hmac.new(key.secret, f"{kind}:{number}".encode(), hashlib.sha256).hexdigest()


def hashes(kind: str, number: str) -> list[str]:
    """The hashes under every key that may still be in use, the current one last."""
    keys.current("identity-hash")
    return [
        number_hash(kind, number, keys.get("identity-hash", key_id))
        for key_id in keys.all_ids("identity-hash")
    ]


class Hasher:
    """Hashes numbers under every key that may still be in use when it is made; keep one for a batch."""

    def __init__(self) -> None:
        keys.current("identity-hash")
        self._secrets = [keys.get("identity-hash", i).secret for i in keys.all_ids("identity-hash")]

    def hashes(self, kind: str, number: str) -> tuple[str, ...]:
        """As `hashes`, the current key's last."""
        text = f"{kind}:{number}".encode()
        return tuple([hmac.digest(secret, text, "sha256").hex() for secret in self._secrets])


class Sealer:
    """Seals numbers under the keys that are current when it is made; keep one for a batch."""

    def __init__(self) -> None:
        self._hash_key = keys.current("identity-hash")
        cipher_key = keys.current("identity-cipher")
        self._cipher_id = cipher_key.id
        self._cipher = AESGCM(cipher_key.secret)

    def seal(self, kind: str, number: str) -> dict[str, object]:
        """The columns of an `IdentityDocument` that hold a normalised number."""
        nonce = secrets.token_bytes(12)
        return {
            "kind": str(kind),
            "number_hash": number_hash(kind, number, self._hash_key),
            "hash_key_id": self._hash_key.id,
            "ciphertext": nonce + self._cipher.encrypt(nonce, number.encode(), kind.encode()),
            "cipher_key_id": self._cipher_id,
            "last4": number[-4:],
        }


def seal(kind: str, number: str) -> dict[str, object]:
    """The columns of an `IdentityDocument` that hold one normalised number."""
    return Sealer().seal(kind, number)


def sealed_text(kind: str, number: str) -> str:
    """A normalised number sealed into one text, for what must wait between two pages."""
    sealed = seal(kind, number)
    cipher = sealed["ciphertext"]
    assert isinstance(cipher, bytes)
    return f"{sealed['cipher_key_id']}:{base64.urlsafe_b64encode(cipher).decode()}"


def opened_text(kind: str, text: str) -> str:
    """The number in a text from `sealed_text`."""
    key_id, _colon, octets = text.partition(":")
    return _open(kind, key_id, base64.urlsafe_b64decode(octets))


def open_number(document: IdentityDocument) -> str:
    """The number itself. Who calls this must write a read line first."""
    return _open(document.kind, document.cipher_key_id, bytes(document.ciphertext))


def _open(kind: str, key_id: str, sealed: bytes) -> str:
    key = keys.get("identity-cipher", key_id)
    return AESGCM(key.secret).decrypt(sealed[:12], sealed[12:], kind.encode()).decode()
