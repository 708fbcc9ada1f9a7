"""Presence laid out for tracing: a snapshot of the engine that is as fresh as the database, in every process.

PostgreSQL is the record; the segments in the data folder (`khien.engine.store`) are a copy that may be lost. A
process reads the segments once and then only what has changed since, at every question. One process (`khien up` runs
it) writes new segments when much has changed; whoever finds none reads the record itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.conf import settings
from django.db import connection, transaction

from khien.kernel import clock
from khien.kernel.presence import changes
from khien.kernel.presence.changes import Told
from khien.kernel.presence.sharded import Sharded
from khien.kernel.presence.stays import to_day

if TYPE_CHECKING:
    from khien.engine.cluster.shard import Status as ShardStatus
    from khien.engine.live import Live, Stays
    from khien.engine.segment import DaySegment
    from khien.engine.snapshot import Known, Snapshot
    from khien.engine.store import State, Store

logger = logging.getLogger("khien.segments")

KEPT_DAYS = 400
"""Presence older than this is not traced: old histories that were imported."""

WRITE_AFTER_CHANGES = 50_000
WRITE_AFTER_S = 300.0
"""New segments are written once so much has changed, or so long after the first change."""

RETRACTIONS_KEPT_S = 3600.0
_EPOCH_DAY = date(1970, 1, 1)

Answer = TypeVar("Answer")


def asking(now: datetime, ask: Callable[[Known], Answer]) -> Answer:
    """What `ask` finds in presence as known at `now`: on the cluster where there is one, else on this machine.

    When the cluster fails on the way, everything is asked again here: `ask` only reads.
    """
    sharded = _shards()
    known = None if sharded is None else sharded.snapshot(now, KEPT_DAYS)
    if sharded is not None and known is not None:
        from khien.engine.cluster.hosts import Unreachable
        from khien.engine.cluster.shard import Moved
        from khien.engine.live import Inconsistent

        try:
            return ask(known)
        except (Unreachable, Moved, Inconsistent) as fault:
            sharded.failed(fault)
    return ask(snapshot(now))


def snapshot(now: datetime | None = None) -> Snapshot:
    """What this machine knows of presence now; who is still there is so until `now` (by default the clock's)."""
    return _cache().snapshot(now or clock.now())


def keep_up() -> bool:
    """Write new segments when it is time, and hand them to the cluster (the engine's part of `khien up` asks each
    second); True when it did."""
    cache, sharded = _cache(), _shards()
    wrote = cache.keep_up()
    return (sharded is not None and sharded.keep_up(cache.store)) or wrote


def rebuild() -> int:
    """Throw the segments away and make them anew from the record; returns how many stays they hold."""
    return _cache().rebuild()


def forget() -> None:
    """Remove from memory and disk what the ledger says is forgotten, now."""
    cache, sharded = _cache(), _shards()
    cache.forget()
    if sharded is not None:
        sharded.forget()


def reset() -> None:
    """Begin anew in this process (tests, whose changes are rolled back)."""
    global _own, _cluster
    _own = _cluster = None


def status() -> Status:
    """How far the copy goes."""
    return _cache().status()


def shards() -> list[ShardStatus]:
    """How far the shards of the cluster go; none without a cluster. Raises `Unreachable`."""
    sharded = _shards()
    return [] if sharded is None else sharded.statuses()


@dataclass(frozen=True, slots=True)
class Status:
    """The record's position and the segments'; the days and stays that the segments hold; damaged days."""

    position: int
    written: int
    days: int
    stays: int
    damaged: int


_own: Cache | None = None
_cluster: Sharded | None = None
_making = threading.Lock()


def _cache() -> Cache:
    global _own
    with _making:
        if _own is None:
            _own = Cache(Path(settings.KHIEN_DATA) / "segments")
        return _own


def _shards() -> Sharded | None:
    """The cluster, if this installation has one."""
    global _cluster
    address = settings.KHIEN_CLUSTER
    if not address:
        return None
    with _making:
        if _cluster is None or _cluster.address != address:
            _cluster = Sharded(address)
        return _cluster


class Cache:
    """The segments of one folder and what this process has read beyond them."""

    def __init__(self, folder: Path) -> None:
        from khien.engine.store import Store

        self.store: Store = Store(folder)
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._state: State | None = None
        self._stamp: tuple[int, int] | None = None
        self._lineage = ""
        self._changed_at = 0.0
        self._written: list[tuple[float, int]] = []

    def snapshot(self, now: datetime) -> Snapshot:
        """As the module's `snapshot`."""
        with self._lock:
            return self._refreshed().snapshot(int(now.timestamp()))

    def keep_up(self) -> bool:
        """As the module's `keep_up`."""
        with self._lock, self.store.writing() as mine:
            if not mine:
                return False
            if self.store.manifest().lineage != changes.ledger().lineage:
                self._write_all()
                return True
            live = self._refreshed()
            if not (live.changed or (self._state is not None and self._state.damaged)):
                self._changed_at = 0.0
                return False
            self._changed_at = self._changed_at or time.monotonic()
            waited = time.monotonic() - self._changed_at
            damaged = bool(self._state is not None and self._state.damaged)
            if live.changed < WRITE_AFTER_CHANGES and waited < WRITE_AFTER_S and not damaged:
                return False
            self._write(live)
            self._changed_at = 0.0
            return True

    def rebuild(self) -> int:
        """As the module's `rebuild`."""
        with self._lock, self.store.writing(wait=True):
            self.store.clear()
            self._live = self._state = self._stamp = None
            return self._write_all()

    def forget(self) -> None:
        """As the module's `forget`."""
        before = changes.ledger().forgotten_before
        if before is None:
            return
        number = (before - _EPOCH_DAY).days
        with self._lock:
            if self._live is not None:
                self._live.forget(number)
            if self.store.stamp() is None:
                return
            with self.store.writing(wait=True):
                manifest = self.store.manifest()
                try:
                    self.store.write(
                        [], position=manifest.position, lineage=manifest.lineage, forgotten_before=number
                    )
                except OSError as fault:
                    # Removing needs no room: the files go now, and the manifest is put right by the next writer.
                    self.store.remove_before(number)
                    logger.error("segments: forgotten days removed, manifest not written: %s", fault.strerror)

    def status(self) -> Status:
        """As the module's `status`."""
        state = self.store.read()
        return Status(
            changes.ledger().position,
            state.manifest.position,
            len(state.segments),
            sum(map(len, state.segments.values())),
            len(state.damaged),
        )

    # -- reading ---------------------------------------------------------------------------------------

    def _refreshed(self) -> Live:
        """What is known now: the newest segments, and what the record says has changed since they were written."""
        from khien.engine.live import Changes, Inconsistent

        ledger = changes.ledger()
        live = self._adopted(ledger.lineage)
        whole = self._missing(live)
        told = changes.since(live.position, self._first_day(ledger.forgotten_before), whole)
        if told.position < live.position or told.complete_since > live.position > 0:
            # The record was put back to an earlier state, or has discarded what this process did not follow.
            live, told = self._anew(ledger.forgotten_before)
        try:
            live.apply(Changes(told.position, _stays(told.added), _stays(told.removed)))
        except Inconsistent as fault:
            logger.error("segments do not match the record, reading it anew: %s", fault)
            live, told = self._anew(ledger.forgotten_before)
            live.apply(Changes(told.position, _stays(told.added), _stays(told.removed)))
        if ledger.forgotten_before is not None:
            live.forget((ledger.forgotten_before - _EPOCH_DAY).days)
        self._live = live
        return live

    def _adopted(self, lineage: str) -> Live:
        from khien.engine.live import Live
        from khien.engine.store import Manifest, State

        stamp = self.store.stamp()
        if self._live is not None and stamp == self._stamp and lineage == self._lineage:
            return self._live
        state = self.store.read(self._state)
        if state.manifest.lineage != lineage:
            state = State(Manifest(), {})
        self._state, self._stamp, self._lineage = state, stamp, lineage
        return Live(state)

    def _missing(self, live: Live) -> list[date]:
        """Days whose file was damaged: they are read whole, once."""
        if self._state is None or live is self._live:
            return []
        return [to_day(day) for day in self._state.damaged]

    def _anew(self, forgotten_before: date | None) -> tuple[Live, changes.Difference]:
        from khien.engine.live import Live
        from khien.engine.store import Manifest, State

        self._state = State(Manifest(), {})
        return Live(self._state), changes.since(0, self._first_day(forgotten_before))

    def _first_day(self, forgotten_before: date | None) -> date:
        oldest = clock.today() - timedelta(days=KEPT_DAYS)
        return oldest if forgotten_before is None else max(oldest, forgotten_before)

    # -- writing ---------------------------------------------------------------------------------------

    def _write(self, live: Live) -> None:
        """The days that have changed, from memory."""
        began = time.perf_counter()
        days = live.changed_days | (set(self._state.damaged) if self._state is not None else set())
        held = live.days()
        self.store.write(
            [live.day(day) for day in sorted(days)],
            position=live.position,
            lineage=self._lineage,
            forgotten_before=live.forgotten_before,
            keep=held,
        )
        logger.info(
            "segments written: %s days of %s in %.1f s", len(days), len(held), time.perf_counter() - began
        )
        self._live = None
        self._discard(live.position)

    def _write_all(self) -> int:
        """Everything, day by day from one picture of the record: memory holds one day."""
        began = time.perf_counter()
        stays = 0

        def segments(days: Iterable[date]) -> Iterable[DaySegment]:
            nonlocal stays
            from khien.engine.segment import DaySegment

            for day in days:
                told = changes.of_day(day)
                stays += len(told.person)
                yield DaySegment.build(
                    (day - _EPOCH_DAY).days, told.person, told.place, told.enter, told.leave
                )

        with transaction.atomic():
            if not connection.savepoint_ids:
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            ledger = changes.ledger()
            forgotten = ledger.forgotten_before
            self.store.write(
                segments(changes.days(self._first_day(forgotten))),
                position=ledger.position,
                lineage=ledger.lineage,
                forgotten_before=None if forgotten is None else (forgotten - _EPOCH_DAY).days,
                keep=[],
            )
        logger.info("segments made anew: %s stays in %.1f s", stays, time.perf_counter() - began)
        self._live = None
        return stays

    def _discard(self, position: int) -> None:
        """What others may still have to follow is kept for an hour."""
        now = time.monotonic()
        self._written.append((now, position))
        old = [p for at, p in self._written if at < now - RETRACTIONS_KEPT_S]
        if old:
            changes.discard_before(max(old))
            self._written = [(at, p) for at, p in self._written if at >= now - RETRACTIONS_KEPT_S]


def _stays(told: Told) -> Stays:
    from khien.engine.live import Stays

    return Stays(told.person, told.place, told.enter, told.leave)
