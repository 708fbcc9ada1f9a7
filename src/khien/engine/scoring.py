"""Expected risk: how probable it is that a person was infected in the exposures known of them.

Each exposure adds a hazard, the product of what separates the infected from the merely present:

    hazard = rate_per_hour x hours x closeness x air x household x shedding x susceptibility x mask
    probability = 1 - exp(-(sum of a person's hazards))                             (exponential dose-response)

- *hours* together; an encounter of the kind *after* is worth `after_minutes` together.
- *closeness* = reach_m2 / effective area, at most 1: the share of the room that lies within reach (2 m) of
  a person. Air shared at a distance thins out with the room in the same way (Wells-Riley), so one factor
  serves both. The effective area is the place's own, but never less than `area_per_person_m2` for each
  person present: what holds a crowd is large, whatever the register says. Unknown: `unknown_area_m2`.
- *air*: 1 in a closed space, `open_air` outside.
- *household*: people of one household share rooms and meals, not just walls.
- *shedding*: by days since the case's onset, interpolated in `shedding`; `unknown_day` without an onset.
- *susceptibility* by the contact's doses, *mask* when the contact, the case, or both were masked.

Repeated exposures add up, hours weigh nearly in proportion while the risk is small and saturate when large.
The score ranks; it is not a diagnosis, and people who meet a legal definition stay listed whatever it says.
Not modelled: how infectious this very case is (the same for all their contacts), where in a room people stood.

Sources: exponential dose-response and dilution by room: Riley 1978, Am J Epidemiol 107:421. Rate: Ferretti
2024, Nature 626:145 (about 1.1 % an hour, adding up over repeated contacts). Open air: Bulfone 2021, J
Infect Dis 223:550 (less than a tenth of transmission). Shedding: He 2020, Nat Med 26:672 (highest about
onset, half of a case's transmission before it), rounded to whole days. Vaccine and mask: round values, to be set by the
rule of the day. The parameters are data: `tracing` takes them from a dated rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from khien.engine.encounter import Encounters
from khien.engine.presence import Presence
from khien.engine.ranges import AnyArray, IntArray, merge_intervals

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

FloatArray = npt.NDArray[np.float64]

_ASKED_AT_ONCE = 512


@dataclass(frozen=True)
class RiskParameters:
    """Every number of the model. Areas in m², `shedding` as (days since onset, weight) by rising day."""

    rate_per_hour: float = 0.011
    reach_m2: float = 12.6
    unknown_area_m2: float = 100.0
    area_per_person_m2: float = 2.0
    open_air: float = 0.1
    household: float = 3.0
    shedding: tuple[tuple[float, float], ...] = (
        (-4, 0.05),
        (-3, 0.3),
        (-2, 0.7),
        (-1, 0.95),
        (0, 1.0),
        (1, 0.9),
        (2, 0.75),
        (3, 0.55),
        (5, 0.3),
        (7, 0.12),
        (10, 0.02),
    )
    unknown_day: float = 0.6
    doses: tuple[float, ...] = (1.0, 0.8, 0.6, 0.5)
    masked: float = 0.5
    source_masked: float = 0.5
    after_minutes: float = 5.0

    def __post_init__(self) -> None:
        days = [day for day, _ in self.shedding]
        if not days or days != sorted(set(days)) or not self.doses:
            raise ValueError("shedding needs rising days, doses at least one factor")
        numbers = [getattr(self, one.name) for one in fields(self) if one.name not in ("shedding", "doses")]
        numbers += [*self.doses, *(weight for _, weight in self.shedding)]
        if not all(np.isfinite(number) and number >= 0 for number in numbers) or not self.reach_m2:
            raise ValueError(
                "every parameter of the risk model must be a number of at least 0, reach_m2 above 0"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RiskParameters:
        """From a rule's value: any of the fields, the rest as here. ValueError for what it does not know."""
        unknown = sorted(set(values) - {one.name for one in fields(cls)})
        if unknown:
            raise ValueError(f"risk model: unknown parameters {', '.join(unknown)}")
        try:
            return cls(**{name: _frozen(value) for name, value in values.items()})
        except TypeError as error:
            raise ValueError(f"risk model: {error}") from error


@dataclass(frozen=True, eq=False)
class Exposures:
    """What is known of exposures, one per entry; scalars stand for all, NaN for unknown.

    `person` ids of the exposed, `seconds` together, `after` whether of the kind *after*, `area_m2` of the
    room, `present` other people there at the time, `closed` space, `household` whether of the case's
    household, `days_since_onset` of the case (negative before), `doses` and `masked` (1, 0, NaN) of the exposed,
    `source_masked` of the case.
    """

    person: AnyArray
    seconds: AnyArray
    after: npt.ArrayLike = False
    area_m2: npt.ArrayLike = np.nan
    present: npt.ArrayLike = np.nan
    closed: npt.ArrayLike = True
    household: npt.ArrayLike = False
    days_since_onset: npt.ArrayLike = np.nan
    doses: npt.ArrayLike = np.nan
    masked: npt.ArrayLike = np.nan
    source_masked: npt.ArrayLike = np.nan

    def column(self, name: str) -> FloatArray:
        """One property as float64, an entry for each exposure."""
        values = np.asarray(getattr(self, name), np.float64)
        return np.broadcast_to(values, (len(self.person),))


@dataclass(frozen=True, eq=False)
class Risk:
    """Persons by probability of having been infected, highest first; ties by id."""

    person: AnyArray
    probability: FloatArray
    hazard: FloatArray

    def __len__(self) -> int:
        return len(self.person)


