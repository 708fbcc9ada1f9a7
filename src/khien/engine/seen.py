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

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from khien.engine.encounter import Spells, Thresholds
from khien.engine.ranges import BoolArray, IntArray

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

FloatArray = npt.NDArray[np.float64]

_DRAWN_BY = 5.0
"""A kind's own shares weigh as much as those of all kinds after so many stays."""
_CASE_DRAWN_BY = 8.0
"""A case's own share weighs as much as that of all cases after so many of its stays."""
MEETING_S = 15 * 60
"""The statement is about meetings of so many seconds or more."""
_APART_S = 15 * 60
"""A stay told and a stay scanned there are the same if no more than this lies between them."""
LEAST_TOLD = 30
"""Fewer stays than this in all interviews say nothing."""


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

    @classmethod
    def of(
        cls, snapshot: Known, spells: Spells, told: IntArray, kind: Callable[[IntArray], IntArray]
    ) -> KnownStays:
        """What the records say of the cases in their spells, and what they told: columns of `told` are position of the
        case, place (its number), enter, leave. `kind` numbers the kinds of places."""
        case, place, enter, leave = snapshot.stays_in(spells)
        recorded = np.stack(
            (case, place, np.maximum(enter, spells.begin[case]), np.minimum(leave, spells.end[case]))
        )
        (case, place, enter, leave), scanned, was_told = _joined(told, recorded)
        each = Spells(spells.person[case], spells.begin[case], spells.end[case])
        stays = np.arange(len(case), dtype=np.int64), place, enter, leave
        met = snapshot.found(each, Thresholds(together=MEETING_S, after=0), stays=stays)
        asked, person, _enter, _leave = snapshot.present_at(place, each.begin, each.end)
        others = asked[person != each.person[asked]]
        return cls(
            case,
            kind(place),
            scanned,
            was_told,
            np.bincount(others, minlength=len(case)) > 0,
            np.bincount(met.spell, minlength=len(case)),
        )

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


def seen(pool: KnownStays, own: KnownStays, kinds: int, *, interviewed: bool) -> float | None:
    """Which share of the meetings of one case was seen: `own` are its stays (positions all 0), the `pool` those of
    interviewed cases. None when these told of too little to judge by."""
    if np.count_nonzero(pool.told) < LEAST_TOLD:
        return None
    known = shares(pool, kinds)
    number = int(pool.case.max()) + 1
    of_all = meetings(pool, known, number, np.ones(number, np.bool_))
    overall = of_all[0].sum() / max(of_all[1].sum(), 1e-9)
    found, expected = (float(one[0]) for one in meetings(own, known, 1, np.array([interviewed])))
    drawn_by = _CASE_DRAWN_BY * of_all[1].sum() / len(pool)
    return min((found + drawn_by * overall) / max(expected + drawn_by, 1e-9), 1.0)


def _joined(told: IntArray, recorded: IntArray) -> tuple[tuple[IntArray, ...], BoolArray, BoolArray]:
    """The stays told and those recorded, the same stay once, by case: columns, whether recorded, whether told."""
    again = np.zeros(recorded.shape[1], np.bool_)
    also = np.zeros(told.shape[1], np.bool_)
    for number, (case, place, enter, leave) in enumerate(told.T.tolist()):
        same = (recorded[0] == case) & (recorded[1] == place)
        same &= (recorded[2] < leave + _APART_S) & (recorded[3] > enter - _APART_S)
        again |= same
        also[number] = same.any()
    columns = np.concatenate((told, recorded[:, ~again]), axis=1)
    order = np.argsort(columns[0], kind="stable")
    alone = np.count_nonzero(~again)
    was_recorded = np.concatenate((also, np.ones(alone, np.bool_)))[order]
    was_told = np.concatenate((np.ones(len(also), np.bool_), np.zeros(alone, np.bool_)))[order]
    return tuple(columns[:, order]), was_recorded, was_told
