"""The engine agrees with double loops over sets of seconds, whatever the records are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.engine import OPEN, Presence, backward, encounters, forward
from tests.engine import oracle
from tests.engine.oracle import Stay

PERSONS = 6
SECOND, DAY = 1 / 60, 86_400  # of a minute; of seconds
AS_OF = 45

quick = settings(deadline=None, derandomize=True, max_examples=200)


@st.composite
def records(draw: st.DrawFn) -> tuple[list[Stay], Presence]:
    """A few people crossing at few places: many ties, stays of no length, some still open."""
    stay = st.tuples(
        st.integers(0, PERSONS - 1),
        st.integers(0, 2),
        st.integers(0, 30),
        st.sampled_from([0, 0, 1, 2, 3, 4, 5, 6, 8, 12, 30, None]),
    )
    rows = [(person, 0, 50, 0) for person in range(PERSONS)]  # so that everybody is known
    size = draw(st.sampled_from([30, 20, 10, 3]))
    rows += draw(st.lists(stay, min_size=size, max_size=size))
    stays = [Stay(a, b, c, AS_OF if d is None else c + d) for a, b, c, d in rows]
    leave = [OPEN if row[3] is None else one.leave for row, one in zip(rows, stays, strict=True)]
    columns = zip(*((one.person, one.place, one.enter) for one in stays), strict=True)
    person, place, enter = (np.array(column) for column in columns)
    return stays, Presence.from_arrays(person, place, enter, leave, as_of=AS_OF)


windows = st.tuples(st.integers(0, 30), st.integers(0, 52)).map(lambda pair: (pair[0], max(pair)))
thresholds = st.tuples(st.sampled_from([0, 0, 1, 2, 4, 9]), st.sampled_from([0, 0, 1, 3, 8]))


def table(result: object) -> dict[int, dict[str, int]]:
    columns = {name: column.tolist() for name, column in vars(result).items()}
    people = columns.pop("person")
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    assert len(set(people)) == len(people)
    return dict(zip(people, rows, strict=True))


@quick
@given(records(), st.integers(0, PERSONS - 1), windows, thresholds)
def test_encounters(data, case, window, limits):
    stays, presence = data
    least, after = limits
    found = encounters(presence, case, window, min_minutes=least * SECOND, after_minutes=after * SECOND)
    rows = [found.case, found.person, found.place, found.start, found.end, found.overlap, found.kind]
    expected = oracle.encounters(stays, case, *window, least, after)
    assert sorted(zip(*(row.tolist() for row in rows), strict=True)) == sorted(
        tuple(vars(met).values()) for met in expected
    )
    order = list(zip(*(row.tolist() for row in (found.start, found.end, found.person)), strict=True))
    assert order == sorted(order)


@quick
@given(
    records(),
    st.dictionaries(st.integers(0, PERSONS - 1), windows, min_size=1, max_size=2),
    st.integers(1, 3),
    st.sampled_from([0, 1, 3, 8]),
    st.sampled_from([None, None, 0, 1, 4, 10]),
    thresholds,
    st.sampled_from([25, 40, 52]),
)
def test_forward_in_time_order(data, cases, hops, latency, duration, limits, until):
    stays, presence = data
    least, after = limits
    found = forward(
        presence,
        list(cases),
        list(cases.values()),
        hops=hops,
        latency_days=latency / DAY,
        duration_days=None if duration is None else duration / DAY,
        min_minutes=least * SECOND,
        after_minutes=after * SECOND,
        until=until,
    )
    assert table(found) == oracle.forward(stays, cases, hops, latency, duration, least, after, until)


@quick
@given(
    records(),
    st.dictionaries(st.integers(0, PERSONS - 1), st.integers(5, 50), min_size=1, max_size=3),
    st.tuples(st.integers(0, 5), st.integers(0, 30)),
    thresholds,
)
def test_backward(data, onsets, incubation, limits):
    stays, presence = data
    (shortest, more), (least, after) = incubation, limits
    longest = shortest + more
    found = backward(
        presence,
        list(onsets),
        list(onsets.values()),
        min_incubation_days=shortest / DAY,
        max_incubation_days=longest / DAY,
        min_minutes=least * SECOND,
        after_minutes=after * SECOND,
    )
    windows = {case: (onset - longest, onset - shortest) for case, onset in onsets.items()}
    assert table(found) == oracle.backward(stays, windows, least, after)
    assert found.cases.tolist() == sorted(found.cases, reverse=True)


@pytest.mark.parametrize("seed", range(3))
def test_many_records_in_small_portions(seed, monkeypatch):
    """Blocks of rows, stays that outlast them, and questions cut into portions change no answer."""
    monkeypatch.setattr("khien.engine.encounter._PORTION", 500)
    random = np.random.default_rng(seed)
    size = 5_000
    person, place = random.integers(0, 300, size), random.integers(0, 2, size) * random.integers(0, 40, size)
    enter = random.integers(0, 40_000, size)
    leave = enter + np.where(random.random(size) < 0.01, 20_000, random.integers(0, 60, size))
    presence = Presence.from_arrays(person, place, enter, leave)
    stays = list(map(Stay, person.tolist(), place.tolist(), enter.tolist(), leave.tolist()))
    for case in (0, 17, 200):
        found = encounters(presence, case, (5_000, 35_000), min_minutes=0.2, after_minutes=0.5)
        near = [
            one
            for one in stays
            if any(
                mine.place == one.place and one.enter < mine.leave + 30 and one.leave >= mine.enter
                for mine in stays
                if mine.person == case
            )
        ]
        expected = oracle.encounters(near, case, 5_000, 35_000, 12, 30)
        columns = (found.person, found.place, found.start, found.overlap)
        rows = zip(*(column.tolist() for column in columns), strict=True)
        assert sorted(rows) == sorted((met.person, met.place, met.start, met.overlap) for met in expected)
        assert len(found) > 0
