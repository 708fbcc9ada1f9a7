"""Tracing at the limit: the engine through its day segments and a live tail, beside what others would trace with.

One data set by seed (`benchmarks.visits`), the same cases for all, every answer compared. The question is a case and
its window; everybody finds the case's own stays and answers with every encounter of 15 minutes or more (person, start,
end). Peers get what helps them: a second copy or index by person, sorted tables, the bound of 12 hours that the stays
keep (the engine needs none), no durability. Engine and peers take turns; medians and ranges of the rounds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.peers import MINUTES, PEERS, Answer, Columns, Peer, loaded
from benchmarks.report import Figure, show
from benchmarks.visits import FIRST_DAY, Town, Visits
from khien.engine.compiled import building, layout
from khien.engine.encounter import Spells, Thresholds
from khien.engine.live import Changes, Live, Stays
from khien.engine.reaching import Search
from khien.engine.search import Plan
from khien.engine.segment import DAY_S, ZONE_S, DaySegment
from khien.engine.snapshot import Snapshot
from khien.engine.store import Store
from khien.engine.threads import THREADS
from khien.engine.warming import warm

DAYS = 14
MIDNIGHT = FIRST_DAY * DAY_S - ZONE_S
TAIL, BATCH, A_TURN = 100_000, 2_000, 3
TOGETHER = Thresholds.of_minutes(MINUTES, 0)
HOPS = {"latency_days": 2.0, "duration_days": 5.0, "seeds": 20}
PEER_LIMIT_S = 120.0
GOALS = {
    "one case": {"postgres": 50.0, "duckdb": 300.0, "ncls": 5.0},
    "busiest case": {"postgres": 20.0, "duckdb": 20.0, "ncls": 5.0},
}
BATCH_GOAL, READ_GOAL, BYTES_GOAL, BUILD_GOAL_S = 15.0, 4.0, 16.0, 30.0
COLD_GOAL_S, TAIL_GOAL_S, HUGE_MEMORY_GOAL_GB, HUGE_MEDIAN_GOAL_MS = 1.0, 1.0, 3.0, 1.0


@dataclass(frozen=True)
class Question:
    """Some cases, infectious over [begin, end)."""

    name: str
    cases: Sequence[int]
    begin: int
    end: int

    @property
    def spells(self) -> Spells:
        number = len(self.cases)
        return Spells(
            np.asarray(self.cases, np.int64), np.full(number, self.begin), np.full(number, self.end)
        )


@dataclass(frozen=True)
class Timing:
    """Milliseconds of some rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.rounds))

    def words(self) -> str:
        return f"{self.median:,.3f} ({min(self.rounds):,.3f}–{max(self.rounds):,.3f})"


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    told = act()
    return (time.perf_counter() - began) * 1e3, told


# -- the engine's side ---------------------------------------------------------------------------------


def build(town: Town, folder: Path) -> tuple[float, float, int]:
    """Write all days but the last 100,000 visits; returns seconds of building and writing, and the octets."""
    store = Store(folder)
    building_s = writing_s = 0.0
    last = town.days - 1
    with store.writing() as mine:
        assert mine
        for day in range(town.days):
            visits = town.day(day)
            if day == last:
                visits = parts(visits)[0]
            began = time.perf_counter()
            segment = DaySegment.build(
                FIRST_DAY + day, visits.person, visits.place, visits.enter, visits.leave
            )
            built = time.perf_counter()
            store.write([segment], position=1)
            building_s += built - began
            writing_s += time.perf_counter() - built
            del visits, segment
    return building_s, writing_s, sum(entry.octets for entry in store.manifest().days.values())


def parts(visits: Visits) -> tuple[Visits, Visits]:
    """A day's visits, and the last of them to begin, which come as a live tail."""
    order = np.argsort(visits.enter, kind="stable")
    split = max(len(order) - TAIL, 0)

    def some(rows: Any) -> Visits:
        return Visits(*(column[rows] for column in vars(visits).values()))

    return some(order[:split]), some(order[split:])


