"""`khien trace` on files good and bad."""

from __future__ import annotations

import csv
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.engine import moments, read_presence
from khien.engine.command import trace

GOOD = """person,place,enter,leave,note
an,quan-pho,2021-09-20T08:00,2021-09-20T09:00,
binh,quan-pho,2021-09-20T08:30:00+07:00,2021-09-20T01:50:00Z,
chi,quan-pho,2021-09-20 08:55:00.75,,
binh,cho,2021-09-23T08:00,2021-09-23T10:00,
em,cho,2021-09-23T09:00,2021-09-23T09:30:30,
"""
WINDOW = ["--from", "2021-09-18", "--to", "2021-09-30"]
MANY = ["--hops", "2", "--latency-days", "2"]


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, name: str = "presence.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


def run(path, *options, case="an", window=WINDOW):
    return CliRunner().invoke(trace, [str(path), "--case", case, *window, *options])


def test_the_list_as_csv(file, tmp_path):
    out = tmp_path / "out.csv"
    result = run(file(GOOD), *MANY, "--csv", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_text() == (
        "person,degree,minutes,longest_minutes,encounters,first_at,last_at,from_person\n"
        "binh,1,20,20,1,2021-09-20T08:30:00+07:00,2021-09-20T08:50:00+07:00,an\n"
        "em,2,30.5,30.5,1,2021-09-23T09:00:00+07:00,2021-09-23T09:30:30+07:00,binh\n"
    )
    assert "2 persons (F1: 1, F2: 1); 2 encounters" in result.output
    assert "5 records received = 5 taken + 0 refused; 4 persons, 2 places, 1 open stays" in result.output


def test_parquet_gives_the_same_as_csv(file, tmp_path):
    source = file(GOOD)
    rows = list(csv.DictReader(GOOD.splitlines()))
    times = {
        name: pa.array(
            [moments.parse(row[name]) if row[name] else None for row in rows], pa.timestamp("s", "UTC")
        )
        for name in ("enter", "leave")
    }
    ids = {name: pa.array([row[name] for row in rows]).dictionary_encode() for name in ("person", "place")}
    local = {name: pa.array(np.array(column) + np.timedelta64(7, "h")).cast(pa.timestamp("ms"))
             for name, column in times.items()}  # fmt: skip
    texts = {name: pa.array([row[name] for row in rows]) for name in ("enter", "leave")}
    answers = set()
    for number, columns in enumerate([times, local, texts]):
        path = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table(ids | columns), path)
        result = run(path, "--min-minutes", "0", "--csv", str(tmp_path / "out.csv"))
        assert result.exit_code == 0, result.output
        answers.add((tmp_path / "out.csv").read_text())
    run(source, "--min-minutes", "0", "--csv", str(tmp_path / "out.csv"))
    assert answers == {(tmp_path / "out.csv").read_text()}


def test_whole_number_ids_of_parquet_are_asked_for_as_written(tmp_path):
    path = tmp_path / "p.parquet"
    moment = pa.array([0, 0], pa.timestamp("s", "UTC"))
    later = pa.array([3600, 3600], pa.timestamp("s", "UTC"))
    pq.write_table(pa.table({"person": [7, 8], "place": [1, 1], "enter": moment, "leave": later}), path)
    window = ["--from", "1970-01-01T07:00", "--to", "1970-01-02"]
    assert "1 persons (F1: 1)" in run(path, case="7", window=window).output
    assert run(path, case="seven", window=window).exit_code == 2


