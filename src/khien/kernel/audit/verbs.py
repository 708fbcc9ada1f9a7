from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from django.db import connection, transaction

from khien.kernel import clock, keys, prepared
from khien.kernel.audit.chain import GENESIS, chain_hash
from khien.kernel.audit.models import AuditLine, Seal
from khien.kernel.staff.actors import Actor

_SEALER_LOCK = 0x5EA1


def write_line(
    actor: Actor,
    act: str,
    *,
    sort: str,
    subject: str = "",
    persons: Iterable[int] = (),
    details: dict[str, Any] | None = None,
) -> AuditLine:
    """One line in the transaction that is open now. Called by `acts`, not by rooms."""
    line = AuditLine(
        at=clock.now(),
        recorded_at=datetime.now(UTC),
        sort=sort,
        act=act,
        actor_kind=actor.kind,
        actor_id=actor.id,
        actor_name=actor.name,
        purpose=actor.purpose,
        subject=subject,
        persons=sorted(set(persons)),
        details={**(details or {}), **_helped(actor)},
    )
    # Each verb and each page writes one: the statement is planned once.
    ((line.pk,),) = prepared.run(
        _INSERT,
        [
            *[line.at, line.recorded_at, str(sort), act, actor.kind, actor.id, actor.name],
            *[actor.purpose, subject, line.persons, json.dumps(line.details)],
        ],
    )
    return line


_INSERT = """
INSERT INTO audit_auditline (at, recorded_at, sort, act, actor_kind, actor_id, actor_name, purpose, subject, persons,
    details) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s::jsonb) RETURNING id
"""


def _helped(actor: Actor) -> dict[str, Any]:
    """At a desk: for whom, and in which session."""
    return {} if actor.acting_for is None else {"acting_for": actor.acting_for, "help": actor.help_id}


def seal_lines(limit: int = 20_000) -> int:
    """Chain the committed lines that no seal covers yet; returns how many. Called by the ticker each second.

    One sealer at a time (an advisory lock); a line whose transaction is still open is simply in the next seal.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_SEALER_LOCK])
            if not cursor.fetchone()[0]:
                return 0
        lines = list(AuditLine.objects.filter(seal__isnull=True).order_by("pk")[:limit])
        if not lines:
            return 0
        last = Seal.objects.order_by("-pk").first()
        previous = last.hash if last else GENESIS
        key = keys.current("audit-seal")
        digest = chain_hash(previous, lines)
        seal = Seal.objects.create(
            id=last.pk + 1 if last else 1,
            sealed_at=datetime.now(UTC),
            lines=len(lines),
            previous_hash=previous,
            hash=digest,
            key_id=key.id,
            signature=key.ed25519().sign(digest.encode()).hex(),
        )
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE audit_auditline SET seal_id = %s, seal_place = place.number - 1"
                " FROM unnest(%s::bigint[]) WITH ORDINALITY AS place(id, number)"
                " WHERE audit_auditline.id = place.id",
                [seal.pk, [line.pk for line in lines]],
            )
        return len(lines)


def forget_before(day: date) -> int:
    """Remove the lines of whole seals made before a Vietnamese day; the seals stay and say so."""
    before = clock.start_of_day(day)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL khien.forgetting = 'on'")
        old = (
            Seal.objects.filter(forgotten_at__isnull=True)
            .exclude(covered__recorded_at__gte=before)
            .filter(sealed_at__lt=before)
        )
        ids = list(old.values_list("pk", flat=True))
        removed, _by_model = AuditLine.objects.filter(seal__in=ids).delete()
        Seal.objects.filter(pk__in=ids).update(forgotten_at=datetime.now(UTC))
    return removed
