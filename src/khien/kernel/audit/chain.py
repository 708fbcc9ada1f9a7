"""The chain of seals: what is hashed, what is signed, and how it is checked.

A line's canonical form is JSON with sorted keys over its own columns; a seal's hash is SHA-256 over the
hash of the seal before it and the forms of its lines in order; the head is signed with Ed25519.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature

from khien.kernel import keys
from khien.kernel.audit.models import AuditLine, Seal

GENESIS = "0" * 64


def canonical(line: AuditLine) -> bytes:
    """The bytes of a line that its seal covers."""
    return json.dumps(
        {
            "id": line.pk,
            "at": line.at.isoformat(),
            "recorded_at": line.recorded_at.isoformat(),
            "sort": line.sort,
            "act": line.act,
            "actor": [line.actor_kind, line.actor_id, line.actor_name],
            "purpose": line.purpose,
            "subject": line.subject,
            "persons": line.persons,
            "details": line.details,
        },
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def chain_hash(previous: str, lines: Iterable[AuditLine]) -> str:
    """The hash of a seal, hex."""
    digest = hashlib.sha256(previous.encode())
    for line in lines:
        digest.update(hashlib.sha256(canonical(line)).digest())
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the chain is broken, and how it shows."""

    seal: int
    reason: str


def verify() -> Iterator[Fault]:
    """Walk the chain from its beginning and yield every fault; nothing when it is whole.

    A seal whose lines the retention rule has removed keeps its hash and says when (`forgotten_at`), so
    forgetting does not break the chain while silent removal does.
    """
    previous = GENESIS
    expected = 1
    for seal in Seal.objects.order_by("pk").iterator(chunk_size=500):
        if seal.pk != expected:
            yield Fault(seal.pk, f"seal {expected} is missing")
        expected = seal.pk + 1
        if seal.previous_hash != previous:
            yield Fault(seal.pk, "does not follow the seal before it")
        lines = list(seal.covered.order_by("seal_place"))
        if seal.forgotten_at is None:
            if len(lines) != seal.lines:
                yield Fault(seal.pk, f"covers {seal.lines} lines, {len(lines)} are there")
            elif chain_hash(seal.previous_hash, lines) != seal.hash:
                yield Fault(seal.pk, "a line has been changed")
        try:
            public = keys.get("audit-seal", seal.key_id).ed25519().public_key()
            public.verify(bytes.fromhex(seal.signature), seal.hash.encode())
        except InvalidSignature:
            yield Fault(seal.pk, "the signature is not ours")
        except keys.KeyMissing:
            yield Fault(seal.pk, f"key {seal.key_id} is not in the key folder")
        previous = seal.hash
