"""What a device knows of people: signed, and never older than it says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from playwright.sync_api import expect

from khien.kernel.places.models import Place
from khien.rooms.checkpoints import verbs
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, SYSTEM, under_order
from tests.journeys.conftest import Visitor

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
