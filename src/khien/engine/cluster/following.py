"""Keeping up with the record on behalf of shards: what has changed since their segments were written.

    following = Following(hosts)
    for group in following.groups(lineage):     # shards whose segments go equally far: usually one group
        following.apply(group, changes)         # what the record says has changed since `group.followed`
    following.snapshot(now, forgotten_before)

Shards get the changes with the next question; several batches become one, so that their number stays small.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from khien.engine.cluster.hosts import Hosts
from khien.engine.cluster.shard import Status, View
from khien.engine.cluster.sharding import lineage_of, net, stays_by_shard
from khien.engine.cluster.snapshot import ClusterSnapshot
from khien.engine.live import Changes
from khien.engine.segment import DAY_S, ZONE_S, local_day

_BATCHES = 8


@dataclass
class Group:
    """Shards whose segments go equally far. `followed` is how far the record has been read for them; `damaged` days
    have to be told whole, once (`whole_days` is empty afterwards)."""

    shards: list[int]
    position: int
    damaged: frozenset[int]
    followed: int
    whole_days: frozenset[int]


@dataclass
class _Chain:
    """The batches of one shard. `name` tells them from those of others, and of before."""

    name: str = field(default_factory=lambda: secrets.token_hex(8))
    changes: list[Changes] = field(default_factory=list)
    held: list[Any] = field(default_factory=list)


class Following:
    """Shards and what came since. Not for several threads at once; its snapshots are."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._statuses: list[Status] = []
        self._groups: list[Group] = []
        self._chains: list[_Chain] = []
        self._people = 0
        self._first_day = 0

    def groups(self, lineage: str) -> list[Group]:
        """Look what the shards hold now; none when they cannot be used: they hold another record, or not all of it."""
        statuses = self.hosts.statuses()
        whole = all(
            status.lineage == lineage_of(lineage, number, len(statuses))
            for number, status in enumerate(statuses)
        )
        if not whole:
            self.forget_all()
        elif statuses != self._statuses:
            self._adopt(statuses)
        return self._groups

    def forget_all(self) -> None:
        """Begin anew with the next look."""
        self._statuses, self._groups = [], []

    def apply(self, group: Group, changes: Changes) -> None:
        """What the record says has changed since `group.followed`, of its `whole_days` everything."""
        changed = len(changes.added) or len(changes.removed)
        shards = self.hosts.shards
        if changed:
            added, removed = (stays_by_shard(stays, shards) for stays in (changes.added, changes.removed))
            for number in group.shards:
                batch = Changes(changes.position, added[number], removed[number])
                if len(batch.added) or len(batch.removed):
                    self._tell(number, batch)
        group.followed, group.whole_days = changes.position, frozenset()

    def snapshot(self, now: int, forgotten_before: int | None = None) -> ClusterSnapshot:
        """What is known at `now` (epoch seconds), without the days before one that are forgotten."""
        views = [
            View(chain.name, status.position, status.lineage, status.damaged, forgotten_before, now)
            for chain, status in zip(self._chains, self._statuses, strict=True)
        ]
        return ClusterSnapshot(
            self.hosts,
            views,
            [tuple(chain.held) for chain in self._chains],
            people=self._people,
            origin=self._first_day * DAY_S - ZONE_S,
        )

    def _adopt(self, statuses: list[Status]) -> None:
        self._statuses = statuses
        self._chains = [_Chain() for _ in statuses]
        self._people = max(status.highest_person for status in statuses) + 1
        self._first_day = min((s.first_day for s in statuses if s.stays), default=0)
        groups: dict[Any, Group] = {}
        for number, status in enumerate(statuses):
            key = (status.position, status.damaged)
            empty = Group([], status.position, status.damaged, status.position, status.damaged)
            groups.setdefault(key, empty).shards.append(number)
        self._groups = list(groups.values())

    def _tell(self, number: int, batch: Changes) -> None:
        chain = self._chains[number]
        if len(chain.changes) >= _BATCHES:
            one = net([*chain.changes, batch])
            chain = self._chains[number] = _Chain()
            batch = one
        chain.changes.append(batch)
        chain.held.append(self.hosts.hold(number, batch))
        if len(batch.added):
            self._people = max(self._people, int(batch.added.person.max()) + 1)
            first = int(local_day(batch.added.enter.min()))
            self._first_day = min(first, self._first_day) if self._first_day else first
