"""Shards answer as one machine does, to the last row: in this process, so without Ray."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.engine import OPEN, Presence, backward, encounters, forward, reach, reaching
from khien.engine.cluster.following import Following
from khien.engine.cluster.handing import hand_over, is_behind, shard_store
from khien.engine.cluster.hosts import Local
from khien.engine.cluster.packing import pack, unpack
from khien.engine.cluster.shard import Moved
from khien.engine.cluster.sharding import divided, net, shard_of
from khien.engine.cluster.snapshot import ClusterSnapshot
from khien.engine.encounter import Spells, Thresholds
from khien.engine.live import Changes, Inconsistent, Live, Stays, days_of
from khien.engine.origins import Ill, Incubation, place_hours, possible_sources
from khien.engine.reaching import Costs
from khien.engine.scoring import others_present
from khien.engine.search import Plan
from khien.engine.segment import DAY_S
from khien.engine.spaces import Own, Spaces, meet
from khien.engine.store import Store
from tests.engine.test_snapshot import (
    HOUR,
    NOW,
    PEOPLE,
    START,
    moments,
    same,
    stays_of,
    thresholds,
    windows,
)

LINEAGE = "a record"
LENGTHS = [0, 0, 1, 1, 2, 3, 4, 8, 16, 40, 100, 160, 300, None]
quick = settings(deadline=None, derandomize=True, max_examples=25)


@dataclass(frozen=True)
class World:
    """The same stays as a table, as one machine knows them, and as shards do."""

    presence: Presence
    one: Any
    cluster: ClusterSnapshot
    hosts: Local
    following: Following
    live: Live
    store: Store
    folder: tempfile.TemporaryDirectory[str]


def world_of(rows: list[Any], batches: list[tuple[list[Any], list[Any]]], shards: int) -> World:
    """Stays told with the segments, and batches (told, taken back) that came later; `rows` is what holds in the end."""
    kept = tempfile.TemporaryDirectory(prefix="khien-shards-", ignore_cleanup_errors=True)
    folder = Path(kept.name)
    store = Store(folder / "whole")
    first, *later = batches
    with store.writing():
        base = days_of(stays_of(first[0])) if first[0] else {}
        store.write(base.values(), position=1, lineage=LINEAGE)
    hosts = shard_store(store, folder, shards)
    live, following = Live(store.read()), Following(hosts)
    for number, (added, removed) in enumerate(later, 2):
        batch = Changes(
            number,
            stays_of(added) if added else Stays.none(),
            stays_of(removed) if removed else Stays.none(),
        )
        live.apply(batch)
        for group in following.groups(LINEAGE):
            following.apply(group, batch)
    assert following.groups(LINEAGE)
    final = stays_of(rows)
    presence = Presence.from_arrays(final.person, final.place, final.enter, final.leave, as_of=NOW)
    return World(presence, live.snapshot(NOW), following.snapshot(NOW), hosts, following, live, store, kept)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A few people at few places over some days, told in up to eleven batches, some of it wrongly at first."""
    stay = st.tuples(
        st.integers(0, PEOPLE - 1), st.integers(0, 3), st.integers(0, 400), st.sampled_from(LENGTHS)
    )
    rows = [(person, 4, 50, 0) for person in range(PEOPLE)]
    rows += draw(st.lists(stay, min_size=1, max_size=40))
    count = draw(st.sampled_from([1, 2, 4, 12]))
    told = draw(st.lists(st.integers(0, count - 1), min_size=len(rows), max_size=len(rows)))
    batches: list[tuple[list[Any], list[Any]]] = [([], []) for _ in range(count)]
    for row, when in zip(rows, told, strict=True):
        batches[when][0].append(row)
    for row in draw(st.lists(stay, max_size=8)):
        since, last = sorted((draw(st.integers(0, count - 1)), draw(st.integers(0, count - 1))))
        if since < last:
            batches[since][0].append(row)
            batches[last][1].append(row)
    return world_of(rows, batches, draw(st.integers(1, 4)))


