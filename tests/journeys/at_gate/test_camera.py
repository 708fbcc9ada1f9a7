"""The camera of a gate, filmed: what it reads, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.sync_api import Playwright, expect

from khien.kernel import clock
from khien.kernel.certificates import contents, hc1
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff.models import Device
from khien.rooms.checkpoints import posters, verbs
from khien.rooms.checkpoints.models import Scan, TypedPerson
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import make_actor, make_person
from tests.journeys import gate
from tests.journeys.at_gate.people import seen, under_order
from tests.journeys.conftest import Visitor
from tests.journeys.gate import camera_of
from tests.rooms.checkpoints.cards import CCCD
from tests.rooms.checkpoints.test_steps import point_of, shown
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


WATCH = """() => {
  window.told = [];
  const panel = document.getElementById("verdict");
  const parts = ["word", "reason", "who", "note"].map((part) => document.getElementById(`verdict-${part}`));
  const tell = () => window.told.push([panel.dataset.colour, ...parts.map((part) => part.textContent)].join(" / "));
  new MutationObserver(tell).observe(panel, { attributes: true, subtree: true, childList: true });
}"""


def test_the_camera_reads_every_code_that_a_guard_meets(
    playwright: Playwright, line: gate.Line, market: Place, bridge: Place, tmp_path: Path
) -> None:
    """Printed, tilted, blurred, with a glare: a film shows one code after the other, again and again."""
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    person = make_person("Phạm Thị Hoa", market.unit)
    red = under_order(market)
    old = verbs.issue_pass(officer, person=person, kind="paper")
    card = verbs.issue_pass(officer, person=person, kind="paper")
    red_card = verbs.issue_pass(officer, person=red, kind="paper")
    forged = text_of(card)[:-8] + ("A" if text_of(card)[-8] != "A" else "B") + text_of(card)[-7:]
    insurance = (
        "HS4350123456789|"
        + "Trần Thị Bình".encode().hex()
        + "|01/02/1985|2|58c3a3|35 - 001|01/01/2022|31/12/2022|20/12/2021|350000000||4|01/01/2020|7ab3c-1$"
    )
    codes = {
        text_of(card): "green / Được qua / Không có hạn chế nào đang hiệu lực. / P. T. Hoa · 1990 / Thẻ giấy",
        text_of(red_card): "red / Dừng lại / Đang cách ly tại nhà.",
        text_of(old): "orange / Cần kiểm tra / Thẻ đã được thay.",
        forged: "red / Dừng lại / Thẻ này không do hệ thống ký.",
        CCCD: "green / Được qua / Không có hạn chế nào đang hiệu lực. / N. V. An · 1990",
        insurance: "/ T. T. Bình · 1985",
        "******123456|TRAN VAN BON|1985-**-**|0|VN01ABCDEF|<1<<0912345678<": "Mã đã che số giấy tờ.",
        posters.address(bridge.code): "grey / Cầu Hồng Phú / Đã chọn địa điểm.",
        BANK: "Đây là mã chuyển tiền",
        "https://example.com/thuc-don": "Đây là địa chỉ một trang web",
        "KB1:ABCDEFGH23": "yellow / Lưu ý / Mã khai báo",
        dose(clock.now() + timedelta(days=300)): "yellow / Lưu ý / Chứng nhận thật. Đã tiêm 2/2 mũi",
        dose(clock.now() - timedelta(days=3)): "orange / Cần kiểm tra / Chứng nhận đã hết hạn.",
        CERTIFICATE: "Không kiểm tra được chứng nhận: không biết nơi ký.",
    }
    film = gate.film_of_many(list(codes), tmp_path / "all.y4m")
    browser = camera_of(playwright, film)
    context = browser.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, permissions=["camera"]
    )
    page = context.new_page()
    page.goto(line.url + gate.APP)
    page.evaluate(WATCH)
    gate.enrol(page, line.url, gate.new_code(market, place_ids=[market.pk, bridge.pk]))
    page.evaluate(WATCH)
    gate.choose_place(page, market)

    def missing() -> list[str]:
        told = page.evaluate("window.told")
        return [want for want in codes.values() if not any(want in one for one in told)]

    try:
        wait_until(lambda: not missing(), 150)
    finally:
        left = missing()
        frames = page.evaluate("performance.getEntriesByName('khien-verdict').map((m) => m.duration)")
        context.close()
        browser.close()
    assert left == []
    assert len(frames) > 8
    assert {scan.subject_kind for scan in Scan.objects.all()} >= {"pass", "cccd", "insurance", "typed", "hc1"}
    assert TypedPerson.objects.filter(person=None).exists()


def dose(expires: datetime) -> str:
    """A certificate of ours."""
    entry = {
        "tg": "840539006",
        "dn": 2,
        "sd": 2,
        "dt": "2021-12-20",
        "mp": "EU/1/20/1528",
        "co": "VN",
        "ci": "VN:1",
    }
    content = contents.dcc(
        full_name="Phạm Thị Hoa", birth="1990-01-15", kind=contents.VACCINATION, entry=entry
    )
    return hc1.issue(content, expires_at=expires)


AWAY = """
window.away = false;
window.readings = [];
const look = window.createImageBitmap;
window.createImageBitmap = (what) => {
  if (!window.away) return look(what);
  const nothing = new OffscreenCanvas(64, 48);
  nothing.getContext("2d");
  return look(nothing);
};
const Reader = Worker;
window.Worker = class extends Reader {
  constructor(...how) {
    super(...how);
    this.addEventListener("message", ({ data }) => data && window.readings.push(data));
  }
};
"""
"""Lets a test take the papers away from the camera, and keeps what was read from its frames."""


def test_hands_free_a_code_counts_once_until_it_was_away_for_a_while(
    playwright: Playwright, line: gate.Line, market: Place, tmp_path: Path
) -> None:
    """A card and a phone take turns before the camera; the phone's pass is another text every 15 seconds."""
    person, key = make_person("Phạm Thị Hoa", market.unit), ec.generate_private_key(ec.SECP256R1())
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    text = text_of(verbs.issue_pass(officer, person=person, kind="phone", device_key=point_of(key)))
    steps = [shown(text, key, clock.now() + timedelta(seconds=s)) for s in (0, 15, 30)]
    film = gate.film_of_many([CCCD, steps[0], steps[1], steps[2]], tmp_path / "turns.y4m", frames=5)
    browser = camera_of(playwright, film)
    context = browser.new_context(viewport={"width": 390, "height": 844}, permissions=["camera"])
    page = context.new_page()
    page.add_init_script(AWAY)
    page.clock.install()
    gate.enrol(page, line.url, gate.new_code(market))
    page.click("#kiosk-open")

    def turns() -> int:
        return int(page.evaluate("window.readings.filter((text, n, all) => text !== all[n - 1]).length"))

    try:
        wait_until(lambda: turns() >= 12, 120)
        assert {len(set(page.evaluate("window.readings")))} <= {4}
        gate.queue(page, 0)
        kinds = sorted(Scan.objects.values_list("subject_kind", flat=True))
        # Both papers go away; when they come back they are two scans more.
        page.evaluate("window.away = true")
        page.clock.fast_forward("00:09")
        page.evaluate("window.away = false")
        wait_until(lambda: Scan.objects.count() == 4, 60)
        many = turns()
        wait_until(lambda: turns() >= many + 8, 120)
        gate.queue(page, 0)
    finally:
        context.close()
        browser.close()
    assert kinds == ["cccd", "pass"]
    assert sorted(Scan.objects.values_list("subject_kind", flat=True)) == ["cccd", "cccd", "pass", "pass"]


