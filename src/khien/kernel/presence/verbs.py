"""Writing and forgetting presence. Called by the verbs of rooms, inside their transactions, whose own audit
lines cover the change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
from django.db import connection, transaction

from khien.kernel import clock, partitions
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import OPEN, Int, Stays, local_days, to_day

TABLE = PresenceRecord._meta.db_table
CHUNK = 50_000
_OWN_PARTITION_DAYS = 400

_STORE = """
INSERT INTO presence_record AS kept
    (day, person_id, place_id, enter, leave, source, exit_inferred, entry_inferred, source_key)
SELECT (enter AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, person, place, enter, leave, %(source)s, exit, entry, key
FROM (
    SELECT person, place, key, exit, entry,
           timestamptz 'epoch' + enter_us * interval '1 microsecond' AS enter,
           timestamptz 'epoch' + nullif(leave_us, %(open)s) * interval '1 microsecond' AS leave
    FROM unnest(%(person)s::bigint[], %(place)s::bigint[], %(enter)s::bigint[], %(leave)s::bigint[],
                %(exit)s::boolean[], %(entry)s::boolean[], %(key)s::text[])
        AS given (person, place, enter_us, leave_us, exit, entry, key)
) AS stay
ON CONFLICT (day, source, source_key) DO UPDATE SET
    person_id = excluded.person_id, place_id = excluded.place_id, enter = excluded.enter,
    leave = excluded.leave, exit_inferred = excluded.exit_inferred, entry_inferred = excluded.entry_inferred,
    commit_order = nextval('presence_commit')
WHERE (kept.person_id, kept.place_id, kept.enter, kept.leave, kept.exit_inferred, kept.entry_inferred)
    IS DISTINCT FROM (excluded.person_id, excluded.place_id, excluded.enter, excluded.leave,
                      excluded.exit_inferred, excluded.entry_inferred)
"""


def store(stays: Stays, *, source: str) -> int:
    """Write stays, each once by (day, source, source_key): the same again changes nothing, a changed one
    replaces its own and moves to the end of the commit order. Returns how many rows were written.

    Keys must be unique within the call. One statement for each 50,000 stays.
    """
    if not len(stays):
        return 0
    ensure_days(np.unique(local_days(stays.enter)))
    written = 0
    with transaction.atomic(), connection.cursor() as cursor:
        for start in range(0, len(stays), CHUNK):
            part = slice(start, start + CHUNK)
            cursor.execute(
                _STORE,
                {
                    "source": source,
                    "open": OPEN,
                    "person": stays.person[part].tolist(),
                    "place": stays.place[part].tolist(),
                    "enter": stays.enter[part].tolist(),
                    "leave": stays.leave[part].tolist(),
                    "exit": stays.exit_inferred[part].tolist(),
                    "entry": stays.entry_inferred[part].tolist(),
                    "key": list(stays.source_key[part]),
                },
            )
            written += cursor.rowcount
    return written


def remove(keys: Iterable[tuple[date, str]], *, source: str) -> int:
    """Take back stays by (day, source_key): what they were derived from says something else now."""
    pairs = list(keys)
    if not pairs:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM presence_record r USING unnest(%s::date[], %s::text[]) AS gone (day, key)"
            " WHERE r.day = gone.day AND r.source = %s AND r.source_key = gone.key",
            [[day for day, _key in pairs], [key for _day, key in pairs], source],
        )
        return cursor.rowcount


def ensure_days(days: Int) -> None:
    """Partitions for these days (numbers since 1970), as far as they are near today: old histories that are
    imported lie in the default partition."""
    today = clock.today()
    near = [
        day
        for day in (to_day(number) for number in days.tolist() if -25_000 < number < 60_000)
        if abs((day - today).days) <= _OWN_PARTITION_DAYS
    ]
    partitions.ensure(TABLE, near)


def prepare_days_ahead() -> int:
    """Partitions for yesterday to three days ahead (the ticker's task); returns how many were made."""
    return partitions.ensure_ahead(TABLE, clock.today())


def forget(before: date) -> int:
    """Forget every stay that began before the Vietnamese day `before`; returns rows gone."""
    return partitions.drop_before(TABLE, before)
