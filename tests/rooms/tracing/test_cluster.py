"""The tracing room answers from shards, here or on three Ray nodes, as from one machine, whatever dies meanwhile."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.ray_nodes import ray_nodes
from benchmarks.visits import FIRST_DAY, Town

from khien.engine import forward, reach
from khien.engine.cluster import actors
from khien.engine.cluster.following import Following
from khien.engine.cluster.handing import hand_over
from khien.engine.cluster.hosts import Hosts, Local, Unreachable
from khien.engine.live import Changes, Live, Stays
from khien.engine.segment import DAY_S, ZONE_S, DaySegment, local_day
from khien.engine.store import Store
from khien.kernel import clock
from khien.kernel.presence import segments, sharded
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.pairs import PairContacts, store_pairs
from khien.kernel.presence.stays import columns
from khien.rooms.tracing.finding import Finding, find
from khien.rooms.tracing.models import Case
from tests.factories import NOON, make_person, make_place, make_province
from tests.rooms.tracing.scenes import at, load_rules, open_case
from tests.waiting import wait_until

PEOPLE, STAYS = 60, 1200
needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'khien[cluster]'"
)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def outbreak(db: None, tmp_path: Path, settings: Any) -> list[Case]:
    """Some cases among people who went to places, to rooms within them, and came near each other."""
    settings.KHIEN_DATA = tmp_path / "data"
    segments.reset()
    load_rules()
    _province, _district, commune = make_province()
    school = make_place(commune, "Trường", "school", area_m2=900)
    places = [make_place(commune, f"Quán {n}", "cafe", area_m2=60) for n in range(12)]
    places += [make_place(commune, f"Lớp {n}", "class", area_m2=50, parent=school) for n in range(3)]
    people = [make_person(f"Người {n}", commune) for n in range(PEOPLE)]
    draw = np.random.default_rng(7)
    where = [*places, school]
    rows = []
    for number in range(STAYS):
        start = at(int(draw.integers(1, 10)), int(draw.integers(6, 20)), int(draw.integers(0, 60)))
        rows.append(
            (
                people[int(draw.integers(PEOPLE))].pk,
                where[int(draw.integers(len(where)))].pk,
                start,
                start + int(draw.integers(5, 200)) * (at(1, 1, 1) - at(1, 1, 0)),
                f"c{number}",
            )
        )
    written, later = rows[: STAYS * 3 // 4], rows[STAYS * 3 // 4 :]
    presence.store(columns(*zip(*written, strict=True)), source="scan")
    segments.rebuild()
    presence.store(columns(*zip(*later, strict=True)), source="scan")
    near = columns([people[0].pk], [people[3].pk], [at(8, 9)], [at(8, 9, 40)], ["b1"])
    store_pairs(
        PairContacts(near.person, near.place, near.enter, near.leave, near.source_key), source="bluetooth"
    )
    return [
        open_case(person, commune, result_id=number, sampled_at=at(9, 8), resulted_at=at(9, 20))
        for number, person in enumerate(people[:3], 1)
    ]


def rows_of(finding: Finding) -> dict[str, Any]:
    told = asdict(finding)
    del told["took_ms"]
    return told


def correct_and_add(case: Case) -> None:
    """The case's stays turn out shorter, and one more comes in: told to the shards with the next question."""
    place = make_place(case.unit, "Chợ mới", "market", area_m2=300)
    start = at(8, 14)
    stays = [(pk, place.pk, start, at(8, 15, 30), f"n{pk}") for pk in (case.person_id, case.person_id + 9)]
    presence.store(columns(*zip(*stays, strict=True)), source="scan")
    again = [(pk, place.pk, start, at(8, 14, 45), f"n{pk}") for pk, *_rest in stays]
    presence.store(columns(*zip(*again, strict=True)), source="scan")


def answers_equal(cases: list[Case], settings: Any, address: str) -> None:
    found = []
    for setting in ("", address):
        settings.KHIEN_CLUSTER = setting
        found.append([rows_of(find(case, NOON)) for case in cases])
    assert len(found[0][0]["contacts"]) > 20
    assert found[0] == found[1]


def whole_story(cases: list[Case], settings: Any, address: str) -> None:
    settings.KHIEN_CLUSTER = address
    assert segments.keep_up(), "the shards had nothing yet"
    assert not segments.keep_up()
    answers_equal(cases, settings, address)
    correct_and_add(cases[0])
    answers_equal(cases, settings, address)


