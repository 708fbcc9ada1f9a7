"""Administrators keep accounts; keepers of the ledger decide about duplicates; everybody can read the rules."""

from __future__ import annotations

from datetime import date

import pytest
from django.test import Client

from khien.kernel.people import verbs as people
from khien.kernel.people.models import DuplicateProposal, Merge
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Account, RoleGrant
from tests.factories import make_account, make_person, make_province, make_unit

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


def sign_in(client: Client, role: str, unit: object) -> Account:
    account = make_account(role, unit)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    return account


def test_an_administrator_makes_an_account_and_gives_it_a_role(client: Client) -> None:
    province, district, _commune = make_province()
    sign_in(client, Role.ADMINISTRATOR, province)
    page = client.post(
        "/desk/administration/accounts/",
        {"username": "lan", "full_name": "Trần Thị Lan", "password": "mat-khau-dai-va-la"},
    )
    account = Account.objects.get(username="lan")
    assert page.url == f"/desk/administration/accounts/{account.pk}/"
    client.post(page.url, {"act": "grant", "role": Role.TRACER, "unit": district.pk})
    grant = RoleGrant.objects.get(account=account)
    assert (grant.role, grant.unit) == (Role.TRACER, district)
    assert "Truy vết" in client.get(page.url).content.decode()
    client.post(page.url, {"act": "end", "grant": grant.pk})
    grant.refresh_from_db()
    assert grant.during.upper is not None


def test_an_account_of_another_province_is_not_to_be_seen(client: Client) -> None:
    province, _district, _commune = make_province()
    other = make_account(Role.TRACER, make_unit("Nơi khác"))
    sign_in(client, Role.ADMINISTRATOR, province)
    assert other.username not in client.get("/desk/administration/accounts/").content.decode()
    assert client.get(f"/desk/administration/accounts/{other.pk}/").status_code == 404


def test_a_weak_password_or_a_taken_name_says_so_and_makes_nothing(client: Client) -> None:
    province, _district, _commune = make_province()
    sign_in(client, Role.ADMINISTRATOR, province)
    before = Account.objects.count()
    taken = Account.objects.first()
    assert taken is not None
    for username, password in (("lan", "ngan"), (taken.username, "mat-khau-dai-va-la")):
        page = client.post(
            "/desk/administration/accounts/",
            {"username": username, "full_name": "Lan", "password": password},
        )
        assert page.status_code == 200
    assert Account.objects.count() == before


def test_rules_of_a_day_are_shown_with_their_decisions(client: Client) -> None:
    province, _district, _commune = make_province()
    rules.load_seed(SYSTEM)
    sign_in(client, Role.GUARD, province)
    text = client.get("/desk/administration/rules/?day=2021-05-10").content.decode()
    assert "CĐ 600" in text
    assert "10696/BYT-MT" not in text


def test_a_pair_is_merged_and_the_merge_undone_by_a_named_person(client: Client) -> None:
    _province, _district, commune = make_province()
    account = sign_in(client, Role.COMMUNE_OFFICER, commune)
    born = date(1990, 1, 15)
    kept, gone = (make_person("Trần Thị Hường", commune, birth_date=born) for _n in range(2))
    people.propose_duplicates(SYSTEM, persons=[kept])
    page = client.get("/desk/administration/duplicates/").content.decode()
    assert "cùng ngày sinh" in page
    proposal = DuplicateProposal.objects.get()
    client.post("/desk/administration/duplicates/", {"proposal": proposal.pk, "decision": kept.pk})
    gone.refresh_from_db()
    merge = Merge.objects.get()
    assert (gone.merged_into_id, merge.merged_by) == (kept.pk, account.pk)
    client.post("/desk/administration/duplicates/", {"unmerge": merge.pk})
    gone.refresh_from_db()
    assert gone.merged_into_id is None


def test_the_state_of_the_house_is_for_administrators(client: Client) -> None:
    province, _district, _commune = make_province()
    rules.load_seed(SYSTEM)
    sign_in(client, Role.GUARD, province)
    assert client.get("/desk/administration/").status_code == 403
    sign_in(client, Role.ADMINISTRATOR, province)
    assert "Nhật ký truy cập" in client.get("/desk/administration/").content.decode()