def factors(exposures: Exposures, parameters: RiskParameters) -> dict[str, FloatArray]:
    """The factors of each exposure's hazard by name, for explaining a rank; their product is the hazard."""
    column = exposures.column
    hours = np.where(column("after") > 0, parameters.after_minutes / 60, column("seconds") / 3600)
    area = np.where(np.isnan(column("area_m2")), parameters.unknown_area_m2, column("area_m2"))
    crowd = parameters.area_per_person_m2 * (np.nan_to_num(column("present"), nan=0.0) + 1)
    room = np.maximum(np.maximum(area, crowd), parameters.reach_m2)
    days, weights = np.array(parameters.shedding, float).T
    day = column("days_since_onset")
    shed = np.interp(np.nan_to_num(day), days, weights, left=0.0, right=0.0)
    dose = np.clip(np.nan_to_num(column("doses")), 0, len(parameters.doses) - 1).astype(int)
    return {
        "rate": np.full(len(hours), parameters.rate_per_hour),
        "hours": hours,
        "closeness": parameters.reach_m2 / room,
        "air": np.where(column("closed") > 0, 1.0, parameters.open_air),
        "household": np.where(column("household") > 0, parameters.household, 1.0),
        "shedding": np.where(np.isnan(day), parameters.unknown_day, shed),
        "susceptibility": np.array(parameters.doses)[dose],
        "mask": np.where(np.nan_to_num(column("masked")) > 0, parameters.masked, 1.0)
        * np.where(np.nan_to_num(column("source_masked")) > 0, parameters.source_masked, 1.0),
    }


def hazards(exposures: Exposures, parameters: RiskParameters) -> FloatArray:
    """The hazard of each exposure (the expected number of infections it would cause, before saturation)."""
    return np.prod(np.stack(list(factors(exposures, parameters).values())), axis=0)


def rank(exposures: Exposures, parameters: RiskParameters) -> Risk:
    """All exposed persons by the probability that any of their exposures infected them."""
    persons, slot = np.unique(exposures.person, return_inverse=True)
    weights = hazards(exposures, parameters)
    hazard = np.bincount(slot, weights=weights, minlength=len(persons)).astype(np.float64)
    order = np.argsort(-hazard, kind="stable")
    return Risk(persons[order], -np.expm1(-hazard[order]), hazard[order])


def others_present(presence: Presence | Known, encounters: Encounters) -> FloatArray:
    """How many people besides the contact were at the place, on average over each encounter (the case counts).

    Of an encounter of no length: at its start. Observed presence only: people who did not scan are not seen.
    """
    place = presence.numbers_of_places(encounters.place)
    return np.maximum(crowd(presence, place, encounters.start, encounters.end) - 1, 0)


def crowd(presence: Presence | Known, place: IntArray, start: IntArray, end: IntArray) -> FloatArray:
    """How many people were at each place (a number) over its [start, end), on average; of no length: at its start."""
    end = np.maximum(end, start + 1)
    order = np.lexsort((start, place))
    since, until = start[order], end[order]
    # What overlaps at one place is asked about together: a market's crowd is the same for all who were in it.
    group, low, high = _together(place[order], since, until)
    where = place[order][np.searchsorted(group, np.arange(len(low)))]
    mean = np.empty(len(order))
    for first in range(0, len(low), _ASKED_AT_ONCE):
        part = slice(first, first + _ASKED_AT_ONCE)
        rows = slice(*np.searchsorted(group, (first, first + _ASKED_AT_ONCE)).tolist())
        question, _person, enter, leave = presence.present_at(where[part], low[part], high[part])
        people = _People(question, enter, np.maximum(leave, enter + 1), low[part], high[part])
        of = group[rows] - first
        mean[rows] = (people.seconds_until(of, until[rows]) - people.seconds_until(of, since[rows])) / (
            until[rows] - since[rows]
        )
    answer = np.empty(len(order))
    answer[order] = mean
    return answer


def _together(place: IntArray, start: IntArray, end: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Stretches by place and start: the number of the larger stretch each is part of, and where each of those begins
    and ends."""
    _ids, number = np.unique(place, return_inverse=True)
    owner, low, high = merge_intervals(number, start, end)
    if not len(low):
        return number, low, high
    origin, span = low.min(), high.max() - low.min() + 1
    group = np.searchsorted(owner * span + low - origin, number * span + start - origin, side="right") - 1
    return group, low, high


class _People:
    """Who was there in each of some stretches, for asking how long they have been by a moment."""

    def __init__(
        self, group: IntArray, enter: IntArray, leave: IntArray, low: IntArray, high: IntArray
    ) -> None:
        self._low = low
        self._span = int((high - low).max(initial=0)) + 1
        self._came = self._sorted(group, np.maximum(enter, low[group]))
        self._went = self._sorted(group, np.minimum(leave, high[group]))

    def seconds_until(self, group: IntArray, moment: IntArray) -> IntArray:
        """How many seconds all of a group have been there by a moment within the group's stretch."""
        return self._since(self._came, group, moment) - self._since(self._went, group, moment)

    def _sorted(self, group: IntArray, moment: IntArray) -> tuple[IntArray, IntArray]:
        key = np.sort(group * self._span + moment - self._low[group])
        return key, np.concatenate(([0], np.cumsum(key % self._span)))

    def _since(self, sorted_: tuple[IntArray, IntArray], group: IntArray, moment: IntArray) -> IntArray:
        key, total = sorted_
        at = moment - self._low[group]
        first, last = (np.searchsorted(key, group * self._span + n) for n in (0, at))
        return (last - first) * at - (total[last] - total[first])


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list | tuple) else value
