"""Limits that hold over all processes and restarts: each is one row and one statement.

A limit lets `at_once` things happen together and then one every `every_s` seconds (the generic cell rate algorithm,
ITU-T I.371). The row holds the moment at which everything is free again, so nothing has to be counted or cleaned.
Time is that of the machine, not business time, which a demonstration moves.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from khien.kernel.errors import Problem

_TAKE = """
INSERT INTO residents_allowance AS held (kind, key, full_at) VALUES (%(kind)s, %(key)s, %(now)s + %(asked)s)
ON CONFLICT (kind, key) DO UPDATE SET full_at = greatest(held.full_at, %(now)s) + %(asked)s
WHERE held.full_at <= %(now)s + %(whole)s - %(asked)s
RETURNING full_at
"""


class TooMany(Problem):
    """Done too often for now."""

    status = 429
    default_code = "too_many"


@dataclass(frozen=True, slots=True)
class Limit:
    """`at_once` together, then one every `every_s` seconds; `kind` names whose and of what."""

    kind: str
    at_once: int
    every_s: float

    @property
    def room(self) -> timedelta:
        return timedelta(seconds=self.every_s * (self.at_once - 1))


@dataclass(frozen=True, slots=True)
class Taken:
    """Whether it was allowed, how many more may follow at once, and when the next one may, aware UTC."""

    allowed: bool
    left: int
    next_at: datetime


def take(limit: Limit, key: str, now: datetime, many: int = 1) -> Taken:
    """Use `many` of the limit for `key` (already hashed), if there are so many: all of them or none."""
    every = timedelta(seconds=limit.every_s)
    asked, whole = every * many, limit.room + every
    values: dict[str, Any] = {"kind": limit.kind, "key": key, "now": now, "asked": asked, "whole": whole}
    with connection.cursor() as cursor:
        row = None
        if many <= limit.at_once:
            cursor.execute(_TAKE, values)
            row = cursor.fetchone()
        if row is not None:
            free = whole - (row[0] - now)
            left = int(free / every + 1e-9)
            return Taken(True, left, now if left else row[0] - limit.room)
        cursor.execute(
            "SELECT full_at FROM residents_allowance WHERE kind = %s AND key = %s", [limit.kind, key]
        )
        row = cursor.fetchone()
        return Taken(False, 0, (row[0] if row else now) - limit.room)


def used_up(limit: Limit, key: str, now: datetime) -> bool:
    """Whether nothing of the limit is left for `key`; takes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT full_at > %s FROM residents_allowance WHERE kind = %s AND key = %s",
            [now + limit.room, limit.kind, key],
        )
        row = cursor.fetchone()
        return bool(row and row[0])


def give_back(limit: Limit, key: str) -> None:
    """What was taken turned out to be rightly asked: it does not count."""
    values: dict[str, Any] = {"every": timedelta(seconds=limit.every_s), "kind": limit.kind, "key": key}
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE residents_allowance SET full_at = full_at - %(every)s WHERE kind = %(kind)s AND key = %(key)s",
            values,
        )


def lock(key: str) -> None:
    """Be the only one who deals with `key` until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 20))", [key])


def keyed(sort: str, text: str) -> str:
    """A keyed hash, hex: numbers and addresses can be guessed back from a plain one."""
    return hmac.new(
        settings.SECRET_KEY.encode(), f"khien.residents.{sort}:{text}".encode(), hashlib.sha256
    ).hexdigest()
