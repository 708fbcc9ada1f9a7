"""Columns of whole numbers in as few octets as hold them: what travels between machines."""

from __future__ import annotations

import numpy as np

from khien.engine.ranges import AnyArray, IntArray

Packed = tuple[tuple[int, AnyArray], ...]
"""Of each column the least value, and what each entry is above it."""

_KINDS = (np.uint8, np.uint16, np.uint32)


def pack(*columns: AnyArray) -> Packed:
    """The columns, packed."""
    return tuple(_narrowed(column) for column in columns)


def unpack(packed: Packed) -> tuple[IntArray, ...]:
    """The columns again, int64."""
    return tuple(least + column.astype(np.int64) for least, column in packed)


def octets(told: object) -> int:
    """About how much travels: the arrays in what is said, and a few octets for all else."""
    if isinstance(told, np.ndarray):
        return told.nbytes
    if isinstance(told, str):
        return len(told)
    if isinstance(told, tuple | list):
        return sum(map(octets, told))
    if isinstance(told, dict):
        return sum(map(octets, told.values()))
    if hasattr(told, "__dict__"):
        return sum(map(octets, vars(told).values()))
    return 8


def _narrowed(column: AnyArray) -> tuple[int, AnyArray]:
    column = np.asarray(column, np.int64)
    least, most = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    for kind in _KINDS:
        if most - least <= np.iinfo(kind).max:
            return least, (column - least).astype(kind)
    return 0, column
