"""How soon a scan is traced: stored at the batch door, derived, and seen by whoever asks.

The open province with a week of scans is served by `khien up` (web, worker, ticker, engine). One process stores batches
of scans by the door's verb at a steady rate, as fast as it can when it falls behind; this one asks, as the tracing
room does, for the stays of somebody whose scan has just been committed, again and again until the stay is there. The
server syncs nothing to disk.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.connection import Connection
from uuid import UUID

import click
import numpy as np

from benchmarks.database import fresh_database
from benchmarks.house import served
from benchmarks.report import Figure, show
from khien.engine.warming import warm

BATCH = 500
GOAL_S = 1.0
GIVEN_UP_S = 30.0


@dataclass(frozen=True)
class Stored:
    """The last scan of a batch that is committed, when that was, and how many scans were stored before."""

    person: int
    place: int
    committed: float
    scans: int


@click.command()
@click.option("--people", default=50_000, show_default=True)
@click.option("--rate", default=2_000, show_default=True, help="Scans a second.")
@click.option("--seconds", default=30, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(people: int, rate: int, seconds: int, seed: int, as_json: bool) -> None:
    """A scan stored until it is traced, while scans come at a steady rate."""
    os.environ["KHIEN_DEMO"] = "1"  # business time is that of the history
    with fresh_database():
        figures = measure(people, rate, seconds, seed)
    show("live", figures, as_json=as_json)


def measure(people: int, rate: int, seconds: int, seed: int) -> list[Figure]:
    from khien.kernel import clock
    from khien.kernel.clock import verbs as clock_verbs
    from khien.kernel.people.models import Person
    from khien.kernel.places.models import Place
    from khien.kernel.presence import segments
    from khien.site.demo import ground
    from khien.site.demo.feed import Feed

    state = ground.lay_ground(people=people, seed=seed)
    now = clock.start_of_day(ground.START) + timedelta(days=7, hours=9)
    with clock.reads.frozen_at(now):
        Feed(state).load_scans(7)
        segments.rebuild()
    persons = np.array(Person.objects.values_list("pk", flat=True))
    places = np.array(Place.objects.filter(closed_at__isnull=True).values_list("pk", flat=True))
    with served():
        clock_verbs.anchor(now, 1.0)
        warm()  # who asks has asked before, as the processes of an installation have
        segments.snapshot()
        ours, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        writer = context.Process(target=_store, args=(theirs, persons, places, rate, seconds, seed))
        writer.start()
        _until_traced(ours.recv())  # the ticker has had its first round, the clocks run from here
        ours.send("go")
        waits, last = _probe(ours)
        writer.join()
    reached = last.scans / last.committed
    return [
        Figure("people", people, "people"),
        Figure("scans stored", last.scans, "scans"),
        Figure("scans a second", reached, "1/s", goal=f">= {rate}", met=reached >= 0.95 * rate),
        Figure("scans asked about", len(waits), "scans"),
        Figure("committed until traced, median", float(np.median(waits)), "s"),
        Figure("committed until traced, 95 % within", float(np.quantile(waits, 0.95)), "s"),
        Figure(
            "committed until traced, slowest",
            max(waits),
            "s",
            goal=f"<= {GOAL_S:g}",
            met=max(waits) <= GOAL_S,
        ),
    ]


def _probe(ours: Connection) -> tuple[list[float], Stored]:
    """Wait for one scan after another; the last of those told meanwhile is asked about next."""
    waits: list[float] = []
    while True:
        told = ours.recv()
        while ours.poll():
            told = ours.recv()
        if isinstance(told, Stored) and told.person < 0:
            return waits, told
        waits.append(_until_traced(told))


def _until_traced(told: Stored) -> float:
    from khien.engine.encounter import Spells
    from khien.kernel import clock
    from khien.kernel.presence import segments

    while time.monotonic() - told.committed < GIVEN_UP_S:
        now = int(clock.now().timestamp())
        spell = Spells(np.array([told.person]), np.array([now - 600]), np.array([now + 600]))
        _case, place, _enter, _leave = segments.snapshot().stays_in(spell)
        if told.place in place:
            return time.monotonic() - told.committed
    raise click.ClickException(f"a scan was not traced within {GIVEN_UP_S:g} s")


def _store(theirs: Connection, persons: object, places: object, rate: int, seconds: int, seed: int) -> None:
    """The writing process: batches by the door's verb, one every `BATCH / rate` seconds."""
    import django

    django.setup()
    from khien.kernel import clock
    from khien.kernel.staff import system_actor
    from khien.rooms.checkpoints.verbs import store_scans

    people, where = np.asarray(persons), np.asarray(places)
    rng = np.random.default_rng((seed, 7))
    actor = system_actor("bench")

    def batch() -> tuple[int, int, float]:
        at = clock.now().isoformat()
        who, there = rng.choice(people, BATCH, replace=False), rng.choice(where, BATCH)
        events = [
            {
                "id": str(UUID(bytes=rng.bytes(16), version=4)),
                "person": int(person),
                "place": int(place),
                "at": at,
                "direction": "in",
            }
            for person, place in zip(who, there, strict=True)
        ]
        store_scans(actor, events, verdicts=False)
        return int(who[-1]), int(there[-1]), time.monotonic()

    theirs.send(Stored(*batch(), 0))
    theirs.recv()
    began = time.monotonic()
    for number in range(rate * seconds // BATCH):
        theirs.send(Stored(*batch(), (number + 1) * BATCH))
        time.sleep(max(0.0, began + (number + 1) * BATCH / rate - time.monotonic()))
    theirs.send(Stored(-1, -1, time.monotonic() - began, rate * seconds // BATCH * BATCH))


if __name__ == "__main__":
    main()
