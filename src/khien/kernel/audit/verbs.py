from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.staff.actors import Actor


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
    return AuditLine.objects.create(
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
        details=details or {},
    )
