"""Forgetting: every registered table, by its dated rule, once a business day, and the proof that it was done.

What one run removed and what it found left stands in one audit line: counts by table and day, chained to the run before
it by a digest and sealed like every line. `khien retention prove` looks again at all that is held and at that chain.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, transaction

from khien.kernel import clock, partitions
from khien.kernel.acts import record, verb
from khien.kernel.audit import chain
from khien.kernel.audit.models import AuditLine
from khien.kernel.registries import Holding, holdings, retention, retention_checks
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor, Role, system_actor

logger = logging.getLogger("khien.retention")

ACT, SUBJECT = "rules.forget", "rules.retention"
MOST_DAYS = 40
AGAIN_S = 3600.0

_last_day: date | None = None
_again_at = 0.0


@verb(Role.ADMINISTRATOR)
def forget(actor: Actor) -> dict[str, int]:
    """Remove everything that is past its rule today; returns rows gone by registry key.

    A rule that fails is named in the line and in the log, and the others are carried out.
    """
    today = clock.today()
    gone: dict[str, int] = {}
    failed: dict[str, str] = {}
    proofs: list[dict[str, Any]] = []
    for key, entry in retention.items():
        before = edge_of(entry.rule_key, today)
        try:
            with transaction.atomic():
                lying = {name: _by_day(holding, before) for name, holding in holdings_of(key)}
                gone[key] = entry.forget(before)
                proofs += [
                    {
                        "rule": key,
                        "before": before.isoformat(),
                        "holding": name,
                        "gone": lying[name],
                        "left": left_in(holding, before),
                        "oldest": oldest_in(holding),
                    }
                    for name, holding in holdings_of(key)
                ]
        except Exception as fault:  # one room's fault must not keep the data of the others
            failed[key] = type(fault).__name__
            logger.error("retention=%s failed: %s", key, type(fault).__name__)
            logger.debug("retention=%s", key, exc_info=True)
    last = AuditLine.objects.filter(act=ACT, subject=SUBJECT).order_by("-pk").first()
    told: dict[str, Any] = {
        "day": today.isoformat(),
        "gone": gone,
        "failed": failed,
        "proofs": proofs,
        "previous": "" if last is None else last.details.get("digest", ""),
    }
    record(
        actor,
        SUBJECT,
        day=told["day"],
        gone=gone,
        failed=failed,
        proofs=proofs,
        previous=told["previous"],
        digest=digest_of(told),
    )
    return gone


def forget_once_a_day() -> None:
    """For the ticker: run when the business day has changed since this process last ran it, and again an hour after a
    run in which something failed."""
    global _last_day, _again_at
    today = clock.today()
    if _last_day == today and not (_again_at and time.monotonic() > _again_at):
        return
    _again_at = 0.0
    gone = forget(system_actor("retention"))
    _last_day = today
    if len(gone) < len(retention):
        _again_at = time.monotonic() + AGAIN_S


def edge_of(rule_key: str, day: date) -> date:
    """The first Vietnamese day that the rule allows to keep on `day`."""
    return day - timedelta(days=int(rules.on(rule_key, day).value["days"]))


def holdings_of(key: str) -> list[tuple[str, Holding]]:
    """Where the rows of a retention rule lie."""
    return [(name, holding) for name, holding in holdings.items() if holding.rule == key]


def left_in(holding: Holding, before: date) -> int:
    """How many rows are older than the edge and should be gone."""
    clause, values = _too_old(holding, before)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {holding.table} WHERE {clause}", values)  # noqa: S608 - own names
        return int(cursor.fetchone()[0])


def oldest_in(holding: Holding) -> str | None:
    """The Vietnamese day of the oldest row that is left; None when the table is empty."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT min({holding.column}) FROM {holding.table}")  # noqa: S608 - own names
        oldest = cursor.fetchone()[0]
    if oldest is None:
        return None
    return (clock.local(oldest).date() if isinstance(oldest, datetime) else oldest).isoformat()


