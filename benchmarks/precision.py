"""Who was truly infected: exposures ranked by score alone against the legal list and against chance.

Synthetic provinces (`khien.simulation`) are observed through scans at several coverages. For every confirmed
case the engine looks for exposures in what was observed; the truth says whom the case infected up to its
result. docs/precision.md explains the measure and its limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from benchmarks.report import Figure, show
from khien.engine import Presence, encounters
from khien.engine.scoring import Exposures, RiskParameters, hazards, others_present
from khien.simulation import History, Parameters, Province

DAY_S = 86_400
COVERAGES = (0.1, 0.25, 0.5, 0.9)
LENGTHS = (3, 5, 10, 20, 50)
RECALL_SHARE = 0.8
GOAL = 2.0

# The definition of 29 December 2021 as Khiên holds it: clause b, everybody counted as masked in public
# places (masks were compulsory), and people of one household. Clause c, nobody masked, is the wide reading.
SMALL_ROOM_M2 = 200.0
LEGAL_MINUTES = 15

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Case:
    """What a tracer knows of a confirmed person; times in epoch seconds, `onset` None without symptoms."""

    person: int
    onset: int | None
    sampled: int
    result: int

    @property
    def window(self) -> tuple[int, int]:
        """From two days before onset (without symptoms: before the sample) until the result isolates them."""
        return (self.onset if self.onset is not None else self.sampled) - 2 * DAY_S, self.result


@dataclass(frozen=True)
class Exposed:
    """One row per case and exposed person, and what the case did in all."""

    case: Ints
    score: Floats
    legal: Flags
    wide: Flags
    infected: Flags
    infections: Ints  # by case: all people it infected up to its result


def seconds(column: pa.ChunkedArray) -> Ints:
    return column.cast(pa.timestamp("s", tz="UTC")).cast(pa.int64()).to_numpy()


def cases_of(history: History) -> list[Case]:
    """Everybody confirmed within the days, with the onset that they would tell in the interview."""
    onset = {
        row["person"]: row["onset_at"]
        for row in history.infections.select(["person", "onset_at"]).to_pylist()
    }
    found: dict[int, Case] = {}
    last = history.true_presence["enter"].combine_chunks().slice(len(history.true_presence) - 1)
    end = last.cast(pa.int64())[0].as_py() // 1000 + DAY_S
    tests = history.tests
    positive = tests.filter(pa.compute.equal(tests["result"], "positive"))
    for person, sampled, result in zip(
        positive["person"].to_pylist(),
        seconds(positive["sampled_at"]),
        seconds(positive["result_at"]),
        strict=True,
    ):
        began = onset.get(person)
        told = None if began is None else int(began.timestamp())
        if result < end and person not in found:
            # Somebody who falls ill only after the sample has no symptoms to tell of.
            known = told if told is not None and told < result else None
            found[person] = Case(person, known, int(sampled), int(result))
    return list(found.values())


def observed(province: Province, history: History, start: date, days: int) -> Presence:
    """Scanned stays, and every household at home from 19:00 to 6:00: the register tells who lives together."""
    table = history.presence
    place = table["sub_place"].combine_chunks().fill_null(-1).to_numpy()
    place = np.where(place < 0, table["place"].to_numpy(), place)
    person = table["person"].to_numpy()
    enter, leave = seconds(table["enter"]), seconds(table["leave"])
    count = len(province)
    midnight = int(np.datetime64(start, "s").astype(np.int64)) - 7 * 3600
    evening = midnight + 19 * 3600 + DAY_S * np.arange(-1, days)
    everybody = np.tile(np.arange(count), len(evening))
    begin = np.repeat(evening, count)
    return Presence.from_arrays(
        np.concatenate([person, everybody]),
        np.concatenate([place, province.residents.household[everybody]]),
        np.concatenate([enter, begin]),
        np.concatenate([np.maximum(leave, enter), begin + 11 * 3600]),
    )


def exposed(province: Province, history: History, presence: Presence, cases: Sequence[Case]) -> Exposed:
    """Everybody exposed to each case in what was observed, with score, legal standing and the truth."""
    met = encounters(
        presence, [case.person for case in cases], [case.window for case in cases], min_minutes=0
    )
    number = np.full(len(province), -1)
    number[[case.person for case in cases]] = np.arange(len(cases))
    case = number[met.case]
    result_at = np.array([one.result for one in cases])
    onset = np.array([np.nan if one.onset is None else one.onset for one in cases])

    # Who was confirmed before this case's result is known already and on nobody's list.
    confirmed = np.full(len(province), np.iinfo(np.int64).max)
    confirmed[[one.person for one in cases]] = result_at
    fresh = confirmed[met.person] > result_at[case]

    area = history.places["area_m2"].to_numpy().astype(float)[met.place]
    closed = history.places["closed_space"].to_numpy()[met.place]
    home = met.place < province.sites.homes
    minutes = met.overlap / 60
    known_area = np.where(home, np.nan, area)  # nobody measured the homes
    exposures = Exposures(
        person=met.person,
        seconds=met.overlap,
        after=met.after,
        area_m2=known_area,
        present=others_present(presence, met),
        closed=closed,
        household=home,
        days_since_onset=((met.start + met.end) / 2 - onset[case]) / DAY_S,
    )
    hazard = hazards(exposures, RiskParameters())
    legal = home | (closed & (area <= SMALL_ROOM_M2) & (minutes >= LEGAL_MINUTES))
    wide = home | closed

    key = case[fresh] * len(province) + met.person[fresh]
    pairs, slot = np.unique(key, return_inverse=True)
    score = np.bincount(slot, weights=hazard[fresh], minlength=len(pairs)).astype(np.float64)
    by_pair = [np.bincount(slot, weights=flags[fresh], minlength=len(pairs)) > 0 for flags in (legal, wide)]

    truth = history.infections.filter(history.infections["infector"].is_valid())
    infector, victim = truth["infector"].to_numpy(), truth["person"].to_numpy()
    of_case = number[infector]
    counted = of_case >= 0
    counted[counted] &= seconds(truth["infected_at"])[counted] < result_at[of_case[counted]]
    true_pairs = of_case[counted] * len(province) + victim[counted]
    infected = np.isin(pairs, true_pairs)
    return Exposed(
        case=pairs // len(province),
        score=score,
        legal=by_pair[0],
        wide=by_pair[1],
        infected=infected,
        infections=np.bincount(of_case[counted], minlength=len(cases)),
    )


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
    )


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


def plot(results: dict[float, tuple[Exposed, Ints]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "khien"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(results), figsize=(13, 3.6), sharey=True, constrained_layout=True)
    for axis, (coverage, (rows, order)) in zip(np.atleast_1d(axes), results.items(), strict=True):
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
        axis.set(title=f"coverage {coverage:.0%}", xlabel="recall", xlim=(0, None))
        if rows.infected.any():
            axis.set_yscale("log")
        axis.grid(alpha=0.3)
    np.atleast_1d(axes)[0].set_ylabel("precision")
    np.atleast_1d(axes)[0].legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def traced(people: int, days: int, seed: int, coverage: float, start: date) -> Exposed:
    """One world, simulated, observed at a coverage, and traced."""
    province = Province(people, seed, Parameters(coverage=coverage))
    history = province.history(start, days)
    cases = cases_of(history)
    return exposed(province, history, observed(province, history, start, days), cases)


def measure(
    people: int,
    days: int,
    seeds: Sequence[int],
    coverages: Sequence[float],
    console: Console,
    image: Path | None,
) -> list[Figure]:
    """Simulate, trace, print the tables, and return the figures."""
    start = date(2022, 1, 3)
    results: dict[float, tuple[Exposed, Ints]] = {}
    figures: list[Figure] = []
    for coverage in coverages:
        rows = pooled([traced(people, days, seed, coverage, start) for seed in seeds])
        seen = rows.infected.sum() / max(1, rows.infections.sum())
        order = np.argsort(-rows.score, kind="stable")
        results[coverage] = rows, order
        name = f"coverage {coverage:.0%}"
        table = Table(
            title=f"{name}: {len(rows.infections):,} cases who infected {rows.infections.sum():,} up to their "
            f"result; {len(rows.case):,} exposures seen, among them {seen:.0%} of the infections"
        )
        for column in ("list", "recall", "precision", "entries per case", "precision by chance"):
            table.add_column(column, justify="left" if column == "list" else "right")

        def line(label: str, point: Point, chance: float, table: Table = table) -> None:
            table.add_row(
                label,
                f"{point.recall:.3f}",
                f"{point.precision:.4f}",
                f"{point.length:.1f}",
                f"{chance:.4f}",
            )

        anybody = float(rows.infected.mean())
        for label, reading, short in (
            ("legal list, clause b", rows.legal, "b"),
            ("legal list, clause c (wide)", rows.wide, "c"),
        ):
            law = listed(rows, reading)
            ours = at_recall(rows, order, RECALL_SHARE * law.recall)
            same = at_recall(rows, order, law.recall)
            low, high = interval(rows, order, reading, seeds[0])
            line(label, law, anybody)
            line(f"score, 80 % of the recall of {short}", ours, anybody)
            line(f"score, the recall of {short}", same, anybody)
            ratio = ours.precision / max(law.precision, 1e-9)
            primary = short == "b"
            figures += [
                Figure(f"{name}, legal list ({short}): recall", law.recall, "share"),
                Figure(f"{name}, legal list ({short}): precision", law.precision, "share"),
                Figure(
                    f"{name}, score at 80 % of that recall ({short}): precision",
                    ours.precision,
                    "share",
                    f"legal list; 95 % {low:.2f}–{high:.2f}",
                    ratio,
                    f"ratio >= {GOAL:g}" if primary else None,
                    bool(ratio >= GOAL) if primary else None,
                ),
            ]
        for length in LENGTHS:
            by_score, by_chance = of_length(rows, length)
            line(f"score, first {length} of each case", by_score, by_chance.precision)
        console.print(table)
    if image is not None:
        plot(results, image)
    return figures


@click.command()
@click.option("--people", default=100_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--days", default=21, show_default=True, type=click.IntRange(min=7))
@click.option("--seed", default=41, show_default=True, help="Of the first world; the next ones follow it.")
@click.option("--worlds", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--coverage", "coverages", multiple=True, type=click.FloatRange(0.01, 1), default=COVERAGES)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for precision.svg.")
def main(
    people: int,
    days: int,
    seed: int,
    worlds: int,
    coverages: tuple[float, ...],
    as_json: bool,
    out: Path | None,
) -> None:
    """Precision and recall of the score against the legal list, on a synthetic epidemic of known truth."""
    image = None if out is None else out / "precision.svg"
    figures = measure(people, days, range(seed, seed + worlds), coverages, Console(width=120), image)
    show("precision", figures, as_json=as_json)


if __name__ == "__main__":
    main()
