"""Who was truly infected: exposures ranked by score alone against the legal list and against chance.

Synthetic provinces (`khien.simulation`) are observed through scans at several coverages. For every confirmed
case the engine looks for exposures in what was observed; the truth says whom the case infected up to its
result. docs/precision.md explains the measure and its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.report import Figure, show
from benchmarks.worlds import DAY_S, Case, Meetings, Setting, World, seconds, settings_of
from khien.engine.encounter import Spells
from khien.engine.scoring import Exposures, RiskParameters, crowd, hazards
from khien.engine.spaces import Own, meet

LENGTHS = (3, 5, 10, 20, 50)
RECALL_SHARE = 0.8
GOAL = 2.0
MISSED_GOAL = 0.5

# The definition of 29 December 2021 as Khiên holds it: clause b, everybody counted as masked in public
# places (masks were compulsory), and people of one household. Clause c, nobody masked, is the wide reading.
SMALL_ROOM_M2 = 200.0
LEGAL_MINUTES = 15

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Exposed:
    """One row per case and exposed person, and what the case did in all."""

    case: Ints
    score: Floats
    legal: Flags
    wide: Flags
    infected: Flags
    infections: Ints  # by case: all people it infected up to its result
    best: Floats  # the hazard by the model that made the epidemic, but for each case's own infectiousness


def exposed(world: World) -> Exposed:
    """Everybody exposed to each case in what was observed, with score, legal standing and the truth."""
    cases, snapshot = world.cases(), world.snapshot()
    window = np.array([case.window for case in cases], np.int64).reshape(-1, 2)
    spells = Spells(np.array([case.person for case in cases], np.int64), window[:, 0], window[:, 1])
    met = meet(snapshot, spells, Own.of(snapshot, spells), world.spaces())
    case = met.spell
    result_at = np.array([one.result for one in cases])
    onset = np.array([np.nan if one.onset is None else one.onset for one in cases])

    # Who was confirmed before this case's result is known already and on nobody's list.
    confirmed = np.full(len(world), np.iinfo(np.int64).max)
    confirmed[spells.person] = result_at
    fresh = confirmed[met.person] > result_at[case]

    area, closed, home = world.area[met.place], world.closed[met.place], world.is_home[met.place]
    day = ((met.start + met.end) / 2 - onset[case]) / DAY_S
    exposures = Exposures(
        person=met.person,
        seconds=met.seconds,
        area_m2=np.where(home, np.nan, area),  # nobody measured the homes
        present=np.maximum(crowd(snapshot, met.place, met.start, met.end) - 1, 0),
        closed=closed,
        household=home,
        days_since_onset=day,
    )
    hazard = hazards(exposures, RiskParameters())
    legal = home | (closed & (area <= SMALL_ROOM_M2) & (met.seconds >= LEGAL_MINUTES * 60))
    wide = home | closed

    pairs, slot = np.unique(case[fresh] * len(world) + met.person[fresh], return_inverse=True)

    def of_pairs(values: npt.NDArray[Any]) -> Floats:
        return np.bincount(slot, weights=values[fresh], minlength=len(pairs)).astype(np.float64)

    best = np.full(len(pairs), np.nan)
    if world.best is not None:
        best = of_pairs(world.best(Meetings(spells.person[case], met.person, met.place, met.seconds, day)))
    victim, of_case = _infected_by(world, cases)
    return Exposed(
        case=pairs // len(world),
        score=of_pairs(hazard),
        legal=of_pairs(legal) > 0,
        wide=of_pairs(wide) > 0,
        infected=np.isin(pairs, of_case * len(world) + victim),
        infections=np.bincount(of_case, minlength=len(cases)),
        best=best,
    )


def _infected_by(world: World, cases: Sequence[Case]) -> tuple[Ints, Ints]:
    """Whom the cases infected before their results: person, and position of the case."""
    truth = world.infections.filter(world.infections["infector"].is_valid())
    number = np.full(len(world), -1)
    number[[case.person for case in cases]] = np.arange(len(cases))
    of_case = number[truth["infector"].to_numpy()]
    result_at = np.array([one.result for one in cases])
    counted = (of_case >= 0) & (seconds(truth["infected_at"]) < result_at[of_case])
    return truth["person"].to_numpy()[counted].astype(np.int64), of_case[counted]


def pooled(worlds: Sequence[Exposed]) -> Exposed:
    """Several worlds as one; their cases are numbered on."""
    sizes = np.cumsum([0, *(len(rows.infections) for rows in worlds)])
    return Exposed(
        case=np.concatenate([rows.case + first for rows, first in zip(worlds, sizes, strict=False)]),
        score=np.concatenate([rows.score for rows in worlds]),
        legal=np.concatenate([rows.legal for rows in worlds]),
        wide=np.concatenate([rows.wide for rows in worlds]),
        infected=np.concatenate([rows.infected for rows in worlds]),
        infections=np.concatenate([rows.infections for rows in worlds]),
        best=np.concatenate([rows.best for rows in worlds]),
    )


def ordered_by(rows: Exposed, score: Floats) -> Exposed:
    """The same exposures, ranked by another score."""
    return replace(rows, score=score)


def beyond_the_law(rows: Exposed, order: Ints) -> tuple[float, int]:
    """Of the infections seen that the legal list misses, the share on as long a list by score, and their number."""
    first = np.zeros(len(order), np.bool_)
    first[order[: int(rows.legal.sum())]] = True
    missed = rows.infected & ~rows.legal
    return float((missed & first).sum() / max(missed.sum(), 1)), int(missed.sum())


@dataclass(frozen=True)
class Point:
    """A list: of all infections the share on it, and of its entries the share infected."""

    recall: float
    precision: float
    length: float


def listed(rows: Exposed, chosen: Flags, weight: Floats | None = None) -> Point:
    """The list of the chosen rows (cases weighted, for the bootstrap)."""
    of_case = np.ones(len(rows.infections)) if weight is None else weight
    each = of_case[rows.case]
    found = (each * (rows.infected & chosen)).sum()
    entries = (each * chosen).sum()
    return Point(
        found / max((of_case * rows.infections).sum(), 1e-9),
        found / max(entries, 1e-9),
        entries / of_case.sum(),
    )


def at_recall(rows: Exposed, order: Ints, recall: float, weight: Floats | None = None) -> Point:
    """The shortest list of one score threshold for all cases that reaches a recall, or the whole."""
    of_case = np.ones(len(rows.infections)) if weight is None else weight
    each = of_case[rows.case[order]]
    found, entries = np.cumsum(each * rows.infected[order]), np.cumsum(each)
    total = max((of_case * rows.infections).sum(), 1e-9)
    cut = min(int(np.searchsorted(found, recall * total - 1e-9)), len(order) - 1)
    # All entries with the same score are on the list together.
    scores = rows.score[order]
    cut = int(np.searchsorted(-scores, -scores[cut], "right")) - 1
    return Point(found[cut] / total, found[cut] / max(entries[cut], 1e-9), entries[cut] / of_case.sum())


def of_length(rows: Exposed, length: int) -> tuple[Point, Point]:
    """The first `length` of every case by score, and what as many drawn by chance find on average."""
    order = np.lexsort((-rows.score, rows.case))
    first = np.searchsorted(rows.case[order], np.arange(len(rows.infections)))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - first[rows.case[order]]
    by_score = listed(rows, rank < length)
    size = np.bincount(rows.case, minlength=len(rows.infections))
    hits = np.bincount(rows.case, weights=rows.infected, minlength=len(rows.infections))
    taken = np.minimum(size, length)
    found = (hits * taken / np.maximum(size, 1)).sum()
    total = max(rows.infections.sum(), 1)
    return by_score, Point(found / total, found / max(taken.sum(), 1), taken.mean())


def interval(rows: Exposed, order: Ints, reading: Flags, seed: int, draws: int = 300) -> tuple[float, float]:
    """95 % bootstrap interval of the precision ratio, drawing cases with replacement."""
    rng = np.random.default_rng(seed)
    count = len(rows.infections)
    ratios = []
    for _ in range(draws):
        weight = np.bincount(rng.integers(0, count, count), minlength=count).astype(float)
        law = listed(rows, reading, weight)
        ours = at_recall(rows, order, RECALL_SHARE * law.recall, weight)
        ratios.append(ours.precision / max(law.precision, 1e-9))
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)


def curve(rows: Exposed, order: Ints) -> tuple[Floats, Floats]:
    """Recall and precision along the falling score."""
    found = np.cumsum(rows.infected[order])
    return found / max(rows.infections.sum(), 1), found / np.arange(1, len(order) + 1)


def plot(results: dict[str, tuple[Exposed, Ints]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "khien"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(13, 3.6), sharey=True, constrained_layout=True)
    for axis, (name, (rows, order)) in zip(np.atleast_1d(axes), results.items(), strict=True):
        recall, precision = curve(rows, order)
        shown = np.unique(np.geomspace(5, len(order), 400).astype(int)) - 1
        axis.plot(recall[shown], precision[shown], color="#0b5d4f", label="score alone")
        chance = rows.infected.mean()
        axis.axhline(chance, color="#888888", linestyle=":", label="chance")
        for reading, marker, label in (
            (rows.legal, "o", "legal list (b)"),
            (rows.wide, "s", "legal list (c)"),
        ):
            point = listed(rows, reading)
            axis.plot(point.recall, point.precision, marker, color="#c0392b", label=label)
        axis.set(title=name, xlabel="recall", xlim=(0, None))
        if rows.infected.any():
            axis.set_yscale("log")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("precision")
    np.atleast_1d(axes)[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def judged(name: str, rows: Exposed, seed: int, console: Console, *, goals: bool) -> list[Figure]:
    """Print the table of one setting and return its figures; without `goals` none is held against them."""
    order, best = (np.argsort(-score, kind="stable") for score in (rows.score, rows.best))
    modelled = ordered_by(rows, rows.best) if np.isfinite(rows.best).all() else None
    seen = rows.infected.sum() / max(1, rows.infections.sum())
    table = Table(
        title=f"{name}: {len(rows.infections):,} cases who infected {rows.infections.sum():,} up to their "
        f"result; {len(rows.case):,} exposures seen, among them {seen:.0%} of the infections"
    )
    for column in ("list", "recall", "precision", "entries per case", "precision by chance"):
        table.add_column(column, justify="left" if column == "list" else "right")
    anybody = float(rows.infected.mean())

    def line(label: str, point: Point, chance: float = anybody) -> None:
        numbers = f"{point.recall:.3f}", f"{point.precision:.4f}", f"{point.length:.1f}", f"{chance:.4f}"
        table.add_row(label, *numbers)

    figures: list[Figure] = []
    for label, reading, short in (
        ("legal list, clause b", rows.legal, "b"),
        ("legal list, clause c (wide)", rows.wide, "c"),
    ):
        law = listed(rows, reading)
        ours = at_recall(rows, order, RECALL_SHARE * law.recall)
        low, high = interval(rows, order, reading, seed)
        line(label, law)
        line(f"score, 80 % of the recall of {short}", ours)
        line(f"score, the recall of {short}", at_recall(rows, order, law.recall))
        ratio = ours.precision / max(law.precision, 1e-9)
        held = goals and short == "b"
        figures += [
            Figure(f"{name}, legal list ({short}): recall", law.recall, "share"),
            Figure(f"{name}, legal list ({short}): precision", law.precision, "share"),
            Figure(
                f"{name}, score at 80 % of that recall ({short}): precision",
                ours.precision,
                "share",
                f"legal list; 95 % {low:.2f}–{high:.2f}",
                ratio,
                f"ratio >= {GOAL:g}" if held else None,
                bool(ratio >= GOAL) if held else None,
            ),
        ]
        if modelled is not None and short == "b":
            ceiling = at_recall(modelled, best, RECALL_SHARE * law.recall)
            line("the model's own order, 80 % of the recall of b", ceiling)
            figures.append(
                Figure(
                    f"{name}, the model's own order there: precision",
                    ceiling.precision,
                    "share",
                    "legal list",
                    ceiling.precision / max(law.precision, 1e-9),
                )
            )
    share, missed = beyond_the_law(rows, order)
    reach = f"of {missed} seen"
    if modelled is not None:
        reach += f"; the model's own order {beyond_the_law(modelled, best)[0]:.2f}"
    figures.append(
        Figure(
            f"{name}, equal length: infections found that the legal list misses",
            share,
            "share",
            reach,
            None,
            f">= {MISSED_GOAL:g}" if goals else None,
            bool(share >= MISSED_GOAL) if goals else None,
        )
    )
    for length in LENGTHS:
        by_score, by_chance = of_length(rows, length)
        line(f"score, first {length} of each case", by_score, by_chance.precision)
    console.print(table)
    return figures


@click.command()
@click.option("--people", default=100_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--days", default=21, show_default=True, type=click.IntRange(min=7))
@click.option("--seed", default=41, show_default=True, help="Of the first world; the next ones follow it.")
@click.option("--worlds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--coverage", "coverages", multiple=True, type=click.FloatRange(0.01, 1), help="Only these, no faults."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder in the layout of `khien simulate`, instead of worlds of our own.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for precision.svg.")
def main(
    people: int,
    days: int,
    seed: int,
    worlds: int,
    coverages: tuple[float, ...],
    data: Path | None,
    as_json: bool,
    out: Path | None,
) -> None:
    """Precision and recall of the score against the legal list, on an epidemic of known truth."""
    console = Console(width=120)
    figures: list[Figure] = []
    shown: dict[str, tuple[Exposed, Ints]] = {}

    def judge(name: str, rows: Exposed, *, goals: bool = True, draw: bool = True) -> None:
        figures.extend(judged(name, rows, seed, console, goals=goals))
        if draw:
            shown[name] = rows, np.argsort(-rows.score, kind="stable")

    def simulated(setting: Setting) -> Exposed:
        start = date(2022, 1, 3)
        numbers = range(seed, seed + worlds)
        return pooled(
            [exposed(World.simulated(people, one, start, days, setting.parameters)) for one in numbers]
        )

    if data is not None:
        judge(data.name, exposed(World.read(data)))
    else:
        for setting in settings_of(coverages):
            judge(setting.name, simulated(setting), goals=setting.usual, draw=setting.usual)
    if out is not None:
        plot(shown, out / "precision.svg")
    show("precision", figures, as_json=as_json)


if __name__ == "__main__":
    main()
