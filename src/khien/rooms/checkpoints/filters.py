"""Whom a gate must stop, as a small file that a device reads by itself: a map from keys to classes, without the keys.

It is a retrieval structure in the manner of a binary fuse filter (Graf and Lemire, "Binary Fuse Filters", ACM JEA
27, 2022): a table of 16-bit words, three of which, chosen by the key, give its word by XOR. Twelve bits of the word
must agree with the key's fingerprint; the other four are its class. A key that was never put in passes with
probability 2^-12 (0.024 %), whatever the number of classes; a key that was put in always gets its own class. About
18 bits a key.

The key is HMAC-SHA-256(filter key, "<kind>:<number>"), kind being a document's kind, or "pass" for the pseudonym of a
pass. Nobody can read numbers out of the file; who also has the filter key can ask it about one number at a time.

File: `KGF1`, then little-endian u32 length of a segment, u32 number of segments, u32 number of keys, then the words.
`static/checkpoints/gate/map.js` is the other reader.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAGIC = b"KGF1"
CLASSES = 16
_HEADER = struct.Struct("<4sIII")
_DIGEST = np.dtype([("h", "<u4", 5), ("rest", "V12")])


class FilterFull(RuntimeError):
    """No arrangement was found (two keys are equal, or a chance of less than one in a thousand): take a fresh key."""


def digest(key: bytes, kind: str, number: str) -> bytes:
    """The 32 bytes by which one number is looked up."""
    return hmac.digest(key, f"{kind}:{number}".encode(), hashlib.sha256)


def build(entries: Mapping[bytes, int]) -> bytes:
    """The file for digests with their classes (0 to 15). Raises `FilterFull`, `ValueError` for a class beyond."""
    if any(not 0 <= value < CLASSES for value in entries.values()):
        raise ValueError("a class is 0 to 15")
    count = len(entries)
    length, segments = _shape(count)
    given = np.frombuffer(b"".join(entries), _DIGEST) if count else np.zeros(0, _DIGEST)
    hashes = np.ascontiguousarray(given["h"].astype(np.uint32)).reshape(count, 5)
    places = _places(hashes, length, segments)
    classes = np.fromiter(entries.values(), np.uint16, count)
    words = (((hashes[:, 3] & 0xFFF) << 4) | classes).astype(np.uint16)
    table = _peeled(places, words, (segments + 2) * length)
    return _HEADER.pack(MAGIC, length, segments, count) + table.astype("<u2").tobytes()


@dataclass(frozen=True, slots=True)
class Filter:
    """A file, read."""

    length: int
    segments: int
    count: int
    table: NDArray[np.uint16]

    @classmethod
    def of(cls, octets: bytes) -> Filter:
        """Raises `ValueError` for anything that `build` did not write."""
        if len(octets) < _HEADER.size:
            raise ValueError("too short")
        magic, length, segments, count = _HEADER.unpack_from(octets)
        table = np.frombuffer(octets, "<u2", offset=_HEADER.size)
        if magic != MAGIC or length == 0 or segments == 0 or len(table) != (segments + 2) * length:
            raise ValueError("not a filter")
        return cls(length, segments, count, table)

    def get(self, key: bytes) -> int | None:
        """The class of a digest, or None."""
        found = self.get_many([key])[0]
        return None if found < 0 else int(found)

    def get_many(self, keys: Iterable[bytes]) -> NDArray[np.int8]:
        """The class of each digest, -1 where it is not in."""
        given = np.frombuffer(b"".join(keys), _DIGEST)
        hashes = np.ascontiguousarray(given["h"].astype(np.uint32)).reshape(len(given), 5)
        places = _places(hashes, self.length, self.segments)
        words = self.table[places[:, 0]] ^ self.table[places[:, 1]] ^ self.table[places[:, 2]]
        known = (words >> 4) == (hashes[:, 3] & 0xFFF)
        return np.where(known, (words & 15).astype(np.int8), np.int8(-1))


def _shape(count: int) -> tuple[int, int]:
    """(length of a segment, number of segments) for `count` keys, as in the authors' own code."""
    if count < 2:
        return 4, 2
    length = min(1 << 18, 1 << math.floor(math.log(count) / math.log(3.33) + 2.25))
    factor = max(1.125, 0.875 + 0.25 * math.log(1_000_000) / math.log(count))
    segments = max(1, math.ceil(count * factor / length) - 2)
    return length, segments


def _places(hashes: NDArray[np.uint32], length: int, segments: int) -> NDArray[np.int64]:
    """The three places of each key, shape (n, 3)."""
    start = (hashes[:, 0] % np.uint32(segments)).astype(np.int64) * length
    mask = np.uint32(length - 1)
    return np.stack(
        [
            start + (hashes[:, 1] & mask),
            start + length + (hashes[:, 2] & mask),
            start + 2 * length + (hashes[:, 4] & mask),
        ],
        axis=1,
    ).astype(np.int64)


def _peeled(places: NDArray[np.int64], words: NDArray[np.uint16], size: int) -> NDArray[np.uint16]:
    """The table: keys are taken away round by round where a place has one key left, and put back last first."""
    count = len(places)
    degree = np.bincount(places.ravel(), minlength=size).astype(np.int32)
    keys_at = np.zeros(
        size, np.int64
    )  # XOR of the numbers of the keys at a place: alone there, the key itself
    numbers = np.arange(count, dtype=np.int64)
    for column in range(3):
        np.bitwise_xor.at(keys_at, places[:, column], numbers)
    rounds: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    left = count
    candidates = np.flatnonzero(degree == 1)
    while len(candidates):
        candidates = candidates[degree[candidates] == 1]
        keys, first = np.unique(keys_at[candidates], return_index=True)
        if not len(keys):
            break
        rounds.append((keys, candidates[first]))
        left -= len(keys)
        touched = places[keys]
        np.subtract.at(degree, touched.ravel(), 1)
        for column in range(3):
            np.bitwise_xor.at(keys_at, touched[:, column], keys)
        candidates = np.unique(touched.ravel())
    if left:
        raise FilterFull
    table = np.zeros(size, np.uint16)
    # Within a round no key's own place is another's place that is still to be set: each was alone there.
    for keys, own in reversed(rounds):
        three = table[places[keys]]
        table[own] = words[keys] ^ three[:, 0] ^ three[:, 1] ^ three[:, 2] ^ table[own]
    return table
