"""A disk that is full while segments are written: the old ones answer, the fault is named, and it is tried again."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from khien.engine.store import MANIFEST, Store
from khien.kernel import clock
from khien.kernel.presence import segments, verbs
from khien.kernel.presence.segments import Cache
from khien.kernel.presence.stays import columns
from khien.site import engine
from tests.engine.test_store import STEPS
from tests.factories import NOON
from tests.kernel.presence.test_segments import held, recorded, stay

pytestmark = pytest.mark.django_db
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segments, "WRITE_AFTER_CHANGES", 1)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Segments of two days, and a change of each that is not written yet."""
    made = Cache(tmp_path / "segments")
    verbs.store(stay(1, 30, key="a"), source="scan")
    verbs.store(stay(2, 3, key="b"), source="scan")
    made.rebuild()
    verbs.store(stay(1, 30, 2, key="a"), source="scan")
    verbs.store(stay(3, 3), source="scan")
    return made


def full_at(step: str) -> Callable[[str], None]:
    def fail(now: str) -> None:
        if now == step:
            raise FULL

    return fail


@pytest.mark.parametrize("step", STEPS)
def test_full_at_any_step_the_answer_is_right_and_the_next_writing_succeeds(cache: Cache, step: str) -> None:
    before = cache.store.manifest()
    cache.store = Store(cache.store.folder, at_step=full_at(step))
    with pytest.raises(OSError, match="No space left"):
        cache.keep_up()
    done = step in {"manifest exchanged", "swept"}
    assert (cache.store.manifest() == before) != done
    assert not [path.name for path in cache.store.folder.iterdir() if path.name.startswith(".aside-")]
    for one in (cache, Cache(cache.store.folder)):
        assert held(one) == recorded()
        assert one.status().damaged == 0
    cache.store = Store(cache.store.folder)
    if done:
        verbs.store(stay(4, 3), source="scan")
    assert cache.keep_up(), "what could not be written is written as soon as there is room"
    assert held(Cache(cache.store.folder)) == recorded()
    assert cache.store.manifest().position == cache.status().position
    named = {entry.file for entry in cache.store.manifest().days.values()}
    assert {path.name for path in cache.store.folder.glob("*.segment")} == named


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 96 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and the right to mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full(small_disk: Path) -> None:
    cache = Cache(small_disk / "segments")
    verbs.store(stay(1, 3), source="scan")
    cache.rebuild()
    old = cache.store.manifest()
    filler = small_disk / "filler"
    filler.write_bytes(bytes(60_000))
    enter = [NOON - timedelta(hours=4, seconds=n) for n in range(4_000)]
    leave = [one + timedelta(minutes=30) for one in enter]
    many = columns([*range(10, 4_010)], [5] * 4_000, enter, leave, [f"m{n}" for n in range(4_000)])
    verbs.store(many, source="scan")
    with pytest.raises(OSError, match="No space left") as fault:
        cache.keep_up()
    assert fault.value.errno == errno.ENOSPC
    assert cache.store.manifest() == old
    assert {path.name for path in cache.store.folder.iterdir()} == {
        MANIFEST,
        "lock",
        *(entry.file for entry in old.days.values()),
    }, "nothing half written takes the room that is left"
    assert held(cache) == held(Cache(cache.store.folder)) == recorded()
    filler.unlink()
    assert cache.keep_up()
    assert cache.status().stays == 4_001
    assert held(Cache(cache.store.folder)) == recorded()


def test_a_forgotten_day_is_in_no_file_though_the_disk_is_full(
    cache: Cache, caplog: pytest.LogCaptureFixture
) -> None:
    other = Cache(cache.store.folder)
    assert len(held(other)) == 3
    old_day = clock.local(NOON - timedelta(hours=30)).date()
    verbs.forget(old_day + timedelta(days=1))
    cache.store = Store(cache.store.folder, at_step=full_at("folder synced"))
    with caplog.at_level(logging.ERROR, "khien.segments"):
        cache.forget()
    assert "No space left" in caplog.text
    assert len(list(cache.store.folder.glob("*.segment"))) == 1
    assert held(other) == held(cache) == held(Cache(cache.store.folder)) == recorded()
    cache.store = Store(cache.store.folder)
    assert cache.keep_up()
    assert cache.status().damaged == 0
    assert held(Cache(cache.store.folder)) == recorded()


def test_the_part_of_khien_up_names_the_fault_waits_and_tries_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Stop(threading.Event):
        """Ends the part after the third look; nobody waits in a test."""

        waits: list[float] = []

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0.0)
            if len(self.waits) == 3:
                self.set()
            return self.is_set()

    faults: list[Exception | None] = [FULL, ValueError("a row: 035190000123"), None]

    def keep_up() -> bool:
        fault = faults.pop(0)
        if fault is not None:
            raise fault
        return True

    monkeypatch.setattr(segments, "keep_up", keep_up)
    monkeypatch.setattr(engine, "close_old_connections", lambda: None)
    stop = Stop()
    with caplog.at_level(logging.ERROR, "khien.engine"):
        engine.run(stop)
    first, second = (record.getMessage() for record in caplog.records)
    assert "failed=1 error=ENOSPC (No space left on device)" in first
    assert "answers come from the segments of before and from the database; it is tried again" in first
    assert "failed=2 error=ValueError" in second
    assert "035190000123" not in caplog.text
    assert stop.waits == [2.0, 4.0, 1.0]
