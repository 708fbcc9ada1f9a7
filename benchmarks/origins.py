"""Where cases were infected together and by whom: backward search against the truth of synthetic provinces.

Synthetic provinces (`khien.simulation`) are observed through scans at several coverages. A *cluster* is a place (its
room where it has rooms) outside homes and an hour in which two or more people were infected. What a tracer has is
posed to `khien.engine.origins`: the confirmed cases of the cluster with their onsets, and everybody confirmed before
the last of their results. docs/precision.md explains the measure and its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import partial
from math import sqrt
from pathlib import Path
from time import perf_counter

import click
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.report import Figure, show
from benchmarks.worlds import DAY_S, NIGHT_FROM_S, NIGHT_S, Case, World, rooms_of, seconds, settings_of
from khien.engine.live import Stays, days_of
from khien.engine.origins import (
    Ill,
    Incubation,
    PlaceHours,
    known_sources,
    occasions,
    place_hours,
    possible_sources,
)
from khien.engine.scoring import Exposures, RiskParameters, crowd, hazards
from khien.engine.snapshot import Piece, Snapshot
from khien.engine.spaces import Spaces
from khien.simulation import Parameters

HOUR_S = 3600
GOAL = 0.6
INCUBATION = Incubation()
SINGLE_CASES = 250
"""Single cases asked about, at most, in each world."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cluster:
    """Who was infected at one place in one hour (epoch seconds), as far as confirmed; `sources` infected most of them.

    `room` is the place itself where it has none; `scans` are the stays recorded of the cases there in that hour.
    """

    place: int
    room: int
    hour: int
    cases: tuple[Case, ...]
    sources: frozenset[int]
    scans: int

    @property
    def asked_at(self) -> int:
        """When the last of the results was there."""
        return max(case.result for case in self.cases)

    def is_at(self, place: int) -> bool:
        """Whether a place named is the right one: the room, or the place around it."""
        return place in (self.place, self.room)


@dataclass(frozen=True)
class Observed:
    """What is known of a world: scanned stays, the same with households, rooms within places, places' sizes."""

    scanned: Snapshot
    with_homes: Snapshot
    spaces: Spaces
    area_m2: Floats
    closed: npt.NDArray[np.bool_]
    is_home: npt.NDArray[np.bool_]

    def risk(self, place: Ints, start: Ints, end: Ints) -> Floats:
        """Risk of an hour at each place by `khien.engine.scoring` with its default parameters."""
        home = self.is_home[place]
        return hazards(
            Exposures(
                place,
                np.full(len(place), HOUR_S),
                area_m2=np.where(home, np.nan, self.area_m2[place]),  # nobody measured the homes
                present=np.maximum(crowd(self.with_homes, place, start, end) - 1, 0),
                closed=self.closed[place],
                household=home,
            ),
            RiskParameters(),
        )


@dataclass(frozen=True)
class Answer:
    """What came out for one cluster: 1 for right, 0 for wrong; `chance` of an occasion drawn at random."""

    hour: float
    occasion: float
    place: float
    source: float
    chance: float
    hours: float
    """Length of the occasion named."""
    hour_by_chance: float
    """Of an hour drawn from the true occasion."""
    hour_among: float
    source_among: float
    source_known: float
    ms: float
    """Time of the question for places and hours."""

    @property
    def hour_or_source(self) -> float:
        """The issue's measure, the hour taken to the letter."""
        return max(self.hour, self.source)

    @property
    def occasion_or_source(self) -> float:
        """The same with the stretch of hours that the answer names."""
        return max(self.occasion, self.source)

    @property
    def among(self) -> float:
        """The ceiling: whether one of the two is among the candidates at all."""
        return max(self.hour_among, self.source_among)


