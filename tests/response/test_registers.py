"""The registers that rooms announce: each runs, narrows by its filters, and has values for its placeholders."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.people.models import Person
from khien.kernel.places import verbs as places
from khien.kernel.registries import registers
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Audience, AudienceMember
from khien.rooms.broadcasts.verbs import audiences
from khien.rooms.declarations import verbs as declarations
from khien.rooms.declarations.reads import form_in_force
from khien.rooms.quarantine import verbs as quarantine
from khien.rooms.quarantine.verbs import Exposed
from khien.rooms.testing import verbs as testing
from tests.factories import NOON, make_actor, make_person, make_province

SYSTEM = system_actor("test")


@pytest.fixture
def commune(db: None) -> Iterator[AdminUnit]:
    with clock.reads.frozen_at(NOON):
        rules.load_seed(SYSTEM)
        places.load_kinds(SYSTEM)
        declarations.load_forms(SYSTEM)
        yield make_province()[2]


@pytest.fixture
def person(commune: AdminUnit) -> Person:
    return make_person("Nguyễn Thị Hường", commune, phone="+84912345678")


def members(commune: AdminUnit, register: str, **filters: str) -> list[AudienceMember]:
    names = set(registers.get(register).placeholders) | {"unit"}
    audience = audiences.create_audience(SYSTEM, register=register, units=[commune.pk], filters=filters)
    with suppress(Invalid):
        audiences.freeze_audience(SYSTEM, audience=audience, names=names)
    return list(AudienceMember.objects.filter(audience_id=audience.pk).order_by("phone"))


def test_every_register_runs_with_all_its_filters_at_once(commune: AdminUnit) -> None:
    assert {key for key, _entry in registers.items()} >= {
        "people",
        "staff",
        "declarations.declarants",
        "testing.booked",
        "quarantine.under_order",
    }
    for key, entry in registers.items():
        every = {
            name: {"number": str(chosen.most), "flag": "on"}.get(chosen.kind) or chosen.choices[0][0]
            for name, chosen in entry.filters.items()
        }
        assert members(commune, key, **every) == []
        for name, value in every.items():
            assert members(commune, key, **{name: value}) == [], (key, name)
    assert Audience.objects.filter(frozen_at__isnull=False).count() == 0


def test_declarants(commune: AdminUnit) -> None:
    for days, name in ((3, "Nguyễn Văn An"), (0, "Nguyễn Thị An")):
        with clock.reads.frozen_at(NOON - timedelta(days=days)):
            declarations.declare(
                SYSTEM,
                form=form_in_force("health"),
                value={
                    "filled_by": "self",
                    "full_name": name,
                    "birth_year": 1990,
                    "phone": "+84987654321",
                    "number": f"03519012345{days}",
                    "unit": commune.pk,
                    "address": "Tổ 1",
                    "been_elsewhere": False,
                    "has_symptoms": days == 0,
                    **({"symptoms": ["fever"]} if days == 0 else {}),
                    "contact": False,
                    "consent": True,
                    "companions": [],
                },
                client_id=uuid.uuid4(),
                channel="public",
            )
    (member,) = members(commune, "declarations.declarants")
    assert member.values == {
        "name": "Nguyễn Thị An",
        "declared_on": "10/01/2022",
        "unit": "Phường Quang Trung",
    }
    assert (
        len(members(commune, "declarations.declarants", kind="health", days="2", attention="on", valid="on"))
        == 1
    )
    assert members(commune, "declarations.declarants", kind="movement") == []
    with clock.reads.frozen_at(NOON + timedelta(days=15)):
        assert members(commune, "declarations.declarants") == []
        assert len(members(commune, "declarations.declarants", days="30")) == 1


def test_those_to_be_sampled(commune: AdminUnit, person: Person) -> None:
    for days in (1, 5):
        testing.request_sampling(
            SYSTEM,
            person=person,
            reason="contact_day",
            due_on=clock.today() + timedelta(days=days),
        )
    (member,) = members(commune, "testing.booked")
    assert (member.person_id, member.values["due_on"]) == (person.pk, "11/01/2022")
    assert members(commune, "testing.booked", days="0") == []
    assert members(commune, "testing.booked", reason="symptoms") == []
    assert len(members(commune, "testing.booked", days="1", reason="contact_day")) == 1


def test_those_under_order(commune: AdminUnit, person: Person) -> None:
    (outcome,) = quarantine.issue_orders(
        make_actor(Role.TRACER, commune),
        case_id=1,
        people=[Exposed(person.pk, 1, clock.now() - timedelta(days=2))],
    )
    assert outcome.order_id is not None
    (member,) = members(commune, "quarantine.under_order")
    assert member.values["order_number"] == "1/2022/QĐ-CLYT"
    last = clock.start_of_day(clock.today())
    day = next(
        n
        for n in range(40)
        if f"{clock.local(last + timedelta(days=n)):%d/%m/%Y}" == member.values["last_day"]
    )
    assert len(members(commune, "quarantine.under_order", ends_within=str(day))) == 1
    assert members(commune, "quarantine.under_order", ends_within=str(day - 1)) == []
    with clock.reads.frozen_at(NOON + timedelta(days=40)):
        assert members(commune, "quarantine.under_order") == []
