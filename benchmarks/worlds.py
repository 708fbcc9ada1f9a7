"""Epidemics whose truth is known, as a tracer sees them: made by `khien simulate`, or by anybody in the same columns.

The columns are those of docs/simulation-format.md; what lies under `truth/` is for measuring only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from khien.engine.live import Live, Stays, days_of
from khien.engine.snapshot import Snapshot
from khien.engine.spaces import Spaces
from khien.engine.store import Manifest, State
from khien.simulation import Parameters, Province
from khien.simulation.parameters import KINDS

DAY_S = 86_400
NIGHT_FROM_S, NIGHT_S = 19 * 3600, 11 * 3600
"""A household is together from 19:00 to 6:00: the register tells who lives together."""
_ZONE_S = 7 * 3600

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
class Meetings:
    """Exposures: `source` and `person` ids, place, seconds together, and the days since the source's onset (NaN)."""

    source: Ints
    person: Ints
    place: Ints
    seconds: Ints
    day: Floats


Hazards = Callable[[Meetings], Floats]


@dataclass(frozen=True)
class World:
    """The tables of one epidemic. `best` is the order that nothing but the secret of each case's own infectiousness
    could improve on (None where the model that made the epidemic is not at hand)."""

    people: pa.Table
    households: pa.Table
    places: pa.Table
    presence: pa.Table
    true_presence: pa.Table
    tests: pa.Table
    infections: pa.Table
    best: Hazards | None = None

    @classmethod
    def simulated(
        cls, people: int, seed: int, start: date, days: int, parameters: Parameters | None = None
    ) -> World:
        """One of Khiên's own making."""
        province = Province(people, seed, parameters)
        made = province.history(start, days)
        tables = {name: getattr(made, name) for name in cls.__dataclass_fields__ if name != "best"}
        return cls(**tables, best=_model_of(province, tables["people"], tables["places"], start))

    @classmethod
    def read(cls, folder: Path) -> World:
        """From a folder in the layout that `khien simulate` writes."""
        files = {name: f"{name}.parquet" for name in cls.__dataclass_fields__ if name != "best"}
        files["infections"] = "truth/infections.parquet"
        return cls(**{name: parquet.read_table(folder / file) for name, file in files.items()})

    def __len__(self) -> int:
        return len(self.people)

    @property
    def area(self) -> Floats:
        """By place: m²."""
        return self.places["area_m2"].to_numpy().astype(float)

    @property
    def closed(self) -> npt.NDArray[np.bool_]:
        """By place: indoors or in a vehicle."""
        return np.asarray(self.places["closed_space"].to_numpy())

    @property
    def is_home(self) -> npt.NDArray[np.bool_]:
        """By place: a home."""
        return np.asarray(pc.equal(self.places["kind"], "home").to_numpy())

    @property
    def span(self) -> tuple[int, int]:
        """The local midnights before the first stay and after the last one."""
        enter = seconds(self.true_presence["enter"])
        first, last = ((int(at) + _ZONE_S) // DAY_S for at in (enter.min(), enter.max()))
        return first * DAY_S - _ZONE_S, (last + 1) * DAY_S - _ZONE_S

    def spaces(self) -> Spaces:
        """Which rooms lie within which places."""
        inner, outer = self.places["place"].to_numpy(), self.places["parent"]
        has = outer.is_valid().to_numpy()
        return Spaces.of(
            zip(inner[has].tolist(), outer.drop_null().to_numpy().astype(int).tolist(), strict=True)
        )

    def snapshot(self) -> Snapshot:
        """What was scanned, and every household at home at night."""
        begin, end = self.span
        evening = np.arange(begin - DAY_S, end, DAY_S) + NIGHT_FROM_S
        household = self.people["household"].to_numpy()
        home = self.households["place"].to_numpy().astype(np.int64)[household]
        person = np.arange(len(self), dtype=np.int64)
        enter = seconds(self.presence["enter"])
        stays = Stays(
            np.concatenate(
                (self.presence["person"].to_numpy().astype(np.int64), np.tile(person, len(evening)))
            ),
            np.concatenate((rooms_of(self.presence), np.tile(home, len(evening)))),
            np.concatenate((enter, np.repeat(evening, len(person)))),
            np.concatenate(
                (
                    np.maximum(seconds(self.presence["leave"]), enter),
                    np.repeat(evening + NIGHT_S, len(person)),
                )
            ),
        )
        return Live(State(Manifest(), days_of(stays))).snapshot(end)

    def cases(self) -> list[Case]:
        """Everybody confirmed within the days, with the onset that they would tell in the interview."""
        rows = self.infections.select(["person", "onset_at"]).drop_null()
        onset = dict(zip(rows["person"].to_pylist(), seconds(rows["onset_at"]).tolist(), strict=True))
        end = self.span[1]
        found: dict[int, Case] = {}
        positive = self.tests.filter(pc.equal(self.tests["result"], "positive"))
        for person, sampled, result in zip(
            positive["person"].to_pylist(),
            seconds(positive["sampled_at"]).tolist(),
            seconds(positive["result_at"]).tolist(),
            strict=True,
        ):
            began = onset.get(person)
            if result < end and person not in found:
                # Somebody who falls ill only after the sample has no symptoms to tell of.
                known = began if began is not None and began < result else None
                found[person] = Case(person, known, sampled, result)
        return list(found.values())


@dataclass(frozen=True)
class Setting:
    """How worlds are seen: a name for the tables, and what differs from the simulation's defaults; `usual` but for the
    coverage, or with more faults than usual."""

    name: str
    parameters: Parameters
    usual: bool = True


_COVERAGES = (0.1, 0.25, 0.5, 0.9)
_FAULTS = (
    ("every exit scanned", Parameters(coverage=0.5, exit_scanned=1.0)),
    ("no exit scanned", Parameters(coverage=0.5, exit_scanned=0.0, exit_only=0.0)),
    ("every tenth clock wrong", Parameters(coverage=0.5, wrong_clock=0.1)),
    ("every third clock wrong", Parameters(coverage=0.5, wrong_clock=0.33)),
)


def settings_of(coverages: Iterable[float] = ()) -> list[Setting]:
    """These coverages; by default four of them, and at 50 % scans that are worse or better than usual."""
    chosen = [Setting(f"coverage {share:.0%}", Parameters(coverage=share)) for share in coverages]
    usual = [Setting(f"coverage {share:.0%}", Parameters(coverage=share)) for share in _COVERAGES]
    faults = [Setting(f"coverage 50%, {name}", changed, usual=False) for name, changed in _FAULTS]
    return chosen or [*usual, *faults]


def seconds(column: pa.ChunkedArray) -> Ints:
    """A column of moments in epoch seconds."""
    return column.cast(pa.timestamp("s", tz="UTC"), safe=False).cast(pa.int64()).to_numpy()


def rooms_of(stays: pa.Table) -> Ints:
    """The room of each stay, or the place where none is known."""
    room = pc.coalesce(stays["sub_place"], stays["place"])
    return room.to_numpy().astype(np.int64)


def _model_of(province: Province, people: pa.Table, places: pa.Table, start: date) -> Hazards:
    """The hazards by which the simulation itself infects, with the mean over all courses of the illness."""
    parameters = province.parameters
    spread = {kind.code: kind.spread for kind in KINDS}
    room = np.array([spread[kind] for kind in places["kind"].to_pylist()])
    room = room * (75.0 / places["area_m2"].to_numpy()) ** 0.7
    born = people["birth_date"].to_numpy().astype("datetime64[D]").astype(np.int64)
    age = (np.datetime64(start).astype("datetime64[D]").astype(np.int64) - born) / 365.25
    susceptible = np.where(age < 12, parameters.child_susceptibility, 1.0)
    days, intensity = _courses()

    def hazards(met: Meetings) -> Floats:
        silent = np.isnan(met.day)
        at = np.interp(np.nan_to_num(met.day), days, intensity, left=0.0, right=0.0)
        source = np.where(silent, parameters.asymptomatic_factor * intensity.mean(), at)
        known = parameters.transmissibility * room[met.place] * susceptible[met.person]
        return np.asarray(known * source * met.seconds / 3600)

    return hazards


def _courses(draws: int = 20_000) -> tuple[Floats, Floats]:
    """The mean infectiousness by days since onset, over courses drawn as the simulation draws them."""
    rng = np.random.default_rng(0)
    latent = 1.0 + rng.gamma(2.0, 0.55, draws)
    rise = np.clip(rng.normal(1.9, 0.6, draws), 0.6, 4.0)
    fall = np.clip(rng.normal(6.0, 1.6, draws), 2.5, 10.0)
    onset = np.maximum(latent + rise + rng.normal(0.4, 0.8, draws), latent + 0.2)
    days = np.arange(-8.0, 12.0, 0.25)
    at = onset + days[:, None]
    shape = np.minimum((at - latent) / rise, (latent + rise + fall - at) / fall)
    return days, np.clip(shape, 0, 1).mean(axis=1)
