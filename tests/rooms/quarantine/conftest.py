from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from khien.kernel import clock
from khien.kernel.clock.reads import frozen_at
from khien.kernel.people.models import Person
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.quarantine import verbs
from khien.rooms.quarantine.models import Order
from khien.rooms.quarantine.verbs import Exposed
from tests.factories import NOON, make_actor, make_person, make_province


@dataclass
class World:
    """Hà Nam at noon of 10/01/2022 (the rule of 16/12/2021 holds), with an officer of one commune."""

    province: AdminUnit
    commune: AdminUnit
    person: Person
    officer: Actor
    tracer: Actor
    system: Actor

    def issue(
        self, person: Person | None = None, *, case_id: int | None = 1, degree: int = 1, days_ago: int = 2
    ) -> Order:
        """An order in force for a contact exposed `days_ago` days ago."""
        [outcome] = verbs.issue_orders(
            self.tracer,
            case_id=case_id,
            people=[
                Exposed((person or self.person).pk, degree, clock.now() - timedelta(days=days_ago)),
            ],
        )
        assert outcome.order_id is not None, outcome
        return Order.objects.get(pk=outcome.order_id)


@pytest.fixture
def world(db: None) -> Iterator[World]:
    with frozen_at(NOON):
        load_seed(system_actor("test"))
        province, _district, commune = make_province()
        yield World(
            province,
            commune,
            make_person("Trần Thị Bưởi", commune, phone="+84912000001"),
            make_actor(Role.COMMUNE_OFFICER, commune),
            make_actor(Role.TRACER, province),
            system_actor("test"),
        )
