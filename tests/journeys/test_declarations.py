"""Declarations in a real browser: alone, for a family, at a desk, without network, and what an officer does."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from openpyxl import Workbook
from playwright.sync_api import Page, expect

from khien.kernel import clock
from khien.kernel.standing import colours
from khien.rooms.declarations.models import Declaration, Task
from khien.rooms.testing.models import SamplingRequest
from tests.journeys import pictures
from tests.journeys.conftest import WIDTHS, Arrive, Visitor
from tests.journeys.town import Town
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_MS = 15_000


def shot(visitor: Visitor, name: str) -> None:
    """Keep what the visitor sees at both widths, where pictures are asked for."""
    before = visitor.page.viewport_size
    for width in WIDTHS:
        visitor.widen(width)
        pictures.keep(visitor.page, f"{name}-{width}")
    if before:
        visitor.page.set_viewport_size(before)


def tell(page: Page, name: str, year: str, phone: str, **more: str) -> None:
    page.locator("[name=filled_by][value=self]").check()
    page.fill("[name=full_name]", name)
    page.fill("[name=birth_year]", year)
    page.fill("[name=phone]", phone)
    page.locator("[name=unit]").select_option(label="Phường Quang Trung")
    page.locator("[name=contact][value=no]").check()
    page.locator(f"[name=has_symptoms][value={more.get('ill', 'no')}]").check()
    if "symptom" in more:
        page.locator(f"[name=symptoms][value={more['symptom']}]").check()


def test_a_resident_without_an_account_declares_on_a_phone(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/declarations/")
    visitor.look()
    page.get_by_role("link", name="Tờ khai y tế").click()
    expect(page.locator("[name=visited-0-from]")).to_be_hidden()
    for target in page.locator(
        "main .choice:visible, main button:visible:not(.visually-hidden), main select:visible"
    ).all():
        box = target.bounding_box()
        assert box is not None
        assert box["height"] >= 44, target.inner_text()
    visitor.look()
    shot(visitor, "new")
    visitor.widen(390)
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Chưa lưu được")).to_be_visible(timeout=WAIT_MS)
    visitor.look(answered=422)
    shot(visitor, "wrong")
    visitor.widen(390)
    tell(page, "Đỗ Thị Mới", "1991", "0912 000 111")
    page.locator("[name=been_elsewhere][value=yes]").check()
    page.locator("[name=visited-0-unit]").select_option(label="Xã Tiên Tân")
    page.fill("[name=visited-0-from]", "5/1/2022")
    page.get_by_role("button", name="Thêm một nơi").click()
    page.locator("[name=visited-1-unit]").select_option(label="Xã Phù Vân")
    page.fill("[name=visited-1-from]", "07012022")
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("Được qua")).to_be_visible()
    visitor.look()
    shot(visitor, "done")
    row = Declaration.objects.get()
    assert [place["from"] for place in row.content["visited"]] == ["2022-01-05", "2022-01-07"]
    assert page.evaluate("localStorage.getItem('khien.declarations.drafts')") is None

    # The guard types the code and sees a colour and a masked name.
    guard = arrive("guard", width=390)
    guard.open("/declarations/code/")
    guard.page.fill("#code", row.code.lower())
    guard.page.keyboard.press("Enter")
    expect(guard.page.get_by_text("Đ. T. Mới")).to_be_visible()
    guard.look()
    # The declarer opens it again.
    visitor.open("/declarations/find/")
    visitor.look()
    page.fill("[name=code]", row.code)
    page.fill("[name=proof]", "1991")
    page.get_by_role("button", name="Mở tờ khai").click()
    expect(page.get_by_text("Xã Tiên Tân")).to_be_visible()
    visitor.look()


def test_a_family_of_four_by_one_of_them_without_scripts(town: Town, browser, live_server) -> None:
    context = browser.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"{live_server.url}/declarations/new/health/")
    tell(page, "Đỗ Văn Cha", "1980", "0912000112")
    page.locator("[name=been_elsewhere][value=no]").check()
    for number, (name, year) in enumerate(
        (("Lý Thị Mẹ", "1982"), ("Đỗ Thị Chị", "2010"), ("Đỗ Văn Em", "2015"))
    ):
        page.get_by_role("button", name="Thêm một người").click()
        page.fill(f"[name=companions-{number}-full_name]", name)
        page.fill(f"[name=companions-{number}-birth_year]", year)
        page.locator(f"[name=companions-{number}-has_symptoms][value=no]").check()
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible(timeout=WAIT_MS)
    assert page.locator("article").count() == 4
    context.close()
    assert Declaration.objects.count() == 4
    people = list(Declaration.objects.values_list("person_id", flat=True))
    assert {card.colour for card in colours.of(people, clock.now()).values()} == {"green"}


def test_a_journey_with_three_destinations_and_a_companion(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/declarations/new/movement/")
    tell(page, "Đỗ Thị Đi", "1991", "0912000113")
    page.locator("[name=origin]").select_option(label="Phường Quang Trung")
    page.fill("[name=departs_on]", "10/01/2022")
    page.locator("[name=vehicle]").select_option("coach")
    page.fill("[name=plate]", "90B-123.45")
    for number, place in enumerate(("Xã Tiên Tân", "Xã Phù Vân", "Phường Minh Khai")):
        if number:
            page.get_by_role("button", name="Thêm một nơi đến").click()
        page.locator(f"[name=destinations-{number}-unit]").select_option(label=place)
        page.fill(f"[name=destinations-{number}-from]", f"1{number}/01/2022")
    page.get_by_role("button", name="Thêm một người").click()
    page.fill("[name=companions-0-full_name]", "Lê Văn Cùng")
    page.fill("[name=companions-0-birth_year]", "1988")
    page.locator("[name=companions-0-has_symptoms][value=no]").check()
    page.locator("[name=consent]").check()
    visitor.look()
    shot(visitor, "movement")
    visitor.widen(390)
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible(timeout=WAIT_MS)
    assert [len(row.content["destinations"]) for row in Declaration.objects.all()] == [3, 3]
    visitor.look()


def test_a_draft_survives_reload_and_time_without_network_and_is_sent_once(
    town: Town, arrive: Arrive
) -> None:
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/declarations/new/health/")
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    wait_until(
        lambda: page.evaluate("caches.match('/declarations/new/health/').then((kept) => kept !== undefined)"),
        seconds=15,
    )
    tell(page, "Đỗ Thị Nháp", "1991", "0912000114")
    page.fill("[name=number]", "035191000077")
    page.get_by_role("button", name="Thêm một người").click()
    page.fill("[name=companions-0-full_name]", "Đỗ Văn Con")
    expect(page.get_by_text("Bản nháp đang được giữ")).to_be_visible()
    wait_until(
        lambda: page.evaluate(
            "(localStorage.getItem('khien.declarations.drafts') ?? '').includes('Đỗ Văn Con')"
        ),
        seconds=15,
    )
    assert "035191000077" not in page.evaluate("localStorage.getItem('khien.declarations.drafts')")
    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_text("Đang hiện bản nháp")).to_be_visible(timeout=WAIT_MS)
    expect(page.locator("[name=full_name]")).to_have_value("Đỗ Thị Nháp")
    expect(page.locator("[name=companions-0-full_name]")).to_have_value("Đỗ Văn Con")
    page.fill("[name=companions-0-birth_year]", "2015")
    page.locator("[name=companions-0-has_symptoms][value=no]").check()
    page.locator("[name=been_elsewhere][value=no]").check()
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_text("Chưa có mạng")).to_be_visible(timeout=WAIT_MS)
    assert Declaration.objects.count() == 0
    shot(visitor, "waiting")
    page.reload()
    page.context.set_offline(False)
    wait_until(lambda: Declaration.objects.count() == 2)
    wait_until(
        lambda: page.evaluate("localStorage.getItem('khien.declarations.drafts') === null"), seconds=15
    )
    visitor.open("/declarations/new/health/")
    expect(page.locator("[name=full_name]")).to_have_value("")
    assert Declaration.objects.count() == 2
    # What the browser says of the time without network is no fault of the page.
    visitor.complaints.clear()
    visitor.look()


def test_a_draft_is_gone_after_seven_days(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/declarations/new/health/")
    page.fill("[name=full_name]", "Đỗ Thị Cũ")
    wait_until(
        lambda: page.evaluate(
            "(localStorage.getItem('khien.declarations.drafts') ?? '').includes('Đỗ Thị Cũ')"
        ),
        seconds=15,
    )
    page.evaluate(
        """() => {
          const drafts = JSON.parse(localStorage.getItem('khien.declarations.drafts'));
          for (const one of Object.values(drafts)) one.saved -= 7 * 24 * 3600 * 1000 + 1;
          localStorage.setItem('khien.declarations.drafts', JSON.stringify(drafts));
        }"""
    )
    visitor.open("/declarations/new/health/")
    expect(page.locator("[name=full_name]")).to_have_value("")
    assert page.evaluate("localStorage.getItem('khien.declarations.drafts')") is None


def test_a_symptom_becomes_a_task_that_gives_the_colour_back_when_settled(town: Town, arrive: Arrive) -> None:
    ill = town.residents[2]
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/declarations/new/health/")
    tell(page, ill.name, str(ill.born), ill.phone, ill="yes", symptom="fever")
    page.locator("[name=been_elsewhere][value=no]").check()
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Gửi tờ khai").click()
    expect(page.get_by_text("Khai có triệu chứng: cán bộ y tế sẽ gọi.")).to_be_visible(timeout=WAIT_MS)
    visitor.look()
    town.work()
    assert SamplingRequest.objects.get().person_id == ill.person.pk

    officer = arrive("commune_officer")
    officer.open("/declarations/inbox/")
    officer.look()
    shot(officer, "inbox")
    officer.widen(1100)
    officer.page.get_by_role("link", name="Xử lý").click()
    officer.look()
    shot(officer, "task")
    officer.widen(1100)
    officer.page.get_by_label("Đã hỏi, không có gì").check()
    officer.page.fill("[name=note]", "Đã gọi, khỏe.")
    officer.page.get_by_role("button", name="Xử lý xong").click()
    expect(officer.page.get_by_text("Không có tờ khai nào cần xem")).to_be_visible()
    assert Task.objects.get().state == "settled"
    assert colours.of([ill.person.pk], clock.now())[ill.person.pk].colour == "green"
    for path in (
        "list/",
        f"list/{Declaration.objects.get().pk}/",
        "held/",
        "areas/",
        "poster/",
        "companies/",
    ):
        officer.open(f"/declarations/{path}")
        officer.look()
        shot(officer, path.split("/", maxsplit=1)[0])
    officer.open(f"/desk/people/{ill.person.public_id}/")
    officer.look()


def test_a_helper_at_the_desk_and_papers_by_keyboard(town: Town, arrive: Arrive) -> None:
    officer = arrive("commune_officer")
    page = officer.page
    officer.open("/declarations/help/health/")
    officer.look()
    tell(page, "Đỗ Thị Già", "1940", "0912000115")
    page.locator("[name=been_elsewhere][value=no]").check()
    page.locator("[name=consent]").check()
    page.get_by_role("button", name="Lưu và lấy mã").click()
    expect(page.get_by_role("heading", name="Đã nhận tờ khai")).to_be_visible()
    officer.open("/declarations/paper/health/")
    officer.look()
    shot(officer, "paper")
    officer.widen(1100)
    page.fill("[name=paper_on]", "2022-01-07")
    for name in ("Đỗ Thị Một", "Đỗ Thị Hai"):
        tell(page, name, "1950", "0912000116")
        page.locator("[name=been_elsewhere][value=no]").check()
        page.locator("[name=consent]").check()
        page.locator("[name=full_name]").press("Enter")
        expect(page.get_by_text(f"Đã nhập tờ của {name}")).to_be_visible()
        assert page.evaluate("document.activeElement.name") == "full_name"
        expect(page.locator("[name=paper_on]")).to_have_value("2022-01-07")
    papers = Declaration.objects.filter(channel="paper")
    assert {clock.local(row.declared_at).date().isoformat() for row in papers} == {"2022-01-07"}
    assert papers.count() == 2


def test_a_company_sends_a_sheet_with_bad_rows(town: Town, arrive: Arrive, tmp_path: Path) -> None:
    officer = arrive("commune_officer")
    officer.open("/declarations/companies/")
    officer.page.fill("[name=name]", "May Hà Nam")
    officer.page.get_by_role("button", name="Cấp địa chỉ").click()
    address = officer.page.locator("code").inner_text()
    officer.look()
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["Họ và tên", "Năm sinh", "Điện thoại", "Xã, phường đang ở", "Có triệu chứng", "Gặp ca bệnh"],
        ["Nguyễn Văn Một", 1980, "0912000001", "13285", "Không", "Không"],
        ["Trần Thị Hai", 1991, "12", "13285", "Không", "Không"],
        ["Lê Văn Ba", 1975, "0912000003", "13285", "", "Không"],
    ):
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    file = tmp_path / "bang.xlsx"
    file.write_bytes(out.getvalue())
    company = arrive(width=390)
    for told in (
        "Nhận 3 dòng = 1 ghi mới + 0 đã có + 2 bị giữ.",
        "Nhận 3 dòng = 0 ghi mới + 1 đã có + 2 bị giữ.",
    ):
        company.open(address)
        company.look()
        company.page.set_input_files("[name=file]", file)
        company.page.locator("[name=agreed]").check()
        company.page.get_by_role("button", name="Gửi bảng").click()
        expect(company.page.get_by_text(told)).to_be_visible()
        company.look()
    shot(company, "company")
    officer.open("/declarations/sheets/")
    officer.look()
    shot(officer, "sheets")
    officer.widen(1100)
    officer.page.get_by_role("link", name="Sửa dòng 3").click()
    officer.look()
    officer.page.fill("[name=phone]", "0912000002")
    officer.page.get_by_role("button", name="Nhận dòng này").click()
    expect(officer.page.get_by_text("Đã nhận dòng 3.")).to_be_visible()
    assert Declaration.objects.count() == 2