def test_refused_records_are_counted_shown_and_written(file, tmp_path):
    bad = (
        "dung,cho,2021-09-22T08:00,2021-09-22T07:00,\n"
        "em,cho,2021-13-23T09:00,2021-09-23T09:30,\n"
        " ,cho,2021-09-23T09:00,2021-09-23T09:30,\n"
        "f,cho\n"
        "g,cho,,2021-09-23T09:30,\n"
        "h,cho,2021-09-23T09:00,soon,\n"
    )
    refused = tmp_path / "refused.csv"
    result = run(file(GOOD + bad + GOOD.split("\n", 1)[1]), "--refused-csv", str(refused))
    assert result.exit_code == 0, result.output
    assert "16 records received = 10 taken + 6 refused" in result.output
    assert refused.read_text().splitlines() == [
        "record,column,reason",
        "6,leave,ends 3600 s before it begins",
        "7,enter,no ISO 8601 time: '2021-13-23T09:00'",
        "8,person,empty",
        "9,record,2 fields instead of 5",
        "10,enter,empty",
        "11,leave,no ISO 8601 time: 'soon'",
    ]
    assert "record 9, record: 2 fields instead of 5" in result.output


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("person,place,enter\n", "column 'leave' is missing (found: person, place, enter)"),
        ("person;place;enter;leave\n", "separated by commas"),
        ("person,person,place,enter,leave\n", "column 'person' is there twice"),
        ("", "not a sound CSV file"),
        ("person,place,enter,leave\nHòa,a,b,c\n".encode("latin-1"), "Save it as CSV in UTF-8"),
        (b"PAR1 but nothing more", "not a sound Parquet file"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_and_what_to_do(file, content, says):
    result = run(file(content))
    assert result.exit_code == 2
    assert says in result.output


def test_columns_of_another_type_are_named(tmp_path):
    path = tmp_path / "p.parquet"
    columns = {"person": [1], "place": [1], "enter": [1_600_000_000], "leave": [1_600_000_000]}
    pq.write_table(pa.table(columns), path)
    result = run(path)
    assert result.exit_code == 2
    assert "enter: the column holds int64. Times must be ISO 8601 text or timestamps" in result.output


@pytest.mark.parametrize(
    ("options", "case", "window", "says"),
    [
        ([], "nobody", WINDOW, "--case: no record of person 'nobody' among the 4 persons"),
        ([], "an", ["--from", "yesterday", "--to", "2021-09-30"], "'yesterday' is no ISO 8601 time"),
        ([], "an", ["--from", "2021-09-30", "--to", "2021-09-18"], "lies before --from"),
        (["--hops", "0"], "an", WINDOW, "--hops"),
        (["--csv", "/nowhere/out.csv"], "an", WINDOW, "/nowhere/out.csv"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(file, options, case, window, says):
    result = run(file(GOOD), *options, case=case, window=window)
    assert result.exit_code == 2
    assert says in result.output.replace("\n", " ")


def test_a_file_that_is_not_there(tmp_path):
    result = run(tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "No such file or directory. Check the path" in result.output


def test_a_long_list_says_how_much_of_it_is_shown(file):
    result = run(file(GOOD), *MANY, "--rows", "1")
    assert "Shown: 1 of 2" in result.output


def test_it_runs_as_a_module_without_django(file):
    probe = (
        "import sys; from khien.engine.command import trace; trace(sys.argv[1:], standalone_mode=False);"
        "sys.exit('django' in sys.modules)"
    )
    command = [sys.executable, "-c", probe, str(file(GOOD)), "--case", "an", *WINDOW]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout
    command = [sys.executable, "-m", "khien.engine", "--help"]
    assert "khien trace" in subprocess.run(command, capture_output=True, check=True, text=True).stdout


@settings(deadline=None, derandomize=True, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.datetimes(min_value=moments.local(0).replace(tzinfo=None)),
            st.sampled_from(["", "Z", "+07:00", "-03:30", "+0545"]),
            st.sampled_from(["T", " "]),
        ),
        min_size=1,
    ),
)
def test_times_are_read_in_batches_as_one_by_one(tmp_path_factory, rows):
    texts = [moment.isoformat(sep) + zone for moment, zone, sep in rows]
    path = tmp_path_factory.mktemp("times") / "p.csv"
    lines = [f"{number},x,{text},{text}\n" for number, text in enumerate(texts)]
    path.write_text("person,place,enter,leave\n" + "".join(lines))
    presence = read_presence(path)
    read = dict(zip(presence.person_ids[presence.person].tolist(), presence.enter.tolist(), strict=True))
    assert read == {str(number): moments.parse(text) for number, text in enumerate(texts)}
