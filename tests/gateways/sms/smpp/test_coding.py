from __future__ import annotations

import pytest
import smpplib.gsm
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.gateways.sms.smpp import coding, pdu
from khien.gateways.sms.text import GSM_BASIC, GSM_EXTENDED, measure, normalise, split

LETTERS = "".join(sorted({*GSM_BASIC, *GSM_EXTENDED} - {"\x1b", "\r"}))
NOTICE = "Sở Y tế: xã Kim Bảng có ca mắc mới. Anh/chị ở nhà, đeo khẩu trang, khai báo y tế mỗi ngày. " * 2


def joined(parts: list[coding.Part]) -> str:
    """As a phone puts them together."""
    texts = []
    for number, part in enumerate(parts, start=1):
        message = pdu.Message(
            short_message=part.octets,
            data_coding=part.data_coding,
            esm_class=coding.UDHI if part.long else 0,
        )
        text, where = coding.text_of(message)
        assert where == (coding.Concatenation(7, len(parts), number) if part.long else None)
        texts.append(text)
    return "".join(texts)


@settings(deadline=None)
@given(st.text(st.sampled_from(LETTERS), max_size=700))
def test_plain_texts_go_in_septets_and_come_back(text: str) -> None:
    parts = coding.parts_of(text, 7)
    assert joined(parts) == normalise(text)
    assert len(parts) == measure(text).parts
    assert {part.data_coding for part in parts} == {coding.DEFAULT}
    assert all(len(part.octets) <= (159 if part.long else 160) for part in parts)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back_and_has_as_many_parts_as_were_counted(text: str) -> None:
    parts = coding.parts_of(text, 7)
    assert joined(parts) == normalise(text)
    assert len(parts) == measure(text).parts == len(split(text)[1])
    assert all(len(part.octets) <= 140 for part in parts if part.data_coding == coding.UCS_2)


def test_the_alphabet_is_that_of_another_implementation() -> None:
    for letter in set(LETTERS) - {"\f", "§"}:  # which the other has not
        assert coding.to_gsm7(letter) == smpplib.gsm.gsm_encode(letter)


def test_an_accented_notice_is_three_parts_with_the_short_header() -> None:
    parts = coding.parts_of(NOTICE, 7)
    assert [part.octets[:6] for part in parts] == [bytes((5, 0, 3, 7, 3, n)) for n in (1, 2, 3)]
    assert b"".join(part.octets[6:] for part in parts).decode("utf-16-be") == normalise(NOTICE)


@pytest.mark.parametrize(
    ("alphabet", "text", "octets", "data_coding"),
    [
        ("gsm-7", "@ {1}", b"\x00 \x1b(1\x1b)", 0),
        ("latin-1", "é {1}", b"\xe9 {1}", 0),
        ("latin-1", "€1", b"\x20\xac\x00\x31", 8),
        ("ascii", "{1}", b"{1}", 0),
        ("ascii", "é", b"\x00\xe9", 8),
        ("ucs-2", "ab", b"\0a\0b", 8),
    ],
)
def test_the_carriers_default_alphabet_is_a_setting(
    alphabet: coding.DefaultAlphabet, text: str, octets: bytes, data_coding: int
) -> None:
    (part,) = coding.parts_of(text, 7, alphabet)
    assert (part.octets, part.data_coding) == (octets, data_coding)


def test_half_a_character_and_endless_texts_are_refused() -> None:
    with pytest.raises(pdu.CannotEncode):
        coding.parts_of("hỏng \ud83d", 7)
    with pytest.raises(pdu.CannotEncode):
        coding.parts_of("đ" * (67 * 255 + 1), 7)


def test_sixteen_bit_references_are_read_too() -> None:
    message = pdu.Message(short_message=b"\x06\x08\x04\x01\x02\x02\x01xin", esm_class=coding.UDHI)
    assert coding.text_of(message) == ("xin", coding.Concatenation(258, 2, 1))


@settings(deadline=None)
@given(st.binary(max_size=254), st.integers(0, 255), st.integers(0, 255))
def test_whatever_comes_in_is_shown(octets: bytes, data_coding: int, esm_class: int) -> None:
    text, _part = coding.text_of(
        pdu.Message(short_message=octets, data_coding=data_coding, esm_class=esm_class)
    )
    assert isinstance(text, str)
