"""At the gate: a camera that sees an identity card, a hand scanner, a network that comes and goes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Playwright, Route, expect

from khien.kernel import clock
from khien.kernel.documents import qr
from khien.kernel.people.models import Person
from khien.kernel.places import verbs as places
from khien.kernel.places.models import Place
from khien.kernel.staff import Role, system_actor
from khien.kernel.standing import verbs as standing
from khien.rooms.checkpoints import verbs
from khien.rooms.checkpoints.models import Scan
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import make_account, make_actor, make_person, make_place, make_province
from tests.journeys.conftest import CHROMIUM, WIDTHS, Visitor
from tests.rooms.checkpoints.cards import CCCD, NUMBER, event

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_MS = 30_000


@pytest.fixture
def market() -> Place:
    places.load_kinds(system_actor("test"))
    commune = make_province()[2]
    for role in (Role.GUARD, Role.COMMUNE_OFFICER, Role.ADMINISTRATOR):
        make_account(role, commune, username=str(role))
    return make_place(commune, code="GATE234567")


def film_of(text: str, path: Path) -> Path:
    """A camera's view as Y4M: the code a little turned, with noise; every fifth frame is out of sight."""
    code = Image.open(BytesIO(qr.png(text, error="m", scale=6))).convert("L")
    code = code.resize((400, 400), Image.Resampling.LANCZOS)
    noise = np.random.default_rng(7)
    with path.open("wb") as film:
        film.write(b"YUV4MPEG2 W640 H480 F15:1 Ip A1:1 C420jpeg\n")
        for number in range(10):
            frame = Image.new("L", (640, 480), 200)
            if number % 5:
                frame.paste(code.rotate(number - 5, expand=True, fillcolor=200), (110, 40))
            light = np.clip(np.asarray(frame, np.int16) + noise.integers(-12, 12, (480, 640)), 0, 255)
            film.write(b"FRAME\n" + light.astype(np.uint8).tobytes() + b"\x80" * (2 * 320 * 240))
    return path


@pytest.fixture
def card_camera(playwright: Playwright, tmp_path: Path) -> Iterator[Browser]:
    """A browser whose camera sees an identity card."""
    film = film_of(CCCD, tmp_path / "card.y4m")
    running = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            f"--use-file-for-fake-video-capture={film}",
        ],
    )
    yield running
    running.close()


def typed(page: Page, text: str) -> None:
    page.fill("#code", text)
    page.press("#code", "Enter")


def test_a_guard_scans_a_card_from_the_camera(
    card_camera: Browser, live_server: object, market: Place
) -> None:
    context = card_camera.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, permissions=["camera"]
    )
    visitor = Visitor(context.new_page(), live_server.url)  # type: ignore[attr-defined]
    visitor.sign_in("guard")
    visitor.open(f"/checkpoints/scan/?place={market.code}")
    page = visitor.page
    expect(page.locator("#verdict strong")).to_have_text("Được qua", timeout=WAIT_MS)
    expect(page.locator("#verdict")).to_have_class("verdict verdict--green")
    expect(page.locator(".gate-who")).to_have_text("N. V. An · 1990")
    assert visitor.complaints == []
    assert NUMBER not in page.content()
    person = Person.objects.get()
    assert person.full_name == "Nguyễn Văn An"
    scan = Scan.objects.get()
    assert (scan.person_id, scan.place_id, scan.method, scan.direction) == (
        person.pk,
        market.pk,
        "camera",
        "in",
    )
    context.close()