def truth(world: World, cases: Sequence[Case]) -> tuple[list[Cluster], int]:
    """The clusters with two confirmed cases or more; and how many there were with two infected or more."""
    infected = world.infections.filter(world.infections["infector"].is_valid())
    person, infector = infected["person"].to_numpy(), infected["infector"].to_numpy()
    place = infected["place"].to_numpy().astype(np.int64)
    room = rooms_of(infected)
    hour = seconds(infected["infected_at"]) // HOUR_S
    outside = ~world.is_home[room]
    confirmed = {case.person: case for case in cases}
    presence = world.presence
    of_case = np.isin(presence["person"].to_numpy(), list(confirmed))
    seen, where = presence["person"].to_numpy()[of_case], presence["place"].to_numpy()[of_case]
    enter, leave = seconds(presence["enter"])[of_case], seconds(presence["leave"])[of_case]
    _keys, first, number, size = np.unique(
        np.stack((room, hour))[:, outside], axis=1, return_index=True, return_inverse=True, return_counts=True
    )
    row = np.flatnonzero(outside)
    found = []
    for key in np.flatnonzero(size > 1):
        rows = row[number.reshape(-1) == key]
        known = [at for at in rows if int(person[at]) in confirmed]
        if len(known) < 2:
            continue
        begin = int(hour[row[first[key]]]) * HOUR_S
        there = (where == place[rows[0]]) & (enter < begin + HOUR_S) & (np.maximum(leave, enter + 1) > begin)
        who, times = np.unique(infector[known], return_counts=True)
        found.append(
            Cluster(
                int(place[rows[0]]),
                int(room[rows[0]]),
                begin,
                tuple(confirmed[int(person[at])] for at in known),
                frozenset(who[times == times.max()].tolist()),
                int((there & np.isin(seen, person[known])).sum()),
            )
        )
    return found, int((size > 1).sum())


def observe(world: World, cases: Sequence[Case]) -> Observed:
    """Scanned stays; and the households of the cases at home from 19:00 to 6:00, as the register says."""
    table = world.presence
    person, place = table["person"].to_numpy().astype(np.int64), rooms_of(table)
    enter, leave = seconds(table["enter"]), seconds(table["leave"])
    scanned = Stays(person, place, enter, np.maximum(leave, enter))
    household = world.people["household"].to_numpy().astype(np.int64)
    home = world.households["place"].to_numpy().astype(np.int64)
    at_home = np.flatnonzero(np.isin(household, household[[case.person for case in cases]]))
    begin, end = world.span
    evenings = np.arange(begin - DAY_S, end, DAY_S) + NIGHT_FROM_S
    evening = np.repeat(evenings, len(at_home))
    everybody = np.tile(at_home, len(evenings))
    nights = (everybody, home[household[everybody]], evening, evening + NIGHT_S)
    both = Stays(
        *(np.concatenate(pair) for pair in zip((person, place, enter, scanned.leave), nights, strict=True))
    )

    def snapshot(stays: Stays) -> Snapshot:
        return Snapshot([Piece(segment) for segment in days_of(stays).values()], now=end)

    return Observed(
        snapshot(scanned), snapshot(both), world.spaces(), world.area, world.closed, world.is_home
    )


def ill(cases: Sequence[Case]) -> Ill:
    """Cases as the engine takes them; without an onset by their sample."""
    return Ill.of(
        [case.person for case in cases],
        [case.sampled if case.onset is None else case.onset for case in cases],
        [case.onset is not None for case in cases],
    )


def answer(seen: Observed, cluster: Cluster, cases: Sequence[Case]) -> Answer:
    """Ask about one cluster, and compare with the truth."""
    known = ill([case for case in cases if case.result <= cluster.asked_at])
    asked = ill(cluster.cases)
    began = perf_counter()
    found = place_hours(seen.scanned, asked, INCUBATION, known=known, spaces=seen.spaces)
    took = perf_counter() - began
    sources = possible_sources(
        seen.with_homes, asked, INCUBATION, known=known, spaces=seen.spaces, min_minutes=0
    )
    there = known_sources(seen.scanned, found, asked, known, spaces=seen.spaces)
    named = [*there.person[:1].tolist(), *sources.person[:1].tolist(), -1]
    among = {*sources.person.tolist(), *there.person.tolist()}
    right = np.array([cluster.is_at(int(place)) for place in found.place], bool)
    on_time = right & (found.hour == cluster.hour)
    return Answer(
        source=float(named[0] in cluster.sources),
        hour=float(len(found) > 0 and on_time[0]),
        place=float(len(found) > 0 and right[0]),
        ms=1000 * took,
        hour_among=float(on_time.any()),
        source_among=float(bool(among & cluster.sources)),
        source_known=float(bool(set(known.person.tolist()) & cluster.sources)),
        **_by_occasion(cluster, found),
    )