def opened(folder: Path, town: Town) -> tuple[Snapshot, list[float]]:
    """The store with the tail that came since, in batches of 2,000; and what each batch took to be seen, in ms."""
    live = Live(Store(folder).read())
    tail = parts(town.day(town.days - 1))[1]
    seen = []
    for first in range(0, len(tail), BATCH):
        rows = slice(first, first + BATCH)
        batch = Stays(
            tail.person[rows].astype(np.int64),
            tail.place[rows].astype(np.int64),
            tail.enter[rows],
            tail.leave[rows],
        )
        person = int(batch.person[-1])

        def one(batch: Stays = batch, person: int = person, number: int = first) -> int:
            live.apply(Changes(number + 2, batch, Stays.none()))
            snapshot = live.snapshot(MIDNIGHT + 20 * DAY_S)
            mine = Spells(
                np.array([person]), np.array([int(batch.enter[-1])]), np.array([int(batch.leave[-1]) + 1])
            )
            return len(snapshot.stays_in(mine)[0])

        took, stays = timed(one)
        assert stays >= 1, "a visit that was told is not seen"
        seen.append(took)
    return live.snapshot(MIDNIGHT + 20 * DAY_S), seen


def engine_answer(snapshot: Snapshot, question: Question) -> Any:
    return snapshot.found(question.spells, TOGETHER)


def counts_of(found: Any) -> tuple[int, int, int]:
    return len(found), len(np.unique(found.target)), int((found.end - found.start).sum())


# -- questions -----------------------------------------------------------------------------------------


