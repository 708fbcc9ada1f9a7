"""One shard: the stays at some places, in a folder of its own, and what it can be asked.

A shard keeps nothing that it could not have again: each question says which written segments it is about (`View`) and
brings what the record says has changed since, of which the shard remembers what it has applied already. So one that
was killed and opened its folder again answers as before. What it cannot answer as it is asked it refuses (`Moved`).
"""

from __future__ import annotations

import shutil
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from khien.engine.cluster.packing import Packed, pack, unpack
from khien.engine.encounter import Spells, Thresholds
from khien.engine.live import Changes, Live
from khien.engine.ranges import IntArray
from khien.engine.reaching import one_level
from khien.engine.search import Plan, Tally, tallied
from khien.engine.segment import DaySegment
from khien.engine.snapshot import Dead, Found, Snapshot
from khien.engine.store import State, Store

_STAGED = "staged"
_REMEMBERED = 8
_SPELLS_AT_ONCE = 2048


class Moved(Exception):
    """The shard does not hold what it is asked about: its segments have been written anew, or are damaged."""


@dataclass(frozen=True)
class Status:
    """What a shard holds: its manifest's position and lineage, days that are damaged, and the file that each day was
    cut from."""

    position: int
    lineage: str
    damaged: frozenset[int]
    cut_from: dict[int, str]
    stays: int
    octets: int
    first_day: int
    highest_person: int


@dataclass(frozen=True)
class View:
    """What a question is about: the segments written up to `position`, without days that were `damaged`, and without
    those forgotten; `chain` names the changes that come with it, `now` closes what is still open."""

    chain: str
    position: int
    lineage: str
    damaged: frozenset[int]
    forgotten_before: int | None
    now: int