def _by_occasion(cluster: Cluster, found: PlaceHours) -> dict[str, float]:
    stretches = occasions(found)
    right = np.array(
        [
            cluster.is_at(int(place)) and start <= cluster.hour < end
            for place, start, end in zip(stretches.place, stretches.start, stretches.end, strict=True)
        ],
        bool,
    )
    hours = (stretches.end - stretches.start) / HOUR_S
    some = len(stretches) > 0
    return {
        "occasion": float(some and right[0]),
        "chance": float(right.mean()) if some else 0.0,
        "hours": float(hours[0]) if some else 0.0,
        "hour_by_chance": float((1 / hours[right]).max(initial=0)),
    }


def ranks_of_infectors(seen: Observed, world: World, cases: Sequence[Case], seed: int) -> tuple[Ints, Ints]:
    """For single cases: at which place (0 is first, -1 nowhere) their true infector stands, and whether it is known."""
    infections = world.infections.filter(world.infections["infector"].is_valid())
    infector = dict(zip(infections["person"].to_pylist(), infections["infector"].to_pylist(), strict=True))
    asked = [case for case in cases if case.person in infector]
    chosen = np.random.default_rng(seed).permutation(len(asked))[:SINGLE_CASES]
    ranks, is_known = [], []
    for case in (asked[one] for one in chosen):
        known = [other for other in cases if other.result <= case.result]
        sources = possible_sources(
            seen.with_homes,
            ill([case]),
            INCUBATION,
            known=ill(known),
            spaces=seen.spaces,
            risk=seen.risk,
        )
        at = np.flatnonzero(sources.person == infector[case.person])
        ranks.append(int(at[0]) if len(at) else -1)
        is_known.append(int(any(other.person == infector[case.person] for other in known)))
    return np.array(ranks), np.array(is_known)


@dataclass(frozen=True)
class Asked:
    """What was asked of one world, and what came out."""

    clusters: int
    """With two infected or more."""
    confirmed: int
    """With two confirmed or more."""
    answers: list[Answer]
    """Of those that left two scans or more there."""
    ranks: Ints
    known: Ints


def asked_of(world: World, seed: int) -> Asked:
    """Everything that can be asked of one world; `seed` draws the single cases."""
    cases = world.cases()
    seen = observe(world, cases)
    clusters, number = truth(world, cases)
    answers = [answer(seen, cluster, cases) for cluster in clusters if cluster.scans >= 2]
    return Asked(number, len(clusters), answers, *ranks_of_infectors(seen, world, cases, seed))


