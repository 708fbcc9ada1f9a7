"""Residents sign in with a code to their phone; nobody learns who is in the ledger; a resident sees who read them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.acts import read
from khien.kernel.people.models import Person
from khien.kernel.residents.models import SignInCode
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import NOBODY, RESIDENT_SESSION_KEY
from tests.factories import make_actor, make_person, make_province

pytestmark = pytest.mark.django_db
PHONE = "+84912345678"


@pytest.fixture(autouse=True)
def rules_in_force() -> None:
    rules.load_seed(system_actor("test"))


@pytest.fixture
def person() -> Person:
    return make_person("Trần Thị Bình", make_province()[2], phone=PHONE)


def ask(client: Client, phone: str = "0912 345 678") -> None:
    answer = client.post("/sign-in/", {"phone": phone})
    assert answer.status_code == 302, answer.content.decode()
    assert answer["Location"] == "/sign-in/code/"


def sent_code() -> str:
    text = SimulatedMessage.objects.latest("pk").text
    found = re.search(r"\b\d{6}\b", text)
    assert found, text
    return found[0]


def test_the_code_of_the_message_opens_the_own_page(client: Client, person: Person) -> None:
    assert client.get("/me/")["Location"].startswith("/sign-in/?next=")
    client.get("/sign-in/?next=/me/reads/")
    ask(client)
    answer = client.post("/sign-in/code/", {"code": sent_code()})
    assert answer["Location"] == "/me/reads/"
    page = client.get("/me/").content.decode()
    assert "Trần Thị Bình" in page
    assert PHONE not in page
    client.post("/sign-out/")
    assert client.get("/me/").status_code == 302


def test_a_foreign_address_is_not_followed_after_signing_in(client: Client, person: Person) -> None:
    client.get("/sign-in/?next=https://elsewhere.example/")
    ask(client)
    assert client.post("/sign-in/code/", {"code": sent_code()})["Location"] == "/me/"


def test_an_unknown_phone_gets_the_same_answer_and_no_message(client: Client, person: Person) -> None:
    ask(client, "0987654321")
    assert SimulatedMessage.objects.count() == 0
    answer = client.post("/sign-in/code/", {"code": "123456"})
    assert "Mã không đúng" in answer.content.decode()
    assert RESIDENT_SESSION_KEY not in client.session


def test_a_code_dies_after_five_wrong_tries(client: Client, person: Person) -> None:
    ask(client)
    right = sent_code()
    wrong = "000000" if right != "000000" else "111111"
    for _ in range(5):
        assert "Mã không đúng" in client.post("/sign-in/code/", {"code": wrong}).content.decode()
    assert "hết hạn hoặc đã nhập sai" in client.post("/sign-in/code/", {"code": right}).content.decode()
    assert RESIDENT_SESSION_KEY not in client.session


def test_a_code_works_once_and_for_minutes_only(client: Client, person: Person) -> None:
    ask(client)
    code = sent_code()
    SignInCode.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "hết hạn" in client.post("/sign-in/code/", {"code": code}).content.decode()
    SignInCode.objects.update(expires_at=timezone.now() + timedelta(minutes=5))
    assert client.post("/sign-in/code/", {"code": code}).status_code == 302
    other = Client()
    SignInCode.objects.update(created_at=timezone.now() - timedelta(minutes=2))
    ask(other)
    assert (
        "Mã không đúng" in other.post("/sign-in/code/", {"code": code}).content.decode()
        or code == sent_code()
    )


def test_codes_are_not_sent_again_and_again(client: Client, person: Person) -> None:
    ask(client)
    assert "Vừa gửi một mã" in client.post("/sign-in/", {"phone": PHONE}).content.decode()
    for back in range(2, 6):
        SignInCode.objects.filter(created_at__gt=timezone.now() - timedelta(minutes=1)).update(
            created_at=timezone.now() - timedelta(minutes=back)
        )
        ask(client)
    SignInCode.objects.filter(created_at__gt=timezone.now() - timedelta(minutes=1)).update(
        created_at=timezone.now() - timedelta(minutes=2)
    )
    assert "quá nhiều mã" in client.post("/sign-in/", {"phone": PHONE}).content.decode()
    assert SimulatedMessage.objects.count() == 5


def test_who_shares_a_phone_chooses_the_person(client: Client, person: Person) -> None:
    child = make_person("Lê An", person.unit, phone=PHONE)
    stranger = make_person("Người Lạ", person.unit, phone="+84911111111")
    ask(client)
    assert client.post("/sign-in/code/", {"code": sent_code()})["Location"] == "/sign-in/who/"
    page = client.get("/sign-in/who/").content.decode()
    assert "Lê An" in page
    assert "Trần Thị Bình" in page
    assert client.post("/sign-in/who/", {"person": str(stranger.public_id)}).status_code == 200
    assert RESIDENT_SESSION_KEY not in client.session
    client.post("/sign-in/who/", {"person": str(child.public_id)})
    assert client.session[RESIDENT_SESSION_KEY] == child.pk


def test_a_number_that_is_no_mobile_number_is_explained(client: Client) -> None:
    page = client.post("/sign-in/", {"phone": "0912"}).content.decode()
    assert "field__error" in page


def test_a_resident_reads_who_opened_their_record_and_nothing_of_others(
    client: Client, person: Person
) -> None:
    other = make_person("Lê An", person.unit)
    merged = make_person("Trần Thị Binh", person.unit, merged_into=person)
    officer = make_actor(Role.TRACER, person.unit)
    read(officer.for_purpose("điều tra ca bệnh"), "tracing.case_page", persons=[person.pk])
    read(officer, "people.duplicates", persons=[merged.pk])
    read(officer.for_purpose("việc khác"), "tracing.case_page", persons=[other.pk])
    read(NOBODY, "desk.sign_in", persons=[person.pk])
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    page = client.get("/me/reads/").content.decode()
    assert page.count("<time") == 2
    assert "điều tra ca bệnh" in page
    assert "Truy vết" in page
    assert "Hồ sơ dân cư" in page
    assert "việc khác" not in page


def test_a_merged_record_signs_its_resident_out(client: Client, person: Person) -> None:
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    person.merged_into = make_person("Trần Thị Bình", person.unit)
    person.save()
    assert client.get("/me/")["Location"] == "/sign-in/"
