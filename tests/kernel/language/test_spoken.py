"""What a loudspeaker says: never a digit, never two readings unsaid, and the same when it is read again."""

from __future__ import annotations

import re
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel.errors import Invalid
from khien.kernel.language.spoken import NORTH, REASONS, SOUTH, Why, read_aloud, words
from khien.kernel.language.spoken.numbers import Numerals, cardinal, decimal, roman
from khien.kernel.language.spoken.syllables import ALPHABET

CASES = [
    line.rstrip("\n").split("\t")
    for line in Path(__file__).with_name("spoken_cases.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
SAYABLE = ALPHABET | {letter.upper() for letter in ALPHABET} | set(" ,.?!\n")

# Pieces that mean something to the rules, in any order and nearness.
PIECES = st.sampled_from(
    [
        *"20/9 3/4 7h30 0h 07:30 – - / . , : ; ( ) % °C đ 5.000đ 1.234,5 ngày tháng thứ số gọi từ đến TP. Q.".split(),
        *"16/CT-TTg COVID-19 SARS-CoV-2 0912345678 1900 9095 km/h m2 m² ½ ² 90A-123.45 a@b.vn www.x.vn I V X A".split(),
        *"BAN CHỈ ĐẠO Ở $5 € 10-15 20-25/9 24/24h ' \" “ ” … ... + = <b> & web test ü ø 😷 中 ① T2 CN QL1A".split(),
        *["XV", "P.", "II", "UBND", "B", "y", "F0", "CA", "\n", "\n- ", "\n1. ", "\na) ", " "],
    ]
)
JUMBLES = st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), max_size=14).map(
    lambda pairs: "".join(piece + gap for piece, gap in pairs)
)


def test_the_table_is_large_enough_and_of_every_kind() -> None:
    assert len({written for _, written, _, _ in CASES}) >= 200
    assert len({category for category, *_ in CASES}) >= 15


@pytest.mark.parametrize(("category", "written", "spoken", "doubts"), CASES, ids=[case[1] for case in CASES])
def test_case(category: str, written: str, spoken: str, doubts: str) -> None:
    answer = read_aloud(written.replace("\\n", "\n"))
    assert answer.text == spoken.replace("\\n", "\n")
    assert " ".join(doubt.why for doubt in answer.doubts) == doubts


@settings(max_examples=600, deadline=None)
@given(JUMBLES | st.text(max_size=60))
def test_whatever_is_written_only_words_and_pauses_are_said_and_reading_again_changes_nothing(
    written: str,
) -> None:
    answer = read_aloud(written)
    assert set(answer.text) <= SAYABLE
    assert unicodedata.is_normalized("NFC", answer.text)
    again = read_aloud(answer.text)
    assert again.text == answer.text
    for doubt in answer.doubts:
        assert answer.source[doubt.start : doubt.end] == doubt.written


@settings(max_examples=1000, deadline=None)
@given(st.integers(0, 10**12) | st.integers(0, 3000), st.sampled_from([NORTH, SOUTH]))
def test_a_number_in_words_is_that_number(number: int, numerals: Numerals) -> None:
    said = cardinal(number, numerals)
    assert understood(said) == number
    assert read_aloud(said).text == f"{said}."


def test_every_number_to_ten_thousand_has_words_of_its_own() -> None:
    assert len({cardinal(number) for number in range(10_001)}) == 10_001


def test_the_south_says_odd_and_thousand_its_own_way() -> None:
    assert cardinal(1_005, SOUTH) == "một ngàn không trăm lẻ năm"
    assert read_aloud("5.000đ", numerals=SOUTH).text == "năm ngàn đồng."


@given(st.integers(0, 9999), st.from_regex(r"\A[0-9]{1,6}\Z"))
def test_a_decimal_is_its_two_sides(whole: int, fraction: str) -> None:
    before, after = decimal(str(whole), fraction).split(" phẩy ")
    assert understood(before) == whole
    short = len(fraction) <= 2 and not fraction.startswith("0")
    assert (understood(after) == int(fraction)) if short else (spoken_digits(after) == fraction)


@pytest.mark.parametrize("text", ["IIII", "VX", "IC", "", "ABC"])
def test_what_is_no_roman_numeral_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        roman(text)


def test_decomposed_accents_are_the_same_text() -> None:
    text = "Từ 0h ngày 20/9, mọi người ở phường Lê Hồng Phong không ra đường."
    assert read_aloud(unicodedata.normalize("NFD", text)).text == read_aloud(text).text


def test_the_trap_of_the_engine_twenty_september_is_not_twenty_nine() -> None:
    assert "hai mươi chín" not in read_aloud("Lấy mẫu ngày 20/9/2021 tại trạm.").text


