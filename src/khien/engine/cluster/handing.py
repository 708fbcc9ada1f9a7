"""Giving the shards what a store holds, a day at a time: only the days whose file a shard has not got."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from khien.engine.cluster.hosts import Hosts, Local
from khien.engine.cluster.sharding import divided, lineage_of
from khien.engine.segment import DaySegment
from khien.engine.store import Manifest, Store


def is_behind(manifest: Manifest, hosts: Hosts) -> bool:
    """Whether a shard holds less, or something else, than the store's manifest names."""
    for number, status in enumerate(hosts.statuses()):
        of = lineage_of(manifest.lineage, number, hosts.shards)
        if status.position != manifest.position or status.lineage != of or status.damaged:
            return True
        files = {day: entry.file for day, entry in manifest.days.items()}
        # A day of which the shard has nothing is not among what it holds.
        if any(files.get(day) != file for day, file in status.cut_from.items()):
            return True
    return False


def hand_over(
    store: Store, hosts: Hosts, *, told: Callable[[int, int], None] = lambda _done, _all: None
) -> int:
    """Have the shards hold what the store holds; returns how many days travelled. Memory holds one day.
    A day of which some shard has nothing travels each time.

    Whatever is interrupted can be done again: a shard exchanges what it holds in one step, and until then answers from
    what it held before. `told` is called with the days done and all there are.
    """
    manifest = store.manifest()
    statuses = hosts.statuses()
    days = []
    for day, entry in sorted(manifest.days.items()):
        got = [
            status.lineage == lineage_of(manifest.lineage, number, hosts.shards)
            and status.cut_from.get(day) == entry.file
            for number, status in enumerate(statuses)
        ]
        if not all(got):
            days.append(day)
    for number, day in enumerate(days):
        parts = divided(DaySegment.open(store.folder / manifest.days[day].file), hosts.shards)
        hosts.stage(parts)
        told(number + 1, len(days))
    for number in range(hosts.shards):
        hosts.publish(
            number,
            {day: manifest.days[day].file for day in days},
            position=manifest.position,
            lineage=lineage_of(manifest.lineage, number, hosts.shards),
            keep=sorted(manifest.days),
            forgotten_before=manifest.forgotten_before,
        )
    return len(days)


def shard_store(store: Store, folder: Path, shards: int) -> Local:
    """Cut a store into shards in folders `shard-N` of one; to carry each to its machine, or to try them out here."""
    hosts = Local(folder, shards)
    hand_over(store, hosts)
    return hosts
