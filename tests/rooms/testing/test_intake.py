from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.rooms.testing import reads, verbs
from khien.rooms.testing.models import HeldRow, Intake, Result
from khien.rooms.testing.rows import ResultRow, read_csv, read_moment, read_value
from khien.rooms.testing.verbs.intake import IntakeAnswer
from tests.factories import NOON
from tests.rooms.testing.conftest import House

HEADER = "Mã ống;Kết quả;CT;Phương pháp;Ngày trả kết quả\r\n"


def take(house: House, text: str) -> IntakeAnswer:
    return verbs.import_results(
        house.laboratory, rows=read_csv((HEADER + text).encode("utf-8-sig")), source="csv"
    )


def states(answer: IntakeAnswer) -> list[tuple[int, str, str]]:
    return [(row.line, row.state, row.code) for row in answer.rows]


def test_every_row_is_stored_or_found_or_held_with_its_reason(house: House) -> None:
    for number in range(1, 8):
        house.collect(f"T000{number}", at=NOON - timedelta(days=number))
    verbs.record_result(
        house.laboratory, specimen=reads.specimen_by_barcode(house.laboratory, "T0002"), value="negative"
    )
    answer = take(
        house,
        "T0001;Dương tính;24,5;RT-PCR;10/01/2022 09:00\r\n"
        "t0002;Âm tính;;RT-PCR;\r\n"
        "T0002x;Âm tính;;;\r\n"
        "T0003;có lẽ;;;\r\n"
        "T0004;Âm tính;;;11/01/2022\r\n"
        "T0005;Âm tính;;;01/01/2022\r\n"
        "T0006;Âm tính;;;32/01/2022\r\n"
        ";Âm tính;;;\r\n"
        ";;;;\r\n"
        "T0007;POS;99;;\r\n",
    )
    assert states(answer) == [
        (2, "stored", ""),
        (3, "duplicate", ""),
        (4, "held", "unknown_tube"),
        (5, "held", "bad_value"),
        (6, "held", "future_date"),
        (7, "held", "before_sampling"),
        (8, "held", "bad_date"),
        (9, "held", "bad_barcode"),
        (11, "held", "bad_ct"),
    ]
    assert all(row.message and row.way_out for row in answer.rows if row.state == "held")
    intake = answer.intake
    assert (intake.received, intake.stored, intake.duplicate, intake.held) == (9, 1, 1, 7)
    assert intake.unit == house.province
    assert reads.held_rows(house.laboratory).count() == 7
    assert Result.objects.filter(is_current=True).count() == 2


def test_the_same_file_again_stores_nothing_twice(house: House) -> None:
    house.collect("T0001")
    text = "T0001;Âm tính;;;\r\nT0009;Âm tính;;;\r\n"
    take(house, text)
    again = take(house, text)
    assert states(again) == [(2, "duplicate", ""), (3, "held", "unknown_tube")]
    assert Result.objects.count() == 1
    assert HeldRow.objects.count() == 1


def test_a_tube_with_two_values_in_one_file_is_held_in_every_row(house: House) -> None:
    house.collect("T0001")
    answer = take(house, "T0001;Âm tính;;;\r\nt0001;Dương tính;;;\r\n")
    assert states(answer) == [(2, "held", "tube_twice"), (3, "held", "tube_twice")]
    assert not Result.objects.exists()
    assert states(take(house, "T0001;Âm tính;;;\r\nT0001;Âm tính;;;\r\n")) == [
        (2, "stored", ""),
        (3, "duplicate", ""),
    ]


def test_a_person_twice_in_one_file_on_one_day_is_held_until_somebody_looks(house: House) -> None:
    house.collect("T0001")
    house.collect("T0002")
    answer = take(house, "T0001;Âm tính;;;\r\nT0002;Dương tính;;;\r\n")
    assert states(answer) == [(2, "stored", ""), (3, "held", "person_twice")]
    held = reads.held_rows(house.laboratory).get()
    assert verbs.retry_held(house.laboratory, held=held).value == "positive"
    assert not reads.held_rows(house.laboratory).exists()


def test_a_held_row_goes_in_once_its_tube_is_known(house: House) -> None:
    take(house, "T0001;Âm tính;;;10/01/2022 09:00\r\n")
    held = reads.held_rows(house.laboratory).get()
    with pytest.raises(NotFound) as still:
        verbs.retry_held(house.laboratory, held=held)
    assert still.value.code == "unknown_tube"
    house.collect("T0001")
    result = verbs.retry_held(house.laboratory, held=held)
    assert clock.local(result.resulted_at).hour == 9
    with pytest.raises(Conflict):
        verbs.retry_held(house.laboratory, held=held)


