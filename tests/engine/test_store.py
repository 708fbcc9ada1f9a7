"""The folder of segments: whatever happens to it, what it serves is what was written, or nothing."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from khien.engine.live import Stays, days_of
from khien.engine.segment import DAY_S, Damaged, DaySegment, local_day
from khien.engine.store import MANIFEST, Manifest, Store

START = 18_995 * DAY_S - 7 * 3600
DAY = local_day(START)


def day_of(number: int, *, version: int = 0, size: int = 500) -> DaySegment:
    """A day's segment that depends on its day and version."""
    draw = np.random.default_rng([number, version])
    enter = START + number * DAY_S + draw.integers(0, DAY_S, size)
    stays = Stays(
        draw.integers(0, 1000, size), draw.integers(0, 50, size), enter, enter + draw.integers(0, DAY_S, size)
    )
    return days_of(stays)[DAY + number]


def told(store: Store) -> dict[int, list[tuple[int, ...]]]:
    state = store.read()
    assert not state.damaged
    return {day: content(segment) for day, segment in state.segments.items()}


def content(segment: DaySegment) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in segment.columns()), strict=True))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "segments")
    with made.writing() as mine:
        assert mine
        made.write([day_of(0), day_of(1)], position=5, lineage="a")
    return made


def test_what_was_written_is_read(store: Store) -> None:
    assert told(store) == {DAY: content(day_of(0)), DAY + 1: content(day_of(1))}
    manifest = store.manifest()
    assert (manifest.position, manifest.lineage) == (5, "a")
    assert manifest.days[DAY].octets == (store.folder / manifest.days[DAY].file).stat().st_size


def test_days_are_exchanged_kept_removed_and_forgotten(store: Store) -> None:
    with store.writing():
        store.write([day_of(1, version=1), day_of(2)], position=6, lineage="a")
        assert told(store) == {
            DAY: content(day_of(0)),
            DAY + 1: content(day_of(1, version=1)),
            DAY + 2: content(day_of(2)),
        }
        nothing = DaySegment.build(DAY + 2, *(np.empty(0, np.int64),) * 4)
        store.write([nothing], position=7, lineage="a", forgotten_before=DAY + 1)
    assert told(store) == {DAY + 1: content(day_of(1, version=1))}
    assert sum(path.suffix == ".segment" for path in store.folder.iterdir()) == 1, "no file of them is left"
    assert store.manifest().forgotten_before == DAY + 1


def test_a_record_of_another_lineage_begins_anew(store: Store) -> None:
    with store.writing():
        store.write([day_of(3)], position=1, lineage="b")
    assert list(told(store)) == [DAY + 3]


def test_one_writer_at_a_time(store: Store) -> None:
    with store.writing() as first, Store(store.folder).writing() as second:
        assert first
        assert not second


def test_files_that_are_open_already_are_not_opened_again(store: Store) -> None:
    before = store.read()
    stamp = store.stamp()
    with store.writing():
        store.write([day_of(1, version=1)], position=6, lineage="a")
    assert store.stamp() != stamp
    after = store.read(before)
    assert after.segments[DAY] is before.segments[DAY]
    assert content(after.segments[DAY + 1]) == content(day_of(1, version=1))
    assert content(before.segments[DAY + 1]) == content(day_of(1)), "who has it mapped goes on reading it"


