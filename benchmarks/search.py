"""Finding one person among 900,000: by number, by full name, by common names, by unfinished words.

The query mix is drawn by seed from the people themselves, half of it typed without accents:
25 % identity numbers and phones, 25 % full names, 15 % full names with the birth year, 15 % unfinished last
words, 10 % the commonest names ("nguyễn thị", "nguyễn văn", one family name alone), 10 % words in another
order. Each query is asked as a tracer of the province and as an officer of one commune.
"""

from __future__ import annotations

import time
from collections import Counter
from datetime import date

import click
import numpy as np

from benchmarks.database import fresh_database
from benchmarks.report import Figure, show

GOAL_MS = 50.0


@click.command()
@click.option("--people", default=900_000, show_default=True)
@click.option("--queries", default=1_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(people: int, queries: int, seed: int, as_json: bool) -> None:
    """Name and number search: latency by kind of query."""
    with fresh_database():
        figures = measure(people, queries, seed)
    show("search", figures, as_json=as_json)


def measure(people: int, queries: int, seed: int) -> list[Figure]:
    from django.db import connection

    from khien.kernel.language import fold
    from khien.kernel.people import reads, verbs
    from khien.kernel.people.models import Person
    from khien.kernel.staff import Actor, Grant, Role, system_actor
    from khien.kernel.units import verbs as units
    from khien.kernel.units.models import AdminUnit, Tier
    from khien.simulation import names
    from khien.simulation.people import communes, make_people

    system = system_actor("bench")
    units.load_country(system)
    province = AdminUnit.objects.get(code="35", tier=Tier.PROVINCE)
    by_code = {u.code: u for u in AdminUnit.objects.filter(path__startswith=province.path, tier=Tier.COMMUNE)}
    drawn = make_people(people, seed)
    started = time.perf_counter()
    given = [np.array(names.GIVEN_MALE), np.array(names.GIVEN_FEMALE)]
    middle = [np.array(names.MIDDLE_MALE), np.array(names.MIDDLE_FEMALE)]
    family = np.array([name for name, _weight in names.FAMILY])
    years = drawn.birth.astype("datetime64[Y]").astype(int) + 1970
    every = communes()
    full_names: list[str] = []
    chunk = 50_000
    for start in range(0, people, chunk):
        rows, numbers, phones = [], [], []
        for place in range(start, min(start + chunk, people)):
            sex = int(drawn.female[place])
            name = f"{family[drawn.family[place]]} {middle[sex][drawn.middle[place]]} {given[sex][drawn.given[place]]}"
            full_names.append(name)
            rows.append(
                Person(
                    full_name=name,
                    sex="f" if sex else "m",
                    birth_date=drawn.birth[place].astype(object),
                    unit=by_code[every[drawn.commune[place]].code],
                )
            )
            numbers.append((place - start, "cccd", f"035{place:09d}"))
            phones.append((place - start, f"+849{place:08d}"))
        verbs.load_people(system, people=rows, numbers=numbers, phones=phones, since=date(2020, 1, 1))
    load_s = time.perf_counter() - started
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE people_person")
        cursor.execute("ANALYZE")
    rng = np.random.default_rng(seed)
    kinds = ["number", "full name", "name and year", "unfinished", "common", "other order"]
    shares = [0.25, 0.25, 0.15, 0.15, 0.10, 0.10]

    def query(kind: str) -> str:
        place = int(rng.integers(people))
        name = full_names[place]
        words = name.split()
        if kind == "number":
            return f"035{place:09d}" if rng.random() < 0.5 else f"09{place:08d}"
        if kind == "name and year":
            text = f"{name} {years[place]}"
        elif kind == "unfinished":
            text = name[: -max(1, len(words[-1]) // 2)]
        elif kind == "common":
            text = str(rng.choice(["Nguyễn Thị", "Nguyễn Văn", "Trần Thị", "Nguyễn", "Phạm Văn", words[-1]]))
        elif kind == "other order":
            text = " ".join([*words[1:], words[0]])
        else:
            text = name
        return fold(text) if rng.random() < 0.5 else text

    def actor(role: str, unit: AdminUnit) -> Actor:
        return Actor(kind="staff", id=1, name="bench", grants=(Grant(role, (unit.path,)),))

    every_unit = list(by_code.values())
    times: dict[tuple[str, str], list[float]] = {}
    counted: Counter[str] = Counter()
    for number in range(queries + 50):
        kind = str(rng.choice(kinds, p=shares))
        text = query(kind)
        officer = actor(Role.COMMUNE_OFFICER, every_unit[int(rng.integers(len(every_unit)))])
        for scope, who in (("province", actor(Role.TRACER, province)), ("commune", officer)):
            started = time.perf_counter()
            found = reads.search(who, text)
            took = (time.perf_counter() - started) * 1000
            if number >= 50:  # the first warm the caches
                times.setdefault((scope, kind), []).append(took)
                counted[f"{scope} found"] += bool(found.people)
    figures = [
        Figure("people", people, "people"),
        Figure("loading", load_s, "s"),
        Figure("queries with a hit, province", 100 * counted["province found"] / queries, "%"),
    ]
    for scope in ("province", "commune"):
        every_time = [t for (s, _k), ts in times.items() if s == scope for t in ts]
        p95 = float(np.percentile(every_time, 95))
        figures.append(Figure(f"{scope}, all queries, p50", float(np.median(every_time)), "ms"))
        figures.append(
            Figure(
                f"{scope}, all queries, p95", p95, "ms", goal=f"at most {GOAL_MS:.0f} ms", met=p95 <= GOAL_MS
            )
        )
        figures += [
            Figure(f"{scope}, {kind}, p95", float(np.percentile(ts, 95)), "ms")
            for (s, kind), ts in sorted(times.items())
            if s == scope
        ]
    return figures


if __name__ == "__main__":
    main()
