"""People and households of the synthetic province, on the real communes of Hà Nam (2023)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from khien.simulation import names
from khien.simulation.randomness import stream

PROVINCE_CODE = "035"
REFERENCE_DAY = np.datetime64("2022-01-01")
RELATIONS = ("head", "spouse", "child", "parent", "lodger")

# Share of households, number of adults of the middle generation, children, grandparents, youngest and
# oldest age of the head, lodgers or family.
_HOUSEHOLDS = (
    (0.06, 1, 0, 0, 60, 86, False),
    (0.11, 2, 0, 0, 56, 82, False),
    (0.05, 2, 0, 0, 22, 33, False),
    (0.16, 2, 1, 0, 23, 50, False),
    (0.27, 2, 2, 0, 27, 54, False),
    (0.08, 2, 3, 0, 31, 52, False),
    (0.09, 2, 2, 1, 28, 50, False),
    (0.05, 2, 1, 2, 25, 46, False),
    (0.04, 2, 2, 2, 28, 47, False),
    (0.05, 1, 1, 0, 26, 55, False),
    (0.04, 2, 0, 0, 18, 32, True),
)


@dataclass(frozen=True)
class Commune:
    """A commune of 2023; `lat` and `lon` are None for the eleven whose point is unknown."""

    code: str
    name: str
    type: str
    district_code: str
    district: str
    lat: float | None
    lon: float | None

    @property
    def urban(self) -> bool:
        return self.type != "Xã"

    @property
    def short_district(self) -> str:
        """The district without its kind: 'Kim Bảng' for 'Huyện Kim Bảng'."""
        for kind in ("Thành phố ", "Thị xã ", "Huyện "):
            if self.district.startswith(kind):
                return self.district.removeprefix(kind)
        return self.district


@cache
def communes() -> tuple[Commune, ...]:
    """The 109 communes of Hà Nam as of 2023, in the order of their codes."""
    path = resources.files("khien").joinpath("data", "admin-units", "ha-nam-communes-2023.csv")
    with path.open(encoding="utf-8") as lines:
        return tuple(
            Commune(
                row["commune_code"],
                row["name"],
                row["type"],
                row["district_code"],
                row["district"],
                float(row["lat"]) if row["lat"] else None,
                float(row["lon"]) if row["lon"] else None,
            )
            for row in csv.DictReader(lines)
        )


@dataclass
class People:
    """One entry per person in each array; a person's id is the position. Ages are those of 1 January 2022."""

    commune: np.ndarray
    household: np.ndarray
    relation: np.ndarray
    female: np.ndarray
    age: np.ndarray
    birth: np.ndarray
    family: np.ndarray
    middle: np.ndarray
    given: np.ndarray
    serial: np.ndarray
    household_commune: np.ndarray
    household_hamlet: np.ndarray
    household_number: np.ndarray
    household_size: np.ndarray
    household_first: np.ndarray

    def __len__(self) -> int:
        return len(self.commune)


