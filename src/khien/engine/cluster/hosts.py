"""Where shards are: in this process, for tests and for trying out; `actors` has those on other machines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from khien.engine.cluster.packing import octets
from khien.engine.cluster.shard import Shard, Status, View
from khien.engine.live import Changes
from khien.engine.segment import DaySegment


class Unreachable(Exception):
    """A shard gives no answer; the text says which."""


class Hosts(Protocol):
    """Shards by number from 0. `moved` counts the octets of questions and answers."""

    shards: int
    moved: int

    def hold(self, number: int, changes: Changes) -> Any:
        """Make changes known to a shard; what is returned stands for them in `ask`."""

    def ask(
        self, name: str, asked: Mapping[int, tuple[View, tuple[Any, ...], Sequence[Any]]]
    ) -> dict[int, Any]:
        """Ask several shards at the same time: of each the view, the arguments, and changes that are held."""

    def statuses(self) -> list[Status]:
        """What each shard holds."""

    def stage(self, parts: Sequence[DaySegment]) -> None:
        """Give each shard its part of a day, to be kept aside."""

    def publish(self, number: int, cut_from: dict[int, str], **about: Any) -> None:
        """Have a shard exchange what is staged; see `Shard.publish`."""

    def leave(self) -> None:
        """Ask nothing any more."""


class Local:
    """All shards in this process, each in a folder `shard-N` of one."""

    def __init__(self, folder: Path, shards: int) -> None:
        self.shards, self.moved = shards, 0
        self.each = [Shard(folder_of(folder, number)) for number in range(shards)]

    def hold(self, number: int, changes: Changes) -> Any:
        """As `Hosts`."""
        return changes

    def ask(
        self, name: str, asked: Mapping[int, tuple[View, tuple[Any, ...], Sequence[Any]]]
    ) -> dict[int, Any]:
        """As `Hosts`."""
        told = {}
        for number, (view, arguments, changes) in asked.items():
            told[number] = self.each[number].ask(name, view, arguments, *changes)
            self.moved += octets(arguments) + octets(told[number])
        return told

    def statuses(self) -> list[Status]:
        """As `Hosts`."""
        return [shard.status() for shard in self.each]

    def stage(self, parts: Sequence[DaySegment]) -> None:
        """As `Hosts`."""
        for shard, part in zip(self.each, parts, strict=True):
            shard.stage(part)

    def publish(self, number: int, cut_from: dict[int, str], **about: Any) -> None:
        """As `Hosts`."""
        self.each[number].publish(cut_from, **about)

    def leave(self) -> None:
        """As `Hosts`."""


def folder_of(folder: Path, number: int) -> Path:
    """Where a shard lies."""
    return folder / f"shard-{number}"
