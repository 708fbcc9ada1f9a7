"""What is written once for many phones is what would be written for each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from khien.gateways.sms.smpp import coding, pdu
from khien.gateways.sms.smpp.writing import Writer

NUMBERS = st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True)


@given(NUMBERS, st.text("aáđ€[ ^Ω\n", max_size=400), st.sampled_from(coding.DEFAULT_ALPHABETS))
def test_bodies_are_those_of_the_messages(number: str, text: str, alphabet: coding.DefaultAlphabet) -> None:
    writer = Writer("KHIEN", 5, 0, alphabet)
    for _again in range(2):
        bodies = writer.bodies(number, text)
        octets = pdu.decode(pdu.with_header(pdu.SUBMIT_SM, 1, bodies[0])).body
        assert isinstance(octets, pdu.Message)
        reference = octets.short_message[3] if octets.esm_class else 0
        assert bodies == [
            pdu.encode_body(
                pdu.Message(
                    source="KHIEN",
                    source_ton=5,
                    destination=number[1:],
                    destination_ton=1,
                    destination_npi=1,
                    short_message=part.octets,
                    data_coding=part.data_coding,
                    esm_class=coding.UDHI if part.long else 0,
                    registered_delivery=1,
                )
            )
            for part in coding.parts_of(text, reference, alphabet)
        ]


def test_two_long_messages_have_different_references() -> None:
    writer = Writer("KHIEN", 5, 0)
    seen = {
        pdu.decode(pdu.with_header(pdu.SUBMIT_SM, 1, body)).body
        for body in writer.bodies("+84901", "a" * 200)
    }
    again = {
        pdu.decode(pdu.with_header(pdu.SUBMIT_SM, 1, body)).body
        for body in writer.bodies("+84901", "a" * 200)
    }
    assert seen.isdisjoint(again)


def test_what_does_not_fit_is_said_and_few_texts_are_remembered() -> None:
    writer = Writer("KHIEN", 5, 0)
    with pytest.raises(pdu.CannotEncode, match="destination_addr"):
        writer.bodies("+" + "8" * 21, "Xin chao")
    with pytest.raises(pdu.CannotEncode, match="source_addr"):
        Writer("K" * 21, 5, 0).bodies("+84901", "Xin chao")
    for place in range(1_000):
        writer.bodies("+84901", f"Xin chao {place}")
    assert len(writer._known) <= 256
