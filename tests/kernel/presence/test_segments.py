"""The engine's copy is as fresh as the record, whatever happens to either."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.db import connection, transaction

from khien.engine import encounters
from khien.kernel import clock
from khien.kernel.presence import changes, reads, segments, verbs
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.segments import Cache
from khien.kernel.presence.stays import Stays, columns
from tests.factories import NOON
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "segments")


def stay(person: int, at: float, hours: float | None = 1, *, place: int = 5, key: str = "") -> Stays:
    """From `at` hours before noon on; still there where `hours` is None."""
    enter = NOON - at * HOUR
    leave = None if hours is None else enter + hours * HOUR
    return columns([person], [place], [enter], [leave], [key or f"{person}:{at}"])


def held(cache: Cache) -> list[tuple[int, int, int, int]]:
    """Everything that a snapshot holds, in plain numbers; who is still there leaves now."""
    snapshot = cache.snapshot(NOON)
    from khien.engine.snapshot import is_set

    rows = []
    for piece in snapshot.pieces:
        person, place, enter, leave = piece.segment.columns()
        alive = np.ones(len(person), bool)
        if piece.dead is not None:
            alive = ~is_set(piece.dead, np.arange(len(person)))
        rows += zip(*(c[alive].tolist() for c in (person, place, enter, leave)), strict=True)
    return sorted(rows)


def recorded() -> list[tuple[int, int, int, int]]:
    """The same from the table itself."""
    from khien.engine import OPEN

    return sorted(
        (
            row.person_id,
            row.place_id,
            int(row.enter.timestamp()),
            OPEN if row.leave is None else int(row.leave.timestamp()),
        )
        for row in PresenceRecord.objects.all()
    )


def test_a_stay_that_was_stored_is_in_the_next_answer(cache: Cache) -> None:
    assert held(cache) == []
    verbs.store(stay(1, 2), source="scan")
    verbs.store(stay(2, 2), source="scan")
    snapshot = cache.snapshot(NOON)
    found = encounters(snapshot, 1, (int((NOON - 24 * HOUR).timestamp()), int(NOON.timestamp())))
    assert found.person.tolist() == [2]
    assert found.place.tolist() == [5]


def test_a_corrected_stay_replaces_the_one_before_it_and_one_taken_back_is_gone(cache: Cache) -> None:
    verbs.store(stay(1, 3, None, key="a"), source="scan")
    assert held(cache) == recorded()
    verbs.store(stay(1, 3, 0.5, key="a"), source="scan")
    verbs.store(stay(2, 3, 0.5, key="b"), source="scan")
    verbs.store(stay(2, 3, 2, key="b"), source="scan")
    assert held(cache) == recorded()
    day = (NOON.date() - NOON.date().replace(year=1970, month=1, day=1)).days
    verbs.replace(
        stay(1, 3, 0.25, key="a"), source="scan", persons=np.array([1, 2]), days=np.array([day, day])
    )
    assert len(recorded()) == 1
    assert held(cache) == recorded()


def test_written_segments_and_what_came_since_are_one(cache: Cache) -> None:
    verbs.store(stay(1, 30, key="a"), source="scan")
    verbs.store(stay(2, 3, None, key="b"), source="scan")
    assert cache.rebuild() == 2
    other = Cache(cache.store.folder)
    assert held(other) == held(cache) == recorded()
    verbs.store(stay(2, 3, 1, key="b"), source="scan")
    verbs.store(stay(1, 30, 2, key="a"), source="scan")
    verbs.store(stay(3, 31), source="scan")
    assert held(other) == held(cache) == recorded()
    assert cache.status().stays == 2
    assert cache.status().written < cache.status().position


def test_new_segments_are_written_after_some_time_and_adopted_by_others(
    cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache.keep_up(), "the first time there is nothing yet"
    other = Cache(cache.store.folder)
    verbs.store(stay(1, 2), source="scan")
    assert held(other) == recorded()
    assert not cache.keep_up(), "one change can wait"
    monkeypatch.setattr(segments, "WRITE_AFTER_CHANGES", 1)
    assert cache.keep_up()
    assert cache.status().stays == 1
    assert held(other) == held(cache) == recorded()
    assert not cache.keep_up()
    verbs.store(stay(2, 50), source="scan")
    assert cache.keep_up()
    assert (cache.status().days, cache.status().stays) == (2, 2)


def test_a_damaged_day_is_read_from_the_record_and_written_anew(cache: Cache) -> None:
    for person in range(1, 40):
        verbs.store(stay(person, 3 + 24 * (person % 2)), source="scan")
    cache.rebuild()
    path = max(cache.store.folder.glob("*.segment"))
    octets = bytearray(path.read_bytes())
    octets[24] ^= 1  # in the head, where every octet counts
    path.write_bytes(octets)
    fresh = Cache(cache.store.folder)
    assert fresh.status().damaged == 1
    assert held(fresh) == recorded()
    verbs.store(stay(99, 4), source="scan")
    assert held(fresh) == recorded()
    assert fresh.keep_up()
    assert fresh.status().damaged == 0
    assert held(Cache(cache.store.folder)) == recorded()


def test_a_forgotten_day_is_in_no_answer_and_in_no_file(cache: Cache) -> None:
    verbs.store(stay(1, 60), source="scan")
    verbs.store(stay(1, 60, 2, key="1:60"), source="scan")
    verbs.store(stay(2, 3), source="scan")
    cache.rebuild()
    other = Cache(cache.store.folder)
    assert len(held(other)) == 2
    old_day = clock.local(NOON - 60 * HOUR).date()
    verbs.forget(old_day + timedelta(days=1))
    cache.forget()
    assert held(other) == held(cache) == recorded()
    assert len(recorded()) == 1
    manifest = cache.store.manifest()
    files = {path.name for path in cache.store.folder.glob("*.segment")}
    assert files == {entry.file for entry in manifest.days.values()}
    assert len(files) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM presence_retraction WHERE day <= %s", [old_day])
        assert cursor.fetchone() == (0,)


def test_a_record_that_was_put_back_is_read_anew(cache: Cache) -> None:
    verbs.store(stay(1, 2), source="scan")
    cache.rebuild()
    with transaction.atomic():
        verbs.store(stay(2, 2), source="scan")
        assert held(cache) == recorded()
        transaction.set_rollback(True)
    assert held(cache) == recorded()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE presence_ledger SET lineage = gen_random_uuid()")
        cursor.execute("DELETE FROM presence_record")
    verbs.store(stay(3, 2), source="scan")
    assert held(Cache(cache.store.folder)) == recorded()
    assert held(cache) == recorded()


def test_who_did_not_follow_for_too_long_begins_anew(cache: Cache) -> None:
    verbs.store(stay(1, 2, None, key="a"), source="scan")
    assert held(cache) == recorded()
    verbs.store(stay(1, 2, 1, key="a"), source="scan")
    assert changes.discard_before(changes.ledger().position) == 1
    assert held(cache) == recorded()


def test_what_does_not_match_the_record_is_read_anew(cache: Cache) -> None:
    """A copy that lost something notices when it is told that this was taken back."""
    verbs.store(stay(1, 2, None, key="a"), source="scan")
    assert held(cache) == recorded()
    assert cache._live is not None
    cache._live._pieces.clear()
    verbs.store(stay(1, 2, 1, key="a"), source="scan")
    assert held(cache) == recorded()


def test_positions_are_seen_in_the_order_in_which_they_were_committed() -> None:
    before = changes.ledger().position
    verbs.store(stay(1, 2), source="scan")
    after = changes.ledger().position
    assert after > before
    assert reads.last_commit_order() == after
    told = changes.since(before, NOON.date() - timedelta(days=9))
    assert (told.position, told.added.person.tolist()) == (after, [1])
    assert changes.since(after, NOON.date() - timedelta(days=9)).added.person.tolist() == []


@pytest.mark.django_db(transaction=True)
def test_a_writer_who_began_earlier_and_ends_later_is_not_missed(cache: Cache) -> None:
    """Two writers at once: the second waits for the first, so that no number is seen before a smaller one."""
    wanted = threading.Event()
    told: list[int] = []

    def second() -> None:
        with clock.reads.frozen_at(NOON):
            wanted.set()
            told.append(verbs.store(stay(2, 2), source="scan"))
            connection.close()

    other = threading.Thread(target=second)
    with transaction.atomic():
        verbs.store(stay(1, 2), source="scan")
        other.start()
        assert wanted.wait(10)
        wait_until(_somebody_waits, what="the second writer to wait")
        assert told == []
    other.join(10)
    assert told == [1]
    orders = dict(PresenceRecord.objects.values_list("person_id", "commit_order"))
    assert orders[1] < orders[2]
    assert held(cache) == recorded()


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
