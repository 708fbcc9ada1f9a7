"""Hand scanners are keyboards, and keyboards are Vietnamese."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from khien.kernel.places.models import Place
from khien.rooms.checkpoints.models import Scan
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, under_order
from tests.journeys.conftest import Visitor
from tests.journeys.gate import burst
from tests.rooms.checkpoints.cards import NUMBER

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_hand_scanner_is_heard_anywhere_also_behind_a_vietnamese_keyboard(
    phone: Visitor, line: gate.Line, market: Place
) -> None:
    under_order(market)
    page = phone.page
    gate.enrol(page, line.url, gate.new_code(market))
    page.evaluate("document.activeElement.blur()")
    # Real keys first, as fast as the browser takes them.
    page.keyboard.type(NUMBER + "||Nguyen Van An|15011990|Nam|To 1|15042021")
    page.keyboard.press("Enter")
    gate.colour(page, "green")
    seen = [page.get_attribute("#verdict", "data-event")]
    telex = RED + "||Trần Thị Bình|17011990|Nữ|Tổ 1, Phường Quang Trung|15042021"
    vni = RED + "||Tra62n Thi5 Bi2nh|17011990|Nu74|To63 1|15042021"
    corrected = "035090000017||Traa\bầ\bần|17011990|Nữ|Tổ|15042021"
    other_bars = RED + "~~Tran Thi Binh~17011990~Nu~To 1~15042021"
    for text in (telex, vni, corrected.replace("\b", ""), other_bars):
        burst(page, text)
        page.wait_for_function(
            "before => !before.includes(document.getElementById('verdict').dataset.event)", arg=seen
        )
        gate.colour(page, "red")
        seen.append(page.get_attribute("#verdict", "data-event"))
    # Into a field that has the focus: the field is left as it was.
    page.click("#typed-open")
    page.fill("#typed-name", "Phạm")
    burst(page, NUMBER + "|012345678|Nguyễn Văn An|15011990|Nam|Tổ 1, Hà Nam|15042021")
    page.wait_for_function(
        "before => !before.includes(document.getElementById('verdict').dataset.event)", arg=seen
    )
    assert page.input_value("#typed-name") == "Phạm"
    page.keyboard.press("Escape")
    burst(page, "ÝT:RRQ+D9O60CO0**PO3U8CKZ78*D0BB8")
    expect(page.locator("#verdict-reason")).to_contain_text("Bộ gõ tiếng Việt")
    # Somebody who types by hand is not taken for a scanner.
    shown = page.inner_text("#verdict-reason")
    for key in "1234567890":
        page.keyboard.press(key, delay=1)
        page.wait_for_timeout(90)
    page.keyboard.press("Enter")
    assert page.inner_text("#verdict-reason") == shown
    gate.queue(page, 0)
    methods = list(Scan.objects.values_list("method", flat=True))
    assert methods == ["hid"] * 6
