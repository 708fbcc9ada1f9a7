"""The octets of SMPP: every PDU comes back as it was, and nothing that strangers send breaks the reader."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.gateways.sms.smpp import pdu
from tests.gateways.sms.smpp.strategies import pdus


@settings(deadline=None)
@given(pdus)
def test_what_is_encoded_decodes_to_the_same(unit: pdu.Pdu) -> None:
    assert pdu.decode(pdu.encode(unit)) == unit


@settings(deadline=None)
@given(st.lists(pdus, max_size=6), st.data())
def test_a_stream_gives_the_same_units_however_it_is_cut(units: list[pdu.Pdu], data: st.DataObject) -> None:
    octets = b"".join(map(pdu.encode, units))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=10)))
    stream = pdu.Stream()
    found = [
        unit
        for begin, end in zip([0, *cuts], [*cuts, len(octets)], strict=True)
        for unit in stream.feed(octets[begin:end])
    ]
    assert found == units
    assert stream.unfinished == 0


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for unit in pdu.Stream().feed(octets):
        assert isinstance(unit, pdu.Pdu | pdu.PduFault)
    try:
        unit = pdu.decode(octets)
    except pdu.PduFault:
        return
    assert pdu.decode(pdu.encode(unit)) == unit


@settings(max_examples=300, deadline=None)
@given(pdus.map(pdu.encode), st.data())
def test_a_shortened_pdu_is_a_fault_and_not_another_pdu(octets: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(octets) - 1))
    with pytest.raises(pdu.PduFault):
        pdu.decode(octets[:length])


def test_the_octets_of_the_books_example() -> None:
    # SMPP 3.4, 3.2.3: a bind_transmitter of system "SMPP3TEST".
    octets = bytes.fromhex(
        "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d4954310000010100"
    )
    unit = pdu.decode(octets)
    assert unit.command == pdu.BIND_TRANSMITTER
    assert unit.body == pdu.Bind("SMPP3TEST", "secret08", "SUBMIT1", 0x00, 1, 1, "")
    assert pdu.encode(unit) == octets


def header(length: int, command: int, sequence: int = 9) -> bytes:
    return struct.pack(">IIII", length, command, 0, sequence)


SUBMIT = pdu.encode(pdu.Pdu(pdu.SUBMIT_SM, 9, body=pdu.Message("A", "84901", b"xin")))


@pytest.mark.parametrize("length", [0, 4, 15, pdu.LONGEST + 1, 0xFFFFFFFF])
def test_after_an_impossible_length_nothing_more_is_read(length: int) -> None:
    stream = pdu.Stream()
    (fault,) = stream.feed(header(length, pdu.ENQUIRE_LINK) + SUBMIT)
    assert isinstance(fault, pdu.PduFault)
    assert (fault.fatal, fault.status) == (True, pdu.INVALID_COMMAND_LENGTH)
    assert list(stream.feed(SUBMIT)) == []


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (header(16, 0x00000777), pdu.INVALID_COMMAND),
        (header(16, 0x80000777), pdu.INVALID_COMMAND),
        (header(17, pdu.ENQUIRE_LINK) + b"x", pdu.INVALID_MESSAGE_LENGTH),
        (header(18, pdu.SUBMIT_SM_RESP) + b"ab", pdu.INVALID_MESSAGE_LENGTH),
        (header(16, pdu.SUBMIT_SM_RESP), pdu.INVALID_MESSAGE_LENGTH),
        (header(16 + 66, pdu.SUBMIT_SM_RESP) + b"a" * 65 + b"\0", pdu.INVALID_MESSAGE_LENGTH),
        (header(len(SUBMIT) + 2, pdu.SUBMIT_SM) + SUBMIT[16:] + b"\0\1", pdu.INVALID_OPTIONAL_PART),
        (header(len(SUBMIT) + 5, pdu.SUBMIT_SM) + SUBMIT[16:] + b"\0\1\0\2x", pdu.INVALID_OPTIONAL_PART),
        (header(len(SUBMIT), pdu.SUBMIT_SM) + SUBMIT[16:-4] + b"\x04xin", pdu.INVALID_MESSAGE_LENGTH),
        (header(len(SUBMIT), pdu.SUBMIT_SM) + SUBMIT[16:-4] + b"\xffxin", pdu.INVALID_MESSAGE_LENGTH),
    ],
)
def test_a_wrong_body_is_refused_and_what_follows_is_read(octets: bytes, status: int) -> None:
    fault, after = pdu.Stream().feed(octets + SUBMIT)
    assert isinstance(fault, pdu.PduFault)
    assert (fault.status, fault.sequence, fault.fatal) == (status, 9, False)
    assert after == pdu.decode(SUBMIT)


def test_a_refusal_may_come_without_a_body() -> None:
    unit = pdu.decode(struct.pack(">IIII", 16, pdu.SUBMIT_SM_RESP, 0x58, 3))
    assert unit == pdu.Pdu(pdu.SUBMIT_SM_RESP, 3, 0x58, pdu.Answered())


@pytest.mark.parametrize(
    "message",
    [
        pdu.Message("A" * 21),
        pdu.Message("Cấp cứu"),
        pdu.Message("A", "84\0901"),
        pdu.Message("A", "84901", b"x" * 255),
        pdu.Message("A", "84901", source_ton=256),
        pdu.Message("A", "84901", tlvs=((0x0424, b"x" * 65536),)),
    ],
)
def test_what_does_not_fit_is_not_written(message: pdu.Message) -> None:
    with pytest.raises(pdu.CannotEncode):
        pdu.encode(pdu.Pdu(pdu.SUBMIT_SM, 1, body=message))