@quick
@given(worlds(), st.sets(st.integers(0, PEOPLE - 1), min_size=1, max_size=3), windows, thresholds)
def test_encounters_and_how_full_it_was(world: World, cases: set[int], window: Any, limits: Any) -> None:
    least, after = limits
    found = [
        encounters(records, sorted(cases), window, min_minutes=least, after_minutes=after)
        for records in (world.presence, world.one, world.cluster)
    ]
    same(found[0], found[2])
    same(found[1], found[2])
    assert others_present(world.one, found[1]).tolist() == others_present(world.cluster, found[2]).tolist()


WAYS = {
    "encounters": (2048, Costs()),
    "one by one": (0, Costs(stay=0, stay_row=0)),
    "sweeping": (0, Costs(stay=1e30, look=1e30)),
    "looking around": (0, Costs(stay=1e30, look=0)),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have shards go one way only."""
    few, costs = WAYS[request.param]
    monkeypatch.setattr(reaching, "_FEW", few)
    monkeypatch.setattr(reaching, "Costs", lambda: costs)


@pytest.mark.usefixtures("way")
def test_who_was_infectious_before_anybody_was_seen() -> None:
    rows = [(person, 4, 50, 0) for person in range(PEOPLE)]
    rows += [(0, 0, 0, 0)] * 7 + [(1, 1, 0, 1), (2, 1, 0, 1)]
    world = world_of(rows, [(rows, [])], 1)
    quarter = HOUR // 4
    cases = {0: (START, START), 1: (START - quarter, START + quarter)}
    for records in (world.presence, world.one, world.cluster):
        found = reach(records, list(cases), list(cases.values()), min_minutes=15, until=NOW)
        assert found.person.tolist() == [2]


@pytest.mark.usefixtures("way")
def test_forward_and_reach_over_several_hops() -> None:

    @quick
    @given(
        worlds(),
        st.dictionaries(st.integers(0, PEOPLE - 1), windows, min_size=1, max_size=2),
        st.integers(1, 4),
        st.sampled_from([0, 0.2, 1, 2]),
        st.sampled_from([None, 0, 0.3, 1, 3]),
        thresholds,
    )
    def check(
        world: World, cases: Any, hops: int, latency: float, duration: float | None, limits: Any
    ) -> None:
        asked = {
            "hops": hops,
            "latency_days": latency,
            "duration_days": duration,
            "min_minutes": limits[0],
            "after_minutes": limits[1],
            "until": NOW,
        }
        for search in (forward, reach):
            found = [
                search(records, list(cases), list(cases.values()), **asked)
                for records in (world.presence, world.one, world.cluster)
            ]
            same(found[0], found[2])
            same(found[1], found[2])

    check()


@quick
@given(
    worlds(),
    st.dictionaries(st.integers(0, PEOPLE - 1), moments, min_size=1, max_size=3),
    st.tuples(st.sampled_from([0, 0.5]), st.sampled_from([0, 0.5, 3])),
    thresholds,
)
def test_backward_and_where_several_cases_come_from(
    world: World, onsets: Any, incubation: Any, limits: Any
) -> None:
    (shortest, more), (least, after) = incubation, limits
    asked = {
        "min_incubation_days": shortest,
        "max_incubation_days": shortest + more,
        "min_minutes": least,
        "after_minutes": after,
    }
    found = [
        backward(records, list(onsets), list(onsets.values()), **asked)
        for records in (world.presence, world.one, world.cluster)
    ]
    same(found[0], found[2])
    same(found[1], found[2])
    ill = Ill.of(list(onsets), list(onsets.values()))
    incubation = Incubation(shortest_days=shortest, longest_days=shortest + (more or 1))
    spaces = Spaces.of([(1, 0), (2, 0)])
    for search in (place_hours, possible_sources):
        same(*(search(records, ill, incubation, spaces=spaces) for records in (world.one, world.cluster)))


@quick
@given(worlds(), st.integers(0, PEOPLE - 1), windows, st.sampled_from([0, 900]))
def test_who_shared_a_space(world: World, case: int, window: Any, least: int) -> None:
    """As the tracing room asks: own stays, rooms within a building, and what the case told of."""
    spaces = Spaces.of([(1, 0), (2, 0), (2, 1)])
    spells = Spells(np.array([case]), *(np.array([moment]) for moment in window))
    told = [(0, 3, START + 10 * HOUR, START + 20 * HOUR)]
    met = [
        meet(records, spells, Own.of(records, spells, told), spaces, min_seconds=least)
        for records in (world.one, world.cluster)
    ]
    columns = [sorted(zip(*(c.tolist() for c in vars(one).values()), strict=True)) for one in met]
    assert columns[0] == columns[1]


def test_many_spells_come_in_the_order_of_one_machine() -> None:
    draw = np.random.default_rng(5)
    rows = [
        (int(p), int(place), int(at), int(n))
        for p, place, at, n in zip(
            draw.integers(0, 300, 6000),
            draw.integers(0, 40, 6000),
            draw.integers(0, 380, 6000),
            draw.integers(0, 9, 6000),
            strict=True,
        )
    ]
    world = world_of(rows, [(rows, [])], 3)
    spells = Spells(np.arange(300), np.full(300, START), np.full(300, NOW))
    one, cluster = (
        records.found(spells, Thresholds(900, 0), stays=records.stays_in(spells))
        for records in (world.one, world.cluster)
    )
    assert len(one) > 1000
    for name in ("spell", "place", "target", "start", "end", "after"):
        assert getattr(one, name).tolist() == getattr(cluster, name).tolist(), name


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("want_last", [True, False])
def test_a_hop_gives_the_same_times_on_any_number_of_shards(
    want_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(6)
    columns = (draw.integers(0, high, 4000).tolist() for high in (500, 30, 380, 12))
    rows = list(zip(*columns, strict=True))
    spells = Spells(np.arange(0, 500, 5), *(START + draw.integers(0, 3, (2, 100)).cumsum(axis=0) * DAY_S))
    plan = Plan.of(2, 0.5, 1, 15, 0)
    told = []
    for shards in (1, 3):
        world = world_of(rows, [(rows, [])], shards)
        told.append(world.cluster.spread(spells, plan, NOW, want_last=want_last))
    monkeypatch.setattr(reaching, "_FEW", 2048)
    told.append(reaching.one_level(world.one, spells, plan, NOW, want_last=want_last))
    assert len(told[0][0]) > 300
    for other in told[1:]:
        assert [c.tolist() for c in told[0]] == [c.tolist() for c in other]


ROWS = [(1, 1, 10, 4), (2, 1, 10, 4), (3, 2, 100, 4), (1, 2, 100, 8), (4, 3, 200, None), (1, 3, 210, 4)]


@pytest.fixture
def world() -> World:
    return world_of(ROWS, [(ROWS, [])], 3)


def met_by_1(known: Any) -> list[int]:
    return encounters(known, 1, (START, NOW)).person.tolist()


def test_segments_written_anew_are_handed_over_and_older_questions_refused(world: World) -> None:
    assert met_by_1(world.cluster) == [2, 3, 4]
    live = world.live
    live.apply(Changes(5, stays_of([(5, 1, 10, 4)]), stays_of([(3, 2, 100, 4)])))
    with world.store.writing():
        world.store.write([live.day(d) for d in sorted(live.changed_days)], position=5, lineage=LINEAGE)
    assert is_behind(world.store.manifest(), world.hosts)
    assert hand_over(world.store, world.hosts) >= len(live.changed_days)
    assert not is_behind(world.store.manifest(), world.hosts)
    assert met_by_1(world.cluster) == [2, 3, 4], "who began to ask before may end"
    groups = world.following.groups(LINEAGE)
    assert [group.followed for group in groups] == [5]
    assert met_by_1(world.following.snapshot(NOW)) == [2, 5, 4]
    fresh = Local(world.hosts.each[0]._store.folder.parent, 3)
    with pytest.raises(Moved):
        ClusterSnapshot(fresh, world.cluster._views, [()] * 3, people=9, origin=START).stays_in(
            Spells(np.array([1]), np.array([START]), np.array([NOW]))
        )


def test_a_handing_over_that_broke_off_is_done_again(world: World) -> None:
    live = world.live
    live.apply(Changes(5, stays_of([(5, 1, 10, 4)]), Stays.none()))
    with world.store.writing():
        world.store.write([live.day(d) for d in sorted(live.changed_days)], position=5, lineage=LINEAGE)
    entry = world.store.manifest().days
    day = max(live.changed_days)
    segment = world.store.read().segments[day]
    world.hosts.stage(divided(segment, 3))
    number = 0
    world.hosts.publish(
        number,
        {day: entry[day].file},
        position=5,
        lineage=f"{LINEAGE} {number}/3",
        keep=sorted(entry),
        forgotten_before=None,
    )
    groups = world.following.groups(LINEAGE)
    assert sorted(group.position for group in groups) == [1, 5]
    for group in groups:
        told = stays_of([(5, 1, 10, 4)]) if group.position == 1 else Stays.none()
        world.following.apply(group, Changes(5, told, Stays.none()))
    assert met_by_1(world.following.snapshot(NOW)) == [2, 5, 3, 4]
    hand_over(world.store, world.hosts)
    assert [group.position for group in world.following.groups(LINEAGE)] == [5]
    assert met_by_1(world.following.snapshot(NOW)) == [2, 5, 3, 4]


def test_a_damaged_day_of_a_shard_is_told_whole_and_mended_by_the_next_handing_over(world: World) -> None:
    shard = int(shard_of(np.array([1]), 3)[0])
    folder = world.hosts.each[shard]._store.folder
    path = min(folder.glob("*.segment"))
    octets = bytearray(path.read_bytes())
    octets[24] ^= 1
    path.write_bytes(octets)
    hosts = Local(folder.parent, 3)
    following = Following(hosts)
    groups = following.groups(LINEAGE)
    damaged = next(group for group in groups if group.damaged)
    assert damaged.shards == [shard]
    for group in groups:
        days = [world.store.read().segments[d].columns() for d in group.whole_days]
        told = Stays(*(np.concatenate(c) for c in zip(*days, strict=True))) if days else Stays.none()
        following.apply(group, Changes(1, told, Stays.none()))
    assert met_by_1(following.snapshot(NOW)) == [2, 3, 4]
    assert is_behind(world.store.manifest(), hosts)
    assert hand_over(world.store, hosts)
    assert not is_behind(world.store.manifest(), hosts)
    assert [group.damaged for group in following.groups(LINEAGE)] == [frozenset()]
    assert met_by_1(following.snapshot(NOW)) == [2, 3, 4]


def test_shards_of_another_record_or_another_number_are_not_used(world: World) -> None:
    assert Following(world.hosts).groups("another record") == []
    fewer = Local(world.hosts.each[0]._store.folder.parent, 2)
    assert Following(fewer).groups(LINEAGE) == []
    assert hand_over(world.store, fewer) == len(world.store.manifest().days)
    following = Following(fewer)
    assert following.groups(LINEAGE)
    assert met_by_1(following.snapshot(NOW)) == [2, 3, 4]


def test_a_forgotten_day_is_in_no_answer(world: World) -> None:
    first = world.store.read().segments
    assert met_by_1(world.following.snapshot(NOW, forgotten_before=min(first) + 1)) == [3, 4]


def test_taking_back_what_no_shard_holds_is_noticed(world: World) -> None:
    (group,) = world.following.groups(LINEAGE)
    world.following.apply(group, Changes(2, Stays.none(), stays_of([(6, 1, 10, 4)])))
    with pytest.raises(Inconsistent):
        met_by_1(world.following.snapshot(NOW))


def test_batches_as_one_leave_out_what_was_told_and_taken_back() -> None:
    one, two = stays_of([(1, 1, 10, 4)]), stays_of([(2, 1, 10, None)])
    none = Stays.none()
    told = net([Changes(1, one, none), Changes(2, two, none), Changes(3, one, one), Changes(4, none, two)])
    assert told.position == 4
    assert told.added.person.tolist() == [1]
    assert len(told.removed) == 0
    told = net([Changes(1, none, one), Changes(2, two, none)])
    assert (told.added.leave.tolist(), told.removed.person.tolist()) == ([OPEN], [1])


@given(st.lists(st.integers(-(2**63), 2**63 - 1)), st.integers(0, 2**40))
def test_packed_columns_are_what_they_were(numbers: list[int], low: int) -> None:
    columns = np.array(numbers, np.int64), low + np.arange(300)
    assert [c.tolist() for c in unpack(pack(*columns))] == [c.tolist() for c in columns]
    assert sum(column.nbytes for _low, column in pack(columns[1])) == 600


def test_places_are_spread_over_the_shards() -> None:
    counts = np.bincount(shard_of(np.arange(60_000), 3), minlength=3)
    assert counts.min() > 19_000
    assert DAY_S == 24 * HOUR
