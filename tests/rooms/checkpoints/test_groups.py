"""Families and buses: several people of one declarer are scanned one by one or from a list, and stay together."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.places import verbs as places
from khien.kernel.staff import Role, system_actor
from khien.rooms.checkpoints import groups, posters, reads, verbs
from khien.rooms.checkpoints.models import HeldScan, Scan, TypedPerson
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province, make_unit
from tests.rooms.checkpoints.cards import cccd, event

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")
DRIVER, WIFE, GUEST = "035090000017", "035090000025", "035090000033"


@pytest.fixture(autouse=True)
def noon():
    places.load_kinds(SYSTEM)
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def bridge():
    return make_place(make_province()[2], "Cầu Hồng Phú", "checkpoint")


def known(number: str, name: str, unit: Any) -> Person:
    return people.register_person(SYSTEM, full_name=name, unit=unit, documents=[NewDocument("cccd", number)])


def typed_in(place: str, name: str, **more: Any) -> dict[str, Any]:
    return event(place, "KA1:" + json.dumps({"name": name, "year": 1980, "from": "Lý Nhân"}), **more)


def bus(place: Any, group: str) -> list[dict[str, Any]]:
    """A driver, his wife, somebody of another commune and somebody without a code."""
    driver, wife, guest = (cccd(number, "Họ Tên") for number in (DRIVER, WIFE, GUEST))
    return [
        *(event(place.code, code, group=group) for code in (driver, wife, guest)),
        typed_in(place.code, "Lê Văn Cường", group=group),
    ]


def test_who_came_together_stays_together_and_nobody_else_does(bridge) -> None:
    group = str(uuid4())
    alone = event(bridge.code, cccd("035090000041", "Đỗ Thị Em"))
    answer = verbs.store_scans(make_actor(Role.GUARD, bridge.unit), [*bus(bridge, group), alone])
    assert answer.stored == 5
    kept = [str(scan.group_id) if scan.group_id else None for scan in Scan.objects.order_by("id")]
    assert kept == [group] * 4 + [None]
    assert str(TypedPerson.objects.get().group_id) == group


@pytest.mark.parametrize("nonsense", ["x", "", 7, None, [], {"id": 1}, True, "0" * 4000, "\ud83d"])
def test_what_is_no_group_makes_no_event_unusable(bridge, nonsense: Any) -> None:
    answer = verbs.store_scans(
        make_actor(Role.GUARD, bridge.unit), [event(bridge.code, DRIVER, group=nonsense)]
    )
    assert answer.stored == 1
    assert Scan.objects.get().group_id is None
    assert not HeldScan.objects.exists()


def test_an_officer_sees_on_a_persons_page_with_whom_they_came(bridge) -> None:
    driver, wife = known(DRIVER, "Trần Văn Lái", bridge.unit), known(WIFE, "Phạm Thị Hoa", bridge.unit)
    guest = known(GUEST, "Vũ Thị Gấm", make_unit("Nơi Khác"))
    guard = make_actor(Role.GUARD, bridge.unit)
    verbs.store_scans(guard, bus(bridge, str(uuid4())))
    # The next day she goes alone, and in a group of which nobody else was scanned.
    verbs.store_scans(guard, [event(bridge.code, WIFE), event(bridge.code, WIFE, group=str(uuid4()))])
    officer = make_account(Role.COMMUNE_OFFICER, bridge.unit)
    actor = make_actor(Role.COMMUNE_OFFICER, bridge.unit)
    (party,) = groups.of_person(actor, wife.pk, NOON - timedelta(days=14))
    # Somebody of another commune is counted and not named.
    assert (party.people, party.others, party.place) == ((driver,), 2, bridge)
    line = AuditLine.objects.filter(act="checkpoints.came_together").get()
    assert line.persons == [driver.pk]
    client = Client()
    client.force_login(officer, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get(f"/desk/people/{wife.public_id}/").content.decode()
    assert "Đi cùng qua chốt" in page
    assert "Trần Văn Lái" in page
    assert "và 2 người chưa rõ" in page
    assert guest.full_name not in page
    assert groups.of_person(actor, wife.pk, NOON + timedelta(hours=1)) == []


def test_an_officer_who_links_somebody_typed_in_sees_with_whom_they_came(bridge) -> None:
    known(DRIVER, "Trần Văn Lái", bridge.unit)
    guard = make_actor(Role.GUARD, bridge.unit)
    verbs.store_scans(guard, [*bus(bridge, str(uuid4()))[::3], typed_in(bridge.code, "Đỗ Thị Em")])
    officer = make_actor(Role.COMMUNE_OFFICER, bridge.unit)
    shown = {one.said.name: one.party for one in reads.with_candidates(officer, reads.typed_people(officer))}
    assert shown["Đỗ Thị Em"] is None
    party = shown["Lê Văn Cường"]
    assert party is not None
    assert ([person.full_name for person in party.people], party.others) == (["Trần Văn Lái"], 0)
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, bridge.unit)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    page = client.get("/checkpoints/typed/").content.decode()
    assert "Đi cùng:" in page
    assert "Trần Văn Lái" in page


def test_companions_at_a_poster_are_a_group(bridge) -> None:
    person = make_person("Nguyễn Văn Ân", bridge.unit, phone="+84912345678")
    check = posters.address(bridge.code).rpartition("=")[2]
    how: Any = {"place_code": bridge.code, "check": check, "direction": "in", "block": "b"}
    visitor: Any = {"number": "0912345678", "name": person.full_name}
    verbs.check_in_by_poster(SYSTEM, event_id=uuid4(), companions=["Trần Thị Bình"], **how, **visitor)
    first = set(Scan.objects.values_list("group_id", flat=True))
    assert len(first) == 1
    assert None not in first
    verbs.check_in_by_poster(SYSTEM, event_id=uuid4(), **how, **visitor)
    assert Scan.objects.filter(group_id=None).count() == 1
