"""The gate's app without a network, killed, revoked: nothing is lost, nothing doubled."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest
from playwright.sync_api import Playwright, expect

from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff.models import Device
from khien.kernel.staff.verbs import revoke_device
from khien.rooms.checkpoints.models import HeldScan, Scan
from tests.factories import make_actor
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, under_order
from tests.journeys.conftest import CHROMIUM, FLAGS, Visitor
from tests.rooms.checkpoints.cards import CCCD, NUMBER
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_device_scans_with_the_server_down_and_delivers_once(
    phone: Visitor, line: gate.Line, market: Place
) -> None:
    under_order(market)
    page = phone.page
    gate.enrol(page, line.url, gate.new_code(market))
    # With one place only there is nothing to choose.
    expect(page.locator("#place-name")).to_have_text("Chợ Bầu")
    line.cut()
    page.reload()
    page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
    gate.type_number(page, CCCD)
    gate.colour(page, "green")
    expect(page.locator("#verdict-who")).to_have_text("N. V. An · 1990")
    gate.type_number(page, RED)
    gate.colour(page, "red")
    expect(page.locator("#verdict-reason")).to_have_text("Đang cách ly tại nhà.")
    expect(page.locator("#verdict-note")).to_have_text("Chưa kiểm tra được trực tuyến.")
    gate.queue(page, 2)
    page.reload()
    gate.queue(page, 2)
    kept = page.evaluate(
        "new Promise(done => { const o = indexedDB.open('khien-gate-app'); o.onsuccess = () => {"
        " const all = o.result.transaction('queue').objectStore('queue').getAll();"
        " all.onsuccess = () => done(JSON.stringify(all.result)); }; })"
    )
    assert NUMBER not in kept
    assert RED not in kept
    assert "Nguyễn" not in kept
    assert Scan.objects.count() == 0
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    gate.queue(page, 0)
    scans = {scan.person_id: scan for scan in Scan.objects.all()}
    assert len(scans) == Scan.objects.count() == 2
    assert {scan.place_id for scan in scans.values()} == {market.pk}


def test_a_browser_killed_in_the_middle_loses_and_doubles_nothing(
    playwright: Playwright, line: gate.Line, market: Place, tmp_path: Path
) -> None:
    """Scans are typed while the network comes and goes; the browser is killed three times."""
    profile, accepted, started = tmp_path / "profile", [], False
    for round_ in range(3):
        context = playwright.chromium.launch_persistent_context(
            str(profile), executable_path=CHROMIUM, args=FLAGS, locale="vi-VN"
        )
        page = context.pages[0]
        if not started:
            gate.enrol(page, line.url, gate.new_code(market))
            started = True
        else:
            page.goto(line.url + gate.APP)
            page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
        line.cut()
        for n in range(6):
            number = f"0350900{round_:02d}{n:03d}"
            before = page.get_attribute("#verdict", "data-event")
            gate.type_number(page, number)
            page.wait_for_function(
                "before => (document.getElementById('verdict').dataset.event || null) !== before",
                arg=before or None,
            )
            accepted.append(page.get_attribute("#verdict", "data-event"))
            if n == 3:
                line.join()
        if round_ < 2:
            for process in browsers_of(profile):
                os.kill(process, signal.SIGKILL)
            wait_until(lambda: not browsers_of(profile), 20)
        else:
            page.evaluate("dispatchEvent(new Event('online'))")
            gate.queue(page, 0)
        if line._listener is None:
            line.join()
        with contextlib.suppress(Exception):
            context.close()
    assert len(set(accepted)) == 18
    assert sorted(str(scan.client_id) for scan in Scan.objects.all()) == sorted(accepted)
    assert HeldScan.objects.count() == 0


def browsers_of(profile: Path) -> list[int]:
    """The processes of the browser with this profile."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                words = (process / "cmdline").read_bytes()
                state = (process / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if f"--user-data-dir={profile}".encode() in words and state != "Z":
                found.append(int(process.name))
    return found


def test_a_revoked_device_wipes_people_and_still_delivers(
    phone: Visitor, line: gate.Line, market: Place
) -> None:
    page = phone.page
    gate.enrol(page, line.url, gate.new_code(market))
    line.cut()
    gate.type_number(page, CCCD)
    gate.queue(page, 1)
    revoke_device(make_actor(Role.ADMINISTRATOR, market.unit), device=Device.objects.get())
    line.join()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(page.locator("#enrol-lost")).to_contain_text("đã bị thu hồi", timeout=gate.WAIT_MS)
    wait_until(lambda: HeldScan.objects.filter(reason="device_revoked").count() == 1, 30)
    gate.queue(page, 0)
    left = page.evaluate(
        "new Promise(done => { const o = indexedDB.open('khien-gate-app'); o.onsuccess = () => { const t ="
        " o.result.transaction(['meta', 'files']); let bundle; t.objectStore('meta').getKey('bundle').onsuccess ="
        " e => { bundle = e.target.result; }; t.objectStore('files').count().onsuccess = e =>"
        " done([bundle ?? null, e.target.result]); }; })"
    )
    assert left == [None, 0]
    assert Scan.objects.count() == 0
    # A new code makes it a device again.
    page.fill("#enrol-code", gate.new_code(market, "Máy cũ, ghi danh lại"))
    with page.expect_event("load"):  # it starts from the beginning; the old page was "ready" too
        page.click("#enrol-form .act--main")
    page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
    gate.type_number(page, CCCD)
    wait_until(lambda: Scan.objects.count() == 1, 30)
    gate.queue(page, 0)
