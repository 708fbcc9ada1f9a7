"""The tracing engine on a cluster (`KHIEN_CLUSTER`): shards follow the record as the segments of one machine do.

The part `engine` hands the shards what it has written; everybody who asks tells them with the question what has
changed since. Where the shards cannot be used, because a machine is gone or they hold another record, there is none.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from khien.kernel import clock
from khien.kernel.presence import changes
from khien.kernel.presence.stays import to_day

if TYPE_CHECKING:
    from khien.engine.cluster.following import Following
    from khien.engine.cluster.hosts import Hosts
    from khien.engine.cluster.shard import Status
    from khien.engine.cluster.snapshot import ClusterSnapshot
    from khien.engine.store import Store

logger = logging.getLogger("khien.segments")

TRY_AGAIN_S = 30.0
"""A cluster that could not be reached is left alone for so long."""

_EPOCH_DAY = date(1970, 1, 1)


def connect(address: str) -> Hosts:
    """The shards of the cluster at `host:port`. Raises `Unreachable`."""
    from khien.engine.cluster.actors import connect as to_actors

    return to_actors(address, Path(settings.KHIEN_DATA) / "shards")


class Sharded:
    """The shards of one cluster and what this process has told them."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._following: Following | None = None
        self._not_before = 0.0

    def snapshot(self, now: datetime, kept_days: int) -> ClusterSnapshot | None:
        """What is known at this moment; None when the shards cannot say."""
        from khien.engine.cluster.hosts import Unreachable

        with self._lock:
            try:
                return self._snapshot(now, kept_days)
            except Unreachable as fault:
                self.failed(fault)
                return None

    def keep_up(self, store: Store) -> bool:
        """Hand over what the store holds and a shard does not; True when something was."""
        from khien.engine.cluster.handing import hand_over, is_behind
        from khien.engine.cluster.hosts import Unreachable

        try:
            with self._lock:
                following = self._connected()
            manifest = store.manifest()
            if following is None or not manifest.lineage or not is_behind(manifest, following.hosts):
                return False
            began = time.perf_counter()
            days = hand_over(store, following.hosts)
            logger.info("handed over to the shards: %s days in %.1f s", days, time.perf_counter() - began)
            return True
        except Unreachable as fault:
            self.failed(fault)
            return False

    def forget(self) -> None:
        """Have the shards drop the days that the ledger says are forgotten, from memory and disk."""
        from khien.engine.cluster.hosts import Unreachable

        before = changes.ledger().forgotten_before
        if before is None:
            return
        number = (before - _EPOCH_DAY).days
        try:
            with self._lock:
                following = self._connected()
                for shard, status in enumerate([] if following is None else following.hosts.statuses()):
                    assert following is not None
                    kept = [day for day in status.cut_from if day >= number]
                    following.hosts.publish(
                        shard,
                        {},
                        position=status.position,
                        lineage=status.lineage,
                        keep=kept,
                        forgotten_before=number,
                    )
        except Unreachable as fault:
            self.failed(fault)

    def statuses(self) -> list[Status]:
        """What each shard holds. Raises `Unreachable`."""
        with self._lock:
            following = self._connected()
            return [] if following is None else following.hosts.statuses()

    def failed(self, fault: Exception) -> None:
        """The cluster does not answer, or not what it was asked: begin anew with it, after a while if it is gone."""
        from khien.engine.cluster.hosts import Unreachable

        logger.error("the cluster at %s cannot be asked: %s", self.address, fault)
        if isinstance(fault, Unreachable):
            self._not_before = time.monotonic() + TRY_AGAIN_S
            if self._following is not None:
                threading.Thread(target=self._following.hosts.leave, daemon=True).start()
        self._following = None

    def _connected(self) -> Following | None:
        from khien.engine.cluster.following import Following

        if self._following is None and time.monotonic() >= self._not_before:
            self._following = Following(connect(self.address))
        return self._following

    def _snapshot(self, now: datetime, kept_days: int) -> ClusterSnapshot | None:
        from khien.engine.live import Changes, Stays

        following = self._connected()
        if following is None:
            return None
        ledger = changes.ledger()
        forgotten = ledger.forgotten_before
        oldest = clock.today() - timedelta(days=kept_days)
        first_day = oldest if forgotten is None else max(oldest, forgotten)
        groups = following.groups(ledger.lineage)
        for group in groups:
            told = changes.since(group.followed, first_day, [to_day(day) for day in group.whole_days])
            if told.position < group.followed or told.complete_since > group.followed > 0:
                # The record was put back, or has discarded what the shards did not follow.
                following.forget_all()
                return None
            batch = Changes(
                told.position,
                *(Stays(one.person, one.place, one.enter, one.leave) for one in (told.added, told.removed)),
            )
            following.apply(group, batch)
        if not groups:
            return None
        before = None if forgotten is None else (forgotten - _EPOCH_DAY).days
        return following.snapshot(int(now.timestamp()), before)
