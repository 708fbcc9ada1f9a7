"""Segments in a folder: a cache of the record that can be made anew at any time, read by any number of processes.

The folder holds one file a day and a manifest that names those that count. Whatever happens while one is written
(a crash, a full disk), the manifest of before still names whole files: a new file is written aside, synced and
renamed, and the manifest is exchanged last. What no manifest names is swept away by the next writer.

    store = Store(folder)
    store.write(day_segments, position=17)      # one writer at a time
    state = store.read()                        # days, position; every file checked when it is opened

What is damaged is never served: `read` leaves such a day out and names it in `damaged`, for the owner of the record
to write again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from khien.engine.compiled import building
from khien.engine.segment import FORMAT, Damaged, DaySegment
from khien.engine.threads import pool

MANIFEST = "manifest.json"
_LOCK = "lock"
_ASIDE = ".aside-"


@dataclass(frozen=True)
class Entry:
    """A day in the manifest: its file, stays and octets; a shard's also names the file that it was cut from."""

    file: str
    rows: int
    octets: int
    cut_from: str = ""


@dataclass(frozen=True)
class Manifest:
    """What counts: the days' files, up to which change of the record they go (`position`), whose record it is
    (`lineage`: another one makes the whole folder worthless), and the first day that is not forgotten."""

    position: int = 0
    lineage: str = ""
    days: Mapping[int, Entry] = field(default_factory=dict)
    forgotten_before: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "position": self.position,
            "lineage": self.lineage,
            "forgotten_before": self.forgotten_before,
            "days": {str(day): vars(entry) for day, entry in sorted(self.days.items())},
        }


@dataclass(frozen=True)
class State:
    """A manifest with its segments opened. `damaged` names the days whose file did not hold what was written."""

    manifest: Manifest
    segments: Mapping[int, DaySegment]
    damaged: frozenset[int] = frozenset()


