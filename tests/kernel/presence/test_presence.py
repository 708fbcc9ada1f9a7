"""Presence: stored once by key, followed by commit order, forgotten by whole days."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from django.db import connection

from khien.kernel import clock, partitions
from khien.kernel.errors import NotFound
from khien.kernel.presence import reads, verbs
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import OPEN, Stays, columns, to_moment, to_us
from khien.kernel.staff import Role
from khien.kernel.staff.reads import actor_of_resident
from tests.factories import NOON, make_actor, make_person, make_place, make_province

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def one(person: int = 1, place: int = 2, at: int = 0, key: str = "a", minutes: int | None = 30) -> Stays:
    enter = NOON + at * HOUR
    return columns(
        [person], [place], [enter], [None if minutes is None else enter + minutes * HOUR / 60], [key]
    )


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        yield


def test_the_same_stay_again_changes_nothing_and_a_changed_one_moves_in_commit_order() -> None:
    assert verbs.store(one(minutes=None), source="scan") == 1
    first = PresenceRecord.objects.get()
    assert first.leave is None
    assert verbs.store(one(minutes=None), source="scan") == 0
    assert verbs.store(one(minutes=45), source="scan") == 1
    again = PresenceRecord.objects.get()
    assert again.leave == NOON + timedelta(minutes=45)
    assert again.commit_order > first.commit_order
    assert again.id == first.id
    assert verbs.store(one(), source="interview") == 1, "another source keeps its own"


def test_times_survive_to_the_microsecond() -> None:
    enter = NOON + timedelta(microseconds=123_457)
    verbs.store(columns([1], [2], [enter], [enter + timedelta(microseconds=1)], ["x"]), source="scan")
    row = PresenceRecord.objects.get()
    assert (row.enter, row.leave) == (enter, enter + timedelta(microseconds=1))
    found = reads.window(NOON, NOON + HOUR).stays
    assert to_moment(found.enter[0]) == enter
    assert found.leave[0] - found.enter[0] == 1


def test_the_day_is_the_vietnamese_day() -> None:
    late = NOON.replace(hour=17, minute=0)  # 00:00 of the 11th in Viet Nam
    verbs.store(columns([1, 1], [2, 2], [late - HOUR, late], [None, None], ["a", "b"]), source="scan")
    assert [str(d) for d in PresenceRecord.objects.order_by("enter").values_list("day", flat=True)] == [
        "2022-01-10",
        "2022-01-11",
    ]
    assert {str(d) for d in partitions.days_of("presence_record")} >= {"2022-01-10", "2022-01-11"}


def test_a_window_takes_what_touches_it() -> None:
    verbs.store(
        columns(
            [1, 2, 3, 4],
            [5, 5, 6, 6],
            [NOON - 3 * HOUR, NOON, NOON + HOUR, NOON + 3 * HOUR],
            [NOON, NOON + HOUR, None, None],
            list("abcd"),
        ),
        source="scan",
    )
    found = reads.window(NOON, NOON + 2 * HOUR)
    assert found.stays.person.tolist() == [1, 2, 3]
    assert found.stays.leave[2] == OPEN
    assert reads.window(NOON, NOON + 9 * HOUR, places=[6]).stays.person.tolist() == [3, 4]
    assert reads.window(NOON, NOON + 9 * HOUR, persons=[2]).stays.place.tolist() == [5]
    assert len(reads.window(NOON + 20 * HOUR, NOON + 21 * HOUR, persons=[2]).stays) == 0
    last = reads.last_commit_order()
    verbs.store(one(person=9, key="late"), source="scan")
    assert reads.window(NOON, NOON + HOUR, after_commit=last).stays.person.tolist() == [9]


def test_forgetting_drops_whole_days_and_old_rows_of_the_default_partition() -> None:
    old = NOON - timedelta(days=30 * 365)
    verbs.store(
        columns([1, 1, 1], [2, 2, 2], [old, NOON - 48 * HOUR, NOON], [None] * 3, list("abc")), source="scan"
    )
    assert verbs.forget(clock.today()) == 2
    assert PresenceRecord.objects.get().source_key == "c"
    assert not [day for day in partitions.days_of("presence_record") if day < clock.today()]


def test_rows_that_came_before_their_partition_move_into_it() -> None:
    partitions.drop_before("presence_record", date.max)  # a test that commits leaves its partitions behind
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO presence_record (day, person_id, place_id, enter, source, source_key)"
            " VALUES ('2022-01-10', 1, 2, %s, 'scan', 'early')",
            [NOON],
        )
    assert verbs.prepare_days_ahead() == 5
    assert verbs.prepare_days_ahead() == 0
    assert PresenceRecord.objects.filter(source_key="early").count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM presence_record_20220110")
        assert cursor.fetchone() == (1,)


def test_coverage_counts_by_place_and_day() -> None:
    verbs.store(
        columns([1, 2, 2], [5, 5, 6], [NOON, NOON + HOUR, NOON - 24 * HOUR], [None] * 3, list("abc")),
        source="scan",
    )
    rows = reads.coverage([5, 6, 7], NOON - 48 * HOUR, NOON + 48 * HOUR)
    assert [(r.place_id, str(r.day), r.stays, r.people) for r in rows] == [
        (5, "2022-01-10", 2, 2),
        (6, "2022-01-09", 1, 1),
    ]


def test_people_see_presence_only_through_scope() -> None:
    _province, district, commune = make_province()
    person, place = make_person(unit=commune), make_place(commune)
    verbs.store(one(person.pk, place.pk), source="scan")
    span = (NOON - HOUR, NOON + HOUR)
    assert len(reads.of_person(make_actor(Role.TRACER, district), person.pk, *span)) == 1
    assert len(reads.of_person(actor_of_resident(person.pk), person.pk, *span)) == 1
    assert len(reads.at_place(make_actor(Role.COMMUNE_OFFICER, commune), place.pk, *span)) == 1
    for actor in (
        make_actor(Role.LEADER, district),
        make_actor(Role.GUARD, commune),
        actor_of_resident(person.pk + 1),
    ):
        with pytest.raises(NotFound):
            reads.of_person(actor, person.pk, *span)
        with pytest.raises(NotFound):
            reads.at_place(actor, place.pk, *span)


def test_what_was_derived_anew_replaces_what_was_there_and_nothing_else() -> None:
    verbs.store(
        columns([1, 1, 2], [5, 6, 5], [NOON, NOON + HOUR, NOON], [None] * 3, list("abc")), source="scan"
    )
    verbs.store(one(person=1, key="told"), source="interview")
    today = np.array([(clock.today() - date(1970, 1, 1)).days])
    assert (
        verbs.replace(one(person=1, place=5, key="a"), source="scan", persons=np.array([1]), days=today) == 2
    )
    assert sorted(PresenceRecord.objects.values_list("source_key", flat=True)) == ["a", "c", "told"]
    assert (
        verbs.replace(one(person=1, place=5, key="a"), source="scan", persons=np.array([1]), days=today) == 0
    )


def test_columns_are_exact() -> None:
    assert to_moment(to_us(NOON)) == NOON
    assert np.asarray(one(minutes=None).leave).tolist() == [OPEN]