class Shard:
    """The folder of one shard, opened. It may be asked by several threads; its answers are as narrow as they can be."""

    def __init__(self, folder: Path) -> None:
        self._store = Store(folder)
        self._staged = folder / _STAGED
        self._lock = threading.RLock()
        self._states: list[State] = []
        self._stamp: tuple[int, int] | None = None
        self._lives: OrderedDict[str, tuple[Live, int]] = OrderedDict()
        self._snapshots: OrderedDict[Any, Snapshot] = OrderedDict()

    # -- what it holds ---------------------------------------------------------------------------------

    def status(self) -> Status:
        """What is held now."""
        with self._lock:
            state = self._newest()
        days = state.manifest.days
        return Status(
            state.manifest.position,
            state.manifest.lineage,
            state.damaged,
            {day: entry.cut_from for day, entry in days.items() if day not in state.damaged},
            sum(entry.rows for entry in days.values()),
            sum(entry.octets for entry in days.values()),
            min(state.segments, default=0),
            max((segment.highest_person for segment in state.segments.values()), default=-1),
        )

    def stage(self, segment: DaySegment) -> None:
        """Keep a day aside until it is published. Doing it twice does no harm."""
        self._staged.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._staged / f"{segment.day}"
        path.unlink(missing_ok=True)
        segment.write(path)

    def publish(
        self,
        cut_from: dict[int, str],
        *,
        position: int,
        lineage: str,
        keep: Sequence[int],
        forgotten_before: int | None,
    ) -> None:
        """Exchange the staged days of `cut_from` for what was held of them; other days stay if they are in `keep`.

        Doing it twice does no harm: what is published already is not staged any more.
        """

        def staged() -> Iterator[DaySegment]:
            for day in sorted(cut_from):
                yield DaySegment.open(self._staged / f"{day}")

        with self._lock, self._store.writing(wait=True):
            if cut_from and not self._staged.exists():
                return
            if forgotten_before != self._store.manifest().forgotten_before:
                # What is forgotten lies in memory no longer either.
                self._states, self._stamp = [], None
                self._lives.clear()
                self._snapshots.clear()
            self._store.write(
                staged(),
                position=position,
                lineage=lineage,
                keep=keep,
                forgotten_before=forgotten_before,
                cut_from=cut_from,
            )
            shutil.rmtree(self._staged, ignore_errors=True)

    def _newest(self) -> State:
        stamp = self._store.stamp()
        if not self._states or stamp != self._stamp:
            state = self._store.read(self._states[0] if self._states else None)
            # Who has begun to ask about the segments of before may end.
            self._states = [state, *self._states][:2]
            self._stamp = stamp
        return self._states[0]

    # -- being asked -----------------------------------------------------------------------------------

    def ask(self, name: str, view: View, arguments: tuple[Any, ...], *changes: Changes) -> Any:
        """Answer one of the questions below about what is known in a view. Raises `Moved`, and `Inconsistent` when the
        changes take back what is not held."""
        with self._lock:
            snapshot = self._snapshot(view, changes)
        return getattr(self, f"_{name}")(snapshot, *arguments)

    def _snapshot(self, view: View, changes: Sequence[Changes]) -> Snapshot:
        key = (view, len(changes))
        if key in self._snapshots:
            self._snapshots.move_to_end(key)
            return self._snapshots[key]
        live, applied = self._lives.pop(view.chain, (None, 0))
        if live is not None and applied > len(changes):
            # Somebody still asks about a moment before.
            self._lives[view.chain] = live, applied
            live = None
        kept = live is not None or view.chain not in self._lives
        if live is None:
            live, applied = Live(self._state(view)), 0
        if view.forgotten_before is not None:
            live.forget(view.forgotten_before)
        for batch in changes[applied:]:
            live.apply(batch)
        if kept:
            self._lives[view.chain] = live, len(changes)
        snapshot = self._snapshots[key] = live.snapshot(view.now)
        while len(self._snapshots) > _REMEMBERED:
            self._snapshots.popitem(last=False)
        while len(self._lives) > _REMEMBERED:
            self._lives.popitem(last=False)
        return snapshot

    def _state(self, view: View) -> State:
        self._newest()
        for state in self._states:
            manifest = state.manifest
            if (manifest.position, manifest.lineage, state.damaged) == (
                view.position,
                view.lineage,
                view.damaged,
            ):
                return state
        raise Moved(f"segments written up to {view.position} are asked for and not held")

    # -- the questions ---------------------------------------------------------------------------------

    def _stays_in(self, snapshot: Snapshot, spells: Packed) -> Packed:
        return pack(*snapshot.stays_in(Spells(*unpack(spells))))

    def _found(
        self,
        snapshot: Snapshot,
        spells: Packed,
        thresholds: Thresholds,
        backward: bool,
        stays: Packed | None,
    ) -> Found:
        at: Any = None if stays is None else unpack(stays)
        return snapshot.found(Spells(*unpack(spells)), thresholds, backward=backward, stays=at)

    def _present_at(self, snapshot: Snapshot, asked: Packed) -> Packed:
        place, begin, end = unpack(asked)
        return pack(*snapshot.present_at(place, begin, end))

    def _days_with_stays(self, snapshot: Snapshot) -> tuple[int, int]:
        return snapshot.days_with_stays

    def _people_seen(self, snapshot: Snapshot) -> Dead:
        return snapshot.people_seen()

    def _tally(self, snapshot: Snapshot, spells: Packed, thresholds: Thresholds) -> Packed:
        """Whom the spells' people met, and their encounters summed up: the columns of `Tally`."""
        person, begin, end = unpack(spells)
        parts = []
        for first in range(0, len(person), _SPELLS_AT_ONCE):
            some = slice(first, first + _SPELLS_AT_ONCE)
            parts.append(tallied(snapshot, Spells(person[some], begin[some], end[some]), thresholds))
        return pack(*vars(Tally.sum(parts).grouped()).values())

    def _spread(
        self, snapshot: Snapshot, spells: Packed, plan: Plan, horizon: int, want_last: bool
    ) -> Packed:
        """Whom the spells' people may have infected: (person, at the earliest, at the latest)."""
        asked = Spells(*unpack(spells))
        return pack(*one_level(snapshot, asked, plan, horizon, want_last=want_last))


def frontier(person: IntArray, begin: IntArray, end: IntArray) -> Packed:
    """Spells on their way to a shard; those of no length ask nothing and stay behind."""
    some = begin < end
    if not np.all(some):
        person, begin, end = person[some], begin[some], end[some]
    return pack(person, begin, end)
