"""A guard's whole shift."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import expect

from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff.models import Device
from khien.rooms.checkpoints import posters, verbs
from khien.rooms.checkpoints.models import HeldScan, Scan, TypedPerson
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import make_actor, make_person
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, seen, under_order
from tests.journeys.conftest import Visitor
from tests.journeys.gate import burst
from tests.rooms.checkpoints.cards import CCCD, cccd
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_guards_whole_shift(
    phone: Visitor, line: gate.Line, market: Place, bridge: Place, tmp_path: Path
) -> None:
    """Enrol, choose a place, scan with and without a network, a bus, somebody without a code, the end of the shift."""
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    red = under_order(market)
    make_person("Nguyễn Văn Ân", market.unit, phone="+84912345678")
    person = make_person("Phạm Thị Hoa", market.unit)
    card = verbs.issue_pass(officer, person=person, kind="paper")
    page = phone.page
    phone.address = line.url

    def look(name: str) -> None:
        seen(phone, name, answered=422)

    # 1. A wrong code, then the right one.
    page.goto(line.url + gate.APP)
    page.fill("#enrol-code", "AAAAAAAAAA")
    page.click("#enrol-form .act--main")
    expect(page.locator("#enrol-problem")).to_contain_text("Nhờ quản trị viên tạo mã mới")
    look("enrol")
    gate.enrol(page, line.url, gate.new_code(market, place_ids=[market.pk, bridge.pk]))
    # 2. Nothing is scanned before a place is chosen.
    gate.type_number(page, CCCD)
    expect(page.locator("#verdict-reason")).to_contain_text("Chọn địa điểm trước")
    gate.queue(page, 0)
    page.click("#place-open")
    look("places")
    page.keyboard.press("Escape")
    gate.choose_place(page, market)
    look("ready")
    # 3. Scans of all kinds; the guard is asked for the direction.
    burst(page, text_of(card))
    gate.colour(page, "green")
    look("green")
    burst(page, RED)
    gate.colour(page, "red")
    expect(page.locator("#verdict-note")).to_have_text("Đã kiểm tra trực tuyến.", timeout=gate.WAIT_MS)
    look("red")
    page.check("[name=direction][value=ask]", force=True)
    burst(page, CCCD)
    page.click("#ask button[value=out]", timeout=gate.WAIT_MS)
    gate.colour(page, "green")
    wait_until(lambda: Scan.objects.filter(direction="out").count() == 1, 30)
    page.check("[name=direction][value=in]", force=True)
    # 4. An hour without a network: everything goes on.
    line.cut()
    burst(page, RED)
    expect(page.locator("#verdict-note")).to_have_text("Chưa kiểm tra được trực tuyến.", timeout=gate.WAIT_MS)
    expect(page.locator("#state-network")).to_have_attribute("data-is", "off", timeout=gate.WAIT_MS)
    burst(page, posters.address(bridge.code))
    expect(page.locator("#place-name")).to_have_text("Cầu Hồng Phú")
    burst(page, "https://example.com/")
    gate.colour(page, "grey")
    look("web-address")
    # Somebody without any code, by keyboard alone.
    page.click("#typed-open")
    page.keyboard.type("nguyen van an", delay=70)
    page.keyboard.press("Tab")
    page.keyboard.type("1990", delay=70)
    page.keyboard.press("Tab")
    page.keyboard.type("0912345678", delay=70)
    page.keyboard.press("Tab")
    page.keyboard.type("Ly Nhan", delay=70)
    look("without-a-code")
    page.keyboard.press("Enter")
    gate.colour(page, "yellow")
    # A bus: one list, two scans more.
    page.click("#group-open")
    page.fill("#group-name", "90B-012.34")
    page.fill("#group-list", "Lê Văn Cường, 1980, 0987654321, Nam Định\nchỉ có chữ")
    page.click("#group-form .act--main")
    expect(page.locator("#group-problem")).to_contain_text("Dòng 2")
    look("group")
    page.fill("#group-list", "Lê Văn Cường, 1980, 0987654321, Nam Định\n035090000025\nĐỗ Thị Em; 1999")
    page.click("#group-form .act--main")
    expect(page.locator("#group-state span")).to_have_text("90B-012.34: 3 người", timeout=gate.WAIT_MS)
    burst(page, cccd("035090000033", "Vũ Thị Gấm"))
    expect(page.locator("#group-state span")).to_have_text("90B-012.34: 4 người", timeout=gate.WAIT_MS)
    look("bus")
    page.click("#group-end")
    # Hands-free, the verdict over the whole screen.
    page.click("#kiosk-open")
    burst(page, RED)
    gate.colour(page, "red")
    look("kiosk")
    page.click("#kiosk-open")
    expect(page.locator("#state-queue")).to_have_attribute("data-waiting", "7")
    # 5. The network is back.
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    gate.queue(page, 0)
    page.click("#menu-open")
    look("menu")
    page.click("#shift-end")
    expect(page.locator("#summary-queue")).to_have_text("Mọi lượt quét đã gửi.", timeout=gate.WAIT_MS)
    look("summary")
    told = page.inner_text("#summary-facts")
    assert "Người đã quét" in told
    assert "10" in told
    by_place = {place: Scan.objects.filter(place_id=place).count() for place in (market.pk, bridge.pk)}
    assert by_place == {market.pk: 4, bridge.pk: 6}
    together = Counter(Scan.objects.values_list("group_id", flat=True))
    assert together.pop(None) == 6
    assert list(together.values()) == [4]
    assert Scan.objects.filter(person_id=red.pk).count() == 3
    assert TypedPerson.objects.exclude(person=None).count() == 1
    assert TypedPerson.objects.filter(person=None).count() == 2
    wait_until(lambda: Device.objects.get().unsent == 0, 30)
    assert HeldScan.objects.count() == 0
