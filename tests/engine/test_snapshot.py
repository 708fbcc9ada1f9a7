"""Segments, late changes and corrections answer exactly as the plain table of all stays does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.engine import OPEN, Presence, backward, encounters, forward, reach, reaching
from khien.engine import snapshot as snapshots
from khien.engine.live import Changes, Inconsistent, Live, Stays, days_of
from khien.engine.reaching import Costs
from khien.engine.scoring import others_present
from khien.engine.segment import DAY_S, DaySegment, local_day
from khien.engine.snapshot import Room, Rooms, Snapshot
from khien.engine.store import Manifest, State
from tests.engine.test_against_oracle import table

HOUR = 3600
START = 18_995 * DAY_S - 7 * HOUR  # midnight of 2022-01-03 in Viet Nam
PEOPLE = 6
NOW = START + 5 * DAY_S

quick = settings(deadline=None, derandomize=True, max_examples=60)


@dataclass(frozen=True)
class World:
    """The same stays as a table and as a snapshot that has been through corrections."""

    presence: Presence
    snapshot: Snapshot


def stays_of(rows: list[tuple[int, int, int, int | None]]) -> Stays:
    """Rows of (person, place, enter, length), in quarters of an hour since `START`; length None for an open stay."""
    quarter = HOUR // 4
    person, place, enter, length = ([row[k] for row in rows] for k in range(4))
    begin = START + np.array(enter, np.int64) * quarter
    ends = [OPEN if n is None else int(b) + n * quarter for b, n in zip(begin, length, strict=True)]
    return Stays(np.array(person, np.int64), np.array(place, np.int64), begin, np.array(ends, np.int64))


class Tight(Room):
    """Grows by what is asked for and no more."""

    def grow(self, **wanted: int) -> bool:
        small = {name: size for name, size in wanted.items() if size > getattr(self, name).shape[-1]}
        for name, size in small.items():
            held = getattr(self, name)
            setattr(self, name, np.empty((*held.shape[:-1], size), held.dtype))
        return bool(small)


class Cramped(Rooms):
    """Room for hardly anything, so that every kernel has to ask for more."""

    @contextmanager
    def one(self) -> Iterator[Room]:
        yield Tight(1)


@pytest.fixture(params=["roomy", "cramped"], autouse=True, scope="module")
def room(request: pytest.FixtureRequest) -> Iterator[None]:
    """How much room the kernels start with: it must change no answer."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cramped":
            for module in (snapshots, reaching):
                patch.setattr(module, "rooms", Cramped())
        yield


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few people at few places over some days: stays over midnight and for days, instants, open ones, ties."""
    lengths = [0, 0, 1, 1, 2, 3, 4, 8, 16, 40, 100, 160, 300, None]
    stay = st.tuples(
        st.integers(0, PEOPLE - 1), st.integers(0, 2), st.integers(0, 400), st.sampled_from(lengths)
    )
    rows = [(person, 3, 50, 0) for person in range(PEOPLE)]
    rows += draw(st.lists(stay, min_size=1, max_size=40))
    # When each is told: with the base, or in one of three later batches; some are told wrongly before.
    told = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    wrong = draw(st.lists(stay, max_size=8))
    wrong_until = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3)), min_size=8, max_size=8))
    batches: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(4)]
    for row, when in zip(rows, told, strict=True):
        batches[when][0].append(row)
    for row, (since, last) in zip(wrong, wrong_until, strict=False):
        if since < last:
            batches[since][0].append(row)
            batches[last][1].append(row)
    base = days_of(stays_of(batches[0][0])) if batches[0][0] else {}
    live = Live(State(Manifest(), base))
    for number, (added, removed) in enumerate(batches[1:], 1):
        live.apply(
            Changes(
                number,
                stays_of(added) if added else Stays.none(),
                stays_of(removed) if removed else Stays.none(),
            )
        )
    if draw(st.booleans()):
        live = Live(State(Manifest(), {day: live.day(day) for day in live.days()}))
    final = stays_of(rows)
    presence = Presence.from_arrays(final.person, final.place, final.enter, final.leave, as_of=NOW)
    return World(presence, live.snapshot(NOW))


moments = st.integers(-20, 460).map(lambda quarter: START + quarter * HOUR // 4)
windows = st.tuples(moments, moments).map(lambda pair: (min(pair), max(pair)))
thresholds = st.tuples(st.sampled_from([0, 15, 15, 20, 60]), st.sampled_from([0, 0, 30, 2000]))


def same(first: Any, second: Any) -> None:
    for name, column in vars(first).items():
        assert column.tolist() == vars(second)[name].tolist(), name


@quick
@given(worlds(), st.sets(st.integers(0, PEOPLE - 1), min_size=1, max_size=3), windows, thresholds)
def test_encounters_and_how_full_it_was(world: World, cases: set[int], window: Any, limits: Any) -> None:
    least, after = limits
    found = [
        encounters(records, sorted(cases), window, min_minutes=least, after_minutes=after)
        for records in (world.presence, world.snapshot)
    ]
    same(*found)
    crowds = [
        others_present(records, one)
        for records, one in zip((world.presence, world.snapshot), found, strict=True)
    ]
    assert crowds[0].tolist() == pytest.approx(crowds[1].tolist())


@quick
@given(
    worlds(), st.lists(st.tuples(st.integers(0, PEOPLE - 1), windows), min_size=64, max_size=70), thresholds
)
def test_many_cases_at_once(world: World, cases: Any, limits: Any) -> None:
    """Many spells take another way: by place, and shared between threads."""
    least, after = limits
    asked = ([person for person, _window in cases], [window for _person, window in cases])
    same(
        *(
            encounters(records, *asked, min_minutes=least, after_minutes=after)
            for records in (world.presence, world.snapshot)
        )
    )


@quick
@given(
    worlds(),
    st.dictionaries(st.integers(0, PEOPLE - 1), windows, min_size=1, max_size=2),
    st.integers(1, 4),
    st.sampled_from([0, 0.2, 1, 2]),
    st.sampled_from([None, None, 0, 0.3, 1, 3]),
    thresholds,
)
def test_forward_hops(
    world: World, cases: Any, hops: int, latency: float, duration: float | None, limits: Any
) -> None:
    least, after = limits
    asked = {
        "hops": hops,
        "latency_days": latency,
        "duration_days": duration,
        "min_minutes": least,
        "after_minutes": after,
        "until": NOW,
    }
    found = [
        forward(records, list(cases), list(cases.values()), **asked)
        for records in (world.presence, world.snapshot)
    ]
    assert table(found[0]) == table(found[1])


STRATEGIES = {
    "one by one": Costs(stay=0, stay_row=0),
    "sweeping": Costs(stay=1e30, look=1e30),
    "looking around": Costs(stay=1e30, look=0),
    "as it thinks best": Costs(),
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_reach_whatever_the_strategy(strategy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaching, "Costs", lambda: STRATEGIES[strategy])

    @quick
    @given(
        worlds(),
        st.dictionaries(st.integers(0, PEOPLE - 1), windows, min_size=1, max_size=2),
        st.integers(1, 4),
        st.sampled_from([0, 0.2, 1, 2]),
        st.sampled_from([None, None, 0, 0.3, 1, 3]),
        thresholds,
    )
    def check(
        world: World, cases: Any, hops: int, latency: float, duration: float | None, limits: Any
    ) -> None:
        least, after = limits
        asked = {
            "hops": hops,
            "latency_days": latency,
            "duration_days": duration,
            "min_minutes": least,
            "after_minutes": after,
            "until": NOW,
        }
        same(
            *(
                reach(records, list(cases), list(cases.values()), **asked)
                for records in (world.presence, world.snapshot)
            )
        )

    check()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_place_with_exactly_as_many_as_there_is_room_for(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "Costs", lambda: STRATEGIES[strategy])
    stays = stays_of([(0, 0, 0, 2), (1, 0, 1, 2), (1, 1, 10, 4), (2, 1, 10, 4), (3, 2, 10, 1)])
    records = Live(State(Manifest(), days_of(stays))).snapshot(NOW)
    found = reach(records, [0], [(START, START + DAY_S)], hops=3, min_minutes=15, until=NOW)
    assert found.person.tolist() == [1, 2]


@quick
@given(
    worlds(),
    st.dictionaries(st.integers(0, PEOPLE - 1), moments, min_size=1, max_size=3),
    st.tuples(st.sampled_from([0, 0.5]), st.sampled_from([0, 0.5, 3])),
    thresholds,
)
def test_backward(world: World, onsets: Any, incubation: Any, limits: Any) -> None:
    (shortest, more), (least, after) = incubation, limits
    asked = {
        "min_incubation_days": shortest,
        "max_incubation_days": shortest + more,
        "min_minutes": least,
        "after_minutes": after,
    }
    same(
        *(
            backward(records, list(onsets), list(onsets.values()), **asked)
            for records in (world.presence, world.snapshot)
        )
    )


def test_a_snapshot_of_a_table_keeps_its_ids() -> None:
    presence = Presence.from_arrays(["an", "binh"], ["chợ", "chợ"], [START, START + 60], [START + HOUR] * 2)
    found = encounters(Snapshot.of(presence), "an", (START, START + DAY_S))
    assert (found.person.tolist(), found.place.tolist()) == (["binh"], ["chợ"])


def test_a_segment_gives_back_what_it_was_built_from() -> None:
    draw = np.random.default_rng(3)
    n = 5_000
    enter = START + draw.integers(0, DAY_S, n)
    leave = np.where(draw.random(n) < 0.1, OPEN, enter + draw.integers(0, 4 * DAY_S, n))
    person, place = draw.integers(0, 2**30, n), draw.integers(0, 2**32 - 1, n)
    told = DaySegment.build(local_day(START), person, place, enter, leave).columns()
    rows = sorted(zip(*(column.tolist() for column in told), strict=True))
    assert rows == sorted(zip(person.tolist(), place.tolist(), enter.tolist(), leave.tolist(), strict=True))


def test_equal_stays_give_equal_segments_in_whatever_order_they_come() -> None:
    draw = np.random.default_rng(4)
    n = 3_000
    columns = np.stack(
        (draw.integers(0, 40, n), draw.integers(0, 7, n), START + draw.integers(0, 50, n) * HOUR // 4)
    )
    leave = columns[2] + draw.integers(0, 3, n) * 15 * 60
    shuffled = draw.permutation(n)
    one = DaySegment.build(local_day(START), columns[0], columns[1], columns[2], leave)
    two = DaySegment.build(local_day(START), *(c[shuffled] for c in columns), leave[shuffled])
    assert all(np.array_equal(a, b) for (_n, a), (_m, b) in zip(one._arrays(), two._arrays(), strict=True))


@pytest.mark.parametrize(
    ("column", "value"),
    [("person", -1), ("person", 2**30), ("place", 2**32 - 1), ("enter", START - 1), ("enter", START + DAY_S)],
)
def test_what_does_not_belong_into_a_day_is_refused(column: str, value: int) -> None:
    row = {"person": 1, "place": 2, "enter": START, "leave": START + 2 * DAY_S}
    row[column] = value
    with pytest.raises(ValueError, match=r"day|number"):
        DaySegment.build(
            local_day(START), *(np.array([row[k]]) for k in ("person", "place", "enter", "leave"))
        )


def test_a_stay_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        DaySegment.build(local_day(START), *(np.array([k]) for k in (1, 2, START + 60, START)))


def test_taking_back_what_was_never_told_is_noticed() -> None:
    live = Live(State(Manifest(), days_of(stays_of([(1, 1, 10, 4)]))))
    live.apply(Changes(1, Stays.none(), stays_of([(1, 1, 10, 4)])))
    assert len(live.snapshot(NOW)) == 0
    with pytest.raises(Inconsistent):
        live.apply(Changes(2, Stays.none(), stays_of([(1, 1, 10, 4)])))


def test_the_same_stay_told_twice_is_there_twice_and_taken_back_once() -> None:
    live = Live(State(Manifest(), days_of(stays_of([(1, 1, 10, 4), (2, 1, 10, 4)]))))
    live.apply(Changes(1, stays_of([(1, 1, 10, 4)]), Stays.none()))
    assert len(encounters(live.snapshot(NOW), 2, (START, NOW), min_minutes=15)) == 2
    live.apply(Changes(2, Stays.none(), stays_of([(1, 1, 10, 4)])))
    assert len(encounters(live.snapshot(NOW), 2, (START, NOW), min_minutes=15)) == 1


def test_many_small_batches_become_one_segment() -> None:
    live = Live(State(Manifest(), {}))
    for number in range(40):
        live.apply(Changes(number + 1, stays_of([(number, 1, 10, 4)]), Stays.none()))
    snapshot = live.snapshot(NOW)
    assert len(snapshot) == 40
    assert len(snapshot.pieces) <= 8
    assert len(encounters(snapshot, 0, (START, NOW), min_minutes=15)) == 39
    assert live.position == 40


def test_a_forgotten_day_is_in_no_answer_and_cannot_come_back() -> None:
    rows = [(1, 1, 10, 400), (2, 1, 100, 4), (3, 1, 100, 4)]
    live = Live(State(Manifest(), days_of(stays_of(rows))))
    old = live.snapshot(NOW)
    assert len(encounters(old, 2, (START, NOW))) == 2
    live.forget(local_day(START) + 1)
    assert len(encounters(live.snapshot(NOW), 2, (START, NOW))) == 1
    live.apply(Changes(1, stays_of([(1, 1, 10, 400)]), stays_of([(1, 1, 10, 400)])))
    assert len(encounters(live.snapshot(NOW), 2, (START, NOW))) == 1
    assert len(encounters(old, 2, (START, NOW))) == 2, "an older snapshot stays as it was"
