"""Staff help at a desk: one task, for one person beside them, for some minutes, and never beyond their own units."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from khien.desk.reads import as_reads, lines_about
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Invalid, NotAllowed, NotFound
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.residents import verbs
from khien.kernel.residents.models import HelpSession
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Account
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.units.models import AdminUnit
from tests.factories import make_account, make_person, make_province, make_unit

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")
NUMBER = "035190123456"
BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


@pytest.fixture
def commune() -> AdminUnit:
    rules.load_seed(SYSTEM)
    return make_province()[2]


@pytest.fixture
def person(commune: AdminUnit) -> Person:
    return register_person(
        SYSTEM, full_name="Trần Thị Bình", unit=commune, documents=[NewDocument("cccd", NUMBER)]
    )


def signed_in(account: Account) -> Client:
    client = Client()
    client.force_login(account, backend=BACKEND)
    return client


def begin(client: Client, person: Person, **other: str) -> int:
    said = {"task": "declaration", "purpose": "không có điện thoại", "number": NUMBER, **other}
    answer = client.post(f"/desk/people/{person.public_id}/help/", said)
    assert answer.status_code == 302, answer.content.decode()
    return HelpSession.objects.latest("pk").pk


def test_the_officer_does_the_task_in_the_persons_name_and_the_person_reads_it(person: Person) -> None:
    client = signed_in(make_account(Role.CLERK, person.unit))
    help_id = begin(client, person, task="pass")
    assert client.post(f"/desk/help/{help_id}/pass/")["Content-Type"] == "application/pdf"
    line = AuditLine.objects.get(act="checkpoints.issue_pass", persons=[person.pk])
    assert (line.actor_kind, line.actor_name) == ("staff", "Cán bộ Thử")
    assert (line.details["acting_for"], line.details["help"]) == (person.pk, help_id)
    assert "không có điện thoại" in line.purpose
    assert sum(read.helped for read in as_reads(lines_about(person.pk))) == 1
    assert NUMBER not in repr(list(AuditLine.objects.values_list("details", "purpose")))
    # A pass with a key would lie on the officer's machine: no task opens that page.
    assert client.get("/checkpoints/pass/").status_code == 302


def test_only_the_pages_of_the_task_open_and_only_until_it_ends(person: Person) -> None:
    client = signed_in(make_account(Role.COMMUNE_OFFICER, person.unit))
    help_id = begin(client, person)
    for path in ("/testing/my/", "/me/", "/me/reads/", "/me/places/"):
        assert client.get(path).status_code == 302, path
    assert client.get("/declarations/mine/").status_code == 200
    client.post(f"/desk/help/{help_id}/end/")
    assert client.get("/declarations/mine/").status_code == 302
    assert HelpSession.objects.get().ended_how == "button"
    begin(client, person)
    HelpSession.objects.filter(ended_at=None).update(
        started_at=timezone.now() - timedelta(hours=1), until=timezone.now() - timedelta(seconds=1)
    )
    assert client.get("/declarations/mine/").status_code == 302
    other = begin(client, person)
    assert HelpSession.objects.filter(ended_at=None).count() == 1
    assert client.post(f"/desk/help/{help_id}/pass/").status_code == 422
    assert other != help_id


def test_helping_gives_no_right_beyond_ones_units_and_role(commune: AdminUnit, person: Person) -> None:
    elsewhere = make_unit("Xã Khác", commune.parent)
    far = actor_of_account(make_account(Role.COMMUNE_OFFICER, elsewhere))
    clerk = actor_of_account(make_account(Role.CLERK, commune))
    said = {"person": person, "purpose": "x", "number": NUMBER}
    with pytest.raises(NotFound):
        verbs.begin_help(far, task="pass", **said)
    with pytest.raises(NotAllowed):
        verbs.begin_help(clerk, task="results", **said)
    with pytest.raises(NotAllowed):
        verbs.begin_help(actor_of_account(make_account(Role.TRACER, commune)), task="pass", **said)
    with pytest.raises(Invalid):
        verbs.begin_help(clerk, task="everything", **said)
    client = signed_in(make_account(Role.CLERK, commune))
    begin(client, person)
    Person.objects.filter(pk=person.pk).update(unit=elsewhere)  # moved away in the meantime
    assert client.get("/declarations/mine/").status_code == 302


def test_while_helping_staff_pages_are_as_before_and_resident_pages_have_none_of_staffs_rights(
    commune: AdminUnit, person: Person
) -> None:
    account = make_account(Role.COMMUNE_OFFICER, commune)
    staff = actor_of_account(account)
    acting = staff.helping(person.pk, 1, "x")
    other = make_person("Lê An", commune)
    assert set(Person.objects.seen_by(staff)) == {person, other}
    assert set(Person.objects.seen_by(acting)) == {person}
    assert not acting.has(Role.COMMUNE_OFFICER)
    assert acting.is_own_record
    assert not staff.is_own_record
    client = signed_in(account)
    begin(client, person)
    assert client.get(f"/desk/people/{other.public_id}/").status_code == 200


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"number": "035190999999"}, "không có trong hồ sơ"),
        ({"number": ""}, "Chưa xem giấy tờ"),
        ({"purpose": " "}, "field__error"),
        ({"task": "results"}, "field__error"),  # not a task of a clerk
    ],
)
def test_what_is_missing_or_wrong_is_said_beside_its_field(
    person: Person, said: dict[str, str], problem: str
) -> None:
    client = signed_in(make_account(Role.CLERK, person.unit))
    form = {"task": "pass", "purpose": "không có điện thoại", "number": NUMBER, **said}
    page = client.post(f"/desk/people/{person.public_id}/help/", form).content.decode()
    assert problem in page
    assert not HelpSession.objects.exists()


def test_a_number_is_shown_with_the_purpose_of_the_session(person: Person) -> None:
    client = signed_in(make_account(Role.CLERK, person.unit))
    help_id = begin(client, person, number="", known="on")
    document = person.documents.get()
    page = client.post(f"/desk/help/{help_id}/number/{document.pk}/")
    assert NUMBER in page.content.decode()
    assert page["Cache-Control"] == "private, no-store"
    line = AuditLine.objects.get(act="people.show_number")
    assert (line.persons, line.purpose) == ([person.pk], "không có điện thoại")
    stranger = signed_in(make_account(Role.CLERK, person.unit))
    assert stranger.post(f"/desk/help/{help_id}/number/{document.pk}/").status_code == 422
    assert stranger.get(f"/desk/help/{help_id}/").status_code == 404


def test_a_declaration_is_filled_in_for_the_person_by_the_officer(person: Person) -> None:
    account = make_account(Role.CLERK, person.unit)
    client = signed_in(account)
    assert "Đang làm giúp" not in client.get("/declarations/").content.decode()
    begin(client, person, task="declaration")
    page = client.get("/declarations/").content.decode()
    assert "Đang làm giúp Trần Thị Bình" in page
    assert client.get("/declarations/mine/").status_code == 200
    assert client.get("/testing/my/").status_code == 302
    line = AuditLine.objects.filter(persons=[person.pk], act__startswith="declarations.").latest("pk")
    assert (line.actor_id, line.details["acting_for"]) == (account.pk, person.pk)
