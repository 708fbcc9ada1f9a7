"""Presence from scans: only the people and days that new scans touched are derived anew."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
from django.db import connection

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.places.reads import stay_rules
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import Int, array_text, local_days, to_day
from khien.kernel.staff import Actor
from khien.rooms.checkpoints.derivation import ENTRY, EXIT, Scans, derive

_LOCK = 0x6B6864
AT_ONCE = 20_000
# A stay that a scan changes begins within 24 hours and a minute of it, and is derived from scans within two days.
_CHANGED_BEFORE, _CHANGED_AFTER = 2, 1
_CONTEXT = 2

_TAKE = """
DELETE FROM checkpoints_due WHERE id IN (
    SELECT id FROM checkpoints_due ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING person_id, (day - DATE '1970-01-01')
"""

_SCANS = """
SELECT s.person_id, s.place_id, (extract(epoch FROM s.at) * 1000000)::bigint, s.direction = 'out',
       s.sender || ':' || replace(s.client_id::text, '-', '')
FROM (
    SELECT person, (DATE '1970-01-01' + first)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh' AS first,
           (DATE '1970-01-01' + last)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh' AS last
    FROM unnest(%(persons)s::bigint[], %(first)s::integer[], %(last)s::integer[]) AS given (person, first, last)
) AS touched
JOIN checkpoints_scan s ON s.person_id = touched.person AND s.at >= touched.first AND s.at < touched.last
WHERE s.day >= %(oldest)s
"""


@verb()
def derive_due(actor: Actor, *, limit: int = AT_ONCE) -> int:
    """Derive the stays of people and days that scans touched since the last time; returns how many marks were
    worked off, 0 when there is nothing to do or another worker is at it.

    One deriver at a time (an advisory lock): two could otherwise write what an older picture says over a newer.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
        row = cursor.fetchone()
        if row is None or not row[0]:
            unchanged()
            return 0
        cursor.execute(_TAKE, [limit])
        marks = np.array(cursor.fetchall(), np.int64).reshape(-1, 2)
    if not len(marks):
        unchanged()
        return 0
    persons, first, last = _spans(marks)
    scans = _load(persons, first, last)
    stays = derive(scans, stay_rules(np.unique(scans.place).tolist()))
    length = last - first + 1 + _CHANGED_BEFORE + _CHANGED_AFTER
    pair_person = np.repeat(persons, length)
    begins = np.repeat(first - _CHANGED_BEFORE, length)
    offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    of = np.searchsorted(persons, stays.person)
    day = local_days(stays.enter)
    inside = (day >= first[of] - _CHANGED_BEFORE) & (day <= last[of] + _CHANGED_AFTER)
    changed = presence.replace(
        stays.where(inside), source=PresenceRecord.Source.SCAN, persons=pair_person, days=begins + offset
    )
    record(actor, "presence.presencerecord", people=len(persons), scans=len(scans.at), changed=changed)
    return len(marks)


@verb()
def derive_anew(actor: Actor, *, first: date, last: date) -> int:
    """Mark everybody who was scanned on the days from `first` to `last` to be derived anew: after a rule of stays was
    corrected, or to prove that presence follows from the scans. Returns how many marks; `derive_due` works them off,
    and writes only what is different."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checkpoints_due (person_id, day)"
            " SELECT DISTINCT person_id, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date FROM checkpoints_scan"
            " WHERE person_id IS NOT NULL AND at >= %s AND at < %s",
            [clock.start_of_day(first), clock.start_of_day(last + timedelta(days=1))],
        )
        marks = int(cursor.rowcount)
    if marks:
        record(actor, "presence.presencerecord", first=first.isoformat(), last=last.isoformat(), marks=marks)
    else:
        unchanged()
    return marks


@verb()
def link_scans(actor: Actor) -> int:
    """Give scans of numbers that nobody bore their person, once somebody is registered with that number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH linked AS (UPDATE checkpoints_scan s SET person_id = d.person_id FROM people_identitydocument d"
            " WHERE s.person_id IS NULL AND d.number_hash = s.subject AND d.kind = s.subject_kind"
            " RETURNING s.person_id, (s.at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS day)"
            " INSERT INTO checkpoints_due (person_id, day) SELECT person_id, day FROM linked RETURNING person_id"
        )
        persons = [row[0] for row in cursor.fetchall()]
    if persons:
        record(actor, "checkpoints.scan", persons=sorted(set(persons)), linked=len(persons))
    else:
        unchanged()
    return len(persons)


def _spans(marks: Int) -> tuple[Int, Int, Int]:
    """Each person once, in order, with the first and the last day touched."""
    order = np.lexsort((marks[:, 1], marks[:, 0]))
    ordered = marks[order]
    persons, start = np.unique(ordered[:, 0], return_index=True)
    end = np.append(start[1:], len(ordered)) - 1
    return persons, ordered[start, 1], ordered[end, 1]


def _load(persons: Int, first: Int, last: Int) -> Scans:
    """The scans of these people from two days before what may change to two days after it."""
    before = first - _CHANGED_BEFORE - _CONTEXT
    after = last + _CHANGED_AFTER + _CONTEXT + 1
    with connection.cursor() as cursor:
        cursor.execute(
            _SCANS,
            {
                "persons": array_text(persons),
                "first": array_text(before),
                "last": array_text(after),
                # A scan is received after it happened, so no older partition needs a look.
                "oldest": to_day(before.min()),
            },
        )
        rows = cursor.fetchall()
    person, place, at, leaves, key = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Scans(
        np.array(person, np.int64),
        np.array(place, np.int64),
        np.array(at, np.int64),
        np.where(np.array(leaves, bool), EXIT, ENTRY).astype(np.int8),
        np.array([text.encode() for text in key], "S57"),
    )