def digest_of(told: dict[str, Any]) -> str:
    """SHA-256 over what a run says of itself and over the run before it, hex."""
    text = json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that keeps the deletion from being proved: where, and what."""

    where: str
    what: str


def prove() -> Iterator[Flaw]:
    """Look at all that is held and at the log of deletions, and yield every flaw; nothing when it is proved.

    Checked are each table with its partitions (also detached ones), the copies outside of tables that
    `retention_checks` names (segments of the engine, backups), that no day is missing in the log, that the runs follow
    each other, and that the seals over them are whole.
    """
    today = clock.today()
    for key, entry in retention.items():
        before = edge_of(entry.rule_key, today)
        known = holdings_of(key)
        if not known:
            yield Flaw(key, "no holding says where its rows lie, so nothing can be shown")
        for name, holding in known:
            if left := left_in(holding, before):
                yield Flaw(name, f"{left} rows of {holding.table} are from before {before}")
            for part in _old_partitions(holding.table, before):
                yield Flaw(name, f"the partition {part} is from before {before}")
    for name, check in retention_checks.items():
        before = edge_of(check.rule_key, today)
        for text in check.find(before):
            yield Flaw(name, text)
    yield from _flaws_of_the_log(today)


def _flaws_of_the_log(today: date) -> Iterator[Flaw]:
    previous, day = "", None
    for line in AuditLine.objects.filter(act=ACT, subject=SUBJECT).order_by("pk").iterator():
        told = dict(line.details)
        ran_on = date.fromisoformat(told["day"])
        digest = told.pop("digest", None)
        if digest is not None:
            for extra in ("acting_for", "help"):
                told.pop(extra, None)
            if digest_of(told) != digest:
                yield Flaw(f"line {line.pk}", "the digest is not that of the run")
            if told["previous"] != previous:
                yield Flaw(f"line {line.pk}", "does not follow the run before it")
            previous = digest
        for key, fault in told.get("failed", {}).items():
            if ran_on == today:
                yield Flaw(key, f"could not be deleted today ({fault})")
        if day is not None and (ran_on - day).days > 1:
            yield Flaw("log", f"no deletion between {day} and {ran_on}")
        day = ran_on
    if day is None or day < today:
        yield Flaw("log", f"nothing was deleted since {day}" if day else "nothing was ever deleted")
    for fault in chain.verify():
        yield Flaw(f"seal {fault.seal}", fault.reason)


def _too_old(holding: Holding, before: date) -> tuple[str, dict[str, Any]]:
    edge: object = before if _is_day(holding) else clock.start_of_day(before)
    clause = f"{holding.column} < %(edge)s"
    return (f"{clause} AND ({holding.where})" if holding.where else clause), {"edge": edge}


def _by_day(holding: Holding, before: date) -> dict[str, int]:
    """How many rows of each Vietnamese day are older than the edge; the earliest days as one where there are many."""
    clause, values = _too_old(holding, before)
    day = holding.column if _is_day(holding) else f"({holding.column} AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {day}, count(*) FROM {holding.table} WHERE {clause} GROUP BY 1 ORDER BY 1 DESC",  # noqa: S608 - own names
            values,
        )
        rows = cursor.fetchall()
    told = {row[0].isoformat(): int(row[1]) for row in rows[:MOST_DAYS]}
    if rest := sum(int(row[1]) for row in rows[MOST_DAYS:]):
        told["earlier"] = rest
    return told


def _is_day(holding: Holding) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attname = %s",
            [holding.table, holding.column],
        )
        row = cursor.fetchone()
    if row is None:
        raise LookupError(f"{holding.table} has no column {holding.column}")
    return bool(row[0] == "date")


def _old_partitions(table: str, before: date) -> list[str]:
    """Partitions of days before the edge, and tables that look like one and hang on nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ %s AND relname <> %s",
            [f"^{table}_[0-9]{{8}}$", table],
        )
        named = [row[0] for row in cursor.fetchall()]
    return sorted(name for name in named if name < partitions.name_of(table, before))
