"""What all shards know at one moment, asked as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from khien.engine.cluster.hosts import Hosts
from khien.engine.cluster.packing import pack, unpack
from khien.engine.cluster.shard import View, frontier
from khien.engine.cluster.sharding import shard_of
from khien.engine.encounter import Spells, Thresholds
from khien.engine.ranges import AnyArray, IntArray, expand
from khien.engine.reaching import as_it_counts, earliest_and_latest
from khien.engine.search import Plan, Tally
from khien.engine.snapshot import Dead, Found, Known, OwnStays, SameIds


class ClusterSnapshot(Known):
    """As `Snapshot`, from shards: `views` and `changes` are of each shard, `people` is one more than the greatest
    number of a person, `origin` a moment that no stay began before (epoch seconds)."""

    def __init__(
        self,
        hosts: Hosts,
        views: Sequence[View],
        changes: Sequence[Sequence[Any]],
        *,
        people: int,
        origin: int,
        person_ids: AnyArray | SameIds | None = None,
        place_ids: AnyArray | SameIds | None = None,
    ) -> None:
        self._hosts, self._views, self._changes = hosts, views, changes
        self.now = views[0].now
        self._origin = origin
        self.person_ids = SameIds(people) if person_ids is None else person_ids
        self.place_ids = SameIds(2**32) if place_ids is None else place_ids

    # -- as `Snapshot` ---------------------------------------------------------------------------------

    def stays_in(self, spells: Spells) -> OwnStays:
        """As `Known`."""
        asked = (pack(spells.person, spells.begin, spells.end),)
        told = [unpack(one) for one in self._all("stays_in", asked)]
        spell, place, enter, leave = (np.concatenate(column) for column in zip(*told, strict=True))
        order = np.lexsort((place, enter, spell))
        return spell[order], place[order], enter[order], leave[order]

    def found(
        self, spells: Spells, thresholds: Thresholds, *, backward: bool = False, stays: OwnStays | None = None
    ) -> Found:
        """As `Known`."""
        if stays is None:
            asked = (pack(spells.person, spells.begin, spells.end), thresholds, backward, None)
            return self._together(self._all("found", asked))
        place = stays[1]
        owner = shard_of(place, self._hosts.shards)
        arguments, spell_of = {}, {}
        for number in np.unique(owner).tolist():
            spell, *where = (column[owner == number] for column in stays)
            # Of the spells only those that the shard has stays of.
            spell_of[number], slot = np.unique(spell, return_inverse=True)
            some = spell_of[number]
            about = pack(spells.person[some], spells.begin[some], spells.end[some])
            arguments[number] = about, thresholds, backward, pack(slot.reshape(-1), *where)
        told = self._ask("found", arguments)
        for number, found in told.items():
            groups = found.groups.copy()
            groups[0] = spell_of[number][groups[0]]
            told[number] = Found(found.told, groups, found.origin)
        return self._together(list(told.values()))

    def present_at(
        self, place: IntArray, begin: IntArray, end: IntArray
    ) -> tuple[IntArray, IntArray, IntArray, IntArray]:
        """As `Known`."""
        owner = shard_of(place, self._hosts.shards)
        rows = {number: np.flatnonzero(owner == number) for number in np.unique(owner).tolist()}
        told = self._ask(
            "present_at",
            {number: (pack(place[some], begin[some], end[some]),) for number, some in rows.items()},
        )
        parts: list[tuple[IntArray, ...]] = [(np.empty(0, np.int64),) * 4]
        for number, packed in told.items():
            question, *columns = unpack(packed)
            parts.append((rows[number][question], *columns))
        question, person, enter, leave = (np.concatenate(column) for column in zip(*parts, strict=True))
        order = np.argsort(question, kind="stable")
        return question[order], person[order], enter[order], leave[order]

    @cached_property
    def days_with_stays(self) -> tuple[int, int]:
        """As `Known`."""
        told = [days for days in self._all("days_with_stays", ()) if days[1] >= days[0]]
        return (min(day for day, _ in told), max(day for _, day in told)) if told else (0, -1)

    def people_seen(self) -> Dead:
        """As `Known`."""
        told = self._all("people_seen", ())
        everybody = np.zeros(max(map(len, told)), np.uint8)
        for one in told:
            everybody[: len(one)] |= one
        return everybody

    # -- searches of several hops ----------------------------------------------------------------------

    def tally(self, spells: Spells, thresholds: Thresholds) -> Tally:
        """The encounters of the spells summed up by the person met, in each shard and then over all of them."""
        asked = (frontier(spells.person, spells.begin, spells.end), thresholds)
        return Tally.sum([Tally(*unpack(one)) for one in self._all("tally", asked)]).grouped()

    def spread(
        self, spells: Spells, plan: Plan, horizon: int, *, want_last: bool
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Whom the spells' people may have infected: person (each once), at the earliest, at the latest if wanted."""
        asked = (frontier(spells.person, spells.begin, spells.end), plan, horizon, want_last)
        told = [unpack(one) for one in self._all("spread", asked)]
        person, first, last = (np.concatenate(column) for column in zip(*told, strict=True))
        both = earliest_and_latest(person, first, last)
        return as_it_counts(*both, plan, horizon, want_last=want_last)

    # -- small words -----------------------------------------------------------------------------------

    def _all(self, name: str, arguments: tuple[Any, ...]) -> list[Any]:
        told = self._ask(name, dict.fromkeys(range(self._hosts.shards), arguments))
        return [told[number] for number in sorted(told)]

    def _ask(self, name: str, arguments: Mapping[int, tuple[Any, ...]]) -> dict[int, Any]:
        return self._hosts.ask(
            name,
            {
                number: (self._views[number], some, self._changes[number])
                for number, some in arguments.items()
            },
        )

    def _together(self, told: Sequence[Found]) -> Found:
        """Encounters from several shards in the order of their places, which is that of one machine."""
        parts = []
        for one in told:
            if len(one):
                moments = one.told.copy()
                moments[1:] += np.int32(one.origin - self._origin)
                parts.append((moments, one.groups))
        if not parts:
            return Found(np.empty((3, 0), np.int32), np.empty((4, 0), np.int64), self._origin)
        both = Found.of(parts, self._origin)
        if len(parts) == 1:
            return both
        ends = both.groups[3]
        begins = np.concatenate(([0], ends[:-1]))
        order = np.argsort(both.groups[1], kind="stable")
        _group, rows = expand(begins[order], ends[order])
        groups = both.groups[:, order]
        groups[3] = np.cumsum((ends - begins)[order])
        return Found(both.told[:, rows], groups, self._origin)