def test_the_room_answers_from_shards_as_from_one_machine(
    outbreak: list[Case], settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Local(tmp_path / "shards", 3)
    monkeypatch.setattr(sharded, "connect", lambda _address: hosts)
    whole_story(outbreak, settings, "here:1")
    assert hosts.moved > 0


def test_a_forgotten_day_is_in_no_shard(
    outbreak: list[Case], settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Local(tmp_path / "shards", 3)
    monkeypatch.setattr(sharded, "connect", lambda _address: hosts)
    settings.KHIEN_CLUSTER = "here:1"
    segments.keep_up()
    stays = sum(shard.stays for shard in segments.shards())
    presence.forget(clock.local(at(6, 12)).date())
    segments.forget()
    assert 0 < sum(shard.stays for shard in segments.shards()) < stays
    days = {int(path.name.split("-")[0]) for path in (tmp_path / "shards").rglob("*.segment")}
    assert min(days) >= local_day(int(at(6, 0).timestamp()))
    answers_equal(outbreak, settings, "here:1")


def test_shards_that_fail_on_the_way_are_done_without(
    outbreak: list[Case], settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = Local(tmp_path / "shards", 3)
    monkeypatch.setattr(sharded, "connect", lambda _address: hosts)
    settings.KHIEN_CLUSTER = "here:1"
    segments.keep_up()
    asked = []

    def ask(name: str, _asked: Any) -> Any:
        asked.append(name)
        raise Unreachable("no answer")

    monkeypatch.setattr(hosts, "ask", ask)
    answers_equal(outbreak, settings, "here:1")
    assert asked == ["stays_in"], "after a failure the cluster is left alone for a while"


def test_an_address_where_nothing_answers_is_done_without(outbreak: list[Case], settings: Any) -> None:
    answers_equal(outbreak, settings, "127.0.0.4:1")


# -- on three Ray nodes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[ExitStack]:
    """What ends the nodes."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture(scope="module")
def ray_address(cluster: ExitStack) -> Iterator[str]:
    yield cluster.enter_context(ray_nodes())
    actors.disconnect()


@pytest.fixture(scope="module")
def nodes(ray_address: str, tmp_path_factory: pytest.TempPathFactory) -> actors.Actors:
    folder = tmp_path_factory.mktemp("shards")

    def connected() -> actors.Actors | None:
        hosts = actors.connect(ray_address, folder)
        return hosts if hosts.shards == 3 else None

    hosts = wait_until(connected, 120, "three nodes with a shard each")
    assert hosts is not None
    return hosts


@pytest.mark.slow
@pytest.mark.django_db  # only to keep its place: those without come last, when the nodes are gone
@needs_ray
def test_an_actor_killed_in_the_middle_of_a_trace_answers_again_and_the_answer_is_equal(
    nodes: actors.Actors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town(200_000, days=4, people=20_000, places=2_000)
    store = Store(tmp_path / "whole")
    with store.writing():
        days = []
        for number in range(town.days):
            visits = town.day(number)
            days.append(DaySegment.build(FIRST_DAY + number, *vars(visits).values()))
        store.write(days, position=1, lineage="a town")
    hand_over(store, nodes)
    start = FIRST_DAY * DAY_S - ZONE_S
    extra = Changes(2, Stays(*(np.array([n]) for n in (5, 7, start + 9000, start + 30_000))), Stays.none())
    live, following = Live(store.read()), Following(nodes)
    live.apply(extra)
    for group in following.groups("a town"):
        following.apply(group, extra)
    now = start + town.days * DAY_S
    one, cluster = live.snapshot(now), following.snapshot(now)
    asked: dict[str, Any] = {"hops": 3, "latency_days": 0.5, "min_minutes": 30, "until": now}
    cases = [5, 11, 12], (start, start + DAY_S)
    expected = forward(one, *cases, **asked), reach(one, *cases, **asked)
    assert np.bincount(expected[0].degree).tolist()[3] > 1000
    before = nodes.pids()
    got, calls = nodes._got, []

    def kill_in_the_second_hop(waiting: list[Any], seconds: float) -> Any:
        calls.append(len(waiting))
        if len(calls) == 2:
            os.kill(before[1], signal.SIGKILL)
        return got(waiting, seconds)

    with monkeypatch.context() as patch:
        patch.setattr(nodes, "_got", kill_in_the_second_hop)
        traced = forward(cluster, *cases, **asked)
    assert calls == [3, 3, 3]
    for name, column in vars(expected[0]).items():
        assert column.tolist() == vars(traced)[name].tolist(), name
    after = nodes.pids()
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]
    reached = reach(cluster, *cases, **asked)
    for name, column in vars(expected[1]).items():
        assert column.tolist() == vars(reached)[name].tolist(), name


@pytest.mark.slow
@needs_ray
def test_the_room_answers_from_three_ray_nodes_as_from_one_machine(
    nodes: Hosts, ray_address: str, outbreak: list[Case], settings: Any
) -> None:
    whole_story(outbreak, settings, ray_address)
    assert segments._cluster is not None
    assert segments._cluster._following is not None
    hosts = segments._cluster._following.hosts
    assert isinstance(hosts, actors.Actors)
    assert hosts.moved > 0


@pytest.mark.slow
@needs_ray
def test_a_cluster_that_is_gone_is_done_without(
    cluster: ExitStack, nodes: Hosts, ray_address: str, outbreak: list[Case], settings: Any
) -> None:
    import ray

    settings.KHIEN_CLUSTER = ray_address
    segments.keep_up()
    answers_equal(outbreak, settings, ray_address)
    assert ray.is_initialized()
    cluster.close()
    answers_equal(outbreak, settings, ray_address)
    # Ray ends a process that stays connected to nothing.
    wait_until(lambda: not ray.is_initialized(), what="this process to leave the cluster")
