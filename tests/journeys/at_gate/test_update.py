"""A new version of the app waits until the device has sent what it holds."""

from __future__ import annotations

import contextlib

import pytest
from playwright.sync_api import TimeoutError, expect

from khien.kernel.places.models import Place
from khien.rooms.checkpoints.models import Scan
from khien.rooms.checkpoints.pages import app
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, seen
from tests.journeys.conftest import Visitor
from tests.rooms.checkpoints.cards import CCCD
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
NEW = "0123456789ab"


def test_an_update_is_found_offered_and_waits_until_everything_is_sent(
    phone: Visitor, line: gate.Line, market: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = phone.page
    page.clock.install()
    gate.enrol(page, line.url, gate.new_code(market))
    old = app.version()
    monkeypatch.setattr(app, "version", lambda: NEW)
    expect(page.locator("#banner-update")).to_have_count(0)
    # The page stays open all day: the app looks for itself, each hour. (The browser may be looking too, since the page
    # was opened; then the look of that hour is lost in the browser's.)
    for _hour in range(4):
        page.clock.fast_forward("01:00:05")
        with contextlib.suppress(TimeoutError):
            page.wait_for_selector("#banner-update", timeout=10_000)
            break
    expect(page.locator("#banner-update")).to_contain_text("Có bản mới")
    line.cut()
    gate.type_number(page, CCCD)
    gate.queue(page, 1)
    page.click("#menu-open")
    page.click("#update")
    expect(page.locator("#menu-problem")).to_have_text("Còn 1 lượt chưa gửi: gửi hết rồi mới cập nhật.")
    seen(phone, "update")
    assert page.get_attribute("body", "data-version") == old
    # Started anew it is still the old one, with its queue.
    page.reload()
    page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
    assert page.get_attribute("body", "data-version") == old
    gate.queue(page, 1)
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    gate.queue(page, 0)
    page.click("#menu-open")
    expect(page.locator("#menu-problem")).to_have_text("")
    with page.expect_event("load"):
        page.click("#update")
    page.wait_for_selector(f"body[data-version='{NEW}'][data-started=ready]", timeout=gate.WAIT_MS)
    expect(page.locator("#banner-update")).to_have_count(0)
    # The same device, and whole: it starts and scans with the server down.
    line.cut()
    page.reload()
    page.wait_for_selector(f"body[data-version='{NEW}'][data-started=ready]", timeout=gate.WAIT_MS)
    gate.type_number(page, RED)
    gate.queue(page, 1)
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    wait_until(lambda: Scan.objects.count() == 2, 30)
