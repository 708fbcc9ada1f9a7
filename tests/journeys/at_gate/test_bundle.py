"""What a device knows of people: signed, and never older than it says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from khien.kernel import clock
from khien.kernel.clock import verbs as clock_verbs
from khien.kernel.places.models import Place
from khien.rooms.checkpoints import verbs
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, SYSTEM, seen, under_order
from tests.journeys.conftest import Visitor
from tests.journeys.town import forget_the_time

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_bundle_that_somebody_changed_is_refused(phone: Visitor, line: gate.Line, market: Place) -> None:
    page = phone.page
    gate.enrol(page, line.url, gate.new_code(market))
    under_order(market)
    verbs.build_bundle(SYSTEM)

    def forge(route: Any) -> None:
        reply = route.fetch()
        body = reply.json()
        told = json.loads(base64.urlsafe_b64decode(body["payload"] + "=="))
        told["filter"]["classes"] = [{**c, "colour": "green"} for c in told["filter"]["classes"]]
        body["payload"] = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
        route.fulfill(response=reply, json=body)

    page.route("**/api/v1/checkpoints/bundle?*", forge)
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner-bundle")).to_contain_text("không đúng chữ ký", timeout=gate.WAIT_MS)
    page.unroute("**/api/v1/checkpoints/bundle?*")
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#banner-bundle")).to_have_count(0, timeout=gate.WAIT_MS)
    gate.type_number(page, RED)
    gate.colour(page, "red")


@pytest.fixture
def days_go_by(settings: Any) -> Iterator[Callable[[timedelta], None]]:
    """`days_go_by(span)`: the server's time goes on by this much."""
    settings.KHIEN_DEMO = True
    yield lambda span: clock_verbs.anchor(clock.now() + span, speed=1.0)
    forget_the_time()


def test_data_older_than_a_day_are_said_to_be_in_red_until_there_are_new_ones(
    phone: Visitor, line: gate.Line, market: Place, days_go_by: Callable[[timedelta], None]
) -> None:
    page = phone.page
    page.clock.install()
    gate.enrol(page, line.url, gate.new_code(market))
    banner, data = page.locator("#banner-stale"), page.locator("#state-data")
    expect(data).to_have_attribute("data-is", "on")
    line.cut()
    page.clock.fast_forward("23:50:00")
    expect(data).to_have_text("Dữ liệu 24 giờ trước", timeout=gate.WAIT_MS)
    expect(data).to_have_attribute("data-is", "on")
    expect(banner).to_have_count(0)
    page.clock.fast_forward("00:20:00")
    expect(banner).to_contain_text("đã quá 24 giờ", timeout=gate.WAIT_MS)
    expect(data).to_have_attribute("data-is", "bad")
    # Scans are taken all the same.
    gate.type_number(page, RED)
    gate.queue(page, 1)
    phone.complaints.clear()  # of a network that is cut the browser always complains
    seen(phone, "stale")
    days_go_by(timedelta(hours=24, minutes=10))
    verbs.build_bundle(SYSTEM)
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(banner).to_have_count(0, timeout=gate.WAIT_MS)
    expect(data).to_have_attribute("data-is", "on")
    expect(page.locator("#banner-clock")).to_have_count(0)
    gate.queue(page, 0)