def test_a_held_row_is_dismissed_with_a_reason(house: House) -> None:
    take(house, "T0001;Âm tính;;;\r\n")
    held = reads.held_rows(house.laboratory).get()
    with pytest.raises(Invalid):
        verbs.dismiss_held(house.laboratory, held=held, reason="")
    assert verbs.dismiss_held(house.laboratory, held=held, reason="Mẫu thử máy").note == "Mẫu thử máy"
    assert not reads.held_rows(house.laboratory).exists()
    assert reads.held_rows(house.laboratory, "dismissed").exists()


def test_held_rows_keep_no_card_and_are_shown_to_their_laboratory_only(house: House) -> None:
    take(house, "036090001234||Nguyễn Văn An|15011990;Âm tính;;;\r\n")
    assert "036090001234" not in str(HeldRow.objects.get().row)
    assert not reads.held_rows(house.sampler).exists()
    assert verbs.forget_held(NOON.date() + timedelta(days=1)) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("Mã ống,Kết quả\nT1,Âm tính\n".encode("utf-16"), "wrong_encoding"),
        ("Mã ống,Kết quả\nT1,Âm tính\n".encode("utf-16-le"), "wrong_encoding"),
        ("Ma ong,Kết quả\n".encode("cp1258", errors="replace") + b"\xd0\xc2", "wrong_encoding"),
        (b"PK\x03\x04rest of a workbook", "not_csv"),
        (b"", "empty_file"),
        ("Họ tên,Kết quả\nAn,Âm tính\n".encode(), "missing_column"),
        (b"\xef\xbb\xbf", "empty_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_csv(content)
    assert refused.value.code == code
    assert refused.value.way_out


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_files_of_common_programs_are_read(delimiter: str, encoding: str) -> None:
    text = (
        delimiter.join(["Họ tên", "Barcode", "Result"]) + "\n" + delimiter.join(["An", "T0001", "neg"]) + "\n"
    )
    assert read_csv(text.encode(encoding)) == [ResultRow(line=2, barcode="T0001", value="neg")]


def test_an_empty_batch_and_one_too_large_are_refused(house: House) -> None:
    with pytest.raises(Invalid):
        take(house, "")
    rows = [ResultRow(number, "T0001", "neg") for number in range(5001)]
    with pytest.raises(Invalid) as refused:
        verbs.import_results(house.laboratory, rows=rows, source="api")
    assert refused.value.code == "too_many_rows"
    assert not Intake.objects.exists()


def test_values_are_read_as_people_write_them() -> None:
    assert {read_value(t) for t in ("Dương tính", "DUONG TINH", "pos", "+", " Positive ")} == {"positive"}
    assert {read_value(t) for t in ("Âm tính", "am tinh", "NEG", "-")} == {"negative"}
    assert {read_value(t) for t in ("Không xác định", "?", "nghi ngờ")} == {"indeterminate"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-01-09T14:30+07:00", datetime(2022, 1, 9, 7, 30, tzinfo=UTC)),
        ("2022-01-09T07:30:00Z", datetime(2022, 1, 9, 7, 30, tzinfo=UTC)),
        ("2022-01-09 14:30", datetime(2022, 1, 9, 7, 30, tzinfo=UTC)),
        ("9/1/2022 14:30", datetime(2022, 1, 9, 7, 30, tzinfo=UTC)),
        ("09-01-2022 14h30", datetime(2022, 1, 9, 7, 30, tzinfo=UTC)),
        ("09/01/2022", datetime(2022, 1, 9, 16, 59, 59, tzinfo=UTC)),
        ("2022-01-09", datetime(2022, 1, 9, 16, 59, 59, tzinfo=UTC)),
        ("10/01/2022", NOON),
        ("11/01/2022", datetime(2022, 1, 10, 17, 0, tzinfo=UTC)),
        ("", None),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: datetime | None) -> None:
    with clock.reads.frozen_at(NOON):
        assert read_moment(text) == expected


@pytest.mark.parametrize("text", ["hôm qua", "31/02/2022", "2022-13-01", "2022", "10/01/22"])
def test_times_that_are_none_are_refused(text: str) -> None:
    with clock.reads.frozen_at(NOON), pytest.raises(Invalid) as refused:
        read_moment(text)
    assert refused.value.code == "bad_date"