def questions(snapshot: Snapshot, town: Town, seed: int) -> dict[str, list[Question]]:
    """Five cases as active as people are on average, the busiest, and 1,000 at random for a day and for all days."""
    rng = np.random.default_rng([seed, 2])
    activity = np.zeros(town.people, np.int64)
    for piece in snapshot.pieces:
        activity += np.bincount(
            (piece.segment.rows & np.uint64(2**30 - 1)).astype(np.int64), minlength=town.people
        )
    mean = activity.mean()
    usual = np.flatnonzero(np.abs(activity - mean) <= max(0.05 * mean, 1))
    all_days = (MIDNIGHT, MIDNIGHT + town.days * DAY_S + DAY_S)
    day = (MIDNIGHT + (town.days // 2) * DAY_S, MIDNIGHT + (town.days // 2 + 1) * DAY_S)
    many = rng.choice(town.people, 1000, replace=False).tolist()
    return {
        "one case": [Question("one case", [int(c)], *all_days) for c in rng.choice(usual, 5, replace=False)],
        "busiest case": [Question("busiest case", [int(np.argmax(activity))], *all_days)],
        "1,000 cases, one day": [Question("1,000 cases, one day", many, *day)],
        f"1,000 cases, {town.days} days": [Question(f"1,000 cases, {town.days} days", many, *all_days)],
    }


def in_turns(
    askers: dict[str, Callable[[Question], Any]],
    count: dict[str, Callable[[Any], tuple[int, int, int]]],
    asked: Sequence[Question],
    rounds: int,
) -> dict[str, Timing]:
    """Everybody answers every question once to warm up, compared, then `rounds` times in turns. In a turn a question is
    asked three times and the median counts: the first pays for the caches that the others have swept."""
    took: dict[str, list[float]] = {name: [] for name in askers}
    for question in asked:
        told = {name: count[name](ask(question)) for name, ask in askers.items()}
        different = {name: counts for name, counts in told.items() if counts != told["engine"]}
        if different:
            raise click.ClickException(f"{question.name}: the answers differ: {told}")
    for _round in range(rounds):
        for name, ask in askers.items():
            for question in asked:
                turn = [timed(lambda ask=ask, question=question: ask(question))[0] for _ in range(A_TURN)]
                took[name].append(float(np.median(turn)))
    return {name: Timing(tuple(each)) for name, each in took.items()}


# -- hops ----------------------------------------------------------------------------------------------


def bandwidth() -> float:
    """What this machine reads from memory with all its cores: GB/s, the best of five."""
    numbers = np.ones(64_000_000, np.uint64).view(np.uint8)
    cuts = np.array_split(numbers, THREADS)
    with ThreadPoolExecutor(THREADS) as threads:
        best = min(timed(lambda: list(threads.map(building.checksum, cuts)))[0] for _ in range(5))
    return numbers.nbytes / best / 1e6


def looked_up(snapshot: Snapshot, people: int) -> tuple[float, int]:
    """The least that a hop must do that reaches most people: for each row of all days, look up one number of its
    person. Milliseconds with all cores, the best of five, and rows."""
    moment = np.arange(people, dtype=np.int32)
    rows = np.concatenate([piece.segment.rows & np.uint64(layout.PERSON_MASK) for piece in snapshot.pieces])
    person = rows.astype(np.int64)
    parts = np.array_split(person, THREADS)
    out = [np.empty(len(part), np.int32) for part in parts]
    with ThreadPoolExecutor(THREADS) as pool:
        took = [
            timed(lambda: list(pool.map(lambda p, o: np.take(moment, p, out=o, mode="wrap"), parts, out)))[0]
            for _ in range(5)
        ]
    return min(took), len(person)


def hops(snapshot: Snapshot, town: Town, seed: int, rounds: int) -> tuple[list[Timing], list[int], list[int]]:
    """F1, F2, F3 from 20 seeds on the first day: times, people reached, octets of the columns that each hop reads."""
    cases = np.random.default_rng([seed, 3]).choice(town.people, int(HOPS["seeds"]), replace=False)
    spells = Spells(
        cases.astype(np.int64),
        np.full(len(cases), MIDNIGHT),
        np.full(len(cases), MIDNIGHT + DAY_S),
    )
    plan = Plan.of(3, HOPS["latency_days"], HOPS["duration_days"], MINUTES, 0)
    took: list[list[float]] = [[], [], []]
    reached, octets = [0, 0, 0], [0, 0, 0]
    for number in range(rounds + 1):
        search = Search(snapshot, spells, plan, MIDNIGHT + town.days * DAY_S)
        more = True
        for hop in range(3):
            if not more:
                break
            days = range(FIRST_DAY, FIRST_DAY + 2) if hop == 0 else search.days()
            octets[hop] = sum(
                piece.segment.rows.nbytes + piece.segment.place_id.nbytes + piece.segment.place_first.nbytes
                for piece in snapshot.pieces
                if piece.segment.day in days
            )
            ms, more = timed(lambda search=search, hop=hop: search.hop(last_hop=hop == 2))
            if number:
                took[hop].append(ms)
        reached = np.bincount(search.degree, minlength=4)[1:4].tolist()
    return [Timing(tuple(each)) for each in took], reached, octets


# -- what must be alone in its process -----------------------------------------------------------------

ALONE = """
import json, sys
from benchmarks import trace
answer = getattr(trace, sys.argv[1])(*json.loads(sys.argv[2]))
print(json.dumps(answer | {"peak_gb": trace.peak_gb()}))
"""


def peak_gb() -> float:
    """The most memory that this process has held; `ru_maxrss` would count what its parent held when it began."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1e6


def alone(function: str, *arguments: Any) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, function, json.dumps(arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parent.parent,
    )
    if done.returncode:
        raise click.ClickException(f"{function}: {done.stderr[-2000:]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def build_alone(records: int, seed: int, folder: str) -> dict[str, float]:
    built, written, octets = build(Town(records, days=DAYS, seed=seed), Path(folder))
    return {"build_s": built, "write_s": written, "octets": octets}


def cold_alone(folder: str, case: int, begin: int, end: int) -> dict[str, float]:
    """The first answer of a process that is up, from files that nobody has read since they were dropped from memory."""
    began = time.perf_counter()
    warm()
    warmed = time.perf_counter() - began
    drop_from_memory(Path(folder))
    began = time.perf_counter()
    snapshot = Live(Store(Path(folder)).read()).snapshot(MIDNIGHT + 20 * DAY_S)
    found = engine_answer(snapshot, Question("cold", [case], begin, end))
    return {"cold_s": time.perf_counter() - began, "warm_s": warmed, "encounters": len(found)}


def drop_from_memory(folder: Path) -> None:
    """Have the kernel forget the files' pages."""
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    with suppress(OSError):  # root may do more
        Path("/proc/sys/vm/drop_caches").write_text("1")


# -- the run -------------------------------------------------------------------------------------------


def columns_of(town: Town) -> Iterator[Columns]:
    for day in range(town.days):
        visits = town.day(day)
        yield Columns(
            visits.person.astype(np.int32),
            visits.place.astype(np.int32),
            (visits.enter - MIDNIGHT).astype(np.int32),
            (visits.leave - MIDNIGHT).astype(np.int32),
        )


def measure(
    records: int, peers: Sequence[str], rounds: int, seed: int, console: Console, folder: Path
) -> list[Figure]:
    """Everything about one number of records."""
    town = Town(records, days=DAYS, seed=seed)
    label = f"{records // 1_000_000}m"
    goals = records == 40_000_000
    figures: list[Figure] = []
    told = alone("build_alone", records, seed, str(folder))
    console.print(f"{label}: built in {told['build_s']:.1f} s, written in {told['write_s']:.1f} s")
    octets = told["octets"] / records
    seconds = told["build_s"] + told["write_s"]
    figures += [
        Figure(f"{label}, bytes a record on disk and in memory", octets, "bytes", None, None,
               f"<= {BYTES_GOAL:g}" if goals else None, octets <= BYTES_GOAL if goals else None),
        Figure(f"{label}, building and writing all days", seconds, "s", None, None,
               f"<= {BUILD_GOAL_S:g}" if goals else None, seconds <= BUILD_GOAL_S if goals else None),
        Figure(f"{label}, peak memory of building by day", told["peak_gb"], "GB", None, None,
               f"<= {HUGE_MEMORY_GOAL_GB:g}" if records >= 100_000_000 else None,
               told["peak_gb"] <= HUGE_MEMORY_GOAL_GB if records >= 100_000_000 else None),
    ]  # fmt: skip
    snapshot, seen = opened(folder, town)
    slowest = max(seen) / 1e3
    figures.append(
        Figure(f"{label}, a batch of 2,000 stays told and seen, slowest", slowest, "s", None, None,
               f"<= {TAIL_GOAL_S:g}" if goals else None, slowest <= TAIL_GOAL_S if goals else None)
    )  # fmt: skip
    asked = questions(snapshot, town, seed)
    figures += cold(label, folder, asked["one case"][0], goals)
    figures += random_people(label, snapshot, town, seed)
    figures += hop_figures(label, snapshot, town, seed, rounds, goals, console)
    with ExitStack() as stack:
        ready: dict[str, Peer] = {}
        for name in peers:
            began = time.perf_counter()
            ready[name] = stack.enter_context(loaded(name, columns_of(town)))
            console.print(f"{label}: {name} loaded in {time.perf_counter() - began:.0f} s")
        figures += compared(label, snapshot, ready, asked, rounds, goals, console)
    return figures


def cold(label: str, folder: Path, question: Question, goals: bool) -> list[Figure]:
    asked = ("cold_alone", str(folder), question.cases[0], question.begin, question.end)
    alone(*asked)  # compiles what no process has compiled before
    told = alone(*asked)
    first = told["cold_s"]
    return [
        Figure(f"{label}, kernels ready in a new process (compiled before)", told["warm_s"], "s"),
        Figure(
            f"{label}, cold start: opening, checking, the first answer",
            first,
            "s",
            goal=f"<= {COLD_GOAL_S:g}" if goals else None,
            met=first <= COLD_GOAL_S if goals else None,
        ),
    ]


def random_people(label: str, snapshot: Snapshot, town: Town, seed: int) -> list[Figure]:
    """The contact lists of 400 people drawn at random, one after another."""
    people = np.random.default_rng([seed, 4]).choice(town.people, 400, replace=False)
    window = (MIDNIGHT, MIDNIGHT + (town.days + 1) * DAY_S)
    took = [
        timed(lambda person=person: engine_answer(snapshot, Question("", [int(person)], *window)))[0]
        for person in people
    ]
    median, slow = float(np.median(took)), float(np.quantile(took, 0.95))
    huge = label == "100m"
    return [
        Figure(f"{label}, one random person, median", median, "ms", None, None,
               f"<= {HUGE_MEDIAN_GOAL_MS:g}" if huge else None, median <= HUGE_MEDIAN_GOAL_MS if huge else None),
        Figure(f"{label}, one random person, 95 % within", slow, "ms"),
    ]  # fmt: skip


def hop_figures(
    label: str, snapshot: Snapshot, town: Town, seed: int, rounds: int, goals: bool, console: Console
) -> list[Figure]:
    speed = bandwidth()
    times, reached, octets = hops(snapshot, town, seed, rounds)
    figures = [Figure(f"{label}, memory read by {THREADS} cores", speed, "GB/s")]
    took, rows = looked_up(snapshot, town.people)
    read = rows * snapshot.pieces[0].segment.rows.itemsize / speed / 1e6
    figures.append(
        Figure(f"{label}, looking up each row's person once, all days", took, "ms",
               f"one read of the rows: {read:.1f} ms", took / read)
    )  # fmt: skip
    for hop, (time_, people, read) in enumerate(zip(times, reached, octets, strict=True), 1):
        if not time_.rounds:
            break
        once = read / speed / 1e6
        ratio = time_.median / once
        console.print(
            f"{label}: F{hop} of {int(HOPS['seeds'])} seeds: {people:,} people, {time_.words()} ms;"
            f" its columns ({read / 1e6:,.0f} MB) are read once in {once:.1f} ms"
        )
        figures.append(
            Figure(f"{label}, F{hop} of {int(HOPS['seeds'])} seeds ({people:,} people)", time_.median, "ms",
                   f"one read of its columns: {once:.1f} ms", ratio,
                   f"<= {READ_GOAL:g} reads" if goals else None, ratio <= READ_GOAL if goals else None)
        )  # fmt: skip
    return figures


def compared(
    label: str,
    snapshot: Snapshot,
    peers: dict[str, Peer],
    asked: dict[str, list[Question]],
    rounds: int,
    goals: bool,
    console: Console,
) -> list[Figure]:
    """Engine and peers on the same questions, in turns."""

    def peer_asker(peer: Peer) -> Callable[[Question], Answer]:
        return lambda question: peer.ask(question.cases, question.begin - MIDNIGHT, question.end - MIDNIGHT)

    askers: dict[str, Callable[[Question], Any]] = {"engine": lambda q: engine_answer(snapshot, q)}
    askers |= {name: peer_asker(peer) for name, peer in peers.items()}
    count: dict[str, Callable[[Any], tuple[int, int, int]]] = {"engine": counts_of}
    count |= dict.fromkeys(peers, lambda answer: answer.counts)
    table = Table(
        title=f"{label}: median (range) of {rounds} rounds, ms; in brackets the ratio to the engine"
    )
    for column in ("question", "encounters", *askers):
        table.add_column(column, justify="left" if column == "question" else "right")
    figures = []
    for name, some in asked.items():
        times = in_turns(askers, count, some, rounds)
        engine = times["engine"].median
        number = sum(len(engine_answer(snapshot, question)) for question in some) // len(some)
        table.add_row(
            name,
            f"{number:,}",
            times["engine"].words(),
            *(f"{times[peer].words()} [{times[peer].median / engine:,.1f}]" for peer in peers),
        )
        figures.append(Figure(f"{label}, {name}: engine", engine, "ms"))
        slow = float(np.quantile(times["engine"].rounds, 0.95))
        figures.append(Figure(f"{label}, {name}: engine, 95 % within", slow, "ms"))
        best = min((times[peer].median / engine for peer in peers), default=None)
        for peer in peers:
            ratio = times[peer].median / engine
            goal = GOALS.get(name, {}).get(peer) if goals else None
            figures.append(
                Figure(f"{label}, {name}: {peer}", times[peer].median, "ms", peer, ratio,
                       None if goal is None else f">= {goal:g}", None if goal is None else ratio >= goal)
            )  # fmt: skip
        if goals and name == "1,000 cases, one day" and best is not None:
            figures.append(
                Figure(f"{label}, {name}: the best peer", best, "times", "the best peer", best,
                       f">= {BATCH_GOAL:g}", best >= BATCH_GOAL)
            )  # fmt: skip
    console.print(table)
    return figures


def numbers(_context: Any, _parameter: Any, text: str) -> list[int]:
    """`10m,40m` as numbers."""
    try:
        return [int(float(one.removesuffix("m")) * 1_000_000) for one in text.lower().split(",")]
    except ValueError as fault:
        raise click.BadParameter("write numbers of millions, such as 10m,40m,100m") from fault


def names(_context: Any, _parameter: Any, text: str) -> list[str]:
    """Peers by name."""
    wanted = [name for name in text.split(",") if name]
    unknown = set(wanted) - set(PEERS)
    if unknown:
        raise click.BadParameter(f"no such peer: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return wanted


@click.command()
@click.option("--records", default="10m,40m,100m", show_default=True, callback=numbers)
@click.option("--peers", default="duckdb,postgres,ncls,polars", show_default=True, callback=names)
@click.option(
    "--peers-up-to", default="40m", show_default=True, callback=numbers, help="Larger runs are the engine's."
)
@click.option("--rounds", default=7, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(
    records: list[int], peers: list[str], peers_up_to: list[int], rounds: int, seed: int, as_json: bool
) -> None:
    """Encounters of one case, of many, hops; building, memory, cold start: the engine beside its peers."""
    console = Console(width=160)
    figures: list[Figure] = []
    for number in records:
        with tempfile.TemporaryDirectory(prefix="khien-bench-") as folder:
            some = peers if number <= peers_up_to[0] else []
            figures += measure(number, some, rounds, seed, console, Path(folder))
    figures.append(Figure("peak memory of the whole run, peers included", peak_gb(), "GB"))
    show("trace", figures, as_json=as_json)


if __name__ == "__main__":
    main()
