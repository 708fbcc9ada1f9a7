"""Coverage in counts, what it says about tracing, and the owners of places that fell silent."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.kernel.events.verbs import deliver_pending
from khien.kernel.places import verbs as places
from khien.kernel.registries import MeetingsSeen, meetings_seen
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Device
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Broadcast, Recipient
from khien.rooms.checkpoints import coverage, coverage_map, jobs, verbs
from khien.rooms.checkpoints.models import CommuneCoverage, PlaceCoverage, Scan, SilentNotice
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province, make_unit
from tests.rooms.checkpoints.cards import event

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")
TODAY = date(2022, 1, 10)


@pytest.fixture(autouse=True)
def noon() -> Any:
    places.load_kinds(SYSTEM)
    rules.load_seed(SYSTEM)
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def province() -> Any:
    return make_province()


@pytest.fixture
def commune(province: Any) -> Any:
    return province[2]


def scan(place: Any, person: Any, hours: float, direction: str = "in") -> None:
    at = NOON - timedelta(hours=hours)
    verbs.store_scans(
        SYSTEM,
        [
            {
                "id": str(uuid4()),
                "person": person.pk,
                "place": place.pk,
                "at": at.isoformat(),
                "direction": direction,
                "method": "camera",
            }
        ],
    )


def derive() -> None:
    while verbs.derive_due(SYSTEM):
        pass


def test_a_day_in_counts_and_counted_again_the_same(commune: Any) -> None:
    market, cafe, gate = (
        make_place(commune, kind="market"),
        make_place(commune, "Quán", "cafe"),
        make_place(commune, "Chốt", "road_checkpoint"),
    )
    make_place(commune, "Nhà", "home")
    make_place(commune, "Đóng năm ngoái", closed_at=NOON - timedelta(days=200))
    an, binh = make_person("An", commune), make_person("Bình", commune)
    scan(market, an, 8)
    scan(market, an, 7, "out")
    scan(market, binh, 8)  # never scanned out
    scan(gate, an, 3)
    for n in range(2):
        Device.objects.create(
            name=f"Máy {n}",
            unit=commune,
            token_hash=str(n),
            enrolled_at=NOON - timedelta(days=5),
            enrolled_by=make_account(Role.ADMINISTRATOR, commune),
        )
    device = Device.objects.first()
    from khien.kernel.staff.reads import actor_of_device

    assert device is not None
    verbs.store_scans(actor_of_device(device), [event(cafe.code, at=NOON - timedelta(hours=1))])
    derive()
    jobs.count_coverage()
    first = list(CommuneCoverage.objects.order_by("day").values())
    row = CommuneCoverage.objects.get(unit=commune, day=TODAY)
    assert (row.open_places, row.active_places, row.scans) == (3, 3, 5)
    assert (row.devices, row.silent_devices, row.behind_devices) == (2, 1, 0)
    at_market = PlaceCoverage.objects.get(place=market, day=TODAY)
    assert (at_market.scans, at_market.stays, at_market.exits) == (3, 2, 1)
    assert PlaceCoverage.objects.get(place=gate, day=TODAY).stays == 0, "at a gate nobody stays"
    yesterday = CommuneCoverage.objects.get(unit=commune, day=TODAY - timedelta(days=1))
    assert (yesterday.open_places, yesterday.active_places, yesterday.silent_devices) == (3, 0, 2)
    with clock.reads.frozen_at(NOON + timedelta(minutes=5)):
        jobs.count_coverage()
    again = list(CommuneCoverage.objects.order_by("day").values())
    for old, new in zip(first, again, strict=True):
        assert {**old, "counted_at": None} == {**new, "counted_at": None}


def test_counts_stay_when_the_scans_are_forgotten(commune: Any) -> None:
    market, an = make_place(commune), make_person("An", commune)
    scan(market, an, 2)
    jobs.count_coverage()
    later = NOON + timedelta(days=30)
    with clock.reads.frozen_at(later):
        Scan.objects.all().delete()
        jobs.count_coverage()
    assert PlaceCoverage.objects.get(place=market, day=TODAY).scans == 1
    leader = make_actor(Role.LEADER, commune)
    assert coverage.total(leader, TODAY, TODAY).scans == 1
    assert verbs.forget_coverage(TODAY) == 3, "the three days before, of the commune"
    assert verbs.forget_coverage(TODAY + timedelta(days=1)) == 2


def test_shares_go_down_from_the_province_to_the_place(province: Any) -> None:
    top, district, commune = province
    other = make_unit("Minh Khai", district)
    market, shop = make_place(commune), make_place(commune, "Cửa hàng", "shop")
    make_place(other, "Chợ khác")
    scan(market, make_person("An", commune), 2)
    jobs.count_coverage()
    leader = make_actor(Role.LEADER, top)
    total = coverage.total(leader, TODAY, TODAY)
    assert (total.open, total.active) == (3, 1)
    assert [(r.label, r.numbers.active_share) for r in coverage.communes(leader, TODAY, TODAY)] == [
        (other.full_name, 0),
        (commune.full_name, 0.5),
    ]
    rows = coverage.places(leader, commune, TODAY - timedelta(days=1), TODAY)
    assert [(r.place.pk, r.numbers.scans, r.numbers.active, r.numbers.open) for r in rows if r.place] == [
        (shop.pk, 0, 0, 2),
        (market.pk, 1, 1, 2),
    ]
    assert coverage.total(make_actor(Role.COMMUNE_OFFICER, other), TODAY, TODAY).scans == 0
    for n, heard in enumerate((NOON, NOON - timedelta(days=1), None)):
        Device.objects.create(
            name=f"Máy {n}",
            unit=commune,
            token_hash=str(n),
            enrolled_at=NOON - timedelta(days=5),
            enrolled_by=make_account(Role.ADMINISTRATOR, commune),
            place_ids=[market.pk, shop.pk] if n else [market.pk],
            last_seen_at=heard,
            unsent=n,
        )
    held = {r.place.pk: r.numbers for r in coverage.places(leader, commune, TODAY, TODAY) if r.place}
    assert [(n.devices, n.silent, n.behind) for n in (held[market.pk], held[shop.pk])] == [
        (3, 2, 2),
        (2, 2, 2),
    ]
    assert [d.numbers.scans for d in coverage.days(leader, TODAY - timedelta(days=1), TODAY)] == [0, 1]


def test_what_coverage_does_to_tracing_is_measured_where_cases_told(province: Any, monkeypatch: Any) -> None:
    numbers = coverage.Numbers(open=8, active=3)
    bound = coverage.effect("", numbers, NOON)
    assert bound == coverage.Effect(38, measured=False, cases=0)
    assert coverage.effect("", coverage.Numbers(), NOON) is None
    monkeypatch.setattr(meetings_seen, "_entries", {"tracing": lambda path, since: MeetingsSeen(0.214, 9)})
    assert coverage.effect("", numbers, NOON) == coverage.Effect(21, measured=True, cases=9)


def test_each_commune_and_day_says_what_tracing_sees_there(province: Any, monkeypatch: Any) -> None:
    top, district, commune = province
    other = make_unit("Minh Khai", district)
    make_place(commune, "Quán", "cafe")
    make_place(other, "Chợ khác")
    scan(make_place(commune), make_person("An", commune), 2)
    jobs.count_coverage()
    leader = make_actor(Role.LEADER, top)
    bounds = {r.label: r.effect for r in coverage.communes(leader, TODAY, TODAY)}
    assert bounds == {
        other.full_name: coverage.Effect(0, measured=False, cases=0),
        commune.full_name: coverage.Effect(50, measured=False, cases=0),
    }
    (day,) = coverage.days(leader, TODAY, TODAY)
    assert day.effect == coverage.Effect(33, measured=False, cases=0)
    told = {"tracing": lambda path, since: MeetingsSeen(0.214, 9) if other.path.startswith(path) else None}
    monkeypatch.setattr(meetings_seen, "_entries", told)
    measured = {r.label: r.effect for r in coverage.communes(leader, TODAY, TODAY)}
    assert measured[other.full_name] == coverage.Effect(21, measured=True, cases=9)
    assert measured[commune.full_name] == coverage.Effect(50, measured=False, cases=0)


def test_the_map_colours_communes_by_classes_in_words(province: Any) -> None:
    _top, district, commune = province
    square = {"type": "Polygon", "coordinates": [[[105.9, 20.5], [106, 20.5], [106, 20.6], [105.9, 20.5]]]}
    AdminUnit.objects.filter(pk=commune.pk).update(boundary=square)
    commune.refresh_from_db()
    point, nowhere = make_unit("Có Điểm", district), make_unit("Không Chỗ", district)
    for unit, pin in ((point, (20.55, 105.95)), (nowhere, (None, None))):
        AdminUnit.objects.filter(pk=unit.pk).update(latitude=pin[0], longitude=pin[1])
        unit.refresh_from_db()
    numbers = coverage.Numbers(open=8, active=2, devices=4, silent=3)
    rows = [
        coverage.Row(commune.full_name, numbers, unit=commune),
        coverage.Row(point.full_name, coverage.Numbers(open=8, active=1), unit=point),
        coverage.Row(nowhere.full_name, numbers, unit=nowhere),
    ]
    drawn = coverage_map.draw(rows, "active", "days=7")
    assert drawn is not None
    assert [f["geometry"]["type"] for f in drawn.features] == ["Polygon", "Point"]
    first = drawn.features[0]["properties"]
    assert first["text"] == f"{commune.full_name}: 25,0 %"
    assert first["url"] == f"/checkpoints/coverage/{commune.pk}/?days=7"
    assert [step.count for step in drawn.legend] == [0, 1, 1, 0, 0, 0]
    assert first["colour"] == drawn.legend[2].colour
    assert drawn.missing == [nowhere.full_name]
    silent = coverage_map.draw(rows, "silent")
    assert silent is not None
    assert [step.count for step in silent.legend] == [0, 0, 0, 0, 1, 1], (
        "nothing to share is a class of its own"
    )
    assert silent.features[1]["properties"]["empty"]
    assert coverage_map.draw(rows[2:]) is None


def test_owners_of_silent_places_get_one_message(commune: Any) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    alive = make_place(commune, "Chợ sống", contact_phone="0912345601")
    quiet = make_place(commune, "Chợ im", contact_phone="0912345678")
    second = make_place(commune, "Chợ im của cùng chủ", contact_phone="0912 345 678")
    mute = make_place(commune, "Không số")
    new = make_place(commune, "Mới mở", opened_at=NOON - timedelta(days=2), contact_phone="0912345603")
    scan(alive, make_person("An", commune), 24 * 2)
    jobs.count_coverage()
    rows = {row.place.pk: row for row in coverage.silent_places(officer)}
    assert set(rows) == {quiet.pk, second.pk, mute.pk}
    assert [rows[p.pk].may_ask for p in (quiet, second, mute)] == [True, True, False]
    made = verbs.write_to_silent_places(officer, place_ids=[quiet.pk, second.pk, mute.pk, alive.pk, new.pk])
    assert len(made) == 1, "two places of one phone are one owner"
    while deliver_pending():
        pass
    message = Recipient.objects.get()
    assert message.phone == "+84912345678"
    assert "chưa có lượt quét mã nào từ ngày 01/01/2020" in message.text
    assert Broadcast.objects.get().unit == commune
    assert verbs.write_to_silent_places(officer, place_ids=[quiet.pk, second.pk]) == []
    with clock.reads.frozen_at(NOON + timedelta(days=13)):
        assert verbs.write_to_silent_places(officer, place_ids=[quiet.pk, second.pk]) == []
    with clock.reads.frozen_at(NOON + timedelta(days=14, minutes=1)):
        assert len(verbs.write_to_silent_places(officer, place_ids=[quiet.pk])) == 1
    while deliver_pending():
        pass
    assert Recipient.objects.count() == 2
    with pytest.raises(Invalid):
        verbs.write_to_silent_places(officer, place_ids=[alive.pk])
    elsewhere = make_actor(Role.COMMUNE_OFFICER, make_unit())
    with pytest.raises(Invalid):
        verbs.write_to_silent_places(elsewhere, place_ids=[quiet.pk])
    assert SilentNotice.objects.count() == 2


def test_the_pages_and_the_csv(province: Any) -> None:
    _top, _district, commune = province
    market = make_place(commune, "=Chợ", contact_phone="0912345678")
    quiet = make_place(commune, "Chợ im", contact_phone="0912345679")
    scan(market, make_person("An", commune), 1)
    jobs.count_coverage()
    client = Client()
    client.force_login(
        make_account(Role.COMMUNE_OFFICER, commune),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    page = client.get("/checkpoints/coverage/").content.decode()
    assert commune.full_name in page
    assert "nhiều nhất" in page
    places_page = client.get(f"/checkpoints/coverage/{commune.pk}/?days=7").content.decode()
    assert "=Chợ" in places_page
    answer = client.get(f"/checkpoints/coverage.csv?unit={commune.pk}&days=7")
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert "'=Chợ,,1,7,1,0,0,0,0,0,0.1429,,,14,0" in lines
    assert f",{TODAY.isoformat()},1,2,1,0,0,0,0,0,0.5000,,,50,0" in lines
    assert "≤ 14 %" in places_page, "what a place's coverage does to tracing"
    assert "6 ngày không thấy gì" in places_page
    assert client.get("/checkpoints/coverage/?days=999&day=x").status_code == 200
    assert client.get(f"/checkpoints/coverage/{make_unit().pk}/").status_code == 404
    assert "Chợ im" in client.get("/checkpoints/coverage/silent/").content.decode()
    client.post("/checkpoints/coverage/silent/", {"places": [str(quiet.pk), "x"]})
    assert SilentNotice.objects.get().place == quiet
    assert client.post("/checkpoints/coverage/silent/", {}).status_code == 422
