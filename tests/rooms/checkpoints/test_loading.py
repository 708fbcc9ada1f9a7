"""A loaded history tells of the same stays as the same scans that came one by one."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import numpy as np
import pytest

from khien.kernel import clock
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import to_us
from khien.kernel.staff import system_actor
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import Scan, ScanId
from tests.factories import NOON, make_person, make_place, make_province

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


def test_loading_gives_what_scanning_gives() -> None:
    _province, _district, commune = make_province()
    places = [make_place(commune, f"Chỗ {n}").pk for n in range(3)]
    draw = np.random.default_rng(7)
    n, people = 300, 10
    person, place = draw.integers(0, people, n), draw.integers(0, 3, n)
    minute, leaving = draw.integers(0, 5 * 24 * 60, n), draw.random(n) < 0.5
    begin = NOON - timedelta(days=6)
    at = [begin + timedelta(minutes=int(m)) for m in minute]
    ids = [uuid4() for _ in range(n)]
    scanned, loaded = ([make_person(f"Người {k}", commune).pk for k in range(people)] for _ in range(2))
    with clock.reads.frozen_at(NOON):
        verbs.store_scans(
            SYSTEM,
            [
                {
                    "id": str(ids[k]),
                    "person": scanned[person[k]],
                    "place": places[place[k]],
                    "direction": "out" if leaving[k] else "in",
                    "at": at[k].isoformat(),
                }
                for k in range(n)
            ],
            verdicts=False,
        )
        while verbs.derive_due(SYSTEM):
            pass
        # Other ids of another half, so that both stand in the ledger; in the same order, as ties go by id.
        others = [UUID(int=one.int ^ 1) for one in ids]
        told = np.array([to_us(moment) for moment in at], np.int64)
        part = verbs.KnownScans(
            client_id=np.frombuffer(b"".join(one.bytes for one in others), "V16"),
            person=np.array(loaded)[person],
            place=np.array(places)[place],
            leaving=leaving,
            at=told,
            received=told,
        )
        written = verbs.load_scans(SYSTEM, portions=[part], first=int(told.min()), last=int(told.max()))

    def stays(ids: list[int]) -> list[tuple[object, ...]]:
        rows = PresenceRecord.objects.filter(person_id__in=ids).values_list(
            "person_id", "place_id", "enter", "leave", "entry_inferred", "exit_inferred"
        )
        return sorted((ids.index(row[0]), *row[1:]) for row in rows)

    assert stays(loaded) == stays(scanned)
    assert written == len(stays(loaded)) > 100
    assert (
        Scan.objects.filter(person_id__in=loaded).count() == n == ScanId.objects.filter(id__in=others).count()
    )
