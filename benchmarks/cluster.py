"""A hop on a cluster: what it costs by number of Ray nodes, how much travels, and that the answer is the same.

Each number of nodes is a Ray cluster of its own on loopback, a shard a node, filled from the same store of day segments
(`benchmarks.visits`). A hop takes persons who may infect from some day on and finds whom they reach at the places of
all shards; the frontier goes to every shard, persons and times come back. One machine asks the same of its snapshot
in the same run. All nodes share this machine's cores: a hop cannot become faster by more of them here, so this shows
what sharing out costs; `docs/operations.md` says what follows for machines of their own.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console

from benchmarks.ray_nodes import ADDRESSES, ray_nodes
from benchmarks.report import Figure, show
from benchmarks.visits import FIRST_DAY, Town
from khien.engine.cluster import actors
from khien.engine.cluster.following import Following
from khien.engine.cluster.handing import hand_over
from khien.engine.cluster.snapshot import ClusterSnapshot
from khien.engine.encounter import Spells
from khien.engine.live import Live
from khien.engine.reaching import one_level
from khien.engine.search import Plan, forward
from khien.engine.segment import DAY_S, ZONE_S, DaySegment
from khien.engine.store import Store
from khien.engine.threads import THREADS
from khien.engine.warming import warm

DAYS = 14
MIDNIGHT = FIRST_DAY * DAY_S - ZONE_S
NOW = MIDNIGHT + (DAYS + 1) * DAY_S
PLAN = Plan.of(2, 2.0, 5.0, 15, 0)
FRONTIERS = (1, 1_000, 100_000)


def build(town: Town, folder: Path) -> Store:
    """The whole store, written day by day."""
    store = Store(folder)
    with store.writing():
        for number in range(town.days):
            visits = town.day(number)
            segment = DaySegment.build(
                FIRST_DAY + number, visits.person, visits.place, visits.enter, visits.leave
            )
            store.write([segment], position=1, lineage="a town")
    return store


def frontier(town: Town, size: int, seed: int) -> Spells:
    """So many people, each infectious for two days from some moment on."""
    rng = np.random.default_rng([seed, size])
    person = np.sort(rng.choice(town.people, size, replace=False)).astype(np.int64)
    begin = MIDNIGHT + rng.integers(0, (town.days - 2) * DAY_S, size)
    return Spells(person, begin, begin + 2 * DAY_S)


def timed(rounds: int, act: Callable[[], Any]) -> tuple[float, Any]:
    """Median milliseconds of some rounds after a first one, and the answer."""
    answer = act()
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1e3)
    return float(np.median(took)), answer


def people(number: int) -> str:
    """A number of people in words."""
    return "1 person" if number == 1 else f"{number:,} people"


def equal(one: Any, other: Any, what: str) -> None:
    for first, second in zip(one, other, strict=True):
        if not np.array_equal(first, second):
            raise click.ClickException(f"{what}: the cluster answers differently")


def hops(
    name: str, cluster: ClusterSnapshot, hosts: actors.Actors, alone: dict[int, Any], town: Town, seed: int, rounds: int
) -> list[Figure]:  # fmt: skip
    """A hop of each size: median, octets there and back, ratio to one machine."""
    figures = []
    for size in FRONTIERS:
        spells = frontier(town, size, seed)

        def act(spells: Spells = spells) -> Any:
            return cluster.spread(spells, PLAN, NOW, want_last=True)

        ms, answer = timed(rounds, act)
        expected_ms, expected = alone[size]
        equal(expected, answer, f"{name}, {size:,} people")
        moved = hosts.moved
        act()
        moved = hosts.moved - moved
        about = f"{name}, a hop from {people(size)} ({len(answer[0]):,} reached)"
        figures.append(Figure(about, ms, "ms", "one process", ms / expected_ms))
        figures.append(Figure(f"{about}: moved", moved / 1e6, "MB"))
    return figures


def on(nodes: int, store: Store, town: Town, alone: dict[int, Any], traced: Any, seed: int, rounds: int,
       console: Console, folder: Path) -> list[Figure]:  # fmt: skip
    """Everything about one number of nodes."""
    name = f"{nodes} node{'s' if nodes > 1 else ''}"
    with ray_nodes(nodes) as address:
        try:
            hosts = actors.connect(address, folder)
            assert hosts.shards == nodes
            hosts.statuses()
            began = time.perf_counter()
            hand_over(store, hosts)
            took = time.perf_counter() - began
            console.print(f"{name}: handed over in {took:.1f} s")
            figures = [Figure(f"{name}, handing over all days", took, "s")]
            following = Following(hosts)
            following.groups("a town")
            cluster = following.snapshot(NOW)
            ping, _none = timed(50, hosts.statuses)
            figures.append(Figure(f"{name}, a question that asks nothing", ping, "ms"))
            figures += hops(name, cluster, hosts, alone, town, seed, rounds)
            ms, answer = timed(rounds, lambda: trace_of(cluster, traced[2]))
            equal(vars(traced[1]).values(), vars(answer).values(), f"{name}, contacts of contacts")
            figures.append(
                Figure(
                    f"{name}, F1 and F2 of a case with all columns", ms, "ms", "one process", ms / traced[0]
                )
            )
            if nodes > 1:
                figures.append(killed(name, cluster, hosts, traced))
        finally:
            actors.disconnect()
    return figures


def trace_of(known: Any, case: int) -> Any:
    """F1 and F2 of one case, infectious for a day."""
    return forward(
        known,
        case,
        (MIDNIGHT + 2 * DAY_S, MIDNIGHT + 3 * DAY_S),
        hops=2,
        latency_days=1.0,
        duration_days=2.0,
        until=NOW,
    )


def killed(name: str, cluster: ClusterSnapshot, hosts: actors.Actors, traced: Any) -> Figure:
    """An actor is killed; how long the next answer then takes, which must be the same."""
    os.kill(hosts.pids()[0], signal.SIGKILL)
    began = time.perf_counter()
    answer = trace_of(cluster, traced[2])
    took = time.perf_counter() - began
    equal(vars(traced[1]).values(), vars(answer).values(), f"{name}, after an actor was killed")
    return Figure(f"{name}, the same answer after an actor was killed", took, "s")


def counts(_context: Any, _parameter: Any, text: str) -> list[int]:
    """`1,2,3` as numbers."""
    wanted = [int(one) for one in text.split(",") if one.strip().isdigit()]
    if not wanted or not all(1 <= one <= len(ADDRESSES) for one in wanted):
        raise click.BadParameter(f"write numbers of nodes from 1 to {len(ADDRESSES)}, such as 1,3")
    return wanted


@click.command()
@click.option("--records", default=10.0, show_default=True, help="Millions of presence records in 14 days.")
@click.option(
    "--nodes", default="1,2,3", show_default=True, callback=counts, help="Clusters of so many nodes."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(records: float, nodes: list[int], rounds: int, seed: int, as_json: bool) -> None:
    """The cost of a hop by number of Ray nodes, and the octets that travel."""
    console = Console(width=160)
    town = Town(int(records * 1e6), days=DAYS, seed=seed)
    if find_spec("ray") is None:
        raise click.ClickException("Ray is not installed: pip install 'khien[cluster]'")
    warm()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="khien-bench-") as name:
        folder = Path(name)
        store = build(town, folder / "whole")
        one = Live(store.read()).snapshot(NOW)
        octets = sum(entry.octets for entry in store.manifest().days.values())
        console.print(f"{len(one):,} records, {octets / 1e6:,.0f} MB; {THREADS} cores, shared by all nodes")
        alone = {}
        for size in FRONTIERS:
            spells = frontier(town, size, seed)
            ms, answer = timed(
                rounds, lambda spells=spells: one_level(one, spells, PLAN, NOW, want_last=True)
            )
            alone[size] = ms, answer
            figures.append(
                Figure(f"one process, a hop from {people(size)} ({len(answer[0]):,} reached)", ms, "ms")
            )
        busiest = int(np.bincount(town.day(2).person).argmax())
        traced = *timed(rounds, lambda: trace_of(one, busiest)), busiest
        figures.append(
            Figure(
                f"one process, F1 and F2 of a case with all columns ({len(traced[1]):,} people)",
                traced[0],
                "ms",
            )
        )
        for count in nodes:
            shards = folder / f"of-{count}"
            figures += on(count, store, town, alone, traced, seed, rounds, console, shards)
    show("cluster", figures, as_json=as_json)


if __name__ == "__main__":
    main()
