"""From scans to presence: does derivation keep up, what does it cost, and what would others pair with?

1. Live: one process stores scans by the door's verb at a steady rate, the ticker derives as in an installation
   (`khien up --only ticker`), and the age of the oldest mark that is due is looked at every 50 ms.
2. Marks worked off: all scans of a day are there and everybody is due; then everybody once more (`derive_anew`), which
   must change nothing.
3. Pairing alone, by the same rules from the same columns in memory: NumPy (`derivation.derive`), SQL window functions
   on an unlogged table, polars. All must find the same stays.

The server syncs nothing to disk.
"""

from __future__ import annotations

import multiprocessing
import time
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import click
import numpy as np

from benchmarks.database import fresh_database
from benchmarks.house import served
from benchmarks.report import Figure, show

BATCH = 200
GOAL_AGE_S = 2.0
MINUTE_US = 60_000_000


@click.command()
@click.option("--people", default=50_000, show_default=True)
@click.option("--scans", default=200_000, show_default=True, help="Scans of one day.")
@click.option("--rate", default=2_000, show_default=True, help="Scans a second, live.")
@click.option("--seconds", default=20, show_default=True, help="How long, live.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(people: int, scans: int, rate: int, seconds: int, seed: int, as_json: bool) -> None:
    """Presence derived from scans: keeping up, throughput, and pairing beside SQL and polars."""
    with fresh_database():
        figures = measure(people, scans, rate, seconds, seed)
    show("presence", figures, as_json=as_json)


def measure(people: int, scans: int, rate: int, seconds: int, seed: int) -> list[Figure]:
    from khien.kernel import clock
    from khien.kernel.staff import system_actor
    from khien.rooms.checkpoints import verbs

    persons, places = make_world(people)
    live = _live(persons, places, rate, seconds, seed) if seconds else []
    rng = np.random.default_rng(seed)
    drawn = draw(rng, persons, places, scans, int(clock.start_of_day(clock.today()).timestamp()) * 1_000_000)
    _load(drawn)
    actor = system_actor("bench")
    today = clock.today()
    began = time.perf_counter()
    while verbs.derive_due(actor):
        pass
    first = time.perf_counter() - began
    stays = _stays_of_scans()
    began = time.perf_counter()
    verbs.derive_anew(actor, first=today - timedelta(days=1), last=today)
    while verbs.derive_due(actor):
        pass
    again = time.perf_counter() - began
    if _stays_of_scans() != stays:
        raise click.ClickException("deriving anew changed what was derived")
    return [
        *live,
        Figure("scans", scans, "scans"),
        Figure(
            "derived the first time", scans / first, "scans/s", goal=f">= {rate}", met=scans / first >= rate
        ),
        Figure("derived anew, nothing changes", scans / again, "scans/s"),
        *_pairing(drawn),
    ]


def make_world(people: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Ids of people and of 400 places of eight kinds, two road checkpoints among them."""
    from django.db import connection

    from khien.kernel import clock
    from khien.kernel.bulk import reserve_ids
    from khien.kernel.people.models import Person
    from khien.kernel.places import verbs as places
    from khien.kernel.places.models import Place
    from khien.kernel.staff import system_actor
    from khien.kernel.units import verbs as units
    from khien.kernel.units.models import AdminUnit, Tier
    from khien.rooms.checkpoints import jobs

    system, now = system_actor("bench"), clock.now()
    units.load_country(system)
    places.load_kinds(system)
    commune = AdminUnit.objects.filter(tier=Tier.COMMUNE, during__contains=clock.today()).order_by("pk")[0]
    kinds = ("market", "shop", "cafe", "office", "school", "factory", "restaurant", "supermarket")
    Place.objects.bulk_create(
        [
            Place(
                code=f"B{number:07d}",
                name=f"Nơi {number}",
                name_folded=f"noi {number}",
                kind_id="road_checkpoint" if number < 2 else kinds[number % len(kinds)],
                unit=commune,
                opened_at=now - timedelta(days=400),
            )
            for number in range(400)
        ]
    )
    ids = reserve_ids(Person, people)
    Person.objects.bulk_create(
        [
            Person(
                id=pk, full_name="Nguyễn Văn An", name_folded="nguyen van an", name_sort="", created_at=now
            )
            for pk in ids
        ],
        batch_size=5_000,
    )
    jobs.prepare_days_ahead()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return np.array(ids), np.array(Place.objects.order_by("pk").values_list("pk", flat=True))


def draw(
    rng: np.random.Generator, persons: Any, places: Any, scans: int, midnight: int
) -> dict[str, np.ndarray[Any, Any]]:
    """So many scans of one day (to the second): visits with entry and exit, a fifth of the exits missing, some entries
    too, one scan in twenty double."""
    visits = scans  # more than enough: what is beyond `scans` is cut off
    who, where = rng.choice(persons, visits), rng.choice(places, visits)
    enter = midnight + rng.integers(0, 14 * 3600, visits) * 1_000_000
    leave = enter + rng.integers(2 * 60, 8 * 3600, visits) * 1_000_000
    has_enter, has_leave = rng.random(visits) < 0.95, rng.random(visits) < 0.8
    double = rng.random(visits) < 0.05
    person = np.concatenate([who[has_enter], who[has_leave], who[double & has_enter]])
    place = np.concatenate([where[has_enter], where[has_leave], where[double & has_enter]])
    at = np.concatenate([enter[has_enter], leave[has_leave], enter[double & has_enter] + 20_000_000])
    leaving = np.concatenate(
        [
            np.zeros(has_enter.sum(), bool),
            np.ones(has_leave.sum(), bool),
            np.zeros((double & has_enter).sum(), bool),
        ]
    )
    chosen = rng.permutation(len(at))[:scans]
    return {
        "person": person[chosen],
        "place": place[chosen],
        "at": at[chosen],
        "leaving": leaving[chosen],
        "id": np.frombuffer(rng.bytes(16 * len(chosen)), "V16"),
    }


def _load(drawn: dict[str, np.ndarray[Any, Any]]) -> None:
    from django.db import connection

    from khien.kernel import clock
    from khien.kernel.bulk import copy_columns
    from khien.kernel.presence.stays import local_days
    from khien.rooms.checkpoints.models import Due, Scan

    n = len(drawn["at"])

    def every(text: bytes) -> Any:
        return np.broadcast_to(np.bytes_(text), n)

    at = drawn["at"].astype("datetime64[us]")
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE checkpoints_scan, checkpoints_scanid, checkpoints_due, presence_record")
    copy_columns(
        Scan._meta.db_table,
        {
            "day": np.broadcast_to(np.datetime64(clock.today(), "D"), n),
            "sender": every(b"system:bench"),
            "client_id": drawn["id"],
            "place_id": drawn["place"],
            "person_id": drawn["person"],
            "subject_kind": every(b"person"),
            "subject": drawn["person"].astype("S"),
            "direction": np.where(drawn["leaving"], b"out", b"in"),
            "method": every(b"camera"),
            "at": at,
            "at_said": at,
            "received_at": at,
        },
    )
    pairs = np.unique(np.stack([drawn["person"], local_days(drawn["at"])]), axis=1)
    copy_columns(
        Due._meta.db_table, {"person_id": pairs[0].copy(), "day": pairs[1].astype("datetime64[D]").copy()}
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE checkpoints_scan")


def _stays_of_scans() -> tuple[int, int]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), coalesce(max(commit_order), 0) FROM presence_record")
        row = cursor.fetchone()
    return int(row[0]), int(row[1])


# Live


def _live(persons: Any, places: Any, rate: int, seconds: int, seed: int) -> list[Figure]:
    from khien.rooms.checkpoints import reads
    from khien.rooms.checkpoints.models import Due

    with served("ticker"):
        ours, theirs = multiprocessing.Pipe()
        writer = multiprocessing.get_context("spawn").Process(
            target=_store, args=(theirs, persons, places, rate, seconds, seed)
        )
        writer.start()
        ours.recv()
        deadline = time.monotonic() + 60
        while Due.objects.exists():  # the ticker has had its first round
            if time.monotonic() > deadline:
                raise click.ClickException("the ticker does not derive")
            time.sleep(0.05)
        ours.send("go")
        ages = []
        while not ours.poll():
            ages.append(reads.oldest_due_s())
            time.sleep(0.05)
        reached = float(ours.recv())
        writer.join()
        began = time.perf_counter()
        while Due.objects.exists():
            if time.perf_counter() - began > 60:
                raise click.ClickException("what is due is not worked off")
            time.sleep(0.02)
        after = time.perf_counter() - began
    oldest = max(ages)
    return [
        Figure("scans a second, live", reached, "1/s", goal=f">= {rate}", met=reached >= 0.95 * rate),
        Figure("age of the oldest mark, median", float(np.median(ages)), "s"),
        Figure(
            "age of the oldest mark, most", oldest, "s", goal=f"<= {GOAL_AGE_S:g}", met=oldest <= GOAL_AGE_S
        ),
        Figure("worked off after the last scan", after, "s"),
    ]


def _store(pipe: Connection, persons: Any, places: Any, rate: int, seconds: int, seed: int) -> None:
    """The writing process: a batch every `BATCH / rate` seconds, as fast as it can when it falls behind."""
    import django

    django.setup()
    from khien.kernel import clock
    from khien.kernel.staff import system_actor
    from khien.rooms.checkpoints.verbs import store_scans

    rng, actor = np.random.default_rng((seed, 7)), system_actor("bench")

    def batch() -> None:
        at = clock.now().isoformat()
        who, where = rng.choice(persons, BATCH).tolist(), rng.choice(places, BATCH).tolist()
        leaving = (rng.random(BATCH) < 0.4).tolist()
        events = [
            {
                "id": str(UUID(bytes=rng.bytes(16), version=4)),
                "person": person,
                "place": place,
                "at": at,
                "direction": "out" if out else "in",
            }
            for person, place, out in zip(who, where, leaving, strict=True)
        ]
        store_scans(actor, events, verdicts=False)

    batch()
    pipe.send("ready")
    pipe.recv()
    began = time.monotonic()
    for number in range(rate * seconds // BATCH):
        batch()
        time.sleep(max(0.0, began + (number + 1) * BATCH / rate - time.monotonic()))
    pipe.send(rate * seconds // BATCH * BATCH / (time.monotonic() - began))


# Pairing alone


def _pairing(drawn: dict[str, np.ndarray[Any, Any]]) -> list[Figure]:
    """The same stays by NumPy, SQL and polars."""
    from khien.kernel.places.reads import stay_rules
    from khien.rooms.checkpoints.derivation import ENTRY, EXIT, Scans, derive

    rules = stay_rules(np.unique(drawn["place"]).tolist())
    keys = np.frombuffer(drawn["id"].tobytes().hex().encode(), "S32").astype("S57")
    given = Scans(
        drawn["person"],
        drawn["place"],
        drawn["at"],
        np.where(drawn["leaving"], EXIT, ENTRY).astype(np.int8),
        keys,
    )
    began = time.perf_counter()
    stays = derive(given, rules)
    ours = time.perf_counter() - began
    told = (len(stays), int((stays.leave - stays.enter).sum()))
    scans = len(drawn["at"])
    figures = [Figure("pairing, NumPy", scans / ours, "scans/s")]
    for name, peer in (("SQL windows", _by_sql), ("polars", _by_polars)):
        took, answer = peer(drawn, rules)
        if answer != told:
            raise click.ClickException(f"{name} finds {answer}, derive() {told}")
        figures.append(Figure(f"pairing, {name}", scans / took, "scans/s", "NumPy", ours / took))
    return figures


_SQL = """
WITH ordered AS (
    SELECT s.*, lag(at) OVER (PARTITION BY person, place, leaving ORDER BY at, key) AS before_me FROM given s
), single AS (
    SELECT o.person, o.place, o.at, o.leaving, r.usual, r.passing, r.root,
        greatest(least(2 * r.usual, 86400000000), 57600000000) AS longest
    FROM ordered o JOIN rule r ON r.place = o.place
    WHERE before_me IS NULL OR at - before_me > 60000000
), numbered AS (
    SELECT *, row_number() OVER w - row_number() OVER (PARTITION BY person, root ORDER BY at, place, leaving) AS run
    FROM single WINDOW w AS (PARTITION BY person ORDER BY at, root, place, leaving)
), runs AS (
    SELECT person, root, run, min(at) AS first, max(at) AS last FROM numbered GROUP BY 1, 2, 3
), around AS (
    SELECT person, root, run, lead(first) OVER w AS after, lag(last) OVER w AS before
    FROM runs WINDOW w AS (PARTITION BY person ORDER BY first, root)
), placed AS (
    SELECT n.*, a.after, a.before,
        lead(at) OVER w AS next_at, lead(leaving) OVER w AS next_leaves,
        lag(at) OVER w AS last_at, lag(leaving) OVER w AS last_leaves, lag(longest) OVER w AS last_longest
    FROM numbered n JOIN around a USING (person, root, run)
    WINDOW w AS (PARTITION BY n.person, n.place ORDER BY at, leaving)
), judged AS (
    SELECT *,
        NOT leaving AND next_leaves AND next_at - at <= longest AND NOT passing AS paired,
        leaving AND NOT last_leaves AND at - last_at <= last_longest AND NOT passing AS closes
    FROM placed
)
SELECT count(*), sum(
    CASE WHEN passing THEN 0
        WHEN paired THEN next_at - at
        WHEN leaving THEN at - greatest(at - usual, last_at, before)
        ELSE least(at + usual, next_at, after) - at END)
FROM judged WHERE closes IS NOT TRUE
"""


def _by_sql(drawn: dict[str, np.ndarray[Any, Any]], rules: Any) -> tuple[float, tuple[int, int]]:
    from django.db import connection

    from khien.kernel.bulk import copy_columns

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS given, rule")
        cursor.execute(
            "CREATE UNLOGGED TABLE given (person bigint, place bigint, at bigint, leaving boolean, key uuid)"
        )
        cursor.execute(
            "CREATE UNLOGGED TABLE rule (place bigint, usual bigint, passing boolean, root bigint)"
        )
        columns = {name: drawn[name] for name in ("person", "place", "at", "leaving")}
        copy_columns("given", {**columns, "key": drawn["id"]})
        copy_columns(
            "rule",
            {
                "place": rules.place,
                "usual": rules.default_min * MINUTE_US,
                "passing": rules.passing,
                "root": rules.root,
            },
        )
        cursor.execute("ANALYZE given")
        cursor.execute("SET work_mem = '256MB'")
        began = time.perf_counter()
        cursor.execute(_SQL)
        row = cursor.fetchone()
        took = time.perf_counter() - began
        cursor.execute("RESET work_mem")
        cursor.execute("DROP TABLE given, rule")
    return took, (int(row[0]), int(row[1]))


def _by_polars(drawn: dict[str, np.ndarray[Any, Any]], rules: Any) -> tuple[float, tuple[int, int]]:
    import polars as pl

    columns = {name: drawn[name] for name in ("person", "place", "at", "leaving")}
    key = np.frombuffer(drawn["id"].tobytes().hex().encode(), "S32").astype("U32")
    scans = pl.DataFrame({**columns, "key": key})
    rule = pl.DataFrame(
        {
            "place": rules.place,
            "usual": rules.default_min * MINUTE_US,
            "passing": rules.passing,
            "root": rules.root,
        }
    )
    began = time.perf_counter()
    same = ["person", "place", "leaving"]
    found = (
        scans.lazy()
        .sort("at", "key")
        .with_columns(pl.col("at").shift(1).over(same).alias("before_me"))
        .filter(pl.col("before_me").is_null() | (pl.col("at") - pl.col("before_me") > 60_000_000))
        .join(rule.lazy(), on="place")
        .with_columns((2 * pl.col("usual")).clip(57_600_000_000, 86_400_000_000).alias("longest"))
        .sort("person", "at", "root", "place", "leaving")
        .with_columns(pl.struct("person", "root").rle_id().alias("run"))
    )
    runs = (
        found.group_by("person", "run")
        .agg(pl.col("at").min().alias("first"), pl.col("at").max().alias("last"))
        .sort("run")
        .with_columns(
            pl.col("first").shift(-1).over("person").alias("after"),
            pl.col("last").shift(1).over("person").alias("before"),
        )
        .select("run", "after", "before")
    )
    place = ["person", "place"]
    judged = (
        found.join(runs, on="run")
        .sort("at", "leaving")
        .with_columns(
            pl.col("at").shift(-1).over(place).alias("next_at"),
            pl.col("leaving").shift(-1).over(place).alias("next_leaves"),
            pl.col("at").shift(1).over(place).alias("last_at"),
            pl.col("leaving").shift(1).over(place).alias("last_leaves"),
        )
        .with_columns(
            (
                ~pl.col("leaving")
                & pl.col("next_leaves")
                & (pl.col("next_at") - pl.col("at") <= pl.col("longest"))
                & ~pl.col("passing")
            )
            .fill_null(False)
            .alias("paired"),
            (
                pl.col("leaving")
                & ~pl.col("last_leaves")
                & (pl.col("at") - pl.col("last_at") <= pl.col("longest"))
                & ~pl.col("passing")
            )
            .fill_null(False)
            .alias("closes"),
        )
        .filter(~pl.col("closes"))
    )
    length = (
        pl.when("passing")
        .then(0)
        .when("paired")
        .then(pl.col("next_at") - pl.col("at"))
        .when("leaving")
        .then(pl.col("at") - pl.max_horizontal(pl.col("at") - pl.col("usual"), "last_at", "before"))
        .otherwise(pl.min_horizontal(pl.col("at") + pl.col("usual"), "next_at", "after") - pl.col("at"))
    )
    row = judged.select(pl.len(), length.sum().alias("us")).collect()
    took = time.perf_counter() - began
    return took, (int(row["len"][0]), int(row["us"][0]))


if __name__ == "__main__":
    main()
