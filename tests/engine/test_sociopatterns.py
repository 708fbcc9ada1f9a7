"""Real proximity data: the engine finds what plain counting of the measured intervals finds, for everybody."""

from __future__ import annotations

import gzip
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from khien.engine import Presence, contacts, encounters, read_presence
from khien.engine.command import trace
from khien.engine.sociopatterns import convert, read_tij, stays

DATA = Path(__file__).parents[1] / "data"
SETS = {
    "conference": DATA / "sociopatterns-conference/SFHH_tij.dat.gz",
    "workplace": DATA / "sociopatterns-workplace/workplace_InVS15_tij.dat.gz",
}
ALWAYS = (-1_000_000_000, 1_000_000_000)


@cache
def measured(name: str) -> dict[tuple[int, int], list[list[int]]]:
    """Unbroken meetings [start, end] of each pair, counted line by line."""
    ends = defaultdict(set)
    with gzip.open(SETS[name], "rt") as lines:
        for line in lines:
            t, i, j = map(int, line.split())
            ends[min(i, j), max(i, j)].add(t)
    meetings = {}
    for pair, times in ends.items():
        meetings[pair] = []
        for t in sorted(times):
            if meetings[pair] and meetings[pair][-1][1] == t - 20:
                meetings[pair][-1][1] = t
            else:
                meetings[pair].append([t - 20, t])
    return meetings


@cache
def presence(name: str) -> Presence:
    return Presence.from_arrays(*stays(*read_tij(SETS[name])))


@pytest.mark.parametrize("minutes", [1, 5, 15])
@pytest.mark.parametrize("name", SETS)
def test_every_person_has_the_contacts_that_were_measured(name, minutes):
    expected = defaultdict(dict)
    for (i, j), meetings in measured(name).items():
        counting = [(start, end) for start, end in meetings if end - start >= minutes * 60]
        if counting:
            lengths = [end - start for start, end in counting]
            facts = (sum(lengths), max(lengths), len(lengths), counting[0][0], counting[-1][1])
            expected[i][j] = expected[j][i] = facts
    records = presence(name)
    for person in records.person_ids.tolist():
        found = contacts(records, person, ALWAYS, min_minutes=minutes)
        columns = (found.seconds, found.longest, found.encounters, found.first_at, found.last_at)
        facts = zip(*(column.tolist() for column in columns), strict=True)
        assert dict(zip(found.person.tolist(), facts, strict=True)) == expected[person]


@pytest.mark.parametrize(
    ("name", "persons", "uninterrupted", "in_sum"),
    [("conference", 403, 49, 279), ("workplace", 217, 35, 429)],
)
def test_pairs_at_fifteen_minutes(name, persons, uninterrupted, in_sum):
    """The threshold holds for each encounter by itself: far fewer pairs than by the sum of a day's minutes."""
    records = presence(name)
    people = records.person_ids.tolist()
    assert len(people) == persons
    ids = [(0, 10**9)] * persons
    long = encounters(records, people, ids, min_minutes=15)
    assert len(set(zip(long.case.tolist(), long.person.tolist(), strict=True))) == 2 * uninterrupted
    every = encounters(records, people, ids, min_minutes=0)
    total = defaultdict(int)
    for pair in zip(every.case.tolist(), every.person.tolist(), every.overlap.tolist(), strict=True):
        total[pair[:2]] += pair[2]
    assert sum(seconds >= 15 * 60 for seconds in total.values()) == 2 * in_sum


def test_the_commands_run_on_the_real_file(tmp_path):
    runner = CliRunner()
    target, out = tmp_path / "conference.parquet", tmp_path / "out.csv"
    converted = runner.invoke(
        convert, [str(SETS["conference"]), str(target), "--start", "2009-06-04T00:00+02:00"]
    )
    assert converted.exit_code == 0, converted.output
    assert "403 persons" in converted.output
    records = read_presence(target)
    assert len(records) == len(presence("conference"))
    case = max(
        records.person_ids.tolist(),
        key=lambda one: len(contacts(presence("conference"), one, ALWAYS, min_minutes=5)),
    )
    window = ["--from", "2009-06-04T00:00+02:00", "--to", "2009-06-06T00:00+02:00"]
    traced = runner.invoke(
        trace, [str(target), "--case", str(case), *window, "--min-minutes", "5", "--csv", str(out)]
    )
    assert traced.exit_code == 0, traced.output
    expected = contacts(presence("conference"), case, ALWAYS, min_minutes=5)
    lines = out.read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == list(map(str, expected.person.tolist()))


def test_a_file_of_something_else_is_refused(tmp_path):
    wrong = tmp_path / "wrong.dat"
    wrong.write_text("a b c\n")
    result = CliRunner().invoke(convert, [str(wrong), str(tmp_path / "out.parquet")])
    assert result.exit_code == 2
    assert "wrong.dat: not lines of t, i, j" in result.output
