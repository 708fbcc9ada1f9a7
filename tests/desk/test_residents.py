"""Residents sign in with a code to their phone; nobody learns who is in the ledger; a resident sees who read them."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from khien.desk.pages.residents import BROWSER_COOKIE
from khien.gateways.sms.models import SimulatedMessage
from khien.kernel import clock
from khien.kernel.acts import read
from khien.kernel.people.models import Person
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.stays import columns
from khien.kernel.residents.models import KnownBrowser, SignInCode
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import NOBODY, RESIDENT_SESSION_KEY, RESIDENT_UNTIL_KEY
from tests.factories import NOON, make_actor, make_person, make_place, make_province

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


def test_asking_again_at_once_sends_nothing_and_says_that_the_code_is_still_good(
    client: Client, person: Person
) -> None:
    ask(client)
    assert "một mã vừa được gửi" in client.get("/sign-in/code/").content.decode()
    ask(client)
    assert "vẫn dùng được 5 phút nữa" in client.get("/sign-in/code/").content.decode()
    stranger = Client()
    ask(stranger)
    assert SimulatedMessage.objects.count() == 1
    assert client.post("/sign-in/code/", {"code": sent_code()}).status_code == 302


def test_a_shared_phone_is_left_after_minutes_and_not_remembered(client: Client, person: Person) -> None:
    ask(client)
    client.post("/sign-in/code/", {"code": sent_code(), "shared": "on"})
    assert BROWSER_COOKIE not in client.cookies
    assert client.session.get_expire_at_browser_close()
    assert client.get("/me/").status_code == 200
    session = client.session
    assert session[RESIDENT_UNTIL_KEY] <= time.time() + 15 * 60
    session[RESIDENT_UNTIL_KEY] = time.time() + 60
    session.save()
    client.get("/me/")  # a page moves the end on
    assert client.session[RESIDENT_UNTIL_KEY] > time.time() + 14 * 60
    session = client.session
    session[RESIDENT_UNTIL_KEY] = time.time() - 1
    session.save()
    assert client.get("/me/")["Location"].startswith("/sign-in/?next=")


def test_ones_own_phone_is_remembered_and_may_be_called_shared_later(client: Client, person: Person) -> None:
    ask(client)
    client.post("/sign-in/code/", {"code": sent_code()})
    assert client.cookies[BROWSER_COOKIE]["httponly"]
    assert KnownBrowser.objects.count() == 1
    assert client.cookies[BROWSER_COOKIE].value not in KnownBrowser.objects.get().browser
    assert "Đây là máy dùng chung" in client.get("/me/").content.decode()
    client.post("/me/shared/")
    assert client.cookies[BROWSER_COOKIE].value == ""
    assert "tự thoát sau 15 phút" in client.get("/me/").content.decode()


def test_signing_out_leaves_nothing_in_the_session(client: Client, person: Person) -> None:
    ask(client)
    client.post("/sign-in/code/", {"code": sent_code()})
    before = client.session.session_key
    assert client.get("/me/")["Cache-Control"] == "private, no-store"
    assert client.post("/sign-out/")["Location"] == "/sign-out/"
    assert "không còn mở hồ sơ của ai" in client.get("/sign-out/").content.decode()
    assert client.session.session_key != before
    assert dict(client.session.items()) == {}


@pytest.mark.parametrize(
    ("wanted", "led_to"),
    [
        ("/me/reads/?page=2", "/me/reads/?page=2"),
        ("https://elsewhere.example/", "/me/"),
        ("//elsewhere.example/", "/me/"),
        ("/\\elsewhere.example", "/me/"),
        ("javascript:alert(1)", "/me/"),
        ("/sign-out/", "/me/"),
        ("/sign-in/", "/me/"),
        ("/accounts/logout/", "/me/"),
        ("/nowhere/", "/me/"),
        ("me/reads/", "/me/"),
    ],
)
def test_one_is_led_back_to_a_page_of_this_house_only(
    client: Client, person: Person, wanted: str, led_to: str
) -> None:
    client.get("/sign-in/", {"next": wanted})
    ask(client)
    assert client.post("/sign-in/code/", {"code": sent_code()})["Location"] == led_to


def test_a_resident_sees_where_they_were_how_it_is_known_and_when_it_goes(
    client: Client, person: Person
) -> None:
    with clock.reads.frozen_at(NOON):
        place, other = make_place(person.unit, "Chợ Bầu"), make_person("Lê An", person.unit)
        for who, day, inferred in ((person.pk, 9, True), (person.pk, 10, False), (other.pk, 9, False)):
            enter = datetime(2022, 1, day, 1, 30, tzinfo=UTC)
            stay = columns([who], [place.pk], [enter], [enter + timedelta(hours=1)], [f"{who}-{day}"])
            presence.store(replace(stay, exit_inferred=np.array([inferred])), source="scan")
        session = client.session
        session[RESIDENT_SESSION_KEY] = person.pk
        session.save()
        page = " ".join(client.get("/me/places/").content.decode().split())
    assert page.count("Chợ Bầu") == 2
    assert "Vào 08:30 (quét mã), ra 09:30 (ước tính, không có lượt quét)" in page
    assert "Vào 08:30 (quét mã), ra 09:30 (quét mã)" in page
    assert "Xóa ngày 31/01/2022" in page  # kept for 21 days after the 9th
    assert "Xóa ngày 01/02/2022" in page


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
    read(officer.helping(person.pk, 1, "làm giúp"), "testing.my_tests", persons=[person.pk])
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    page = client.get("/me/reads/").content.decode()
    assert page.count("<time") == 3
    assert page.count("làm giúp bạn tại quầy") == 1
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
