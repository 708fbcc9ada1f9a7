"""One contact list of one case: the search and the writing of what it found, as a tracer waits for it.

People, places and stays are drawn by seed: two stays a day each, 60 % at three places of one's own, the rest by
a Zipf law over all places of eight kinds, lognormal stays of at most ten hours. Cases are drawn at random among
the people, with onset three days ago.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, date, datetime, timedelta

import click
import numpy as np

from benchmarks.database import fresh_database
from benchmarks.report import Figure, show

GOAL_MS = 1000.0
NOW = datetime(2022, 1, 10, 5, 0, tzinfo=UTC)
KINDS = ("class", "shop", "cafe", "office_room", "market", "workshop", "bus", "restaurant")
US = 1_000_000


@click.command()
@click.option("--people", default=20_000, show_default=True)
@click.option("--days", default=14, show_default=True)
@click.option("--cases", default=20, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(people: int, days: int, cases: int, seed: int, as_json: bool) -> None:
    """Listing the contacts of a case: the search, and the whole act with its writing."""
    with fresh_database():
        figures = measure(people, days, cases, seed)
    show("contact_list", figures, as_json=as_json)


def measure(people: int, days: int, cases: int, seed: int) -> list[Figure]:
    from django.db import connection

    from khien.kernel import clock
    from khien.kernel.people.models import Person
    from khien.kernel.people.verbs import load_people
    from khien.kernel.places.models import Place
    from khien.kernel.places.verbs import load_kinds
    from khien.kernel.presence import verbs as presence
    from khien.kernel.presence.stays import Stays
    from khien.kernel.rules.verbs import load_seed
    from khien.kernel.staff import system_actor
    from khien.kernel.units import verbs as units
    from khien.kernel.units.models import AdminUnit, Tier
    from khien.rooms.tracing import verbs

    system = system_actor("bench")
    draw = np.random.default_rng(seed)
    searches, wholes, found = [], [], []
    with clock.reads.frozen_at(NOW):
        units.load_country(system)
        load_seed(system)
        load_kinds(system)
        unit = AdminUnit.objects.filter(tier=Tier.COMMUNE, path__startswith=_province_path()).order_by("pk")[
            0
        ]
        persons = [Person(full_name=f"Nguyễn Văn {n}", unit=unit) for n in range(people)]
        load_people(system, people=persons, numbers=[], phones=[], since=date(2020, 1, 1))
        places = Place.objects.bulk_create(
            Place(
                code=f"B{n:07d}",
                name=f"Nơi {n}",
                name_folded=f"noi {n}",
                kind_id=KINDS[n % len(KINDS)],
                unit=unit,
                opened_at=NOW - timedelta(days=400),
            )
            for n in range(max(people * 3 // 40, 20))
        )
        place_ids = np.array([place.pk for place in places])
        rows = people * days * 2
        who = np.repeat(np.arange(people), days * 2)
        own = draw.integers(0, len(places), (people, 3))[who, draw.integers(0, 3, rows)]
        weight = 1 / np.arange(1, len(places) + 1) ** 0.8
        anywhere = draw.choice(len(places), rows, p=weight / weight.sum())
        day = np.tile(np.repeat(np.arange(days), 2), people)
        end = int(NOW.timestamp())
        enter = end - days * 86_400 + day * 86_400 + draw.integers(0, 36_000, rows)
        leave = np.minimum(
            enter + (np.minimum(draw.lognormal(3.7, 0.8, rows), 600) * 60).astype(np.int64), end
        )
        nothing = np.zeros(rows, np.bool_)
        stays = Stays(
            np.array([person.pk for person in persons])[who],
            place_ids[np.where(draw.random(rows) < 0.6, own, anywhere)],
            enter * US,
            np.maximum(leave, enter) * US,
            nothing,
            nothing,
            [f"b{n}" for n in range(rows)],
        )
        presence.store(stays, source="import")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        for number in draw.choice(people, cases, replace=False).tolist():
            case = verbs.open_case(
                system,
                person_id=persons[number].pk,
                unit_id=unit.pk,
                sampled_at=NOW - timedelta(hours=30),
                resulted_at=NOW - timedelta(hours=3),
                onset_on=(NOW - timedelta(days=3)).date(),
            )
            began = time.perf_counter()
            made = verbs.list_contacts(system, case_id=case.pk)
            wholes.append((time.perf_counter() - began) * 1000)
            searches.append(float(made.took_ms))
            found.append(made.counts["f1"])
    slowest = max(wholes)
    return [
        Figure("stays", rows, "rows"),
        Figure("search, median", statistics.median(searches), "ms"),
        Figure("search, slowest", max(searches), "ms"),
        Figure("whole act, median", statistics.median(wholes), "ms", goal=f"≤ {GOAL_MS:.0f}", met=None),
        Figure("whole act, slowest", slowest, "ms", goal=f"≤ {GOAL_MS:.0f}", met=slowest <= GOAL_MS),
        Figure("F1 by law, median", statistics.median(found), "people"),
        Figure("F1 by law, most", max(found), "people"),
    ]


def _province_path() -> str:
    from khien.kernel.units.models import AdminUnit, Tier

    return AdminUnit.objects.get(code="35", tier=Tier.PROVINCE).path or ""
