"""Vietnamese text: folded, sorted and counted the same way in Python and in PostgreSQL."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel.language import dates, fold, sort_key, trigrams

NAMES = ["Đặng Thị Hường", "  Nguyễn   Văn Ấn ", "Trần Quốc Ưu", "ĐỖ THỊ ÁNH NGUYỆT", "Lê", "x", ""]


@pytest.mark.parametrize(
    ("typed", "folded"),
    [("Đặng Thị Hường", "dang thi huong"), ("  Lý  Thường\tKiệt", "ly thuong kiet"), ("ƯỚC Ở", "uoc o")],
)
def test_fold_gives_what_is_typed_without_a_vietnamese_keyboard(typed: str, folded: str) -> None:
    assert fold(typed) == folded
    assert fold(unicodedata.normalize("NFD", typed)) == folded


@pytest.mark.django_db
@pytest.mark.parametrize("name", NAMES)
def test_sql_twins_agree(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT vn_fold(%s), vn_tri(%s)", [name, name])
        folded, pieces = cursor.fetchone()
    assert folded == fold(name)
    assert sorted(pieces) == trigrams(name)


def test_names_sort_as_in_a_vietnamese_dictionary() -> None:
    names = ["Đông", "Ân", "An", "Dũng", "Ba", "Ẩn", "Àn", "Bá", "Bạ", "An Bình", "Anh"]
    assert sorted(names, key=sort_key) == [
        "An",
        "Àn",
        "An Bình",
        "Anh",
        "Ân",
        "Ẩn",
        "Ba",
        "Bá",
        "Bạ",
        "Dũng",
        "Đông",
    ]


@given(st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyàảãáạ ", max_size=20))
@settings(derandomize=True, deadline=None, max_examples=200)
def test_fold_is_idempotent(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_dates_and_spans_read_as_people_write_them() -> None:
    assert dates.official(date(2022, 1, 9)) == "ngày 09 tháng 01 năm 2022"
    assert dates.official(date(2021, 12, 29)) == "ngày 29 tháng 12 năm 2021"
    assert dates.moment(datetime(2022, 1, 9, 18, 30, tzinfo=UTC)) == "01:30 ngày 10/01/2022"
    assert dates.span(3 * 3600 + 300) == "3 giờ 05 phút"
    assert dates.count(12345) == "12.345"
    assert dates.count(1001, cap=1000) == "1.000+"
