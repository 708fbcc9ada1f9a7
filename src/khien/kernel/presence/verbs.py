"""Writing and forgetting presence. Called by the verbs of rooms, inside their transactions, whose own audit
lines cover the change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import numpy as np
from django.db import connection, transaction

from khien.kernel import clock, partitions
from khien.kernel.presence import segments
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import OPEN, Int, Stays, array_text, local_days, to_day

TABLE = PresenceRecord._meta.db_table
CHUNK = 50_000
_OWN_PARTITION_DAYS = 400

_STORE = """
INSERT INTO presence_record AS kept
    (day, person_id, place_id, enter, leave, source, exit_inferred, entry_inferred, source_key)
SELECT (enter AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, person, place, enter, leave, %(source)s, exit, entry, key
FROM (
    SELECT person, place, key, exit::boolean, entry::boolean,
           timestamptz 'epoch' + enter_us * interval '1 microsecond' AS enter,
           timestamptz 'epoch' + nullif(leave_us, %(open)s) * interval '1 microsecond' AS leave
    FROM unnest(%(person)s::bigint[], %(place)s::bigint[], %(enter)s::bigint[], %(leave)s::bigint[],
                %(exit)s::integer[], %(entry)s::integer[], %(key)s::text[])
        AS given (person, place, enter_us, leave_us, exit, entry, key)
) AS stay
WHERE (enter AT TIME ZONE 'Asia/Ho_Chi_Minh')::date
    >= coalesce((SELECT forgotten_before FROM presence_ledger), '-infinity'::date)
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
    replaces its own and moves to the end of the commit order. Stays of days already forgotten are left out: what comes
    late does not bring them back. Returns how many rows were written.

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
                    "person": array_text(stays.person[part]),
                    "place": array_text(stays.place[part]),
                    "enter": array_text(stays.enter[part]),
                    "leave": array_text(stays.leave[part]),
                    "exit": array_text(stays.exit_inferred[part].astype(np.int64)),
                    "entry": array_text(stays.entry_inferred[part].astype(np.int64)),
                    "key": list(stays.source_key[part]),
                },
            )
            written += cursor.rowcount
    return written


@contextmanager
def loading(days: Int, *, source: str) -> Iterator[Callable[[Stays], int]]:
    """For a history that is new to the ledger: a function that copies stays in, portion by portion, and returns how
    many. `days` (numbers since 1970-01-01) are all Vietnamese days on which they begin. A key that is there
    already breaks the load off (`IntegrityError`); nothing of it stays."""

    def load(stays: Stays) -> int:
        open_stay = stays.leave == OPEN
        leave = np.where(open_stay, np.datetime64("NaT"), stays.leave.astype("datetime64[us]"))
        lock()
        copy(
            {
                "day": local_days(stays.enter).astype("datetime64[D]"),
                "person_id": stays.person,
                "place_id": stays.place,
                "enter": stays.enter.astype("datetime64[us]"),
                "leave": leave,
                "source": np.broadcast_to(np.bytes_(source), len(stays)),
                "exit_inferred": stays.exit_inferred,
                "entry_inferred": stays.entry_inferred,
                "source_key": np.array([key.encode() for key in stays.source_key], np.bytes_),
            }
        )
        move_on()
        return len(stays)

    lock()
    with partitions.filling(TABLE, map(to_day, np.unique(days).tolist())) as copy:
        yield load


def replace(stays: Stays, *, source: str, persons: Int, days: Int) -> int:
    """What this source knows of these people on these days is exactly these stays; returns rows changed.

    `persons` and `days` (numbers since 1970-01-01, Vietnamese days of `enter`) are the pairs that were derived
    anew: stays of theirs that are not given are taken back, all else is left alone.
    """
    changed = store(stays, source=source)
    if not len(persons):
        return changed
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM presence_record r"
            " USING unnest(%(persons)s::bigint[], %(days)s::integer[]) AS derived (person, number)"
            " WHERE r.person_id = derived.person AND r.day = DATE '1970-01-01' + derived.number"
            " AND r.source = %(source)s"
            " AND r.day >= %(first)s AND r.day <= %(last)s"
            " AND NOT EXISTS (SELECT 1 FROM unnest(%(kept)s::integer[], %(keys)s::text[]) AS kept (number, key)"
            "   WHERE DATE '1970-01-01' + kept.number = r.day AND kept.key = r.source_key)",
            {
                "persons": array_text(persons),
                "days": array_text(days),
                "source": source,
                "first": to_day(days.min()),
                "last": to_day(days.max()),
                "kept": array_text(local_days(stays.enter)),
                "keys": list(stays.source_key),
            },
        )
        return changed + cursor.rowcount


def lock() -> None:
    """Be the one who changes presence until the transaction ends: what is numbered now is seen in this order.

    Statements on the table do it by themselves (a trigger); what goes around them must not forget it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM presence_ledger FOR UPDATE")


def move_on() -> None:
    """Say up to which number presence has been written."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE presence_ledger SET position = (SELECT last_value FROM presence_commit)")


def ensure_days(days: Int) -> None:
    """Partitions for these days (numbers since 1970), as far as they are near today: old histories that are
    imported lie in the default partition."""
    today = clock.today()
    near = [
        day
        for day in (to_day(number) for number in days.tolist() if -25_000 < number < 60_000)
        if abs((day - today).days) <= _OWN_PARTITION_DAYS
    ]
    with transaction.atomic():
        lock()
        partitions.ensure(TABLE, near)


def prepare_days_ahead() -> int:
    """Partitions for yesterday to three days ahead (the ticker's task); returns how many were made."""
    with transaction.atomic():
        lock()
        return partitions.ensure_ahead(TABLE, clock.today())


def forget(before: date) -> int:
    """Forget every stay that began before the Vietnamese day `before`, wherever it is held; returns rows gone."""
    with transaction.atomic(), connection.cursor() as cursor:
        lock()
        gone = partitions.drop_before(TABLE, before)
        cursor.execute("DELETE FROM presence_retraction WHERE day < %s", [before])
        cursor.execute(
            "UPDATE presence_ledger SET forgotten_before = greatest(forgotten_before, %s)", [before]
        )
        transaction.on_commit(segments.forget)
        return gone
