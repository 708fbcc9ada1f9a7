"""The one search and the person page: scope, audit, and no number in an address."""

from __future__ import annotations

import pytest
from django.test import Client

from khien.kernel.audit.models import AuditLine
from khien.kernel.people.models import Person
from khien.kernel.staff import Role
from khien.kernel.units.models import AdminUnit
from tests.factories import make_account, make_person, make_place, make_province, make_unit

pytestmark = pytest.mark.django_db


@pytest.fixture
def commune() -> AdminUnit:
    return make_province()[2]


@pytest.fixture
def people(commune: AdminUnit) -> dict[str, Person]:
    elsewhere = make_unit("Châu Sơn", commune.parent)
    return {
        "here": make_person("Trần Thị Bình", commune, phone="+84912345678"),
        "there": make_person("Trần Văn Bình", elsewhere),
    }


def sign_in(client: Client, role: str, unit: AdminUnit) -> None:
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )


def test_a_name_without_accents_finds_people_of_the_own_units_only(
    client: Client, commune: AdminUnit, people: dict[str, Person]
) -> None:
    sign_in(client, Role.COMMUNE_OFFICER, commune)
    posted = client.post("/desk/search/", {"q": "tran binh"})
    assert posted["Location"] == "/desk/search/?q=tran+binh"
    page = client.get(posted["Location"]).content.decode()
    assert "Trần Thị Bình" in page
    assert "Trần Văn Bình" not in page
    line = AuditLine.objects.get(act="desk.search")
    assert line.persons == [people["here"].pk]
    assert line.details["words"] == "tran binh"


def test_a_number_is_found_without_standing_in_an_address_or_the_audit(
    client: Client, commune: AdminUnit, people: dict[str, Person]
) -> None:
    sign_in(client, Role.COMMUNE_OFFICER, commune)
    answer = client.post("/desk/search/", {"q": "0912 345 678"})
    assert answer.status_code == 200
    assert "Trần Thị Bình" in answer.content.decode()
    assert AuditLine.objects.get(act="desk.search").details["words"] == ""
    assert "Trần Thị Bình" not in client.get("/desk/search/?q=0912345678").content.decode()


def test_a_place_is_found_by_its_name(client: Client, commune: AdminUnit) -> None:
    make_place(commune, "Chợ Bầu")
    sign_in(client, Role.TRACER, commune)
    assert "Chợ Bầu" in client.get("/desk/search/?q=cho+bau").content.decode()


def test_a_leader_finds_no_person(client: Client, commune: AdminUnit, people: dict[str, Person]) -> None:
    sign_in(client, Role.LEADER, commune)
    page = client.get("/desk/search/?q=tran").content.decode()
    assert "Trần Thị Bình" not in page
    assert client.get(f"/desk/people/{people['here'].public_id}/").status_code == 403


def test_opening_a_person_leaves_one_line_and_shows_no_whole_number(
    client: Client, commune: AdminUnit, people: dict[str, Person]
) -> None:
    sign_in(client, Role.TRACER, commune)
    page = client.get(f"/desk/people/{people['here'].public_id}/").content.decode()
    assert "Trần Thị Bình" in page
    assert "912345678" not in page
    line = AuditLine.objects.get(act="desk.person_page")
    assert line.persons == [people["here"].pk]
    assert client.get(f"/desk/people/{people['there'].public_id}/").status_code == 404
    assert AuditLine.objects.filter(act="desk.person_page").count() == 1


def test_a_merged_record_leads_to_the_one_that_was_kept(
    client: Client, commune: AdminUnit, people: dict[str, Person]
) -> None:
    gone = make_person("Trần Thị Binh", commune, merged_into=people["here"])
    sign_in(client, Role.TRACER, commune)
    answer = client.get(f"/desk/people/{gone.public_id}/")
    assert answer["Location"] == f"/desk/people/{people['here'].public_id}/"
