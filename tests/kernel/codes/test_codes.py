"""What a gate's field reads: the shared vectors, real layouts, damaged ones, and anything at all."""

from __future__ import annotations

import string
from datetime import date

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from khien.kernel.codes import (
    REASONS,
    CardCode,
    CodeError,
    DeclarationCode,
    NationalCode,
    OtherCode,
    PassCode,
    PosterCode,
    parse,
    vietqr,
)
from tests.kernel.codes import vectors
from tests.rooms.checkpoints.cards import CCCD, NUMBER

VECTORS = vectors.load()


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_a_vector_is_read_as_it_says(vector: vectors.Vector) -> None:
    refused = vector.kind == "refused"
    expected = (
        vector.kind,
        vector.note if refused else vector.number,
        vector.full_name,
        vector.birth,
        vector.sex,
    )
    assert vectors.reading(vector.text) == expected
    if vector.kind == "poster":
        found = parse(vector.text)
        assert isinstance(found, PosterCode)
        assert f"{found.place} {found.check}" == vector.note
    if vector.kind == "declaration":
        assert parse(vector.text) == DeclarationCode(vector.note)


def test_there_is_a_vector_for_every_kind_and_every_reason() -> None:
    kinds = {"pass", "cccd", "cmnd", "insurance", "national", "hc1", "poster", "vietqr", "web", "declaration"}
    assert {vector.kind for vector in VECTORS} == {*kinds, "refused"}
    assert {vector.note for vector in VECTORS if vector.kind == "refused"} == set(REASONS)
    assert len({vector.name for vector in VECTORS}) == len(VECTORS)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_no_reading_and_no_refusal_shows_whom_it_is_about(vector: vectors.Vector) -> None:
    try:
        said = repr(parse(vector.text))
    except CodeError as fault:
        said = repr(fault) + str(fault)
    for secret in (vector.number, vector.full_name, vector.birth, *vector.text.split("|")[:3]):
        assert len(secret) < 6 or vector.kind == "poster" or secret not in said


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
    assert found.damaged == ("full_name", "birth_date", "sex", "address")
    assert found.address == ""


def test_a_birth_date_that_the_number_contradicts_is_not_believed() -> None:
    found = parse(CCCD.replace("15011990", "15011991"))
    assert isinstance(found, CardCode)
    assert found.birth_date is None


def test_an_insurance_card() -> None:
    name = "Trần Thị Bình".encode().hex()
    found = parse(f"HS4350123456789|{name}|1/2/1985|2|{name}|35 - 001|01/01/2022|31/12/2022||x|4|y|z$")
    assert found == CardCode(
        "insurance", "0123456789", "Trần Thị Bình", date(1985, 2, 1), "f", "Trần Thị Bình"
    )


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
        assert found.number not in repr(found)


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


@settings(max_examples=100, deadline=None)
@given(
    st.from_regex(r"[A-Z]{2}[0-9]{3}", fullmatch=True) | st.just(""),
    st.from_regex(r"[0-9]{10}", fullmatch=True),
    st.dates(date(1900, 1, 1), date(2021, 12, 31)),
    st.sampled_from(["{d:02d}/{m:02d}/{y}", "{d}/{m}/{y}", "{y}"]),
    names,
    st.sampled_from([("1", "m"), ("2", "f")]),
)
def test_an_insurance_card_is_read_as_it_was_written(
    head: str, number: str, born: date, layout: str, name: str, sex: tuple[str, str]
) -> None:
    day = layout.format(d=born.day, m=born.month, y=born.year)
    text = (
        f"{head}{number}|{name.encode().hex()}|{day}|{sex[0]}|{'Xã A'.encode().hex()}|35 - 001|01/01/2022|a$"
    )
    found = parse(text)
    assert isinstance(found, CardCode)
    assert (found.kind, found.number, found.sex, found.address) == ("insurance", number, sex[1], "Xã A")
    assert found.full_name == " ".join(name.split())
    assert (found.birth_date, found.birth_year) == (None if layout == "{y}" else born, born.year)


def payment(objects: dict[int, str]) -> str:
    """The writer of payment codes that the product does not need."""
    text = "000201" + "".join(f"{tag:02d}{len(value):02d}{value}" for tag, value in objects.items()) + "6304"
    return text + f"{vietqr.crc16(text.encode()):04X}"


plain = st.text(alphabet=string.ascii_letters + string.digits + " áà", min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([1, 15, 52, 53, 54, 58, 59, 60]), plain, max_size=8), plain)
def test_a_payment_code_is_read_as_it_was_written(objects: dict[int, str], account: str) -> None:
    account = f"00{len(vietqr.NAPAS):02d}{vietqr.NAPAS}01{len(account):02d}{account}"
    text = payment({**objects, 38: account})
    assert vietqr.read(text) == {0: "01", **objects, 38: account, 63: text[-4:]}
    assert parse(text) == OtherCode("vietqr")
    with pytest.raises(vietqr.PaymentError):
        vietqr.read(text[:-5] + text[-4:])


def test_the_checksum_is_that_of_napas() -> None:
    assert vietqr.crc16(b"123456789") == 0x29B1


@settings(max_examples=200, deadline=None)
@given(
    st.from_regex(r"[0-9]{4}", fullmatch=True),
    st.from_regex(r"[0-9]{6}", fullmatch=True),
    st.dates(date(1900, 1, 1), date(2021, 12, 31)),
    st.text(alphabet="ABCDEGHIKLMNOPQRSTUVXY ", min_size=2, max_size=40).filter(lambda t: len(t.strip()) > 1),
    st.sampled_from([("0", ""), ("1", "m"), ("2", "f")]),
    st.booleans(),
    st.integers(0, 2),
)
def test_a_national_code_is_read_as_it_was_written(
    head: str, tail: str, born: date, name: str, sex: tuple[str, str], starred: bool, stars: int
) -> None:
    number = f"{head}{born.year % 100:02d}{tail}"
    day = [f"{born:%Y}-{born:%m}-{born:%d}", f"{born:%Y}-**-**", "****-**-**"][stars]
    shown = "*" * 6 + number[6:] if starred else number
    found = parse(f"{shown}|{name}|{day}|0|VN01ABC|<{sex[0]}<HS4350123456789<0912345678<c2ln")
    assert isinstance(found, NationalCode)
    assert found.full_name == " ".join(name.split())
    assert (found.number, found.number_kind) == ((None, "") if starred else (number, "cccd"))
    assert found.starred is starred
    assert (found.birth_date, found.birth_year) == [(born, born.year), (None, born.year), (None, None)][stars]
    assert found.sex == sex[1]
    assert (found.card is None) is starred
    assert number not in repr(found)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.sampled_from("áàảãạâăđêôơưÁÂĐÊÔƠƯ"), st.sampled_from(["YT1:", "HC1:"]))
def test_a_signed_code_that_a_keyboard_has_changed_is_never_taken(at: int, mark: str, prefix: str) -> None:
    text = f"{prefix}0123456789ABCDEF"
    with pytest.raises(CodeError) as fault:
        parse(text[: 4 + at] + mark + text[5 + at :])
    assert fault.value.reason == "keyboard"


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=string.printable + "áàđơư¦°", max_size=60), st.sampled_from("|~¦°>#"))
def test_the_number_with_which_a_card_begins_is_never_another(rest: str, bar: str) -> None:
    """Whatever a keyboard did to the rest: the number is read whole, or not at all."""
    try:
        found = parse(f"{NUMBER}{bar}{rest}")
    except CodeError:
        return
    assume(isinstance(found, CardCode | NationalCode))
    assert getattr(found, "number", NUMBER) in (NUMBER, None)
