from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from khien.kernel import clock
from khien.kernel.people.models import Person
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Role, system_actor
from khien.rooms.testing import verbs
from khien.rooms.testing.models import Specimen
from tests.factories import NOON, make_actor, make_person, make_province


class House(SimpleNamespace):
    """A province with a sampler, a laboratory and two people; now is noon."""

    def collect(self, barcode: str, person: Person | None = None, at: datetime | None = None) -> Specimen:
        return verbs.collect_specimen(
            self.sampler,
            barcode=barcode,
            person=person or self.an,
            sampled_at=at or NOON - timedelta(hours=6),
        )


@pytest.fixture
def house(db: None) -> Iterator[House]:
    with clock.reads.frozen_at(NOON):
        province, district, commune = make_province()
        yield House(
            province=province,
            district=district,
            commune=commune,
            sampler=make_actor(Role.SAMPLER, commune),
            laboratory=make_actor(Role.LABORATORY, province),
            officer=make_actor(Role.COMMUNE_OFFICER, commune),
            leader=make_actor(Role.LEADER, province),
            an=make_person("Nguyễn Văn An", commune),
            binh=make_person("Trần Thị Bình", commune),
        )


@pytest.fixture
def seeded_rules(db: None) -> None:
    load_seed(system_actor("test"))