class Store:
    """The folder. `at_step` is called with the name of each step of a write: tests break off there."""

    def __init__(self, folder: Path, *, at_step: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self._at_step = at_step or (lambda _step: None)

    # -- reading ---------------------------------------------------------------------------------------

    def stamp(self) -> tuple[int, int] | None:
        """Something cheap that differs whenever the manifest has been exchanged; None when there is none."""
        try:
            told = (self.folder / MANIFEST).stat()
        except FileNotFoundError:
            return None
        return told.st_ino, told.st_mtime_ns

    def manifest(self) -> Manifest:
        """The manifest; an empty one when there is none, or none that can be believed."""
        try:
            told = json.loads((self.folder / MANIFEST).read_bytes())
            body, check = told["body"], told["check"]
            if check != _check(body) or body["format"] != FORMAT:
                return Manifest()
            return Manifest(
                body["position"],
                body["lineage"],
                {int(day): Entry(**entry) for day, entry in body["days"].items()},
                body["forgotten_before"],
            )
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Manifest()

    def read(self, known: State | None = None) -> State:
        """The manifest of now with its segments; files that `known` holds already are not opened again."""
        manifest = self.manifest()
        while True:
            state, gone = self._opened(manifest, known)
            # A writer may have exchanged the manifest and removed a file between our two looks.
            again = self.manifest() if gone else manifest
            if again == manifest:
                return state
            manifest = again

    def _opened(self, manifest: Manifest, known: State | None) -> tuple[State, bool]:
        segments: dict[int, DaySegment] = {}
        damaged = set()
        gone = False
        wanted = []
        for day, entry in manifest.days.items():
            if known is not None and day in known.segments and known.manifest.days.get(day) == entry:
                segments[day] = known.segments[day]
            else:
                wanted.append((day, entry))
        for (day, entry), told in zip(
            wanted, pool().map(self._open, (entry.file for _day, entry in wanted)), strict=True
        ):
            gone |= isinstance(told, FileNotFoundError)
            if isinstance(told, DaySegment) and told.day == day and len(told) == entry.rows:
                segments[day] = told
            else:
                damaged.add(day)
        return State(manifest, segments, frozenset(damaged)), gone

    def _open(self, file: str) -> DaySegment | Damaged | FileNotFoundError:
        try:
            return DaySegment.open(self.folder / file)
        except (Damaged, FileNotFoundError) as fault:
            return fault

    # -- writing ---------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def writing(self, *, wait: bool = False) -> Iterator[bool]:
        """The right to write, for one process at a time; False when another has it (and we do not `wait`)."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True
        finally:
            os.close(descriptor)

    def write(
        self,
        segments: Iterable[DaySegment],
        *,
        position: int,
        lineage: str = "",
        forgotten_before: int | None = None,
        keep: Iterable[int] | None = None,
        cut_from: Mapping[int, str] | None = None,
    ) -> Manifest:
        """Exchange the days given for new segments (an empty one removes the day); the record is held up to `position`.

        Other days stay, or only those in `keep`; days before `forgotten_before` go, and their files with them.
        `cut_from` is noted of the days given.
        Inside `writing`. Raises OSError (a full disk, say), and then everything is as it was.
        """
        before = self.manifest()
        days = {
            day: entry
            for day, entry in before.days.items()
            if before.lineage == lineage and (keep is None or day in set(keep))
        }
        self._sweep(before.days)
        made: list[Path] = []
        try:
            for segment in segments:
                if len(segment) == 0:
                    days.pop(segment.day, None)
                    continue
                aside = self.folder / f"{_ASIDE}{segment.day}-{secrets.token_hex(6)}"
                made.append(aside)
                self._at_step("segment begun")
                octets = segment.write(aside)
                self._at_step("segment written")
                name = f"{segment.day}-{position}-{secrets.token_hex(4)}.segment"
                aside.rename(self.folder / name)
                made[-1] = self.folder / name
                self._at_step("segment renamed")
                days[segment.day] = Entry(name, len(segment), octets, (cut_from or {}).get(segment.day, ""))
            if forgotten_before is not None:
                days = {day: entry for day, entry in days.items() if day >= forgotten_before}
            manifest = Manifest(position, lineage, days, forgotten_before)
            _sync(self.folder)
            self._at_step("folder synced")
            self._exchange(manifest)
        except OSError:
            for path in made:
                path.unlink(missing_ok=True)
            raise
        self._at_step("manifest exchanged")
        self._sweep(days)
        self._at_step("swept")
        return manifest

    def remove_before(self, day: int) -> None:
        """Remove the files of the days before one, whatever the manifest says: readers then find them damaged, the next
        `write` settles it. For a disk too full for a new manifest. Inside `writing`."""
        for held, entry in self.manifest().days.items():
            if held < day:
                (self.folder / entry.file).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove everything: the next writer begins anew. Inside `writing`."""
        (self.folder / MANIFEST).unlink(missing_ok=True)
        self._sweep({})

    def _exchange(self, manifest: Manifest) -> None:
        body = manifest.as_json()
        aside = self.folder / f"{_ASIDE}{MANIFEST}-{secrets.token_hex(6)}"
        try:
            with aside.open("x") as file:
                json.dump({"body": body, "check": _check(body)}, file)
                file.flush()
                os.fsync(file.fileno())
            self._at_step("manifest written")
            aside.rename(self.folder / MANIFEST)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        _sync(self.folder)

    def _sweep(self, days: Mapping[int, Entry]) -> None:
        """Remove the files that nothing names. Who has one mapped goes on reading it."""
        named = {entry.file for entry in days.values()}
        for path in self.folder.iterdir():
            if path.name.startswith(_ASIDE) or (path.suffix == ".segment" and path.name not in named):
                path.unlink(missing_ok=True)


def _check(body: dict[str, Any]) -> str:
    import numpy as np

    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    return f"{int(building.checksum(np.frombuffer(text, np.uint8))):016x}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
