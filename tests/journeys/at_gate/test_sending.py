"""What a gate sends, and what it asks the server while it does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from khien.kernel.audit.models import AuditLine
from khien.kernel.places.models import Place
from khien.rooms.checkpoints.models import Scan
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, under_order
from tests.journeys.conftest import Visitor
from tests.rooms.checkpoints.cards import CCCD, cccd

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_of_the_scan_on_the_screen_the_server_is_asked_what_to_show(
    phone: Visitor, line: gate.Line, market: Place
) -> None:
    page, batches = phone.page, []

    def note(request: Any) -> None:
        if request.url.endswith("/checkpoints/scans"):
            batches.append(json.loads(request.post_data))

    gate.enrol(page, line.url, gate.new_code(market))
    page.on("request", note)
    line.cut()
    for code in (CCCD, cccd("035090000041", "Đỗ Thị Em"), RED):
        before = page.get_attribute("#verdict", "data-event")
        gate.type_number(page, code)
        expect(page.locator("#verdict")).not_to_have_attribute(
            "data-event", before or "", timeout=gate.WAIT_MS
        )
    gate.queue(page, 3)
    live = page.get_attribute("#verdict", "data-event")
    gate.colour(page, "green")
    # What the device cannot know yet: the order came after its data.
    red = under_order(market)
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    gate.queue(page, 0)
    gate.colour(page, "red")
    expect(page.locator("#verdict-reason")).to_have_text("Đang cách ly tại nhà.")
    asked = {event["id"]: batch["verdicts"] for batch in batches for event in batch["events"]}
    assert len(asked) == Scan.objects.count() == 3
    assert [scan for scan, wanted in asked.items() if wanted] == [live]
    # So the audit names nobody whom no guard was shown.
    lines = AuditLine.objects.filter(subject="checkpoints.scan")
    assert {person for line_ in lines for person in line_.persons} == {red.pk}
    assert sum(line_.details["stored"] for line_ in lines) == 3