def test_every_flipped_bit_and_every_cut_is_noticed(store: Store, tmp_path: Path) -> None:
    source = store.folder / store.manifest().days[DAY].file
    whole = source.read_bytes()
    bad = tmp_path / "bad"
    draw = np.random.default_rng(1)
    parts = [0, 8, 12, 16, 24, 48, *draw.integers(0, len(whole), 300).tolist()]
    padding = 0
    for at in parts:
        octets = bytearray(whole)
        octets[at] ^= 1 << int(draw.integers(0, 8))
        bad.write_bytes(octets)
        try:
            same = content(DaySegment.open(bad)) == content(day_of(0))
        except Damaged:
            continue
        # Between the arrays lie zeros that mean nothing.
        assert same
        padding += 1
    assert padding < 30
    for size in (0, 10, 63, 200, len(whole) // 2, len(whole) - 64):
        bad.write_bytes(whole[:size])
        with pytest.raises(Damaged):
            DaySegment.open(bad)


def test_a_damaged_day_is_not_served_but_named(store: Store) -> None:
    path = store.folder / store.manifest().days[DAY].file
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 4
    path.write_bytes(octets)
    state = store.read()
    assert state.damaged == {DAY}
    assert list(state.segments) == [DAY + 1]
    (store.folder / state.manifest.days[DAY + 1].file).unlink()
    assert store.read().damaged == {DAY, DAY + 1}
    with store.writing():
        store.write([day_of(0), day_of(1)], position=6, lineage="a")
    assert told(store) == {DAY: content(day_of(0)), DAY + 1: content(day_of(1))}


@pytest.mark.parametrize(
    "text", ["", "{", '{"body": {}, "check": ""}', '{"body": {"format": 1, "position": 9}, "check": "0"}']
)
def test_a_manifest_that_cannot_be_believed_is_none(store: Store, text: str) -> None:
    (store.folder / MANIFEST).write_text(text)
    assert store.manifest() == Manifest()
    assert told(store) == {}


def test_a_manifest_whose_position_was_changed_is_none(store: Store) -> None:
    told_before = json.loads((store.folder / MANIFEST).read_text())
    told_before["body"]["position"] += 1
    (store.folder / MANIFEST).write_text(json.dumps(told_before))
    assert store.manifest() == Manifest()


STEPS = [
    "segment begun",
    "segment written",
    "segment renamed",
    "folder synced",
    "manifest written",
    "manifest exchanged",
    "swept",
]


def in_a_process(act: Callable[..., None], *arguments: Any) -> multiprocessing.Process:
    """Something done by a process of its own, which may die of it."""
    process = multiprocessing.get_context("fork").Process(target=act, args=arguments)
    process.start()
    return process


def write_and_die(folder: Path, at: str) -> None:
    def die(step: str) -> None:
        if step == at:
            os.kill(os.getpid(), signal.SIGKILL)

    store = Store(folder, at_step=die)
    with store.writing():
        store.write([day_of(0, version=1), day_of(2)], position=6, lineage="a")


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_folder_holds_all_of_before_or_all_of_after(store: Store, step: str) -> None:
    process = in_a_process(write_and_die, store.folder, step)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    before = {DAY: content(day_of(0)), DAY + 1: content(day_of(1))}
    after = {
        DAY: content(day_of(0, version=1)),
        DAY + 1: content(day_of(1)),
        DAY + 2: content(day_of(2)),
    }
    is_after = step in {"manifest exchanged", "swept"}
    assert told(store) == (after if is_after else before)
    assert store.manifest().position == (6 if is_after else 5)
    # The next writer finds the lock free, writes, and leaves nothing of the broken-off one behind.
    with store.writing() as mine:
        assert mine
        store.write([day_of(0, version=1), day_of(2)], position=6, lineage="a")
    assert told(store) == after
    named = {entry.file for entry in store.manifest().days.values()} | {MANIFEST, "lock"}
    assert {path.name for path in store.folder.iterdir()} == named


def write_on_a_full_disk(folder: Path, room: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    store = Store(folder)
    with store.writing(), pytest.raises(OSError, match="too large"):
        store.write([day_of(2, size=20_000)], position=6, lineage="a")


@pytest.mark.parametrize("room", [100, 100_000])
def test_a_full_disk_leaves_everything_as_it_was(store: Store, room: int) -> None:
    """The kernel itself refuses to write more than so many octets, in the manifest or in the middle of a segment."""
    process = in_a_process(write_on_a_full_disk, store.folder, room)
    process.join(60)
    assert process.exitcode == 0
    assert told(store) == {DAY: content(day_of(0)), DAY + 1: content(day_of(1))}
    assert not [path for path in store.folder.iterdir() if path.name.startswith(".aside-")]


def read_until_told(folder: Path, name: str) -> None:
    store = Store(folder)
    wanted = {version: content(day_of(0, version=version)) for version in range(2)}
    seen, known = 0, None
    while not (folder / "stop").exists():
        known = store.read(known)
        assert not known.damaged
        assert content(known.segments[DAY]) == wanted[known.manifest.position % 2]
        seen += 1
        if seen == 50:
            (folder / f"enough-{name}").touch()


def test_several_processes_read_while_one_writes(store: Store) -> None:
    with store.writing():
        store.write([day_of(0, version=0)], position=6, lineage="a")
        readers = [in_a_process(read_until_told, store.folder, name) for name in "ab"]
        position = 6
        deadline = time.monotonic() + 60
        while not all((store.folder / f"enough-{name}").exists() for name in "ab"):
            position += 1
            store.write([day_of(0, version=position % 2)], position=position, lineage="a")
            assert time.monotonic() < deadline
        (store.folder / "stop").touch()
    for reader in readers:
        reader.join(60)
        assert reader.exitcode == 0


def test_the_folder_is_nobody_elses(store: Store) -> None:
    assert store.folder.stat().st_mode & 0o077 == 0
