"""CBOR (RFC 8949) from strangers: one item, nothing behind it, and no more than signed claims need.

`cbor2` decodes; what it would do for a trusted sender (regular expressions, shared references, numbers of a million
digits, memory for a length that is only claimed) is refused before it sees the octets.
"""

from __future__ import annotations

from typing import Any

import cbor2

MAX_DEPTH = 16
MAX_LENGTH = 65_536
DATES = frozenset({0, 1})
_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_BREAK = 0xFF


class CborError(ValueError):
    """Octets that are not one plain CBOR item."""


def decode(data: bytes, *, tags: frozenset[int] = DATES) -> Any:
    """The one item in `data`. Only the given `tags` may occur; keys of maps are numbers, texts or octets and differ.

    Raises `CborError`.
    """
    if len(data) > MAX_LENGTH:
        raise CborError("too long")
    end, _key = _walk(data, 0, 0, tags)
    if end != len(data):
        raise CborError("something follows the item")
    try:
        return cbor2.loads(data)
    except (cbor2.CBORDecodeError, ValueError, TypeError, ArithmeticError, OSError) as fault:
        raise CborError("not decodable") from fault


def encode(item: Any) -> bytes:
    """The octets of an item."""
    return cbor2.dumps(item)


Key = tuple[int, int | bytes] | None


def _walk(data: bytes, at: int, depth: int, tags: frozenset[int]) -> tuple[int, Key]:
    """Where the item at `at` ends, and what it is when it may be the key of a map: two spellings of one number are
    one key."""
    if depth > MAX_DEPTH:
        raise CborError("nested too deeply")
    major, info, value, at = _head(data, at)
    if major in (_UNSIGNED, _NEGATIVE):
        return at, (major, value)
    if major in (_BYTES, _TEXT):
        return _string(data, at, major, info, value)
    if major == _TAG:
        if value not in tags:
            raise CborError("a tag that has no place here")
        inner = data[at] >> 5 if at < len(data) else -1
        if value in DATES and inner not in ((_TEXT,) if value == 0 else (_UNSIGNED, _NEGATIVE, _SIMPLE)):
            raise CborError("a date that is none")
        return _walk(data, at, depth + 1, tags)[0], None
    if major == _SIMPLE:
        if info in (28, 29, 30, 31) or (info == 24 and value < 32):
            raise CborError("not well-formed")
        return at, None
    return _container(data, at, depth, tags, major == _MAP, None if info == 31 else value), None


def _head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """(major type, additional information, value, where what follows begins)."""
    if at >= len(data):
        raise CborError("cut short")
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        return major, info, info, at
    if info == 31 and major in (_BYTES, _TEXT, _ARRAY, _MAP):
        return major, info, 0, at
    if info > 27:
        raise CborError("not well-formed")
    size = 1 << (info - 24)
    if at + size > len(data):
        raise CborError("cut short")
    return major, info, int.from_bytes(data[at : at + size], "big"), at + size


def _string(data: bytes, at: int, major: int, info: int, length: int) -> tuple[int, Key]:
    if info != 31:
        if length > len(data) - at:
            raise CborError("cut short")
        return at + length, (major, data[at : at + length])
    parts = b""
    while at < len(data) and data[at] != _BREAK:
        part_major, part_info, part, at = _head(data, at)
        if part_major != major or part_info == 31 or part > len(data) - at:
            raise CborError("not well-formed")
        parts += data[at : at + part]
        at += part
    if at >= len(data):
        raise CborError("cut short")
    return at + 1, (major, parts)


def _container(
    data: bytes, at: int, depth: int, tags: frozenset[int], is_map: bool, length: int | None
) -> int:
    """Where the array or map ends whose content begins at `at`."""
    if length is not None and length > len(data) - at:
        raise CborError("cut short")
    keys: set[Key] = set()
    count = 0
    while length is None or count < length:
        if length is None and at < len(data) and data[at] == _BREAK:
            return at + 1
        if is_map:
            at, key = _walk(data, at, depth + 1, tags)
            if key is None or key in keys:
                raise CborError("a key that is none, or there twice")
            keys.add(key)
        at, _key = _walk(data, at, depth + 1, tags)
        count += 1
    return at
