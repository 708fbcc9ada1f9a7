"""Keys outside the database: one folder, one file a key, readable by the service alone.

A purpose ("identity-hash", "identity-cipher", "audit-seal", "pass", "hc1" …) has one current key and any number
of old ones. A file is named `<purpose>.<key id>.key`; the current one is the youngest id (ids are
dates with a counter, so they sort). In development a missing key is made on first use; in production
`khien keys make` makes them, so that a lost folder is noticed rather than silently replaced.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.conf import settings

from khien.kernel import clock
from khien.kernel.errors import Problem

SYMMETRIC = frozenset(
    {"identity-hash", "identity-cipher", "place-mac", "links", "second-factor", "station", "push-seal"}
)
ED25519 = frozenset({"audit-seal"})
# P-256 keys: all sign with ES256 but "gate-seal", whose public half seals what a gate keeps (ECDH).
ES256 = frozenset({"pass", "hc1", "gate-bundle", "gate-seal", "carrier-order", "web-push"})


class KeyMissing(Problem):
    """A key is not in the key folder; what it protects cannot be opened without it."""

    status = 500
    default_code = "key_missing"


@dataclass(frozen=True, slots=True)
class Key:
    """One key; `secret` is raw bytes (symmetric, 32) or a PKCS 8 PEM (private keys)."""

    purpose: str
    id: str
    secret: bytes

    def ed25519(self) -> ed25519.Ed25519PrivateKey:
        key = serialization.load_pem_private_key(self.secret, password=None)
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        return key

    def es256(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.secret, password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


def current(purpose: str) -> Key:
    """The key that new things are made with."""
    ids = all_ids(purpose)
    if not ids:
        if settings.PRODUCTION:
            raise KeyMissing(
                f"No key for {purpose} in {settings.KHIEN_KEYS}.",
                way_out="Restore the key folder from its backup, or run `khien keys make` on a new installation.",
            )
        return make(purpose)
    return get(purpose, ids[-1])


def get(purpose: str, key_id: str) -> Key:
    """A key by its id, old ones included. Raises `KeyMissing`."""
    return _load(str(settings.KHIEN_KEYS), purpose, key_id)


def all_ids(purpose: str) -> list[str]:
    """The ids of a purpose, oldest first."""
    folder = Path(settings.KHIEN_KEYS)
    return sorted(path.name.split(".")[1] for path in folder.glob(f"{purpose}.*.key"))


def make(purpose: str) -> Key:
    """Make a new current key; the old ones stay for what they already protect. Two at once make one."""
    folder = Path(settings.KHIEN_KEYS)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    day = clock.now().strftime("%Y%m%d")
    number = len([i for i in all_ids(purpose) if i.startswith(day)])
    key_id = f"{day}{number:02d}"
    path = folder / f"{purpose}.{key_id}.key"
    # Written aside and linked, so that a reader never sees half a key and a second maker loses the race.
    aside = folder / f".{purpose}.{secrets.token_hex(8)}"
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(_fresh(purpose))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()
    return get(purpose, key_id)


def _fresh(purpose: str) -> bytes:
    if purpose in SYMMETRIC:
        return secrets.token_bytes(32)
    private: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if purpose in ED25519:
        private = ed25519.Ed25519PrivateKey.generate()
    elif purpose in ES256:
        private = ec.generate_private_key(ec.SECP256R1())
    else:
        raise LookupError(f"no such purpose: {purpose}")
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@lru_cache(maxsize=64)
def _load(folder: str, purpose: str, key_id: str) -> Key:
    path = Path(folder) / f"{purpose}.{key_id}.key"
    try:
        return Key(purpose, key_id, path.read_bytes())
    except FileNotFoundError as fault:
        raise KeyMissing(
            f"Key {key_id} for {purpose} is not in {folder}.",
            way_out="Restore the key folder from its backup.",
        ) from fault
