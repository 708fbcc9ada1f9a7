"""Coverage in counts, written down each day; and the owners of silent places, whom an officer has written to."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Invalid
from khien.kernel.places.models import Place
from khien.kernel.staff import Actor, Role
from khien.rooms.checkpoints import coverage
from khien.rooms.checkpoints.events import SILENT_PLACES_APPROVED
from khien.rooms.checkpoints.models import CommuneCoverage, PlaceCoverage, SilentNotice

DAYS_AGAIN = 3
"""So many days back are counted again: devices send late, exits come after midnight."""
KEEPERS = (Role.COMMUNE_OFFICER, Role.ADMINISTRATOR)

_PLACES = """
INSERT INTO checkpoints_placecoverage (place_id, unit_id, day, scans, stays, exits)
SELECT p.id, p.unit_id, day, coalesce(s.scans, 0), coalesce(r.stays, 0), coalesce(r.exits, 0)
FROM (
    SELECT place_id, (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date AS day, count(*) AS scans
    FROM checkpoints_scan WHERE day >= %(first)s AND at >= %(start)s AND at < %(end)s GROUP BY 1, 2
) s FULL JOIN (
    SELECT r.place_id, r.day, count(*) AS stays, count(*) FILTER (WHERE NOT r.exit_inferred) AS exits
    FROM presence_record r JOIN places_place p ON p.id = r.place_id JOIN places_placekind k ON k.code = p.kind_id
    WHERE r.day >= %(first)s AND r.day < %(after)s AND r.source = 'scan' AND r.leave IS NOT NULL
        AND NOT k.is_checkpoint
    GROUP BY 1, 2
) r USING (place_id, day) JOIN places_place p ON p.id = place_id
WHERE p.kind_id <> 'home'
ON CONFLICT (day, place_id) DO UPDATE SET
    unit_id = EXCLUDED.unit_id, scans = EXCLUDED.scans, stays = EXCLUDED.stays, exits = EXCLUDED.exits
"""

# A device is silent on a day when nothing that it sent was received then. What it holds back it says itself.
_COMMUNES = """
WITH days AS (
    SELECT d::date AS day, (d::date)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh' AS start,
        (d::date + 1)::timestamp AT TIME ZONE 'Asia/Ho_Chi_Minh' AS stop
    FROM generate_series(%(first)s::date, %(last)s::date, '1 day') AS d
), open AS (
    SELECT p.unit_id, d.day, count(*) AS places, count(c.id) FILTER (WHERE c.scans > 0) AS active
    FROM days d JOIN places_place p ON p.kind_id <> 'home' AND p.opened_at < d.stop
        AND (p.closed_at IS NULL OR p.closed_at > d.start)
    LEFT JOIN checkpoints_placecoverage c ON c.place_id = p.id AND c.day = d.day
    GROUP BY 1, 2
), counted AS (
    SELECT unit_id, day, sum(scans) AS scans, sum(stays) AS stays, sum(exits) AS exits
    FROM checkpoints_placecoverage WHERE day BETWEEN %(first)s AND %(last)s GROUP BY 1, 2
), heard AS (
    SELECT DISTINCT day, sender FROM checkpoints_scan
    WHERE day BETWEEN %(first)s AND %(last)s AND sender LIKE 'device:%%'
), held AS (
    SELECT v.unit_id, d.day, count(*) AS devices,
        count(*) FILTER (WHERE h.sender IS NULL) AS silent,
        count(*) FILTER (WHERE v.id = ANY (%(behind)s)) AS behind
    FROM days d JOIN staff_device v ON v.state = 'active' AND v.enrolled_at < d.stop
    LEFT JOIN heard h ON h.day = d.day AND h.sender = 'device:' || v.id
    GROUP BY 1, 2
)
INSERT INTO checkpoints_communecoverage AS c (unit_id, day, open_places, active_places, scans, stays, exits,
    devices, silent_devices, behind_devices, counted_at)
SELECT coalesce(o.unit_id, h.unit_id), coalesce(o.day, h.day), coalesce(o.places, 0), coalesce(o.active, 0),
    coalesce(n.scans, 0), coalesce(n.stays, 0), coalesce(n.exits, 0),
    coalesce(h.devices, 0), coalesce(h.silent, 0), coalesce(h.behind, 0), %(now)s
FROM open o FULL JOIN held h ON h.unit_id = o.unit_id AND h.day = o.day
    LEFT JOIN counted n ON n.unit_id = coalesce(o.unit_id, h.unit_id) AND n.day = coalesce(o.day, h.day)
ON CONFLICT (day, unit_id) DO UPDATE SET open_places = EXCLUDED.open_places,
    active_places = EXCLUDED.active_places, scans = EXCLUDED.scans, stays = EXCLUDED.stays,
    exits = EXCLUDED.exits, devices = EXCLUDED.devices, silent_devices = EXCLUDED.silent_devices,
    behind_devices = CASE WHEN c.day = %(last)s THEN EXCLUDED.behind_devices ELSE c.behind_devices END,
    counted_at = EXCLUDED.counted_at
"""


@verb()
def count_coverage(actor: Actor, *, first: date, last: date) -> int:
    """Count scans, stays, exits, active places and devices of the Vietnamese days from `first` to `last`; returns the
    rows of communes. Days that were counted are written over, so it may run again at any time while the scans
    are kept; afterwards the counts stay as they are."""
    numbers: dict[str, Any] = {
        "first": first,
        "last": last,
        "after": last + timedelta(days=1),
        "start": clock.start_of_day(first),
        "end": clock.start_of_day(last + timedelta(days=1)),
        "behind": coverage.devices_behind(),
        "now": clock.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, numbers)
        places = cursor.rowcount
        cursor.execute(_COMMUNES, numbers)
        communes = cursor.rowcount
    if not communes:
        unchanged()
        return 0
    record(
        actor,
        CommuneCoverage._meta.label_lower,
        first=first.isoformat(),
        last=last.isoformat(),
        places=places,
        communes=communes,
    )
    return communes


@verb(*KEEPERS)
def write_to_silent_places(actor: Actor, *, place_ids: Sequence[int]) -> list[SilentNotice]:
    """An officer has the owners of silent places asked to scan again: the event follows, and the response sends.

    Whoever was written to within the days of the rule `checkpoints.silent_place`, for this place or another one with
    the same phone, is left out; so are places that are not silent any more or have no phone.
    """
    Place.objects.select_for_update().filter(pk__in=list(place_ids)).order_by("pk").first()
    chosen = [row for row in coverage.silent_places(actor) if row.place.pk in set(place_ids)]
    chosen = [row for row in chosen if actor.covers(row.place.unit, *KEEPERS)]
    if not chosen:
        raise Invalid(
            _("Không còn nơi im lặng nào trong số đã chọn."),
            field="places",
            way_out=_("Tải lại trang: các nơi đó đã có lượt quét, hoặc ngoài địa bàn của bạn."),
        )
    now, written = clock.now(), set(_written_since(clock.now() - timedelta(days=coverage.rule().again_days)))
    made: list[SilentNotice] = []
    for row in chosen:
        phone = coverage.phone_hash(row.place.contact_phone)
        if not row.phone or phone in written:
            continue
        written.add(phone)
        made.append(
            SilentNotice(
                place=row.place, phone_hash=phone, silent_since=row.since, asked_at=now, asked_by=actor.id
            )
        )
    if not made:
        unchanged()
        return []
    made = SilentNotice.objects.bulk_create(made)
    record(
        actor,
        SilentNotice._meta.label_lower,
        event=SILENT_PLACES_APPROVED,
        payload={"notices": [row.pk for row in made]},
        chosen=len(chosen),
        written=len(made),
    )
    return made


def forget_coverage(before: date) -> int:
    """For retention: counts of days before a Vietnamese day."""
    gone = PlaceCoverage.objects.filter(day__lt=before).delete()[0]
    return gone + CommuneCoverage.objects.filter(day__lt=before).delete()[0]


def _written_since(moment: datetime) -> list[str]:
    """Serialised by a lock, so that two officers at once write to nobody twice."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [0x6B6865])
    return list(
        SilentNotice.objects.filter(asked_at__gt=moment).values_list("phone_hash", flat=True).distinct()
    )
