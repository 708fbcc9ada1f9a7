"""Many ranges of rows at once, without a loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]


def expand(low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """All integers of the ranges [low[i], high[i]): (i of each, the integer), in order. Empty ranges give none."""
    counts = np.maximum(high - low, 0)
    owner = np.repeat(np.arange(len(low), dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    return owner, np.arange(len(owner), dtype=np.int64) + np.repeat(low - before, counts)


def portions(weight: IntArray, limit: int) -> Iterator[slice]:
    """Consecutive slices of items whose weights sum to about `limit` (an item above it stands alone)."""
    ends = np.cumsum(weight)
    first = 0
    while first < len(weight):
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + limit, side="right")), first + 1)
        yield slice(first, last)
        first = last


def merge_intervals(owner: IntArray, begin: IntArray, end: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """The union of half-open intervals of each owner: sorted, disjoint; touching ones become one."""
    if not len(owner):
        return owner, begin, end
    order = np.lexsort((end, begin, owner))
    owner, begin, end = owner[order], begin[order], end[order]
    # One running maximum for all owners: lift each owner's times above those of the owner before.
    lowest = int(begin.min())
    span = int(end.max()) - lowest + 1
    rank = np.cumsum(np.concatenate(([0], owner[1:] != owner[:-1]))).astype(np.int64)
    reach = np.maximum.accumulate(rank * span + (end - lowest))
    starts = np.concatenate(([True], rank[1:] * span + (begin[1:] - lowest) > reach[:-1]))
    first = np.flatnonzero(starts)
    last = np.concatenate((first[1:], [len(owner)])) - 1
    return owner[first], begin[first], reach[last] - rank[last] * span + lowest
