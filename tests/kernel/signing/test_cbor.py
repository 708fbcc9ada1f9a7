"""CBOR from strangers: one plain item, nothing behind it, and nothing that costs more than it is long."""

from __future__ import annotations

import time

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel.signing import cbor

keys = st.one_of(st.integers(-(2**64), 2**64 - 1), st.text(max_size=8), st.binary(max_size=8))
plain = st.one_of(
    st.integers(-(2**64), 2**64 - 1),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False),
)
items = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)


@settings(max_examples=300, deadline=None)
@given(items)
def test_what_was_written_is_read(item: object) -> None:
    assert cbor.decode(cbor.encode(item)) == item


@settings(max_examples=1000, deadline=None)
@given(st.binary(max_size=80))
def test_anything_else_is_refused_with_our_own_error(data: bytes) -> None:
    try:
        cbor.decode(data)
    except cbor.CborError:
        return


@pytest.mark.parametrize(
    ("octets", "what"),
    [
        ("", "nothing"),
        ("0000", "two items"),
        ("81" * 5000, "five thousand arrays in one another"),
        ("5bffffffffffffffff", "a claimed length of 2⁶⁴ octets"),
        ("9b00000000ffffffff", "a claimed length of 2³² items"),
        ("bb00000000ffffffff", "a claimed length of 2³² pairs"),
        ("a201000100", "a key twice"),
        ("a20100180100", "a key twice, in two spellings"),
        ("a2416100580161" + "00", "octets as a key twice, in two spellings"),
        ("a18000", "an array as a key"),
        ("a1f500", "true as a key"),
        ("d82361" + "28", "a regular expression"),
        ("c4821a7fffffff01", "a decimal number of two thousand million digits"),
        ("c24101", "a big number"),
        ("d81c80", "a shared item"),
        ("d81d00", "a reference to one"),
        ("d9d9f700", "a tag that says CBOR"),
        ("d29f", "tag 18 where only dates may stand"),
        ("c001", "a date as a number under the tag of texts"),
        ("c16130", "a moment as a text under the tag of numbers"),
        ("c06130", "a date that is none"),
        ("c1fb7fefffffffffffff", "a moment beyond all calendars"),
        ("61ff", "a text that is no UTF-8"),
        ("5f6161ff", "text inside octets"),
        ("5f5f4100ffff", "pieces in pieces"),
        ("9f01", "an array without an end"),
        ("1c", "a head that means nothing"),
        ("f818", "a simple value in two octets that has one"),
        ("ff", "an end without a beginning"),
        ("58", "a length that is missing"),
    ],
)
def test_what_a_certificate_never_needs_is_refused_at_once(octets: str, what: str) -> None:
    began = time.process_time()
    with pytest.raises(cbor.CborError):
        cbor.decode(bytes.fromhex(octets))
    assert time.process_time() - began < 0.5, what


def test_pieces_and_open_ends_are_read() -> None:
    assert cbor.decode(bytes.fromhex("bf0102ff")) == {1: 2}
    assert cbor.decode(bytes.fromhex("9f01ff")) == [1]
    assert cbor.decode(bytes.fromhex("5f41014102ff")) == b"\1\2"
    with pytest.raises(cbor.CborError):
        cbor.decode(b"\0" * (cbor.MAX_LENGTH + 1))


def test_dates_are_read_and_other_tags_only_when_they_are_named() -> None:
    tagged = cbor2.dumps(cbor2.CBORTag(18, [1]))
    assert list(cbor.decode(tagged, tags=frozenset({18})).value) == [1]
    assert cbor.decode(bytes.fromhex("c074323031332d30332d32315432303a30343a30305a")).year == 2013
