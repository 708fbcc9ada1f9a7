"""What a list says of its own coverage, against the truth: where it says 70 % of the meetings are seen, are they?

Synthetic provinces (`khien.simulation`) of many seeds, each observed at a coverage drawn for it. In each, people drawn
at random stand for cases: they are traced over five days, and interviewed. An interview tells a stay with a chance
of its own for each kind of place, drawn for the province; `khien.engine.seen` knows neither these chances nor
the coverage. docs/precision.md explains the measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.report import Figure, show
from benchmarks.worlds import DAY_S, Ints, World, rooms_of, seconds
from khien.engine.encounter import Spells, Thresholds
from khien.engine.live import Live, Stays, days_of
from khien.engine.seen import MEETING_S, KnownStays, meetings, seen, shares
from khien.engine.snapshot import Snapshot
from khien.engine.store import Manifest, State
from khien.simulation import Parameters
from khien.simulation.parameters import KIND_INDEX, KINDS

START = date(2022, 1, 3)
WINDOW_DAYS = 5
MOST_OFF = 0.1
INTERVIEWED = 60

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Told:
    """One province: what was known of the cases' stays, and by case how many meetings there were and were seen."""

    coverage: float
    stays: KnownStays
    there: Floats
    seen: Floats


def province(seed: int, people: int, days: int) -> Told:
    """A province seen at a coverage of its own; `INTERVIEWED` people of it traced and asked."""
    rng = np.random.default_rng((seed, 5))
    coverage = rng.uniform(0.08, 0.92)
    world = World.simulated(people, seed, START, days, Parameters(coverage=coverage))
    begin = world.span[0] + rng.integers(1, days - WINDOW_DAYS + 1, INTERVIEWED) * DAY_S
    persons = rng.choice(people, INTERVIEWED, replace=False).astype(np.int64)
    spells = Spells(persons, begin, begin + WINDOW_DAYS * DAY_S)
    truth, observed = _snapshots(world)
    kind = np.array([KIND_INDEX[code] for code in world.places["kind"].to_pylist()])

    case, place, enter, leave = truth.stays_in(spells)
    stays = np.stack(
        (case, place, np.maximum(enter, spells.begin[case]), np.minimum(leave, spells.end[case]))
    )
    told = rng.random(len(case)) < rng.uniform(0.3, 0.9, len(KINDS))[kind[place]]
    known = KnownStays.of(observed, spells, stays[:, told], kind.__getitem__)

    # A list holds what was scanned of others at the stays known, meetings of any length.
    recorded = np.stack(observed.stays_in(spells))
    listed = _met(observed, spells, np.concatenate((stays[:, told], recorded), axis=1), 1)
    there = _met(truth, spells, stays, MEETING_S)
    of_case = np.asarray(there["f0"])
    return Told(
        coverage,
        known,
        np.bincount(of_case, minlength=INTERVIEWED).astype(float),
        np.bincount(of_case, weights=np.isin(there, listed), minlength=INTERVIEWED).astype(float),
    )


def _snapshots(world: World) -> tuple[Snapshot, Snapshot]:
    """The truth and what was scanned, away from homes, at the places whose posters are (or would be) scanned."""
    poster = np.array(world.places["poster"].to_pylist())
    table = world.true_presence
    room, whole = rooms_of(table), table["place"].to_numpy().astype(np.int64)
    place = np.where(poster[room] == "gate", whole, room)
    away = ~world.is_home[place]
    truth = Stays(
        table["person"].to_numpy().astype(np.int64)[away],
        place[away],
        seconds(table["enter"])[away],
        seconds(table["leave"])[away],
    )
    enter = seconds(world.presence["enter"])
    scanned = Stays(
        world.presence["person"].to_numpy().astype(np.int64),
        rooms_of(world.presence),
        enter,
        np.maximum(seconds(world.presence["leave"]), enter),
    )
    both = (Live(State(Manifest(), days_of(stays))).snapshot(world.span[1]) for stays in (truth, scanned))
    return next(both), next(both)


