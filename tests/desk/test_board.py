"""The situation board: what it counts, for whom, and that the numbers behind the pictures are the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client

from khien.desk import figures, maps
from khien.kernel import clock
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.units.models import AdminUnit, UnitSuccession
from khien.rooms.testing.models import Result, Specimen
from khien.rooms.tracing.models import Case, CaseStep, ContactList, TracedContact
from tests.factories import NOON, make_account, make_actor, make_person, make_province, make_unit

pytestmark = pytest.mark.django_db
TODAY = date(2022, 1, 10)


@pytest.fixture(autouse=True)
def _noon_with_rules() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        rules.load_seed(system_actor("test"))
        yield


@pytest.fixture
def commune() -> AdminUnit:
    return make_province()[2]


def make_case(unit: AdminUnit, at: datetime = NOON, **more: object) -> Case:
    return Case.objects.create(person=make_person(unit=unit), unit=unit, resulted_at=at, opened_at=at, **more)


def make_contacts(case: Case, number: int, state: str = "approved") -> None:
    run = ContactList.objects.create(
        case=case,
        version=1,
        listed_at=case.opened_at,
        window_from=case.opened_at,
        window_until=case.opened_at,
        rules={},
        engine_version="test",
        coverage={},
        counts={},
        took_ms=1,
    )
    for _ in range(number):
        TracedContact.objects.create(
            case=case,
            contact_list=run,
            person=make_person(unit=case.unit),
            degree=1,
            score=0.1,
            minutes=20,
            longest_minutes=20,
            encounters=1,
            first_exposure=case.opened_at,
            last_exposure=case.opened_at,
            from_person=case.person,
            state=state,
        )


def test_cases_are_counted_by_vietnamese_day_and_only_real_ones(commune: AdminUnit) -> None:
    late = datetime(2022, 1, 9, 16, 59, tzinfo=UTC)  # 23:59 in Viet Nam on the 9th
    make_case(commune, late)
    make_case(commune, late + timedelta(minutes=1))
    make_case(commune, classification="not_a_case")
    counts = figures.case_counts(make_actor(Role.LEADER, commune), TODAY - timedelta(days=2), TODAY)
    assert counts == {date(2022, 1, 8): 0, date(2022, 1, 9): 1, TODAY: 1}


def test_the_mean_is_of_seven_days() -> None:
    days = {TODAY + timedelta(days=i): i for i in range(10)}
    assert [round(d.mean7, 2) for d in figures.with_means(days)][5:] == [2.5, 3.0, 4.0, 5.0, 6.0]


def test_r_needs_a_past_and_says_when_cases_are_few() -> None:
    assert figures.reproduction({TODAY + timedelta(days=i): 0 for i in range(30)}, TODAY) == []
    steady = figures.reproduction({TODAY + timedelta(days=i): 10 for i in range(40)}, TODAY)
    assert steady[-1].low < 1 < steady[-1].high
    assert steady[-1].certain
    few = figures.reproduction({TODAY + timedelta(days=i): int(i in (0, 5)) for i in range(12)}, TODAY)
    assert not few[-1].certain


def test_nobody_counts_beyond_their_units(commune: AdminUnit) -> None:
    other = make_unit("Châu Sơn", commune.parent)
    make_case(commune)
    make_case(other)
    assert figures.board(make_actor(Role.LEADER, commune)).today.cases == 1
    assert figures.board(make_actor(Role.LEADER, commune.parent)).today.cases == 2
    assert figures.board(make_actor(Role.GUARD, commune.parent)).today.cases == 0


def test_positivity_is_of_decided_tests_of_seven_days(commune: AdminUnit) -> None:
    for i, value in enumerate(("positive", "negative", "negative", "negative", "indeterminate")):
        specimen = Specimen.objects.create(
            barcode=f"T{i:06d}",
            person=make_person(unit=commune),
            unit=commune,
            sampled_at=NOON - timedelta(days=2),
            recorded_at=NOON,
        )
        Result.objects.create(
            specimen=specimen, value=value, resulted_at=NOON - timedelta(days=i % 2), recorded_at=NOON
        )
    today = figures.tests(make_actor(Role.LEADER, commune), TODAY - timedelta(days=3), TODAY)[-1]
    assert (today.tests, today.positive, today.positivity7) == (3, 1, 0.25)


def test_contacts_told_in_time_late_and_not_yet_due(commune: AdminUnit) -> None:
    for begun, told, contacts in (
        (60, 40, 3),  # after 20 hours: in time
        (60, 30, 2),  # after 30 hours: late
        (60, None, 1),  # never, and its time is over
        (5, None, 7),  # still has time
        (60, 50, 0),
    ):
        case = make_case(commune, NOON - timedelta(hours=begun))
        make_contacts(case, contacts)
        if told is not None:
            CaseStep.objects.create(case=case, step="told", at=NOON - timedelta(hours=told))
    found = figures.reached(make_actor(Role.LEADER, commune), TODAY)
    assert (found.hours, found.in_time, found.due, found.share) == (24, 3, 6, 0.5)


def test_contacts_that_nobody_approved_need_not_be_told(commune: AdminUnit) -> None:
    make_contacts(make_case(commune, NOON - timedelta(hours=60)), 4, state="proposed")
    assert figures.reached(make_actor(Role.LEADER, commune), TODAY).share is None


def test_a_case_that_waits_counts_with_the_time_waited_so_far(commune: AdminUnit) -> None:
    case = make_case(commune, NOON - timedelta(hours=30))
    CaseStep.objects.create(case=case, step="opened", at=NOON - timedelta(hours=30))
    CaseStep.objects.create(case=case, step="listed", at=NOON - timedelta(hours=29))
    (row,) = figures.slow_steps(make_actor(Role.LEADER, commune), TODAY)
    assert (row.step, row.hours, row.waiting) == ("approved", 29, 1)


def test_a_line_list_of_the_past_does_not_look_like_cases_of_today(commune: AdminUnit) -> None:
    case = make_case(commune)
    Case.objects.filter(pk=case.pk).update(resulted_at=None, onset_on=date(1861, 11, 21))
    leader = make_actor(Role.LEADER, commune)
    assert figures.board(leader).today.cases == 0
    assert figures.units_counted(leader, "cases", TODAY) == {}
    Case.objects.filter(pk=case.pk).update(onset_on=TODAY)
    assert figures.board(leader).today.cases == 1


def test_the_slowest_step_of_each_commune(commune: AdminUnit) -> None:
    quick = make_unit("Châu Sơn", commune.parent)
    for unit, hours in ((commune, 30), (commune, 50), (quick, 2)):
        case = make_case(unit, NOON - timedelta(hours=60))
        CaseStep.objects.create(case=case, step="opened", at=NOON - timedelta(hours=60))
        CaseStep.objects.create(case=case, step="listed", at=NOON - timedelta(hours=60 - hours))
        for step in ("approved", "ordered", "told", "followed"):
            CaseStep.objects.create(case=case, step=step, at=NOON - timedelta(hours=60 - hours))
    rows = figures.slow_steps(make_actor(Role.LEADER, commune.parent), TODAY)
    assert [(row.unit_id, row.step, row.hours, row.waiting) for row in rows] == [
        (commune.pk, "listed", 40, 0),
        (quick.pk, "listed", 2, 0),
    ]


def test_the_board_shows_counts_and_no_person(client: Client, commune: AdminUnit) -> None:
    case = make_case(commune)
    sign_in(client, Role.LEADER, commune)
    page = client.get("/desk/").content.decode()
    assert "Ca mới hôm nay" in page
    assert case.person.full_name not in page
    inside = client.get("/desk/?days=14", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in inside
    assert "Ca mới hôm nay" in inside


def test_who_may_not_count_finds_the_way_to_their_own_work(client: Client, commune: AdminUnit) -> None:
    sign_in(client, Role.GUARD, commune)
    page = client.get("/desk/").content.decode()
    assert "Ca mới hôm nay" not in page
    assert "Xin chào" in page
    assert client.get("/desk/map/").status_code == 403


@pytest.mark.parametrize("name", ["cases", "r", "tests", "steps"])
def test_every_picture_has_its_numbers_as_csv(client: Client, commune: AdminUnit, name: str) -> None:
    make_case(commune)
    sign_in(client, Role.LEADER, commune)
    answer = client.get(f"/desk/figures/{name}.csv?days=14")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    if name == "cases":
        assert len(rows) == 14
        assert rows[-1] == {"day": "2022-01-10", "cases": "1", "mean_7_days": "0.143"}
    assert client.get("/desk/figures/people.csv").status_code == 404


def test_the_map_says_what_it_cannot_draw(commune: AdminUnit) -> None:
    commune.latitude, commune.longitude = 20.5, 105.9
    commune.save()
    nowhere = make_unit("Liêm Chung", commune.parent)
    make_case(commune)
    make_case(nowhere)
    picture = maps.draw(make_actor(Role.LEADER, commune.parent), maps.Choice("cases", "then"))
    assert [f["properties"]["name"] for f in picture.features] == ["Phường Quang Trung"]
    assert [(row.name, row.count, row.state) for row in picture.beside] == [
        ("Phường Liêm Chung", 1, "no_point")
    ]
    assert (picture.total, picture.shown) == (2, 1)


def test_todays_units_take_what_has_one_certain_successor(commune: AdminUnit) -> None:
    split, gone = make_unit("Tiên Nội", commune.parent), make_unit("Liêm Chung", commune.parent)
    since = date(2025, 7, 1)
    square = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    new = [make_unit(name, since=since, boundary=square) for name in ("Phủ Lý", "Duy Tân")]
    AdminUnit.objects.filter(pk__in=[commune.pk, split.pk, gone.pk]).update(during=(None, since))
    for predecessor, successor, share in (
        (commune, new[0], "full"),
        (split, new[0], "partial"),
        (split, new[1], "partial"),
    ):
        UnitSuccession.objects.create(
            predecessor=predecessor, successor=successor, share=share, on=since, source="test"
        )
    for unit in (commune, commune, split, gone):
        make_case(unit)
    picture = maps.draw(make_actor(Role.LEADER, commune.parent), maps.Choice("cases", "now"))
    assert {row.name: (row.count, row.state) for row in picture.rows} == {
        "Phường Phủ Lý": (2, ""),
        "Phường Duy Tân": (0, ""),
        "Phường Tiên Nội": (1, "several"),
        "Phường Liêm Chung": (1, "unmapped"),
    }


def test_an_address_with_nonsense_draws_the_usual_map(client: Client, commune: AdminUnit) -> None:
    sign_in(client, Role.LEADER, commune)
    assert client.get("/desk/map/?measure=%27&units=x&days=9999").status_code == 200
    answer = client.get("/desk/map/?measure=orders&units=now&format=csv")
    assert answer["Content-Type"].startswith("text/csv")


def sign_in(client: Client, role: str, unit: AdminUnit) -> None:
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
