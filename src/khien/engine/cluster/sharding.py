"""Which shard has what: places by number, days cut into one segment a shard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from khien.engine.live import Changes, Stays
from khien.engine.ranges import AnyArray, IntArray
from khien.engine.segment import DaySegment

_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def shard_of(place: AnyArray, shards: int) -> IntArray:
    """The shard that each place's stays lie in: the same for ever, and no matter how places are numbered."""
    mixed = (place.astype(np.uint64) * _SPREAD) >> np.uint64(32)
    return (mixed % np.uint64(shards)).astype(np.int64)


def divided(segment: DaySegment, shards: int) -> list[DaySegment]:
    """One day cut into a segment for each shard (possibly empty)."""
    columns = segment.columns()
    owner = shard_of(columns[1], shards)
    parts = []
    for number in range(shards):
        chosen = np.flatnonzero(owner == number)
        parts.append(DaySegment.build(segment.day, *(column[chosen] for column in columns)))
    return parts


def stays_by_shard(stays: Stays, shards: int) -> list[Stays]:
    """Stays as each shard is told of them."""
    owner = shard_of(stays.place, shards)
    return [stays.where(np.flatnonzero(owner == number)) for number in range(shards)]


def net(changes: Sequence[Changes]) -> Changes:
    """Several batches as one: what was told and taken back in between is left out."""
    added = [np.stack(tuple(vars(one.added).values())) for one in changes]
    removed = [np.stack(tuple(vars(one.removed).values())) for one in changes]
    rows = np.concatenate([*added, *removed], axis=1)
    count = np.ones(rows.shape[1], np.int64)
    count[sum(part.shape[1] for part in added) :] = -1
    distinct, slot = np.unique(rows, axis=1, return_inverse=True)
    total = np.zeros(distinct.shape[1], np.int64)
    np.add.at(total, slot.reshape(-1), count)
    more, fewer = (np.repeat(distinct, np.maximum(sign * total, 0), axis=1) for sign in (1, -1))
    return Changes(changes[-1].position, Stays(*more), Stays(*fewer))


def lineage_of(record: str, number: int, shards: int) -> str:
    """What a shard's manifest says it belongs to: the record's lineage, and which part of how many it is."""
    return f"{record} {number}/{shards}"
