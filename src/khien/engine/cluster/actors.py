"""Shards as Ray actors, each on the machine that has its folder.

A machine says which shards it has by resources: `ray start … --resources='{"khien-shard-0": 1, "khien-shard-1": 1}'`.
There are as many shards as resources of that name, numbered from 0. Whoever connects first starts the actors; they
outlive it, and are shared by all. One that dies is started again where its resource is, opens its folder, and is asked
once more what it had not answered.

The same Python, Ray and Khiên must be on all machines, and the segments' folder at the same path.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from khien.engine.cluster.hosts import Unreachable, folder_of
from khien.engine.cluster.packing import octets
from khien.engine.cluster.shard import Shard, Status, View
from khien.engine.live import Changes
from khien.engine.segment import DaySegment

RESOURCE = "khien-shard-"
NAMESPACE = "khien"
ANSWER_S = 30.0
"""Longer nobody waits for an answer: a machine is gone, or the segments do not fit its memory."""

HANDING_S = 600.0
_LARGE = 100_000
_connection = threading.Lock()


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

    def __init__(self, ray: Any, actors: Sequence[Any], address: str) -> None:
        self._ray, self.actors, self._address = ray, actors, address
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
        told: list[tuple[int, View, Any, Sequence[Any]]] = []
        for number, (view, arguments, changes) in asked.items():
            size = octets(arguments)
            self.moved += size
            if size > _LARGE:
                if id(arguments) not in put:
                    put[id(arguments)] = ray.put(arguments)
                told.append((number, view, put[id(arguments)], changes))
            else:
                told.append((number, view, arguments, changes))
        answers = self._answers(
            lambda: [
                self.actors[n].ask.remote(name, view, some, *changes) for n, view, some, changes in told
            ],
            ANSWER_S,
        )
        self.moved += sum(map(octets, answers))
        return dict(zip(asked, answers, strict=True))

    def statuses(self) -> list[Status]:
        """As `Hosts`."""
        # Each search begins with this. Without the cluster's head Ray gives no answer, not even that time is up.
        probe(self._address)
        told: list[Status] = self._answers(lambda: [actor.status.remote() for actor in self.actors], ANSWER_S)
        return told

    def stage(self, parts: Sequence[DaySegment]) -> None:
        """As `Hosts`."""
        both = list(zip(self.actors, parts, strict=True))
        self._answers(lambda: [actor.stage.remote(part) for actor, part in both], HANDING_S)

    def publish(self, number: int, cut_from: dict[int, str], **about: Any) -> None:
        """As `Hosts`."""
        self._answers(lambda: [self.actors[number].publish.remote(cut_from, **about)], HANDING_S)

    def leave(self) -> None:
        """As `Hosts`."""
        disconnect()

    def pids(self) -> list[int]:
        """The process of each actor."""
        told: list[int] = self._answers(lambda: [actor.pid.remote() for actor in self.actors], ANSWER_S)
        return told

    def _answers(self, calls: Callable[[], list[Any]], seconds: float) -> list[Any]:
        exceptions = self._ray.exceptions
        try:
            return self._got(calls(), seconds)
        except exceptions.GetTimeoutError as fault:
            raise Unreachable(f"no answer from all shards within {seconds:g} s") from fault
        except (exceptions.RayActorError, exceptions.RaySystemError, RuntimeError) as fault:
            # Another thread may have left the cluster meanwhile.
            raise Unreachable(f"a shard cannot be asked: {type(fault).__name__}") from fault

    def _got(self, waiting: list[Any], seconds: float) -> list[Any]:
        told: list[Any] = self._ray.get(waiting, timeout=seconds)
        return told


def probe(address: str) -> None:
    """Raises `Unreachable` unless something answers at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except (OSError, ValueError) as fault:
        raise Unreachable(f"nothing answers at {address}: {fault}") from fault


def connect(address: str, folder: Path) -> Actors:
    """The shards of the Ray cluster at an address (`host:port`), which lie in folders `shard-N` of one.

    Raises `Unreachable` without Ray, without a cluster, and without shards in it.
    """
    probe(address)
    # Ray reports its use to its makers, and starts a cluster of its own when it has none, unless told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
    try:
        import ray
    except ImportError as fault:
        raise Unreachable("Ray is not installed: pip install 'khien[cluster]'") from fault
    try:
        with _connection, _own_handlers():
            if not ray.is_initialized():
                host = address.rpartition(":")[0]
                more: dict[str, Any] = {"_node_ip_address": host} if _is_loopback(host) else {}
                ray.init(
                    address=address,
                    namespace=NAMESPACE,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    **more,
                )
        numbers = _shards_of(ray.cluster_resources())
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as fault:
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
    return Actors(ray, actors, address)


@contextlib.contextmanager
def _own_handlers() -> Iterator[None]:
    """Ray takes SIGTERM for itself; a part of `khien up` ends by its own handler."""
    ours = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, ours)


def disconnect() -> None:
    """Leave the cluster; its actors go on. Of a head that is gone it takes seconds; who stays is ended by Ray after a
    minute."""
    with contextlib.suppress(ImportError), _connection:
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