LAMP = """
window.lamp = [];
window.broken = false;
MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
MediaStreamTrack.prototype.applyConstraints = async ({ advanced }) => {
  if (window.broken) throw new DOMException("no lamp", "OverconstrainedError");
  window.lamp.push(advanced[0].torch);
};
"""


def test_the_lamp_of_a_phone_that_has_one_is_turned_on_and_off(
    playwright: Playwright, line: gate.Line, market: Place, tmp_path: Path
) -> None:
    browser = camera_of(playwright, gate.film_of_many([BANK], tmp_path / "bank.y4m", frames=5))
    context = browser.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, permissions=["camera"]
    )
    visitor = Visitor(context.new_page(), line.url)
    page = visitor.page
    lamp = page.locator("#torch")
    try:
        gate.enrol(page, line.url, gate.new_code(market))
        gate.colour(page, "grey")  # the camera is on
        expect(lamp).to_be_hidden()
        page.add_init_script(LAMP)
        page.reload()
        expect(lamp).to_be_visible(timeout=gate.WAIT_MS)
        lamp.click()
        expect(lamp).to_have_attribute("aria-pressed", "true")
        seen(visitor, "lamp")
        lamp.click()
        expect(lamp).to_have_attribute("aria-pressed", "false")
        assert page.evaluate("window.lamp") == [True, False]
        page.evaluate("window.broken = true")
        lamp.click()
        expect(page.locator("#banner-torch")).to_have_text("Không bật được đèn của máy này.")
        expect(lamp).to_have_attribute("aria-pressed", "false")
        page.evaluate("window.broken = false")
        lamp.click()
        expect(page.locator("#banner-torch")).to_have_count(0)
        expect(lamp).to_have_attribute("aria-pressed", "true")
        assert visitor.complaints == []
    finally:
        context.close()
        browser.close()


def test_a_device_is_enrolled_by_the_picture_of_its_code(
    playwright: Playwright, line: gate.Line, market: Place, tmp_path: Path
) -> None:
    """As the page of devices shows it; other codes before the camera are left alone."""
    address = f"{line.url}{gate.APP}#{gate.new_code(market)}"
    film = gate.film_of_many([BANK, CCCD, address], tmp_path / "code.y4m")
    browser = camera_of(playwright, film)
    context = browser.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, permissions=["camera"]
    )
    visitor = Visitor(context.new_page(), line.url)
    page = visitor.page
    try:
        page.goto(line.url + gate.APP)
        page.click("#enrol-camera")
        expect(page.locator("#enrol-video")).to_be_visible()
        page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
        assert page.url == line.url + gate.APP  # a code that was used up does not stay in the address
        expect(page.locator("#place-name")).to_have_text("Chợ Bầu")
    finally:
        context.close()
        browser.close()
    assert Device.objects.filter(name="Điện thoại chốt cầu").count() == 1


# The vector of NAPAS, 6.1.1.
BANK = "00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN6304F4E5"


# A genuine certificate of the European test network, whose signer is not on our list.
CERTIFICATE = next(
    vector["text"]
    for vector in json.loads((Path(__file__).parents[2] / "vectors/codes.json").read_text())
    if vector["kind"] == "hc1"
)