def test_red_comes_with_a_word_a_shape_and_a_reason(visitor: Visitor, market: Place) -> None:
    person = make_person("Trần Thị Bình", market.unit)
    card = verbs.issue_pass(make_actor(Role.COMMUNE_OFFICER, market.unit), person=person, kind="paper")
    standing.impose(
        person.pk,
        "under_order",
        start=clock.now(),
        end=None,
        colour="red",
        reason="Đang cách ly tại nhà.",
        authority=person,
    )
    visitor.sign_in("guard")
    visitor.page.set_viewport_size({"width": 390, "height": 844})
    visitor.open(f"/checkpoints/scan/?place={market.code}")
    typed(visitor.page, text_of(card))
    verdict = visitor.page.locator("#verdict")
    expect(verdict.locator("strong")).to_have_text("Dừng lại", timeout=WAIT_MS)
    expect(verdict).to_contain_text("Đang cách ly tại nhà.")
    assert verdict.locator(".gate-shape").evaluate("e => getComputedStyle(e).clipPath").startswith("polygon")
    assert visitor.faults() == []
    small = visitor.page.evaluate(
        "[...document.querySelectorAll('main button, main .input, main .choice')]"
        ".filter(e => e.offsetParent && e.offsetHeight < 48).map(e => e.id || e.className)"
    )
    assert small == []


def test_a_malformed_code_gets_a_clear_answer(visitor: Visitor, market: Place) -> None:
    visitor.sign_in("guard")
    visitor.open(f"/checkpoints/scan/?place={market.code}")
    typed(visitor.page, f"{NUMBER}|Nguyễn Văn An|15011990")
    expect(visitor.page.locator("#verdict")).to_contain_text("nhập 12 số in trên thẻ", timeout=WAIT_MS)
    typed(visitor.page, "https://example.com/")
    expect(visitor.page.locator("#verdict")).to_contain_text("không phải mã của người", timeout=WAIT_MS)
    assert Scan.objects.count() == 0


def test_without_network_scans_wait_and_go_out_once(visitor: Visitor, market: Place) -> None:
    visitor.sign_in("guard")
    visitor.open(f"/checkpoints/scan/?place={market.code}")
    page = visitor.page
    page.context.set_offline(True)
    typed(page, CCCD)
    expect(page.locator("#verdict strong")).to_have_text("Chờ mạng", timeout=WAIT_MS)
    expect(page.locator("#queue")).to_contain_text("1 lượt chờ gửi")
    page.context.set_offline(False)
    expect(page.locator("#queue")).to_have_text("", timeout=WAIT_MS)
    assert Scan.objects.count() == 1


def test_an_answer_lost_on_the_way_doubles_nothing(visitor: Visitor, market: Place) -> None:
    visitor.sign_in("guard")
    visitor.open(f"/checkpoints/scan/?place={market.code}")
    lost = []

    def lose_the_first(route: Route) -> None:
        if not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    visitor.page.route("**/api/v1/checkpoints/scans", lose_the_first)
    typed(visitor.page, CCCD)
    expect(visitor.page.locator("#verdict strong")).to_have_text("Được qua", timeout=WAIT_MS)
    expect(visitor.page.locator("#queue")).to_have_text("")
    assert lost == [200]
    assert Scan.objects.count() == 1


def test_the_rooms_pages_are_whole(visitor: Visitor, market: Place) -> None:
    guard = make_actor(Role.GUARD, market.unit)
    verbs.store_scans(guard, [event(market.code, at=clock.now()), event(market.code, "?", at=clock.now())])
    faults = []
    for username, paths in {
        "guard": [f"/checkpoints/scan/?place={market.code}"],
        "commune_officer": [
            "/checkpoints/places/",
            "/checkpoints/places/new/",
            f"/checkpoints/places/{market.pk}/",
            "/checkpoints/held/",
        ],
        "administrator": ["/checkpoints/devices/"],
    }.items():
        visitor.page.context.clear_cookies()
        visitor.sign_in(username)
        visitor.complaints.clear()  # of the page after the sign-in, which is another's
        for path in paths:
            for width in WIDTHS:
                visitor.page.set_viewport_size({"width": width, "height": 800})
                visitor.open(path)
                faults += [f"{path} at {width} px: {fault}" for fault in visitor.faults()]
    assert faults == []
