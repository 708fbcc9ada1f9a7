"""The same facts give the same presence: in any order, in any batches, late, doubled, corrected, derived anew.

Through the door's verb and the database; `test_derivation` holds the rules themselves.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from khien.kernel import clock
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.staff import system_actor
from khien.rooms.checkpoints import jobs, verbs
from khien.rooms.checkpoints.models import Due, Scan
from tests.factories import NOON, make_person, make_place, make_province

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune():
    return make_province()[2]


@pytest.fixture
def places(commune) -> list[int]:
    school = make_place(commune, "Trường", "school")
    return [
        school.pk,
        make_place(commune, "Lớp", "class", parent=school).pk,
        make_place(commune, "Quán", "restaurant").pk,
        make_place(commune, "Nhà", "home").pk,
    ]


def facts(chance: random.Random, places: list[int]) -> list[dict[str, Any]]:
    """Some scans of one person over three days, close together and far apart, without who it is."""
    at, made = NOON - timedelta(days=3), []
    for _number in range(chance.randint(5, 40)):
        at += timedelta(seconds=chance.choice([1, 59, 60, 61, 900, 3_600, 20_000, 60_000]))
        if at >= NOON:
            break
        made.append(
            {
                "place": chance.choice(places),
                "at": at.isoformat(),
                "direction": chance.choice(["in", "in", "out", "unknown"]),
            }
        )
    return made


def told(person: int) -> list[tuple[Any, ...]]:
    rows = PresenceRecord.objects.filter(person_id=person).order_by("enter", "place_id", "leave")
    return list(rows.values_list("place_id", "enter", "leave", "entry_inferred", "exit_inferred"))


def derive() -> None:
    while verbs.derive_due(SYSTEM, limit=3):
        pass


@pytest.mark.parametrize("seed", range(8))
def test_any_order_any_batches_late_doubled_and_known_only_later(seed: int, commune, places) -> None:
    chance = random.Random(seed)
    given = facts(chance, places)
    # At once, and derived once.
    first = make_person(unit=commune)
    verbs.store_scans(
        SYSTEM, [{**one, "id": str(uuid4()), "person": first.pk} for one in given], verdicts=False
    )
    derive()

    # In any order and portions, each event perhaps again, derived in between; a third of them name only a number
    # that nobody bears until the end.
    number = f"0350909{seed:05d}"
    events = [{**one, "id": str(uuid4())} for one in given]
    later = [chance.random() < 0.33 for _one in events]
    person = make_person(unit=commune)
    order = [(pk, k) for k in range(len(events)) for pk in range(chance.choice([1, 1, 2]))]
    chance.shuffle(order)
    while order:
        size = chance.randint(1, 6)
        part, order = order[:size], order[size:]
        verbs.store_scans(
            SYSTEM,
            [
                {**events[k], "code": number} if later[k] else {**events[k], "person": person.pk}
                for _time, k in part
            ],
            verdicts=False,
        )
        if chance.random() < 0.5:
            derive()
    assert Scan.objects.filter(client_id__in=[one["id"] for one in events]).count() == len(events)
    bearer = register_person(
        SYSTEM, full_name="Lê Thị Hoa", unit=commune, documents=[NewDocument("cccd", number)]
    )
    jobs.link_unknown_people()
    # The number turns out to be of the same person: the scans are corrected, and everybody concerned is due.
    days = set(Scan.objects.filter(person_id=bearer.pk).values_list("at", flat=True))
    Scan.objects.filter(person_id=bearer.pk).update(person_id=person.pk)
    Due.objects.bulk_create(
        [Due(person_id=pk, day=clock.local(at).date()) for pk in (bearer.pk, person.pk) for at in days]
    )
    derive()
    second_id = person.pk
    assert told(second_id) == told(first.pk)
    assert told(bearer.pk) == []
    assert told(first.pk) != []

    # Derived anew, nothing is written.
    before = list(PresenceRecord.objects.order_by("commit_order").values_list("commit_order", flat=True))
    assert verbs.derive_anew(SYSTEM, first=(NOON - timedelta(days=4)).date(), last=NOON.date()) > 0
    derive()
    after = list(PresenceRecord.objects.order_by("commit_order").values_list("commit_order", flat=True))
    assert after == before
    # And from nothing, all of it comes back.
    wanted = told(first.pk)
    PresenceRecord.objects.all().delete()
    verbs.derive_anew(SYSTEM, first=(NOON - timedelta(days=4)).date(), last=NOON.date())
    derive()
    assert told(first.pk) == told(second_id) == wanted


def test_nobody_scanned_nothing_to_derive(commune) -> None:
    assert verbs.derive_anew(SYSTEM, first=NOON.date(), last=NOON.date()) == 0
