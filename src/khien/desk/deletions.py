"""The daily log of deletions as anybody may read it: counts only, straight from the sealed lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.functional import Promise

from khien.kernel.audit.models import AuditLine
from khien.kernel.registries import retention
from khien.kernel.rules.retention import ACT, SUBJECT


@dataclass(frozen=True, slots=True)
class DeletedRows:
    """What one rule removed on a day: rows from before the day `before`; `left` are those that should be gone and are
    not (None where an old line does not say)."""

    key: str
    title: str | Promise
    before: date | None
    gone: int
    left: int | None
    failed: bool


@dataclass(frozen=True, slots=True)
class DeletionDay:
    """One business day's deletions and the seal over the last of their lines (None: not sealed yet)."""

    day: date
    rows: list[DeletedRows]
    seal: int | None
    digest: str


def days(limit: int = 60) -> list[DeletionDay]:
    """The last days of the log, newest first. A day on which nothing was too old has no rows."""
    by_day: dict[date, list[AuditLine]] = {}
    for line in AuditLine.objects.filter(act=ACT, subject=SUBJECT).order_by("-pk")[: limit * 10]:
        by_day.setdefault(date.fromisoformat(line.details["day"]), []).append(line)
    return [_told(day, lines) for day, lines in sorted(by_day.items(), reverse=True)[:limit]]


def _told(day: date, lines: list[AuditLine]) -> DeletionDay:
    last = lines[0]
    titles = {key: entry.title for key, entry in retention.items()}
    rows = []
    for key in sorted(
        {key for line in lines for key in (*line.details["gone"], *line.details.get("failed", {}))}
    ):
        gone = sum(int(line.details["gone"].get(key, 0)) for line in lines)
        proofs: list[dict[str, Any]] = [p for p in last.details.get("proofs", []) if p["rule"] == key]
        left = sum(int(proof["left"]) for proof in proofs) if proofs else None
        failed = key in last.details.get("failed", {})
        if gone or left or failed:
            before = date.fromisoformat(proofs[0]["before"]) if proofs else None
            rows.append(DeletedRows(key, titles.get(key, key), before, gone, left, failed))
    return DeletionDay(day, rows, last.seal_id, last.details.get("digest", ""))
