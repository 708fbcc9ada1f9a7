"""Printing the posters and the paper passes of a commune: the whole order, with rows, audit lines and PDFs stored."""

from __future__ import annotations

import time

import click

from benchmarks.database import fresh_database
from benchmarks.report import Figure, show


@click.command()
@click.option("--posters", default=1_000, show_default=True)
@click.option("--cards", default=1_000, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(posters: int, cards: int, as_json: bool) -> None:
    """Posters a second and cards a second, one worker."""
    with fresh_database():
        figures = measure(posters, cards)
    show("posters", figures, as_json=as_json)


def measure(posters: int, cards: int) -> list[Figure]:
    from django.db import connection

    from khien.kernel import clock
    from khien.kernel.language import fold
    from khien.kernel.people.models import Person
    from khien.kernel.places import verbs as places
    from khien.kernel.places.models import Place
    from khien.kernel.rules import verbs as rules
    from khien.kernel.staff import system_actor
    from khien.kernel.units import verbs as units
    from khien.kernel.units.models import AdminUnit, Tier
    from khien.rooms.checkpoints import jobs, verbs
    from khien.simulation import names

    system = system_actor("bench")
    units.load_country(system)
    places.load_kinds(system)
    rules.load_seed(system)
    commune = AdminUnit.objects.filter(tier=Tier.COMMUNE, parent__parent__code="35").first()
    assert commune is not None
    Place.objects.bulk_create(
        Place(
            code=f"BENCH{n:05d}",
            name=f"Cửa hàng tạp hóa số {n}",
            name_folded=fold(f"Cửa hàng tạp hóa số {n}"),
            kind_id="shop",
            unit=commune,
            opened_at=clock.now(),
        )
        for n in range(posters)
    )
    Person.objects.bulk_create(
        Person(
            full_name=f"{names.FAMILY[n % len(names.FAMILY)][0]} Văn Số {n}",
            birth_year=1950 + n % 60,
            unit=commune,
            created_at=clock.now(),
        ).prepare()
        for n in range(cards)
    )
    figures = []
    for name, order, count in (
        ("poster", verbs.order_posters, posters),
        ("card", verbs.order_cards, cards),
    ):
        run = order(system, unit=commune)
        started = time.perf_counter()
        done = jobs.print_run(run.pk)
        took = time.perf_counter() - started
        assert done == count, f"{done} of {count} printed"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT sum(length(content)) FROM checkpoints_printpart WHERE run_id = %s", [run.pk]
            )
            (size,) = cursor.fetchone()
        figures += [
            Figure(f"{name}s", count / took, f"{name}s a second"),
            Figure(f"{count} {name}s", took, "s"),
            Figure(f"one {name}", size / count / 1000, "kB"),
        ]
    return figures
