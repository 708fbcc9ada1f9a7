"""The pages that cross rooms, in a real browser: whole at both widths, by keyboard, and moving by themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.people.models import Person
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing.models import Case
from tests.factories import make_account, make_person, make_province
from tests.journeys.conftest import WIDTHS, Visitor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def commune() -> AdminUnit:
    province, _district, commune = make_province()
    rules.load_seed(system_actor("test"))
    AdminUnit.objects.filter(pk=commune.pk).update(latitude=20.54, longitude=105.91)
    for role in (Role.LEADER, Role.TRACER, Role.GUARD):
        make_account(role, province, username=str(role))
    return commune


@pytest.fixture
def person(commune: AdminUnit) -> Person:
    return make_person("Nguyễn Thị Hường", commune, phone="+84912345678")


def open_case(person: Person, back: timedelta = timedelta(0)) -> Case:
    at = datetime.now(UTC) - back
    return Case.objects.create(person=person, unit=person.unit, resulted_at=at, opened_at=at)


def look(visitor: Visitor, path: str) -> list[str]:
    faults = []
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 800})
        visitor.open(path)
        faults += [f"{path} at {width} px: {fault}" for fault in visitor.faults()]
    return faults


def test_public_pages_are_whole(visitor: Visitor, commune: AdminUnit) -> None:
    assert [f for path in ("/", "/sign-in/", "/accounts/login/") for f in look(visitor, path)] == []
    assert visitor.page.evaluate("document.fonts.check('16px \"Be Vietnam Pro\"', 'ạ')")


def test_staff_pages_are_whole(visitor: Visitor, person: Person) -> None:
    for days in range(20):
        open_case(make_person(f"Ca {days}", person.unit), timedelta(days=days))
    visitor.sign_in("tracer")
    paths = (
        "/desk/",
        "/desk/map/",
        "/desk/map/?units=now",
        "/desk/search/?q=huong",
        f"/desk/people/{person.public_id}/",
        "/nowhere/",
    )
    faults = [fault for path in paths for fault in look(visitor, path)]
    assert [f for f in faults if "/nowhere/" not in f or "404" not in f] == []


def test_everything_is_whole_in_english_too(visitor: Visitor, person: Person) -> None:
    visitor.sign_in("leader")
    visitor.page.click("text=English")
    assert visitor.page.inner_text("h1") == "Situation"
    assert look(visitor, "/desk/") == []


def test_a_keyboard_reaches_the_content_and_the_search(visitor: Visitor, person: Person) -> None:
    visitor.sign_in("tracer")
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.className") == "skip"
    visitor.page.keyboard.press("Enter")
    assert visitor.page.evaluate("document.activeElement.id") == "main"
    visitor.page.keyboard.press("/")
    visitor.page.keyboard.type("huong")
    visitor.page.keyboard.press("Enter")
    visitor.page.wait_for_url(re.compile(r"/desk/search/\?q=huong$"))
    assert "Nguyễn Thị Hường" in visitor.page.inner_text("main")


def test_the_menu_opens_on_a_phone_without_scripts_of_its_own(visitor: Visitor, commune: AdminUnit) -> None:
    visitor.page.set_viewport_size({"width": 390, "height": 800})
    visitor.sign_in("leader")
    assert not visitor.page.is_visible("#menu")
    visitor.page.click(".menu-open")
    visitor.page.click("#menu a:has-text('Bản đồ')")
    visitor.page.wait_for_url("**/desk/map/")


def test_the_board_moves_by_itself_and_keeps_what_was_opened(visitor: Visitor, person: Person) -> None:
    open_case(person)
    visitor.sign_in("leader")
    page = visitor.page
    assert page.inner_text("dl.stat dd >> nth=0") == "1"
    page.wait_for_selector("#chart-cases svg")
    page.click("#numbers-cases summary")
    page.evaluate("document.querySelector('#chart-cases').dataset.same = 'yes'")
    open_case(make_person("Trần Văn Bình", person.unit))
    expect(page.locator("dl.stat dd").first).to_have_text("2", timeout=20_000)
    expect(page.locator("#numbers-cases")).to_have_attribute("open", "")
    assert page.get_attribute("#chart-cases", "data-same") == "yes"
    assert page.is_visible("#chart-cases svg")
    assert visitor.faults() == []


def test_a_resident_signs_in_by_phone_and_sees_who_read(visitor: Visitor, person: Person) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 800})
    visitor.open("/me/")
    page.fill("[name=phone]", "0912 345 678")
    page.click("text=Gửi mã cho tôi")
    page.wait_for_url("**/sign-in/code/")
    assert visitor.faults() == []
    found = re.search(r"\b\d{6}\b", SimulatedMessage.objects.latest("pk").text)
    assert found
    page.fill("[name=code]", found[0])
    page.click("text=Tiếp tục")
    page.wait_for_url("**/me/")
    assert "Nguyễn Thị Hường" in page.inner_text("h1")
    assert visitor.faults() == []
    page.click("text=Ai đã mở hồ sơ của tôi")
    page.wait_for_url("**/me/reads/")
    assert visitor.faults() == []
    small = page.evaluate(
        "[...document.querySelectorAll('main button, main a.button')].filter(b => b.offsetHeight < 48).length"
    )
    assert small == 0


def test_paper_gets_the_content_without_the_frame(visitor: Visitor, person: Person) -> None:
    visitor.sign_in("tracer")
    visitor.open(f"/desk/people/{person.public_id}/")
    visitor.page.emulate_media(media="print")
    assert visitor.page.is_visible("main h1")
    assert not visitor.page.is_visible("header.bar")
    assert not visitor.page.is_visible("nav.rail")