def make_people(count: int, seed: int) -> People:
    """`count` people in whole households (the last one may be cut short)."""
    if count < 100:
        raise ValueError("a province needs at least 100 people")
    rng = stream(seed, "people")
    shares = np.array([row[0] for row in _HOUSEHOLDS])
    shape = np.array([row[1:4] for row in _HOUSEHOLDS])
    homes = int(count / 2.8) + 20
    sort = rng.choice(len(shares), size=homes, p=shares / shares.sum())
    sizes = shape[sort].sum(axis=1)
    ends = np.cumsum(sizes)
    homes = int(np.searchsorted(ends, count)) + 1
    sort, sizes, ends = sort[:homes], sizes[:homes].copy(), ends[:homes].copy()
    sizes[-1] -= ends[-1] - count
    ends[-1] = count
    starts = ends - sizes

    household = np.repeat(np.arange(homes, dtype=np.int32), sizes)
    member = np.arange(count) - starts[household]
    of_sort = sort[household]
    adults, children, elders = (shape[of_sort, column] for column in range(3))
    lodger = np.array([row[6] for row in _HOUSEHOLDS])[of_sort]
    relation = np.select(
        [lodger, member == 0, member < adults, member < adults + children], [4, 0, 1, 2], default=3
    ).astype(np.int8)

    # Ages: the head's first, the others' from it.
    low = np.array([row[4] for row in _HOUSEHOLDS])[sort]
    high = np.array([row[5] for row in _HOUSEHOLDS])[sort]
    head_age = low + rng.random(homes) * (high - low)
    head_female = rng.random(homes) < np.where(shape[sort, 0] == 1, 0.72, 0.2)
    of_head = head_age[household]
    spread = rng.random(count)
    birth_order = np.where(relation == 2, member - adults, 0)
    mother_at_birth = 21.5 + 7 * rng.random(homes)
    age = np.select(
        [relation == 0, relation == 1, relation == 2, relation == 3],
        [
            of_head,
            of_head + (spread - 0.62) * 7,
            of_head - mother_at_birth[household] - birth_order * (2 + 3 * spread),
            of_head + 21 + 9 * spread,
        ],
        default=18 + 14 * spread,
    )
    # A child who would not be born yet is a small child; the very old are brought back below 98.
    age = np.where(age < 0, spread * 6, age)
    age = np.clip(np.where(relation <= 1, np.maximum(age, 18), age), 0, 98)
    elder_order = member - adults - children
    female = np.select(
        [relation == 0, relation == 1, relation == 3],
        [
            head_female[household],
            ~head_female[household],
            np.where(elders == 1, rng.random(count) < 0.78, elder_order == 1),
        ],
        default=rng.random(count) < 0.485,
    )
    birth = REFERENCE_DAY - 1 - (age * 365.25).astype("timedelta64[D]")
    years = birth.astype("datetime64[Y]").astype(int) + 1970

    # Children and the head's father carry the father's family name; wives keep their own.
    own = names.draw_family(count, rng)
    father = np.where(head_female & (shape[sort, 0] == 2), np.minimum(starts + 1, count - 1), starts)
    carries = (relation == 2) | ((relation == 3) & ~female)
    family = np.where(carries, own[father[household]], own).astype(np.int16)

    weights = np.array([1.7 if commune.urban else 1.0 for commune in communes()])
    weights *= 0.7 + 0.6 * rng.random(len(weights))
    home_commune = np.sort(rng.choice(len(weights), size=homes, p=weights / weights.sum())).astype(np.int16)
    commune = home_commune[household]
    hamlets = rng.integers(5, 12, size=len(weights))
    hamlet = (rng.random(homes) * hamlets[home_commune]).astype(np.int16) + 1

    return People(
        commune=commune,
        household=household,
        relation=relation,
        female=female.astype(bool),
        age=age.astype(np.int16),
        birth=birth,
        family=family,
        middle=names.draw_middle(female.astype(bool), years, rng),
        given=names.draw_given(female.astype(bool), rng),
        serial=_serials(years, female.astype(bool), rng),
        household_commune=home_commune,
        household_hamlet=hamlet,
        household_number=rng.integers(1, 400, size=homes).astype(np.int16),
        household_size=sizes.astype(np.int8),
        household_first=starts.astype(np.int32),
    )


def _serials(years: np.ndarray, female: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A CCCD number without its province: century-and-sex digit, two of the year, six that begin with 9.

    The last five count within a year and sex in random order, so no two people share a number.
    """
    century_sex = np.where(years < 2000, 0, 2) + female
    cell = century_sex * 100 + years % 100
    order = np.lexsort((rng.random(len(years)), cell))
    first_of_cell = np.searchsorted(cell[order], cell[order])
    rank = np.empty(len(years), np.int64)
    rank[order] = np.arange(len(years)) - first_of_cell
    if rank.max() >= 100_000:
        raise ValueError("more people of one birth year and sex than the synthetic number range holds")
    return century_sex * 100_000_000 + (years % 100) * 1_000_000 + 900_000 + rank
