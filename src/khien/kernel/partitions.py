"""Tables partitioned by a day: partitions made ahead, filled from the default one, dropped when forgotten.

A table `t` partitioned `BY RANGE (day)` has a default partition `t_default` and one partition a day, `t_20220110`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np
from django.db import connection, transaction

from khien.kernel.bulk import Column, copy_columns

_LOCK = 0x6B6869656E  # any two makers of partitions wait for each other


def name_of(table: str, day: date) -> str:
    """The partition of a day; the day is part of the name, so a name says what it holds."""
    return f"{table}_{day:%Y%m%d}"


def days_of(table: str) -> dict[date, str]:
    """The days that have a partition of their own, with its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = to_regclass(%s)",
            [table],
        )
        names = [row[0] for row in cursor.fetchall()]
    return {
        date(int(name[-8:-4]), int(name[-4:-2]), int(name[-2:])): name
        for name in names
        if name.startswith(f"{table}_") and name[-8:].isdigit()
    }


_ensured: set[tuple[str, date]] = set()


def ensure_once(table: str, day: date) -> None:
    """Give the day a partition unless this process has already seen to it.

    What is about to be written must not go to the default partition while another process makes the day's
    own: PostgreSQL refuses such a row.
    """
    if (table, day) not in _ensured:
        ensure(table, [day])
        _ensured.add((table, day))


def ensure(table: str, days: Iterable[date]) -> int:
    """Give each of the days a partition; rows of that day in the default partition move. Returns how many were
    made. `table` is a name from our own code, never from outside."""
    wanted = set(days)
    missing = sorted(wanted - set(days_of(table))) if wanted else []
    if not missing:
        return 0
    with transaction.atomic():
        _lock()
        made = 0
        for day in sorted(set(missing) - set(days_of(table))):
            _create(table, day)
            _attach(table, day)
            made += 1
    return made


@contextmanager
def filling(table: str, days: Iterable[date]) -> Iterator[Callable[[Mapping[str, Column]], None]]:
    """For a bulk load: a function that copies columns (see `bulk.copy_columns`) into the partitions of their "day".

    `days` are all days that will come. Partitions that are new are filled aside and attached at the end, so that
    their indexes are built once instead of row by row.
    """
    wanted = sorted(set(days))

    def copy(columns: Mapping[str, Column]) -> None:
        of = columns["day"]
        for day in np.unique(of):
            chosen = np.flatnonzero(of == day)
            copy_columns(
                name_of(table, day.astype(date)), {name: column[chosen] for name, column in columns.items()}
            )

    with transaction.atomic():
        _lock()
        new = [day for day in wanted if day not in set(days_of(table))]
        for day in new:
            _create(table, day)
        yield copy
        for day in new:
            _attach(table, day)


def _lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def _create(table: str, day: date) -> None:
    """The day's partition, not yet attached, with the rows of that day that lay in the default one."""
    part = name_of(table, day)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {table}_default WHERE day = %s RETURNING *)"  # noqa: S608 - own names
            f" INSERT INTO {part} SELECT * FROM moved",
            [day],
        )


def _attach(table: str, day: date) -> None:
    following = day + timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute(
            f"ALTER TABLE {table} ATTACH PARTITION {name_of(table, day)}"
            f" FOR VALUES FROM ('{day.isoformat()}') TO ('{following.isoformat()}')"
        )


def ensure_ahead(table: str, today: date, *, behind: int = 1, ahead: int = 3) -> int:
    """Partitions for the days around `today`, so that no write has to make its own."""
    return ensure(table, (today + timedelta(days=n) for n in range(-behind, ahead + 1)))


def drop_before(table: str, before: date) -> int:
    """Drop the partitions of days before `before`, and such rows of the default one; returns rows gone."""
    gone = 0
    with transaction.atomic(), connection.cursor() as cursor:
        _lock()
        for day, part in sorted(days_of(table).items()):
            if day < before:
                cursor.execute(f"SELECT count(*) FROM {part}")  # noqa: S608 - own names
                row = cursor.fetchone()
                gone += row[0] if row else 0
                cursor.execute(f"DROP TABLE {part}")
        cursor.execute(f"DELETE FROM {table}_default WHERE day < %s", [before])  # noqa: S608 - own names
        gone += cursor.rowcount
    return gone
