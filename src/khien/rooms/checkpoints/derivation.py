"""From scans to stays. Pure: the same scans in any order give the same stays, whatever the time of day.

The rules, in order:

1. Scans of one person at one place in one direction that follow each other within 60 seconds are one scan.
2. A scan without direction says that the person was there from then on: it counts as an entry.
3. An entry and the exit that follows it at the same place are one stay, if the exit comes within the longest stay
   (16 hours, or twice the kind's usual stay up to 24 hours).
4. An entry without such an exit ends after the kind's usual stay, or at the person's next scan at that place or
   at another one, whichever comes first; the exit is marked inferred. A room and the house that contains it are
   not "another place".
5. An exit without entry began in the same way, backwards; the entry is marked inferred.
6. Where people only pass (a road checkpoint) each scan is a stay of no length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from khien.kernel.places.reads import StayRules
from khien.kernel.presence.stays import Bool, Int, Stays

SAME_SCAN_US = 60 * 1_000_000
MINUTE_US = 60 * 1_000_000
LONGEST_US = 24 * 60 * MINUTE_US
"""No scan changes a stay that begins more than this before or after it (apart from chains of doubles)."""

_USUAL_LONGEST_US = 16 * 60 * MINUTE_US

ENTRY, EXIT = 0, 1


@dataclass(frozen=True, slots=True)
class Scans:
    """n scans: `at` in microseconds since 1970 UTC, `direction` ENTRY or EXIT, `key` a name that never changes
    (ASCII bytes). Every place must have its rule."""

    person: Int
    place: Int
    at: Int
    direction: NDArray[np.int8]
    key: NDArray[np.bytes_]

    def take(self, chosen: NDArray[np.int64] | Bool) -> Scans:
        return Scans(
            self.person[chosen], self.place[chosen], self.at[chosen], self.direction[chosen], self.key[chosen]
        )


def derive(scans: Scans, rules: StayRules) -> Stays:
    """All stays that these scans tell of, in order of person, enter and key."""
    scans = _without_doubles(scans)
    n = len(scans.at)
    if n == 0:
        return _stays(scans, scans.at, scans.at, np.zeros(0, bool), np.zeros(0, bool))
    rule = np.searchsorted(rules.place, scans.place)
    usual = rules.default_min[rule] * MINUTE_US
    passing = rules.passing[rule]
    longest = np.clip(2 * usual, _USUAL_LONGEST_US, LONGEST_US)
    before_elsewhere, after_elsewhere = _elsewhere(scans, rules.root[rule])

    # The scans lie person by person, place by place, in time.
    same = np.zeros(n + 1, bool)
    same[1:n] = (scans.person[1:] == scans.person[:-1]) & (scans.place[1:] == scans.place[:-1])
    following = np.where(same[1:], np.append(scans.at[1:], 0), _NEVER)
    preceding = np.where(same[:-1], np.insert(scans.at[:-1], 0, 0), -_NEVER)
    is_exit = scans.direction == EXIT
    paired = np.zeros(n, bool)
    paired[:-1] = (
        same[1:n]
        & ~is_exit[:-1]
        & is_exit[1:]
        & (scans.at[1:] - scans.at[:-1] <= longest[:-1])
        & ~passing[:-1]
    )
    closes_a_pair = np.zeros(n, bool)
    closes_a_pair[1:] = paired[:-1]

    inferred_leave = np.minimum(np.minimum(scans.at + usual, following), after_elsewhere)
    leave = np.where(paired, following, np.where(is_exit | passing, scans.at, inferred_leave))
    inferred_enter = np.maximum(np.maximum(scans.at - usual, preceding), before_elsewhere)
    enter = np.where(is_exit & ~passing, inferred_enter, scans.at)
    kept = ~closes_a_pair
    return _stays(
        scans.take(kept),
        enter[kept],
        leave[kept],
        (~paired & ~is_exit & ~passing)[kept],
        (is_exit & ~passing)[kept],
    )


_NEVER = np.int64(2**62)


def _without_doubles(scans: Scans) -> Scans:
    """Rule 1; the first of a chain stays (of several at one moment, the least key). Sorted by person, place, time,
    entries first."""
    order = np.lexsort((scans.key, scans.at, scans.direction, scans.place, scans.person))
    ordered = scans.take(order)
    double = np.zeros(len(order), bool)
    double[1:] = (
        (ordered.person[1:] == ordered.person[:-1])
        & (ordered.place[1:] == ordered.place[:-1])
        & (ordered.direction[1:] == ordered.direction[:-1])
        & (ordered.at[1:] - ordered.at[:-1] <= SAME_SCAN_US)
    )
    left = ordered.take(~double)
    return left.take(np.lexsort((left.key, left.direction, left.at, left.place, left.person)))


def _elsewhere(scans: Scans, root: Int) -> tuple[Int, Int]:
    """For each scan, the moments of the person's scans before and after it under another roof (or never)."""
    n = len(scans.at)
    order = np.lexsort((scans.key, scans.direction, scans.place, root, scans.at, scans.person))
    person, roof, at = scans.person[order], root[order], scans.at[order]
    starts = np.ones(n, bool)
    starts[1:] = (person[1:] != person[:-1]) | (roof[1:] != roof[:-1])
    first = np.flatnonzero(starts)
    run = np.cumsum(starts) - 1
    last = np.append(first[1:], n) - 1
    after_index = np.append(first[1:], n)[run]
    before_index = np.insert(last[:-1], 0, -1)[run]
    padded_at, padded_person = np.append(at, 0), np.append(person, -1)
    after = np.where(padded_person[after_index] == person, padded_at[after_index], _NEVER)
    before = np.where(padded_person[before_index] == person, padded_at[before_index], -_NEVER)
    back = np.empty(n, np.int64)
    back[order] = np.arange(n)
    return before[back], after[back]


def _stays(scans: Scans, enter: Int, leave: Int, exit_inferred: Bool, entry_inferred: Bool) -> Stays:
    order = np.lexsort((scans.key, enter, scans.person))
    return Stays(
        scans.person[order],
        scans.place[order],
        enter[order],
        leave[order],
        exit_inferred[order],
        entry_inferred[order],
        [key.decode() for key in scans.key[order].tolist()],
    )
