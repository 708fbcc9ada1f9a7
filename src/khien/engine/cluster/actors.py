"""Shards as Ray actors, each on the machine that has its folder.

A machine says which shards it has by resources: `ray start … --resources='{"khien-shard-0": 1, "khien-shard-1": 1}'`. There
are as many shards as resources of that name, numbered from 0. Whoever connects first starts the actors; they outlive
it, and are shared by all. One that dies is started again where its resource is, opens its folder, and is asked the
question that it had not answered once more.

The same Python, Ray and Khiên must be on all machines, and the segments' folder at the same path.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from khien.engine.cluster.hosts import Unreachable, folder_of
from khien.engine.cluster.packing import octets
from khien.engine.cluster.shard import Shard, Status, View
from khien.engine.live import Changes
from khien.engine.segment import DaySegment

RESOURCE = "khien-shard-"
NAMESPACE = "khien"
ANSWER_S = 60.0
"""Longer nobody waits for an answer: a machine is gone, or the segments do not fit its memory."""

HANDING_S = 600.0


class HostedShard(Shard):
    """A shard in a process of its own, whose kernels are ready before it is asked."""

    def __init__(self, folder: Path) -> None:
        from khien.engine.warming import warm

        warm()
        super().__init__(folder)

    def pid(self) -> int:
        """The process."""
        return os.getpid()


class Actors:
    """`Hosts` over Ray. Raises `Unreachable` when a shard does not answer in time."""

    def __init__(self, ray: Any, actors: Sequence[Any]) -> None:
        self._ray, self.actors = ray, actors
        self.shards, self.moved = len(actors), 0

    def hold(self, number: int, changes: Changes) -> Any:
        """As `Hosts`: put where the actors fetch it once."""
        self.moved += octets(changes)
        return self._ray.put(changes)

    def ask(
        self, name: str, asked: Mapping[int, tuple[View, tuple[Any, ...], Sequence[Any]]]
    ) -> dict[int, Any]:
        """As `Hosts`."""
        ray = self._ray
        # What all are asked is put away once; what is small travels with the call.
        put: dict[int, Any] = {}
        calls = []
        for number, (view, arguments, changes) in asked.items():
            size = octets(arguments)
            self.moved += size
            told: Any = arguments
            if size > 100_000:
                told = put.setdefault(id(arguments), None) or ray.put(arguments)
                put[id(arguments)] = told
            calls.append(self.actors[number].ask.remote(name, view, told, *changes))
        answers = dict(zip(asked, self._got(calls, ANSWER_S), strict=True))
        self.moved += sum(map(octets, answers.values()))
        return answers

    def statuses(self) -> list[Status]:
        """As `Hosts`."""
        told: list[Status] = self._got([actor.status.remote() for actor in self.actors], ANSWER_S)
        return told

    def stage(self, parts: Sequence[DaySegment]) -> None:
        """As `Hosts`."""
        calls = [actor.stage.remote(part) for actor, part in zip(self.actors, parts, strict=True)]
        self._got(calls, HANDING_S)

    def publish(self, number: int, cut_from: dict[int, str], **about: Any) -> None:
        """As `Hosts`."""
        self._got([self.actors[number].publish.remote(cut_from, **about)], HANDING_S)

    def pids(self) -> list[int]:
        """The process of each actor."""
        told: list[int] = self._got([actor.pid.remote() for actor in self.actors], ANSWER_S)
        return told

    def _got(self, calls: list[Any], seconds: float) -> Any:
        exceptions = self._ray.exceptions
        try:
            return self._ray.get(calls, timeout=seconds)
        except exceptions.GetTimeoutError as fault:
            raise Unreachable(f"no answer from all shards within {seconds:g} s") from fault
        except (exceptions.RayActorError, exceptions.RaySystemError) as fault:
            raise Unreachable(f"a shard cannot be asked: {type(fault).__name__}") from fault


def connect(address: str, folder: Path) -> Actors:
    """The shards of the Ray cluster at an address (`host:port`), which lie in folders `shard-N` of one.

    Raises `Unreachable` without Ray, without a cluster, and without shards in it.
    """
    # Ray reports its use to its makers unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as fault:
        raise Unreachable("Ray is not installed: pip install 'khien[cluster]'") from fault
    try:
        if not ray.is_initialized():
            host = address.rpartition(":")[0]
            more: dict[str, Any] = {"_node_ip_address": host} if _is_loopback(host) else {}
            ray.init(
                address=address,
                namespace=NAMESPACE,
                log_to_driver=False,
                logging_level=logging.WARNING,
                include_dashboard=None,
                **more,
            )
        numbers = _shards_of(ray.cluster_resources())
    except (ConnectionError, RuntimeError, ValueError) as fault:
        raise Unreachable(f"no Ray cluster at {address}: {type(fault).__name__}") from fault
    hosted = ray.remote(HostedShard)
    actors = [
        hosted.options(
            name=f"{RESOURCE}{number}",
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            resources={f"{RESOURCE}{number}": 1},
            max_restarts=-1,
            max_task_retries=-1,
        ).remote(folder_of(folder, number))
        for number in numbers
    ]
    return Actors(ray, actors)


def disconnect() -> None:
    """Leave the cluster; its actors go on."""
    with contextlib.suppress(ImportError):
        import ray

        ray.shutdown()


def _shards_of(resources: Mapping[str, float]) -> range:
    numbers = sorted(int(name.removeprefix(RESOURCE)) for name in resources if name.startswith(RESOURCE))
    if not numbers:
        raise Unreachable(f"no machine of the cluster has a resource {RESOURCE}0")
    if numbers != list(range(len(numbers))):
        raise Unreachable(f"of the shards only {', '.join(map(str, numbers))} have a machine")
    return range(len(numbers))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
