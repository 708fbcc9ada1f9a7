"""Random streams that depend on the seed, the purpose and the day alone, never on what was asked before."""

from __future__ import annotations

import zlib

import numpy as np
from scipy.special import ndtri

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def stream(seed: int, purpose: str, day: int = 0) -> np.random.Generator:
    """The generator for a purpose on a day (days may be negative)."""
    return np.random.default_rng([seed, zlib.crc32(purpose.encode()), day + 1_000_000])


def pair_normal(a: np.ndarray, b: np.ndarray, seed: int) -> np.ndarray:
    """One standard normal number for each unordered pair of people, the same whenever it is asked."""
    low, high = np.minimum(a, b).astype(np.uint64), np.maximum(a, b).astype(np.uint64)
    x = (low << np.uint64(32)) + high + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    with np.errstate(over="ignore"):  # the hash (splitmix64) is meant to wrap around
        for shift, multiplier in zip((30, 27), _MIX, strict=True):
            x = (x ^ (x >> np.uint64(shift))) * multiplier
    x ^= x >> np.uint64(31)
    return ndtri(((x >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53)