def interval(share: float, number: int) -> tuple[float, float]:
    """95 % of a share of so many (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * number)) / (1 + z * z / number)
    half = z / (1 + z * z / number) * sqrt(share * (1 - share) / number + z * z / (4 * number * number))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def measure(settings: Mapping[str, Callable[[], list[Asked]]], console: Console) -> list[Figure]:
    """Ask under each setting (its name, and how its worlds are asked), print the tables, and return the figures."""
    console.print(
        "Cluster: a place (its room) outside homes and an hour with two or more people infected; asked where two or"
        " more stays of its confirmed cases were recorded. Right hour: the place or room named first, and the hour."
        " Right occasion: the hour lies in the stretch of consecutive shared hours around the first. Right source: who"
        " infected most of them. Ceiling: one of the two is among the candidates at all.",
        highlight=False,
    )
    table = Table(title="Clusters, named first")
    columns = (
        "world",
        "clusters",
        "confirmed ≥ 2",
        "asked",
        "place",
        "occasion",
        "by chance",
        "hours of it",
    )
    columns += ("hour", "hour of the true occasion by chance", "source", "known", "hour or source", "ceiling")
    single = Table(title="Single cases: their true infector among the possible sources")
    for column in columns:
        table.add_column(column, justify="right")
    for column in ("world", "asked", "ceiling", "known", "first", "first 3", "first 10"):
        single.add_column(column, justify="right")
    figures: list[Figure] = []
    for name, ask in settings.items():
        worlds = ask()
        answers = [one for world in worlds for one in world.answers]
        number = len(answers)
        names = [*(one.name for one in fields(Answer)), "hour_or_source", "occasion_or_source", "among"]
        mean = {
            one_of: float(np.mean([getattr(one, one_of) for one in answers])) if answers else 0.0
            for one_of in names
        }
        shown = ("place", "occasion", "chance", "hours", "hour", "hour_by_chance", "source", "source_known")
        table.add_row(
            name,
            *(f"{sum(getattr(world, field) for world in worlds):,}" for field in ("clusters", "confirmed")),
            str(number),
            *(f"{mean[field]:.2f}" for field in (*shown, "hour_or_source", "among")),
        )
        for field, label in (
            ("hour_or_source", "true source, or true place and hour, first"),
            ("occasion_or_source", "true source, or true place and occasion, first"),
        ):
            share = mean[field]
            low, high = interval(share, number) if number else (0.0, 1.0)
            figures.append(
                Figure(
                    f"{name}, {number} clusters: {label}",
                    share,
                    "share",
                    f"ceiling {mean['among']:.2f}; 95 % {low:.2f}–{high:.2f}",
                    None,
                    f">= {GOAL:g}" if number else None,
                    bool(share >= GOAL) if number else None,
                )
            )
        if answers:
            took = float(np.median([one.ms for one in answers]))
            figures.append(Figure(f"{name}: places and hours of one cluster, median", took, "ms"))
        ranks = np.concatenate([world.ranks for world in worlds])
        known = np.concatenate([world.known for world in worlds])
        first = {n: float(((ranks >= 0) & (ranks < n)).mean()) for n in (1, 3, 10)}
        ceiling = float((ranks >= 0).mean())
        single.add_row(
            name,
            str(len(ranks)),
            f"{ceiling:.2f}",
            f"{known.mean():.2f}",
            *(f"{share:.2f}" for share in first.values()),
        )
        figures += [
            Figure(
                f"{name}, single cases: infector in the first {n}", share, "share", f"ceiling {ceiling:.2f}"
            )
            for n, share in first.items()
        ]
    console.print(table)
    console.print(single)
    return figures


@click.command()
@click.option("--people", default=100_000, show_default=True, type=click.IntRange(min=1_000))
@click.option("--days", default=28, show_default=True, type=click.IntRange(min=7))
@click.option("--seed", default=41, show_default=True, help="Of the first world; the next ones follow it.")
@click.option("--worlds", default=6, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--coverage", "coverages", multiple=True, type=click.FloatRange(0.01, 1), help="Only these, no faults."
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder in the layout of `khien simulate`, instead of worlds of our own.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object as the last line.")
def main(
    people: int,
    days: int,
    seed: int,
    worlds: int,
    coverages: tuple[float, ...],
    data: Path | None,
    as_json: bool,
) -> None:
    """How often backward search names the true source, or the true place and hour, first."""

    def simulated(parameters: Parameters) -> list[Asked]:
        numbers = range(seed, seed + worlds)
        start = date(2022, 1, 3)
        return [asked_of(World.simulated(people, one, start, days, parameters), one) for one in numbers]

    settings: dict[str, Callable[[], list[Asked]]] = {}
    if data is not None:
        settings[data.name] = lambda: [asked_of(World.read(data), seed)]
    else:
        for setting in settings_of(coverages):
            settings[setting.name] = partial(simulated, setting.parameters)
    show("origins", measure(settings, Console(width=160)), as_json=as_json)


if __name__ == "__main__":
    main()
