"""Copying columns: every type comes back as it went in, NULL and texts of any length among them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.kernel import partitions
from khien.kernel.bulk import copy_columns

pytestmark = pytest.mark.django_db


@pytest.fixture
def table() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE copied (n bigint, small integer, yes boolean, at timestamptz, day date,"
            " id uuid, word text) ON COMMIT DROP"
        )
    return "copied"


def rows_of(table: str) -> list[tuple[object, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT n, small, yes, at, day, id, word FROM {table} ORDER BY n")
        return cursor.fetchall()


def test_every_type_comes_back_as_it_went_in(table: str) -> None:
    ids = [uuid4(), uuid4()]
    copy_columns(
        table,
        {
            "n": np.array([-(2**62), 5]),
            "small": np.array([-3, 2**31 - 1], np.int32),
            "yes": np.array([True, False]),
            "at": np.array(["2022-01-10T05:00:00.123457", "NaT"], "datetime64[us]"),
            "day": np.array(["1969-12-31", "2022-01-10"], "datetime64[D]"),
            "id": np.frombuffer(b"".join(one.bytes for one in ids), "V16"),
            "word": np.array(["ống".encode(), b""], np.bytes_),
        },
    )
    moment = datetime(2022, 1, 10, 5, 0, 0, 123_457, UTC)
    assert rows_of(table) == [
        (-(2**62), -3, True, moment, date(1969, 12, 31), ids[0], "ống"),
        (5, 2**31 - 1, False, None, date(2022, 1, 10), ids[1], ""),
    ]


def test_what_is_masked_is_null(table: str) -> None:
    ids = [uuid4() for _n in range(3)]
    column = np.frombuffer(b"".join(one.bytes for one in ids), "V16")
    copy_columns(table, {"n": np.arange(3), "id": np.ma.MaskedArray(column, np.array([False, True, False]))})
    assert [row[5] for row in rows_of(table)] == [ids[0], None, ids[2]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12), max_size=60))
def test_texts_of_all_lengths_stay_with_their_rows(words: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE words (n bigint, word text)")
        try:
            texts = np.array([word.encode() for word in words], np.bytes_)
            copy_columns("words", {"n": np.arange(len(words)), "word": texts})
            cursor.execute("SELECT word FROM words ORDER BY n")
            assert [row[0] for row in cursor.fetchall()] == words
        finally:
            cursor.execute("DROP TABLE words")


def test_no_rows_are_no_rows(table: str) -> None:
    copy_columns(table, {"n": np.empty(0, np.int64), "word": np.empty(0, np.bytes_)})
    assert rows_of(table) == []


def test_a_type_without_a_form_is_refused(table: str) -> None:
    with pytest.raises(TypeError, match="float64"):
        copy_columns(table, {"n": np.zeros(1)})


def test_filling_keeps_what_lay_in_the_default_partition_and_makes_each_day_once() -> None:
    day = date(2031, 5, 1)
    fill = {
        "day": np.array([day, day], "datetime64[D]"),
        "person_id": np.array([1, 2]),
        "place_id": np.array([7, 7]),
        "enter": np.array(["2031-05-01T02:00", "2031-05-01T03:00"], "datetime64[us]"),
        "leave": np.array(["NaT", "NaT"], "datetime64[us]"),
        "source": np.broadcast_to(np.bytes_(b"scan"), 2),
        "source_key": np.array([b"a", b"b"]),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO presence_record (day, person_id, place_id, enter, source, source_key)"
            " VALUES (%s, 9, 7, %s, 'scan', 'c')",
            [day, datetime(2031, 5, 1, 2, tzinfo=UTC)],
        )
        with partitions.filling("presence_record", [day]) as copy:
            copy(fill)
        with partitions.filling("presence_record", [day]) as copy:
            copy({**fill, "source_key": np.array([b"d", b"e"])})
        cursor.execute("SELECT person_id FROM presence_record_20310501 ORDER BY person_id")
        assert [row[0] for row in cursor.fetchall()] == [1, 1, 2, 2, 9]


def test_a_uuid_of_bytes_is_read_in_network_order(table: str) -> None:
    one = UUID("00112233-4455-6677-8899-aabbccddeeff")
    copy_columns(table, {"n": np.array([1]), "id": np.frombuffer(one.bytes, "V16")})
    assert rows_of(table)[0][5] == one
