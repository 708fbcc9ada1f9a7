"""What a gate's field reads: real layouts, damaged ones, and anything at all."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.rooms.checkpoints.codes import REASONS, CardCode, CodeError, PassCode, PosterCode, parse
from khien.rooms.checkpoints.intake import masked
from tests.rooms.checkpoints.cards import CCCD, NUMBER


def test_an_identity_card() -> None:
    assert parse(CCCD) == CardCode(
        "cccd",
        NUMBER,
        "Nguyễn Văn An",
        date(1990, 1, 15),
        "m",
        "Tổ 1, Phường Quang Trung, Phủ Lý, Hà Nam",
        date(2021, 4, 15),
    )


def test_a_newer_card_with_more_fields_and_a_scanner_that_adds_line_ends() -> None:
    assert parse(f"\ufeff{CCCD}|Nguyễn Văn Cha|Trần Thị Mẹ\r\n") == parse(CCCD)


def test_the_number_alone_is_enough_when_the_rest_is_garbled() -> None:
    """A keyboard scanner with a Vietnamese input method on."""
    found = parse(f"{NUMBER}|012345678|Nguye6n4 Va8n An|15991990|N|To63 1|99999999")
    assert isinstance(found, CardCode)
    assert (found.number, found.full_name, found.birth_date, found.issued_on) == (NUMBER, "", None, None)
    assert found.damaged == ("full_name", "birth_date", "sex")


def test_a_birth_date_that_the_number_contradicts_is_not_believed() -> None:
    found = parse(CCCD.replace("15011990", "15011991"))
    assert isinstance(found, CardCode)
    assert found.birth_date is None


def test_an_insurance_card() -> None:
    name = "Trần Thị Bình".encode().hex()
    found = parse(f"HS4350123456789|{name}|1/2/1985|2|{name}|35 - 001|01/01/2022|31/12/2022||x|4|y|z$")
    assert found == CardCode("insurance", "0123456789", "Trần Thị Bình", date(1985, 2, 1), "f")


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("035 090 123 456", "cccd", NUMBER),
        (NUMBER, "cccd", NUMBER),
        ("168.123.456", "cmnd", "168123456"),
        ("0123456789", "insurance", "0123456789"),
        ("HS4350123456789", "insurance", "0123456789"),
    ],
)
def test_a_typed_number(text: str, kind: str, number: str) -> None:
    assert parse(text) == CardCode(kind, number)


def test_our_own_codes() -> None:
    assert parse("YT1:ABC") == PassCode("YT1:ABC")
    assert parse("https://khien.example.vn/checkpoints/at/ABCDEFGH23/?m=12345678") == PosterCode(
        "ABCDEFGH23", "12345678"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\0", "empty"),
        ("x" * 2001, "too_long"),
        (f"{NUMBER}|", "card_incomplete"),
        ("|".join(CCCD.split("|")[:6]), "card_incomplete"),
        ("HS4350123456789|x", "card_incomplete"),
        ("https://example.com/", "unknown_code"),
        ("http://[", "unknown_code"),
        ("00020101021138", "unknown_code"),
        ("12345", "unknown_code"),
        ("٣٥٠٩٠١٢٣٤٥٦٧", "unknown_code"),
    ],
)
def test_what_is_none_of_them_says_why(text: str, reason: str) -> None:
    with pytest.raises(CodeError) as fault:
        parse(text)
    assert fault.value.reason == reason


def test_a_card_never_shows_its_number_in_a_log() -> None:
    assert NUMBER not in repr(parse(CCCD))
    assert "Nguyễn" not in repr(parse(CCCD))


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(st.text(), st.text(alphabet=string.digits + "|/:YT1ạ\0"), st.from_regex(r"\d{12}(\|.*){0,9}"))
)
def test_any_text_is_read_or_refused_with_a_known_reason(text: str) -> None:
    reason = ""
    try:
        found = parse(text)
    except CodeError as fault:
        reason = fault.reason
    if reason:
        assert reason in REASONS
        return
    if isinstance(found, CardCode):
        assert found.number.isascii()
        assert found.number.isdigit()
        assert len(found.number) == {"cccd": 12, "cmnd": 9, "insurance": 10}[found.kind]
        assert (found.full_name + found.address).isprintable()


names = st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyáạảãàếềểệ ", min_size=2, max_size=40).filter(
    lambda name: len(name.strip()) >= 2
)


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"[0-9]{4}", fullmatch=True),
    st.from_regex(r"[0-9]{6}", fullmatch=True),
    st.dates(date(1900, 1, 1), date(2021, 12, 31)),
    names,
    st.sampled_from(["Nam", "Nữ"]),
)
def test_a_well_formed_card_is_read_whole(head: str, tail: str, born: date, name: str, sex: str) -> None:
    number = f"{head}{born.year % 100:02d}{tail}"
    found = parse(f"{number}||{name}|{born:%d%m%Y}|{sex}|Xã A, Hà Nam|15042021")
    assert isinstance(found, CardCode)
    assert (found.number, found.birth_date, found.damaged) == (number, born, ())
    assert found.full_name == " ".join(name.split())


@settings(max_examples=200, deadline=None)
@given(st.from_regex(r"[0-9]{9,12}", fullmatch=True), st.text(max_size=20))
def test_long_numbers_are_masked_for_those_who_look_at_held_events(number: str, around: str) -> None:
    assert number not in masked({"code": f"{around}{number}{around}"})
    assert number[:6] not in masked({"code": ".".join(number)}).replace(".", "")
