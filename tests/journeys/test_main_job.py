"""The main job as people do it: from a card at a gate and a swab to orders, messages, a report and the board."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from playwright.sync_api import expect
from pypdf import PdfReader

from khien.rooms.checkpoints.models import Scan
from khien.rooms.quarantine.models import Order
from khien.rooms.tracing.models import Case, CaseStep
from tests.journeys import pictures
from tests.journeys.camera import film_card
from tests.journeys.conftest import Arrive, Visitor
from tests.journeys.town import PASSWORD, Resident, Town, at, tell_the_past

Picture = Callable[..., None]


def board_numbers(leader: Visitor) -> dict[str, str]:
    """The numbers at the top of the board by what they are called."""
    return {
        card.locator("dt").inner_text(): card.locator("dd").first.inner_text()
        for card in leader.page.locator("#board .grid--stats dl.stat").all()
    }


def pass_gate(guard: Visitor, who: Resident, direction: str) -> None:
    """The guard types or scans by hand what is on the card, and sees who it is."""
    page = guard.page
    before = Scan.objects.count()
    page.locator(f"input[name=direction][value={direction}]").check(force=True)
    page.fill("#code", who.number)
    with page.expect_response("**/api/v1/checkpoints/scans"):
        page.keyboard.press("Enter")
    expect(page.locator("#verdict .gate-who")).to_contain_text(str(who.born))
    assert Scan.objects.count() == before + 1


def test_from_a_swab_to_the_board(town: Town, arrive: Arrive, picture: Picture, tmp_path: Path) -> None:
    sick, spouse, friend, clerk, passer, _other = town.residents
    tell_the_past(town)

    # A guard at the café: the camera reads the card of the first guest.
    video = film_card(sick.card, tmp_path / "card.mjpeg")
    gate = arrive("guard", width=390, camera=video)
    gate.page.evaluate("code => localStorage.setItem('khien-gate-place', code)", town.cafe.code)
    gate.open("/checkpoints/scan/")
    expect(gate.page.locator("#verdict strong")).to_have_text("Được qua", timeout=30_000)
    expect(gate.page.locator("#verdict .gate-who")).to_contain_text(str(sick.born))
    picture(gate, "scan-390.png")
    gate.look()
    [scan] = Scan.objects.all()
    assert (scan.person_id, scan.place_id, scan.method) == (sick.person.pk, town.cafe.pk, "camera")
    gate.page.context.close()

    # Others come and go at the same places; a laptop without a camera takes a hand scanner or typing.
    laptop = arrive("guard", width=390)
    for moment, who, place, direction in (
        (at(9, 8, 10), friend, town.cafe, "in"),
        (at(9, 8, 50), passer, town.cafe, "in"),
        (at(9, 8, 58), passer, town.cafe, "out"),
        (at(9, 9, 0), friend, town.cafe, "out"),
        (at(9, 9, 5), sick, town.cafe, "out"),
        (at(9, 14, 0), sick, town.one_stop, "in"),
        (at(9, 14, 5), clerk, town.one_stop, "in"),
        (at(9, 14, 30), sick, town.one_stop, "out"),
        (at(9, 14, 45), clerk, town.one_stop, "out"),
    ):
        town.time(moment + timedelta(seconds=30))
        if f"place={place.code}" not in laptop.page.url:
            laptop.open(f"/checkpoints/scan/?place={place.code}")
        pass_gate(laptop, who, direction)
    laptop.look()

    # The board as the leader sees it before.
    town.work(at(10, 6, 30))
    leader = arrive("leader")
    before = board_numbers(leader)
    leader.look()

    # A sampler scans a tube and the card, and looks at the name.
    town.time(at(10, 7))
    sampler = arrive("sampler", width=390)
    sampler.open("/testing/sampling/")
    sampler.look()
    sampler.page.fill("[name=barcode]", "KH00000017")
    sampler.page.keyboard.press("Enter")
    sampler.page.keyboard.type(sick.card)
    sampler.page.keyboard.press("Enter")
    expect(sampler.page.locator("main")).to_contain_text(sick.name)
    assert sick.number not in sampler.page.content()
    sampler.look()
    sampler.page.click("main button:has-text('Đúng người, lưu')")
    expect(sampler.page.locator(".notice--success, [role=status]").first).to_contain_text("KH00000017")

    # The laboratory records a positive by keyboard: the case opens by itself, its contacts are listed.
    town.time(at(10, 11))
    laboratory = arrive("laboratory")
    laboratory.open("/testing/laboratory/")
    laboratory.look()
    laboratory.page.keyboard.type("kh00000017")
    laboratory.page.keyboard.press("Enter")
    laboratory.page.keyboard.press("+")
    laboratory.page.fill("[name=ct_value]", "18,4")
    laboratory.page.fill("[name=assay]", "RT-PCR")
    laboratory.page.keyboard.press("Enter")
    expect(laboratory.page.locator("section", has=laboratory.page.locator("#latest"))).to_contain_text(
        "KH00000017"
    )
    picture(laboratory, "result-1100.png")
    laboratory.look()
    town.work(at(10, 11, 1))
    case = Case.objects.get(person=sick.person)

    # The tracer signs in and approves on one page, by keyboard alone.
    town.time(at(10, 11, 20))
    tracer = arrive()
    page = tracer.page
    tracer.open("/accounts/login/")
    tracer.look()
    tracer.tab_to("[name=login]")
    page.keyboard.type("tracer")
    tracer.tab_to("[name=password]")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/desk/**")
    tracer.tab_to("nav a[href='/tracing/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/tracing/")
    tracer.look()
    tracer.tab_to(f"a[href='/tracing/cases/{case.pk}/']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/tracing/cases/{case.pk}/")
    expect(page.locator("ol.clock li.is-blocking")).to_contain_text("Duyệt danh sách")
    tracer.look()
    tracer.tab_to(f"a[href='/tracing/cases/{case.pk}/contacts/']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/contacts/")
    rows = page.locator("#list tbody tr")
    for who, reason in (
        (spouse, "Sống cùng nhà với F0"),
        (friend, "Quán cà phê Góc Phố, 08:10–09:00 09/01/2022"),
        (clerk, "Bộ phận một cửa phường Quang Trung, 14:05–14:30 09/01/2022"),
    ):
        row = rows.filter(has_text=who.name)
        expect(row).to_contain_text(reason)
        expect(row.locator("input[type=checkbox]")).to_be_checked()
    stranger = rows.filter(has_text=passer.name)
    expect(stranger).to_contain_text("ngoài quy định")
    expect(stranger.locator("input[type=checkbox]")).not_to_be_checked()
    picture(tracer, "contacts-1100.png", tall=1330)
    tracer.look()
    tracer.tab_to("#list button")
    page.keyboard.press("Enter")
    expect(page.locator("main, .notice").filter(has_text="Đã duyệt 3 người").first).to_be_visible()

    # Orders, messages, follow-ups follow by themselves.
    town.work(at(10, 11, 25))
    assert Order.objects.filter(state="issued").count() == 3
    order = Order.objects.get(person=friend.person)
    town.time(at(10, 11, 30))
    officer = arrive("commune_officer")
    officer.open("/quarantine/orders/")
    officer.look()
    officer.page.click(f"a[href='/quarantine/orders/{order.pk}/']")
    officer.look()
    link = officer.page.locator("a", has_text="In quyết định (PDF)")
    answer = officer.page.context.request.get(officer.address + str(link.get_attribute("href")))
    assert (answer.status, answer.headers["content-type"]) == (200, "application/pdf")
    paper = PdfReader(io.BytesIO(answer.body()))
    [sheet] = paper.pages
    words = " ".join(sheet.extract_text().split())
    for said in (
        friend.name,
        str(order.number),
        "cách ly y tế tại nhà",
        "23/01/2022",
        "Nguyễn Thị Minh Truy",
    ):
        assert said in words
    assert friend.number not in words
    picture(pictures.first_page(answer.body(), tmp_path), "order.png")

    # The message has arrived on the (simulated) phone; its link opens the daily form.
    phone = arrive(width=1100)
    phone.open("/gateways/sms/")
    expect(phone.page.locator("article", has_text="quarantine/f/")).to_have_count(3)
    picture(phone, "messages-1100.png")
    phone.look()
    phone.page.locator("table a", has_text=re.sub(r"\D", "", friend.phone)[-3:]).first.click()
    [message] = phone.page.locator("article").all()
    assert "23/01/2022" in message.inner_text()
    address = message.locator("a[href*='/quarantine/f/']").get_attribute("href")
    phone.look()

    # The person opens it on a phone, says the birth year, and reports symptoms.
    town.time(at(10, 12))
    person = arrive(width=390)
    person.open(str(address))
    assert friend.name not in person.page.content()
    person.look()
    person.page.click("text=Đây là quyết định của ai?")
    person.look()
    person.page.fill("[name=year]", str(friend.born))
    person.page.click("main button")
    expect(person.page.locator("main")).to_contain_text(friend.name)
    person.page.fill("[name=temperature]", "38,4")
    person.page.get_by_label("Ho", exact=True).check()
    picture(person, "follow-up-390.png", tall=1000)
    person.look()
    person.page.click("main form button")
    expect(person.page.locator("h1")).to_have_text("Đã gửi, cảm ơn bạn")
    person.look()

    # The commune officer sees the alarm; the sampler has somebody to sample; the others are called.
    town.work(at(10, 12, 1))
    officer.open("/quarantine/")
    expect(officer.page.locator("section", has=officer.page.locator("#alarms"))).to_contain_text(friend.name)
    officer.look()
    sampler.open("/testing/requests/")
    expect(sampler.page.locator("main tr", has_text=friend.name).first).to_contain_text("Có triệu chứng")
    sampler.look()
    for who in (spouse, clerk):
        officer.open(f"/quarantine/orders/{Order.objects.get(person=who.person).pk}/")
        officer.page.fill("#follow_temperature", "36,6")
        officer.page.fill("#follow_day", "2022-01-10")
        officer.page.click("#follow button")
        expect(officer.page.locator("main, .notice").filter(has_text="Đã ghi").first).to_be_visible()
    # A case is isolated only by a signature.
    officer.open("/quarantine/")
    officer.page.locator("form[action$='/sign/'] button").click()
    expect(officer.page.locator("main")).to_contain_text("Cách ly")
    town.work(at(10, 12, 10))

    # Somebody under order at a gate: the guard sees it, an officer is told.
    laptop.open(f"/checkpoints/scan/?place={town.cafe.code}")
    pass_gate(laptop, friend, "in")
    expect(laptop.page.locator("#verdict strong")).to_have_text("Cần kiểm tra")
    laptop.look()
    town.work(at(10, 12, 15))
    officer.open("/quarantine/")
    alarms = officer.page.locator("section", has=officer.page.locator("#alarms")).locator("tbody tr")
    expect(alarms).to_have_count(2)

    # The clock of the case is complete, and the board has moved.
    tracer.open(f"/tracing/cases/{case.pk}/")
    expect(page.locator("ol.clock li.is-done")).to_have_count(len(CaseStep.Step))
    tracer.look()
    leader.open("/desk/")
    after = board_numbers(leader)
    assert (before["Ca mới hôm nay"], after["Ca mới hôm nay"]) == ("0", "1")
    assert (before["Đang cách ly"], after["Đang cách ly"]) == ("0", "4")
    assert (before["Báo động chưa xử lý"], after["Báo động chưa xử lý"]) == ("0", "2")
    assert (before["Xét nghiệm hôm nay"], after["Xét nghiệm hôm nay"]) == ("0", "1")
    leader.page.wait_for_selector("#chart-cases svg")
    picture(leader, "board-1100.png", tall=1240)
    leader.look()