def test_a_province_adds_words_and_replaces_ours() -> None:
    own = words.standard().extended(
        [words.Entry("KBYT", "khai báo y tế", "word"), words.Entry("TX", "thị xã cũ", "title")]
    )
    assert read_aloud("KBYT tại TX. Duy Tiên", lexicon=own).text == "khai báo y tế tại thị xã cũ Duy Tiên."
    assert read_aloud("KBYT").doubts[0].why is Why.UNKNOWN_ABBREVIATION


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        (("KBYT", "khai báo 24/7", "word"), "spoken"),
        (("KBYT", "", "word"), "spoken"),
        (("KBYT", "<b>khai</b>", "word"), "spoken"),
        (("", "khai báo", "word"), "written"),
        (("KBYT", "khai báo", "nonsense"), "kind"),
    ],
)
def test_a_word_that_could_not_be_said_is_refused_with_its_field(
    entry: tuple[str, str, str], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        words.Entry(*entry)
    assert caught.value.field == field


def test_a_file_of_words_names_the_line_that_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text("written,spoken,kind,doubt\nABC,a bê xê,word,\nXYZ,9,word,\n", encoding="utf-8")
    with pytest.raises(Invalid, match="Dòng 3"):
        words.read(path)
    path.write_text("from,to\n", encoding="utf-8")
    with pytest.raises(Invalid, match="thiếu cột"):
        words.read(path)


@pytest.mark.parametrize("entry", words.standard().entries, ids=lambda entry: f"{entry.kind}-{entry.written}")
def test_every_word_that_ships_is_said_without_being_read_again(entry: words.Entry) -> None:
    assert read_aloud(entry.spoken).text == f"{entry.spoken}."


def test_every_reason_for_a_doubt_has_a_text() -> None:
    assert set(REASONS) == set(Why)


SHAPES = (
    "{n}|{n}/2|1/{n}|{n}/{n}/{n}|{n},{n}|{n}.{n}|{n}:{n}|{n}-{n}|A{n}|A.{n}|{n}A|thứ {n}|ngày {n}|{n}%|${n}|gọi {n}"
    "|{n}h30|{n}/QĐ-BYT|+84{n}|0{n}|1900{n}|{n}đ|{n}.000|1-{n}|{n}x{n}|x@{n}.vn|1,{n}°C"
    "|{n}⁄{n}|T{n}|tháng {n}|số {n}/{n}"
)


@pytest.mark.parametrize("shape", SHAPES.split("|"))
def test_five_thousand_digits_in_any_place_are_read_digit_by_digit(shape: str) -> None:
    answer = read_aloud(shape.replace("{n}", "7" * 5_000))
    assert set(answer.text) <= SAYABLE
    assert answer.text.count("bảy") >= 5_000


def test_a_long_text_is_read_in_time_that_grows_with_its_length() -> None:
    hostile = [
        "1" * 100_000,
        "1." * 50_000,
        "1/" * 50_000,
        "a." * 50_000,
        "A-1" * 33_000,
        "(0" * 50_000,
        "\n- " * 33_000,
    ]
    for text in [*hostile, "Từ 0h ngày 20/9, gọi 1900 9095. " * 3_000]:
        started = time.process_time()
        read_aloud(text)
        assert time.process_time() - started < 10


# The way back, as an oracle: words to a number, without the tables of the code above.
_UNITS = {
    "không": 0,
    "một": 1,
    "mốt": 1,
    "hai": 2,
    "ba": 3,
    "bốn": 4,
    "tư": 4,
    "năm": 5,
    "lăm": 5,
    "sáu": 6,
    "bảy": 7,
}
_UNITS |= {"tám": 8, "chín": 9}
_SCALES = {"nghìn": 10**3, "ngàn": 10**3, "triệu": 10**6}


def understood(said: str) -> int:
    total = below = group = pending = 0
    for word in said.split():
        if word in _UNITS:
            pending = _UNITS[word]
            continue
        if word == "mười":
            group += 10
        elif word == "mươi":
            group += pending * 10
        elif word == "trăm":
            group += pending * 100
        elif word in _SCALES:
            below += (group + pending) * _SCALES[word]
            group = 0
        elif word == "tỷ":
            total = (total + below + group + pending) * 10**9
            below = group = 0
        else:
            assert word in {"linh", "lẻ"}, word
        pending = 0
    return total + below + group + pending


def spoken_digits(said: str) -> str:
    return re.sub(" ", "", " ".join(str(_UNITS[word]) for word in said.split()))
