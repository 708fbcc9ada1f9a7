"""Coverage on a map, cards for a list of people, a declaration made at a desk, and answers that a phone keeps."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from khien.kernel.audit.models import AuditLine
from khien.kernel.staff import Role, system_actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints import jobs, verbs
from khien.rooms.checkpoints.models import PlaceCoverage
from khien.rooms.declarations.models import Declaration
from tests.factories import make_account, make_place, make_unit
from tests.journeys.conftest import Arrive
from tests.journeys.test_declarations import shot, tell
from tests.journeys.test_poster_check_in import path_of
from tests.journeys.town import PASSWORD, Town, at

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = system_actor("test")
WAIT_MS = 15_000
LAST = "localStorage.getItem('khien.declarations.last')"


def test_coverage_on_a_map_by_keyboard(town: Town, arrive: Arrive) -> None:
    district = town.commune.parent
    assert district is not None
    others = [make_unit(f"Xã Số {n}", district) for n in range(7)]
    for n, unit in enumerate([town.commune, *others]):
        west, south = 105.9 + 0.06 * (n % 4), 20.5 + 0.06 * (n // 4)
        ring = [[west, south], [west + 0.06, south], [west + 0.06, south + 0.06], [west, south + 0.06]]
        shape = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
        pin = None if n == 7 else 0.03
        AdminUnit.objects.filter(pk=unit.pk).update(
            boundary=shape if n < 5 else None,
            latitude=pin and south + pin,
            longitude=pin and west + pin,
        )
        if n:
            place = make_place(unit, f"Chợ {n}")
            for day in range(3, 3 + n):
                PlaceCoverage.objects.create(
                    place=place, unit=unit, day=at(day, 8).date(), scans=5, stays=4, exits=n % 4
                )
    verbs.count_coverage(SYSTEM, first=at(3, 8).date(), last=at(9, 8).date())
    verbs.check_in_by_poster(
        SYSTEM,
        place_code=town.cafe.code,
        check=path_of(town)[-8:],
        direction="in",
        event_id=uuid4(),
        block="a network",
        number="0912345678",
        name="Trần Thị Bình",
    )
    town.work(at(9, 12))
    jobs.count_coverage()
    make_account(Role.LEADER, town.province, username="head", password=PASSWORD)
    visitor = arrive("head")
    page = visitor.page
    visitor.open("/checkpoints/coverage/?days=7")
    shapes = page.locator("#coverage-map path[role=link]")
    expect(shapes.first).to_be_visible(timeout=WAIT_MS)
    shown = shapes.count()
    assert shown == 7
    expect(page.get_by_text("Không có trên bản đồ (chưa có ranh giới): ")).to_be_visible()
    words = page.locator("[aria-label='Chú giải'] li").all_inner_texts()
    assert len(words) == 6
    assert sum(int(re.search(r"(\d+) xã", text)[1]) for text in words) == shown
    visitor.look()
    shot(visitor, "coverage-map")
    visitor.widen(1100)
    visitor.tab_to("#coverage-map path[role=link]")
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert re.search(r": (\d+,\d %|không có gì để tính)$", first)
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") != first
    name = page.evaluate("document.activeElement.getAttribute('aria-label')").split(":")[0]
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/checkpoints/coverage/\d+/\?days=7$"))
    expect(page.locator("h1")).to_have_text(name)
    visitor.look()
    visitor.open("/checkpoints/coverage/?measure=silent")
    expect(page.locator("#map-title")).to_have_text("Phần ngày-máy im lặng")
    visitor.look()


def test_cards_for_a_pasted_list(town: Town, arrive: Arrive) -> None:
    visitor = arrive("commune_officer")
    page = visitor.page
    one, two = town.residents[0], town.residents[1]
    visitor.open("/checkpoints/prints/")
    page.get_by_role("link", name="In thẻ theo danh sách").click()
    visitor.look()
    page.select_option("#id_unit", str(town.commune.pk))
    page.fill("#id_text", f"{one.number}\n{two.name}; {two.born}\n{one.number}\n035099000099")
    page.get_by_role("button", name="Bắt đầu in").click()
    expect(page.get_by_text("Nhận 4 dòng = 2 in thẻ + 1 đã có + 1 bị giữ.")).to_be_visible(timeout=WAIT_MS)
    assert "035099000099" not in page.content()
    visitor.look()
    shot(visitor, "card-list")
    visitor.widen(1100)
    page.get_by_role("link", name="Xem tiến độ in").click()
    expect(page.locator("#run")).to_contain_text("0 trong 2 tờ")
    assert jobs.print_run(int(page.url.rstrip("/").rsplit("/", 1)[1])) == 2
    expect(page.locator("#run")).to_contain_text("Xong", timeout=WAIT_MS)
    visitor.look()
    shot(visitor, "card-run")
    visitor.widen(1100)
    visitor.open("/checkpoints/prints/list/")
    page.get_by_label("Vì sao bỏ dòng 4").fill("không có người này")
    page.get_by_role("button", name="Bỏ dòng 4").click()
    expect(page.get_by_text("Đã bỏ dòng 4.")).to_be_visible()
    expect(page.get_by_role("heading", name="Dòng bị giữ")).to_have_count(0)


def test_a_declaration_made_at_a_desk_is_the_residents_own(town: Town, arrive: Arrive) -> None:
    make_account(Role.CLERK, town.commune, username="clerk", password=PASSWORD)
    who = town.residents[3]
    visitor = arrive("clerk")
    page = visitor.page
    visitor.open(f"/desk/people/{who.person.public_id}/help/")
    page.locator("[name=task][value=declaration]").check()
    page.fill("[name=number]", who.number)
    page.fill("[name=purpose]", "không có điện thoại")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/desk/help/\d+/$"))
    page.click("text=Mở: Khai báo y tế")
    page.get_by_role("link", name="Tờ khai y tế").click()
    expect(page.locator(".helping")).to_contain_text(f"Đang làm giúp {who.name}")
    expect(page.locator("[name=full_name]")).to_have_value(who.name)
    visitor.look()
    shot(visitor, "help-declaration")
    visitor.widen(1100)
    page.locator("[name=contact][value=no]").check()
    page.locator("[name=has_symptoms][value=no]").check()
    page.locator("[name=been_elsewhere][value=no]").check()
    # What is wrong is said, and nothing that was typed for somebody stays in the officer's browser.
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Chưa lưu được")).to_be_visible(timeout=WAIT_MS)
    visitor.look(answered=422)
    if not page.locator("[name=phone]").input_value():
        page.fill("[name=phone]", who.phone)
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator(".helping")).to_be_visible()
    expect(page.locator("[data-keep-last]")).to_have_count(0)
    visitor.look()
    shot(visitor, "help-done")
    visitor.widen(1100)
    stored = page.evaluate("JSON.stringify({ ...localStorage, ...sessionStorage })")
    assert "khien.declarations" not in stored
    assert who.name not in stored
    row = Declaration.objects.get()
    assert (row.person_id, row.channel) == (who.person.pk, Declaration.Channel.HELPER)
    line = AuditLine.objects.filter(act="declarations.declare").latest("pk")
    assert who.person.pk in line.persons
    page.click(".helping >> text=Kết thúc làm giúp")
    page.wait_for_url(f"**/desk/people/{who.person.public_id}/")
    visitor.open("/declarations/new/health/")
    expect(page.locator("[name=full_name]")).to_have_value("")


def test_a_phone_keeps_the_last_answers_only_when_asked_and_forgets_them(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    page = visitor.page

    def declare(name: str) -> None:
        tell(page, name, "1991", "0912000114")
        page.fill("[name=number]", "035191000077")
        page.get_by_role("button", name="Thêm một người").click()
        page.fill("[name=companions-0-full_name]", "Đỗ Văn Con")
        page.fill("[name=companions-0-birth_year]", "2015")
        finish()

    def finish() -> None:
        page.locator("[name=filled_by][value=self]").check()
        page.locator("[name=has_symptoms][value=no]").check()
        page.locator("[name=contact][value=no]").check()
        page.locator("[name=companions-0-has_symptoms][value=no]").check()
        page.locator("[name=been_elsewhere][value=no]").check()
        page.locator("[name=consent]").check()
        page.get_by_role("button", name="Gửi tờ khai").click()
        expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible(timeout=WAIT_MS)

    visitor.open("/declarations/new/health/")
    declare("Đỗ Thị Nhớ")
    assert page.evaluate(LAST) is None, "nothing is kept that nobody asked for"
    visitor.look()
    shot(visitor, "done-keep")
    visitor.widen(390)
    page.get_by_role("button", name="Giữ trên máy này").click()
    kept = page.evaluate(LAST)
    assert "Đỗ Thị Nhớ" in kept
    for private in ("035191000077", "has_symptoms", "consent", "been_elsewhere"):
        assert private not in kept
    visitor.open("/declarations/new/health/")
    expect(page.locator("[name=full_name]")).to_have_value("")
    expect(page.locator("[data-drafts]")).not_to_contain_text("Nhớ", timeout=WAIT_MS)
    page.get_by_role("button", name="Điền lại từ lần trước").click()
    expect(page.locator("[name=full_name]")).to_have_value("Đỗ Thị Nhớ")
    expect(page.locator("[name=companions-0-full_name]")).to_have_value("Đỗ Văn Con")
    expect(page.locator("[name=number]")).to_have_value("")
    expect(page.locator("[name=consent]")).not_to_be_checked()
    assert page.locator("[name=has_symptoms]:checked").count() == 0
    visitor.look()
    shot(visitor, "filled-again")
    visitor.widen(390)
    finish()
    assert Declaration.objects.filter(parent=None).count() == 2
    page.get_by_role("button", name="Quên trên máy này").click()
    assert page.evaluate(LAST) is None
    expect(page.get_by_text("Máy này không giữ câu trả lời nào.")).to_be_visible()
    visitor.open("/declarations/new/health/")
    expect(page.get_by_role("button", name="Điền lại từ lần trước")).to_have_count(0)

    # Without a kept answer the code and the birth year bring the last one back, health and consent left out.
    row = Declaration.objects.filter(parent=None).latest("pk")
    visitor.open("/declarations/find/")
    page.fill("[name=code]", row.code)
    page.fill("[name=proof]", "1991")
    page.get_by_role("button", name="Mở tờ khai").click()
    page.get_by_role("link", name="Khai lại từ tờ này").click()
    expect(page.locator("[name=full_name]")).to_have_value("Đỗ Thị Nhớ")
    expect(page.locator("[name=consent]")).not_to_be_checked()
    assert page.locator("[name=has_symptoms]:checked").count() == 0
    visitor.look()


def test_a_company_leaves_its_token_at_the_door(town: Town, arrive: Arrive, tmp_path: Path) -> None:
    officer = arrive("commune_officer")
    officer.open("/declarations/companies/")
    officer.page.fill("[name=name]", "May Hà Nam")
    officer.page.get_by_role("button", name="Cấp địa chỉ").click()
    address = officer.page.locator("code").inner_text()
    company = arrive(width=390)
    company.open(address)
    assert company.page.url.endswith("/declarations/company/")
    assert address.rstrip("/").rsplit("/", 1)[1] not in company.page.content()
    company.page.reload()
    expect(company.page.get_by_text("May Hà Nam")).to_be_visible()
    company.look()
