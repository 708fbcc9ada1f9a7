"""Carriers, frozen audiences and campaigns for tests."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg.types.json import Jsonb

from khien.kernel import clock
from khien.kernel.staff import system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Audience, Campaign, Carrier
from khien.rooms.broadcasts.verbs import campaigns

TEXT = "Khai bao y te moi ngay tai khien.vn/kb truoc 9h."

_codes = itertools.count(1)


def make_carrier(**more: Any) -> Carrier:
    """A carrier without a limit."""
    code = more.pop("code", f"carrier{next(_codes)}")
    return Carrier.objects.create(**{"code": code, "name": code.title(), "rate": 0, "price": 300} | more)


def number(place: int) -> str:
    """A mobile number, each its own."""
    return f"+849{place:08d}"


def make_audience(
    unit: AdminUnit,
    count: int,
    *,
    carriers: Sequence[Carrier] = (),
    units: Sequence[AdminUnit] = (),
    values: Mapping[str, str] | None = None,
    first: int = 0,
) -> Audience:
    """A frozen audience of `count` numbers from `first` on, spread evenly over `carriers` and `units`."""
    carriers, units = list(carriers) or [make_carrier()], list(units) or [unit]
    hashed = hashlib.sha256("".join(f"{number(first + n)}\n" for n in range(count)).encode()).hexdigest()
    audience = Audience.objects.create(
        unit=unit,
        register="test",
        units=[unit.pk],
        created_at=clock.now(),
        frozen_at=clock.now(),
        count=count,
        hash=hashed,
    )
    name = f"broadcasts_audiencemember_{audience.pk}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {name} PARTITION OF broadcasts_audiencemember FOR VALUES IN ({audience.pk})"
        )
        cursor.execute(
            f"INSERT INTO {name} (audience_id, seq, phone, carrier_id, unit_id, values)"
            " SELECT %s, row_number() OVER (ORDER BY carrier, unit, n), '+849' || lpad((%s + n)::text, 8, '0'),"
            " carrier, unit, %s FROM (SELECT n, (%s::bigint[])[1 + n %% %s] AS carrier,"
            " (%s::bigint[])[1 + (n / %s) %% %s] AS unit FROM generate_series(0, %s - 1) AS n) AS rows",
            [
                audience.pk,
                first,
                Jsonb(dict(values)) if values else None,
                [carrier.pk for carrier in carriers],
                len(carriers),
                [one.pk for one in units],
                len(carriers),
                len(units),
                count,
            ],
        )
        cursor.execute(f"ALTER TABLE {name} ADD PRIMARY KEY (audience_id, seq)")
    return audience


def make_campaign(unit: AdminUnit, count: int, *, text: str = TEXT, **more: Any) -> Campaign:
    """A campaign that has begun, without a canary unless one is asked for."""
    audience = make_audience(
        unit, count, **{key: more.pop(key) for key in ("carriers", "units", "values", "first") if key in more}
    )
    more.setdefault("canary_share", 0.0)
    more.setdefault("at_night", True)
    begin = more.pop("begin", True)
    system = system_actor("test")
    campaign = campaigns.create_campaign(system, audience=audience, text=text, **more)
    if begin:
        campaigns.start_campaign(system, campaign=campaign)
    campaign.refresh_from_db()
    return campaign
