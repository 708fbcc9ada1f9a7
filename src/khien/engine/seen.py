"""How much of the meetings was seen: scans of others and of the case itself, judged by what interviews tell.

Two independent looks at the same stays, the scans and the interview, tell how many neither saw (capture and recapture,
as Lincoln and Petersen counted). Of the stays that cases told of, the share that was also scanned says how often a
stay is scanned where scans are taken at all; of the scanned stays, the share that was also told says how much an
interview finds. Each kind of place has its own shares, drawn towards those of all kinds where little is known.
A meeting is seen when the case's stay is known (scanned or told) and the other's stay was scanned. So each meeting
that was seen stands for 1 / (chance that it is) meetings (Horvitz and Thompson); where no scans are taken, others are
supposed to be as many as at the same kind of place elsewhere.

What this cannot know: whether places without scans are as full as those with them; whether people hide from the
interview what they hide from the scan. Then the statement is too hopeful.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from khien.engine.ranges import BoolArray, IntArray

FloatArray = npt.NDArray[np.float64]

_DRAWN_BY = 5.0
"""A kind's own shares weigh as much as those of all kinds after so many stays."""
_CASE_DRAWN_BY = 8.0
"""A case's own share weighs as much as that of all cases after so many of its stays."""
_DRAWS = 200


@dataclass(frozen=True, eq=False)
class KnownStays:
    """Stays of cases away from home, one per entry: position of the case, `kind` of place (a number), whether it was
    `scanned`, `told` in the interview, whether others are scanned at that place at all (`live`), and how many others
    were seen there at the time (`met`)."""

    case: IntArray
    kind: IntArray
    scanned: BoolArray
    told: BoolArray
    live: BoolArray
    met: IntArray

    def __len__(self) -> int:
        return len(self.case)

    def where(self, chosen: npt.NDArray[np.bool_] | IntArray) -> KnownStays:
        """Only some of them (positions may come several times)."""
        return KnownStays(*(column[chosen] for column in vars(self).values()))


@dataclass(frozen=True, eq=False)
class Shares:
    """By kind of place: stays at places that take scans; there, stays that are scanned; stays that an interview tells;
    others met in a stay there, if all were scanned."""

    live: FloatArray
    scanned: FloatArray
    told: FloatArray
    met: FloatArray


@dataclass(frozen=True)
class Seen:
    """The share of meetings seen, with a 90 % interval."""

    share: float
    low: float
    high: float


def shares(stays: KnownStays, kinds: int) -> Shares:
    """What the stays of interviewed cases say about each kind of place, numbered below `kinds`."""

    def drawn(hits: BoolArray | IntArray, of: BoolArray, unknown: float, high: float = 1.0) -> FloatArray:
        number = np.bincount(stays.kind, weights=of, minlength=kinds)
        total = np.bincount(stays.kind, weights=hits * of, minlength=kinds)
        overall = (total.sum() + unknown) / (number.sum() + 1)
        return np.clip((total + _DRAWN_BY * overall) / (number + _DRAWN_BY), 0.01, high)

    live = drawn(stays.live, stays.told, 0.5)
    scanned = drawn(stays.scanned, stays.told & stays.live, 0.5)
    told = drawn(stays.told, stays.scanned, 0.5)
    met = drawn(stays.met, stays.live, 1.0, np.inf)
    return Shares(live, scanned, told, met / scanned)


def meetings(
    stays: KnownStays, known: Shares, cases: int, interviewed: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """By case: the meetings seen, and how many there were by the shares; `interviewed` says of which cases an interview
    tells."""
    kind, asked = stays.kind, interviewed[stays.case]
    scanned, told = known.scanned[kind], np.where(asked, known.told[kind], 0.0)
    others = np.where(stays.live, stays.met / scanned, known.met[kind])
    chance = np.where(stays.live, 1 - (1 - scanned) * (1 - told), told)
    stands_for = 1 / np.maximum(chance, 0.05)
    there = others * stands_for
    # Of whom no interview tells, the stays at places without scans are unknown: they go with those at the others.
    elsewhere = stands_for * (1 - known.live[kind]) / known.live[kind] * known.met[kind]
    there = there + np.where(asked, 0.0, elsewhere)
    found, expected = (
        np.bincount(stays.case, weights=of, minlength=cases).astype(np.float64) for of in (stays.met, there)
    )
    return found, expected


def seen(pool: KnownStays, own: KnownStays, kinds: int, *, interviewed: bool, seed: int = 1) -> Seen:
    """Which share of the meetings of one case was seen: `own` are its stays (positions all 0), the `pool` those of
    interviewed cases, ascending by case. The interval is a bootstrap over the cases of the pool."""
    number = int(pool.case.max(initial=-1)) + 1
    first = np.searchsorted(pool.case, np.arange(number + 1))
    rng = np.random.default_rng(seed)
    values = []
    for draw in range(_DRAWS + 1):
        rows = pool
        if draw:
            drawn = rng.integers(0, number, number)
            rows = pool.where(np.concatenate([np.arange(first[n], first[n + 1]) for n in drawn]))
        values.append(_share(rows, own, kinds, interviewed, number))
    low, high = np.quantile(values[1:], [0.05, 0.95])
    return Seen(values[0], float(low), float(high))


def _share(pool: KnownStays, own: KnownStays, kinds: int, interviewed: bool, cases: int) -> float:
    known = shares(pool, kinds)
    of_all = meetings(pool, known, cases, np.ones(cases, np.bool_))
    overall = of_all[0].sum() / max(of_all[1].sum(), 1e-9)
    got, there = (float(one[0]) for one in meetings(own, known, 1, np.array([interviewed])))
    drawn_by = _CASE_DRAWN_BY * of_all[1].sum() / max(len(pool), 1)
    return float(np.clip((got + drawn_by * overall) / max(there + drawn_by, 1e-9), 0, 1))