def _met(snapshot: Snapshot, spells: Spells, stays: Ints, least_s: int) -> npt.NDArray[np.void]:
    """Whom the cases met in their stays: one key for the same case, person, place and day."""
    case, place, enter, leave = stays
    each = Spells(spells.person[case], spells.begin[case], spells.end[case])
    number = np.arange(len(case), dtype=np.int64)
    found = snapshot.found(each, Thresholds(together=least_s, after=0), stays=(number, place, enter, leave))
    day = (found.start + 7 * 3600) // DAY_S
    keys = np.ascontiguousarray(np.stack((case[found.spell], found.target, found.place, day), axis=1))
    return np.unique(keys.view([("", keys.dtype)] * 4))


def judged(worlds: list[Told], console: Console) -> list[Figure]:
    """Print what was said and what was true by what was said, and return the figures."""
    said, there, got = [], [], []
    off = []
    for one in worlds:
        everybody = np.ones(INTERVIEWED, np.bool_)
        found, expected = meetings(one.stays, shares(one.stays, len(KINDS)), INTERVIEWED, everybody)
        off.append(found.sum() / max(expected.sum(), 1e-9) - one.seen.sum() / max(one.there.sum(), 1e-9))
        for case in np.flatnonzero(one.there):
            mine = one.stays.case == case
            own = KnownStays(np.zeros(mine.sum(), np.int64), *list(vars(one.stays.where(mine)).values())[1:])
            share = seen(one.stays, own, len(KINDS), interviewed=True)
            if share is None:
                continue
            said.append(share)
            there.append(one.there[case])
            got.append(one.seen[case])
    shares_said, number, hits = np.array(said), np.array(there), np.array(got)
    decile = np.minimum((shares_said * 10).astype(int), 9)
    table = Table(title=f"{len(worlds)} provinces, {len(said):,} cases, {number.sum():,.0f} meetings")
    for column in ("said", "cases", "meetings", "said, mean", "true"):
        table.add_column(column, justify="right")
    worst, good, all_of = 0.0, 0.0, 0.0
    for ten in range(10):
        mine = decile == ten
        if number[mine].sum() < 100:
            continue
        mean = float(np.average(shares_said[mine], weights=number[mine]))
        true = float(hits[mine].sum() / number[mine].sum())
        worst = max(worst, abs(mean - true))
        all_of += number[mine].sum()
        good += number[mine].sum() * (abs(mean - true) <= MOST_OFF)
        table.add_row(
            f"{ten * 10}–{ten * 10 + 10} %",
            f"{mine.sum()}",
            f"{number[mine].sum():,.0f}",
            f"{mean:.0%}",
            f"{true:.0%}",
        )
    console.print(table)
    return [
        Figure("cases", len(said), "cases"),
        Figure(
            "furthest that a tenth of the scale is off",
            worst,
            "share",
            goal=f"<= {MOST_OFF:g}",
            met=worst <= MOST_OFF,
        ),
        Figure("meetings in tenths that are right to 10 points", good / max(all_of, 1e-9), "share"),
        Figure(
            "provinces whose share is right to 10 points",
            float(np.mean(np.abs(off) <= MOST_OFF)),
            "share",
        ),
        Figure("provinces: mean error", float(np.mean(off)), "share"),
        Figure("provinces: mean size of the error", float(np.mean(np.abs(off))), "share"),
    ]


@click.command()
@click.option("--seeds", default=50, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=101, show_default=True, help="Of the first province.")
@click.option("--people", default=30_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--days", default=10, show_default=True, type=click.IntRange(min=7))
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(seeds: int, seed: int, people: int, days: int, as_json: bool) -> None:
    """What a contact list says of its coverage, against the truth of synthetic provinces."""
    worlds = [province(one, people, days) for one in range(seed, seed + seeds)]
    show("coverage", judged(worlds, Console(width=120)), as_json=as_json)


if __name__ == "__main__":
    main()
