"""A real browser for the journeys: Debian's Chromium, driven by playwright, every complaint of the page kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

from khien.engine.warming import warm
from khien.kernel.clock import verbs as clock_verbs
from tests.factories import NOON
from tests.journeys.camera import camera_flags
from tests.journeys.pictures import keep_small
from tests.journeys.town import PASSWORD, Town, forget_the_time, found_town

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (390, 1100)
FLAGS = ["--no-sandbox", "--lang=vi-VN"]
HEIGHTS = {390: 844, 1100: 800}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="write the pictures of the README to DIR")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    skip = pytest.mark.skip(reason="Chromium is missing: as root, `apt-get install chromium`")
    for item in items:
        if "journeys" in item.path.parts:
            item.add_marker(pytest.mark.journey)
            if CHROMIUM is None:
                item.add_marker(skip)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """One driver for all browsers of the session."""
    # playwright's loop runs in this thread; the tests' own look at the database is not asynchronous.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session", autouse=True)
def compiled_kernels() -> None:
    """As in an installation after its first minute: no page waits for a compiler."""
    warm()


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield running
    running.close()


class Visitor:
    """A page that remembers what the browser complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        self.kept: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        self.page.goto(path if path.startswith("http") else self.address + path)

    def sign_in(self, username: str, password: str = PASSWORD) -> None:
        """As staff, through the sign-in page."""
        self.open("/accounts/login/")
        self.page.fill("[name=login]", username)
        self.page.fill("[name=password]", password)
        self.page.click("main button")
        self.page.wait_for_url("**/desk/**")

    def widen(self, width: int) -> None:
        self.page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 800)})

    def text(self) -> str:
        return self.page.inner_text("main")

    def tab_to(self, selector: str, most: int = 90) -> None:
        """Press Tab until the keyboard is on what the selector means."""
        passed = []
        for _press in range(most):
            if self.page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
            passed.append(self.page.evaluate("document.activeElement.outerHTML.slice(0, 90)"))
        raise AssertionError(f"{most} presses of Tab do not reach {selector}, only {passed}")

    def faults(self, *, answered: int = 200) -> list[str]:
        """What is wrong with the page as it stands: the browser's complaints, a sideways scroll, axe violations.

        A page that refuses something is `answered` with that status, of which the browser always complains.
        """
        refused = f"the server responded with a status of {answered} "
        found = [text for text in self.complaints if refused not in text]
        wider = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            found.append(f"{wider} px wider than the window")
        violations = Axe().run(self.page).response["violations"]
        found += [f"{v['id']}: {[node['target'] for node in v['nodes']]}" for v in violations]
        # axe reads style sheets in a way that the CSP refuses; that is no fault of the page.
        self.complaints.clear()
        return found

    def look(self, *, answered: int = 200) -> None:
        """Keep what is wrong with the page as it stands at both widths; it is left at the width that it had."""
        before = self.page.viewport_size
        for width in WIDTHS:
            self.widen(width)
            self.kept += [f"{self.page.url} at {width} px: {f}" for f in self.faults(answered=answered)]
        if before is not None:
            self.page.set_viewport_size(before)


@pytest.fixture
def visitor(browser: Browser, live_server: Any) -> Iterator[Visitor]:
    context = browser.new_context(locale="vi-VN", viewport={"width": 1100, "height": 800})
    yield Visitor(context.new_page(), live_server.url)
    context.close()


Arrive = Callable[..., Visitor]


@pytest.fixture
def arrive(browser: Browser, playwright: Playwright, live_server: Any) -> Iterator[Arrive]:
    """`arrive("tracer", width=390)`: another person with a browser of their own, signed in when named.

    With `camera=` (a video) the browser sees it through its camera. What was wrong with the pages that anybody
    looked at (`Visitor.look`) fails the test at its end, all of it together.
    """
    opened: list[Any] = []
    visitors: list[Visitor] = []

    def arrive(username: str = "", *, width: int = 1100, camera: Path | None = None) -> Visitor:
        used = browser
        if camera is not None:
            used = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *camera_flags(camera)])
            opened.append(used)
        context = used.new_context(
            locale="vi-VN",
            timezone_id="Asia/Ho_Chi_Minh",
            viewport={"width": width, "height": HEIGHTS[width]},
        )
        opened.append(context)
        visitors.append(visitor := Visitor(context.new_page(), live_server.url))
        if username:
            visitor.sign_in(username)
        return visitor

    yield arrive
    for thing in reversed(opened):
        thing.close()
    assert [fault for visitor in visitors for fault in visitor.kept] == []


@pytest.fixture
def town(transactional_db: None, settings: Any, live_server: Any) -> Iterator[Town]:
    """A town on Sunday 9 January 2022, 08:00: business time stands still until the test moves it."""
    settings.KHIEN_DEMO = True
    settings.KHIEN_URL = live_server.url
    town = found_town()
    yield town
    town.close()


@pytest.fixture
def noon(transactional_db: None, settings: Any) -> Iterator[None]:
    """Business time stands still at noon of 10 January 2022, for the server too."""
    settings.KHIEN_DEMO = True
    clock_verbs.anchor(NOON, speed=0.0)
    yield
    forget_the_time()


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[..., None]:
    """`picture(visitor, "board-1100.png", tall=1400)` keeps what the visitor sees, when pictures are asked for."""
    folder = request.config.getoption("--screenshots", default=None)

    def take(seen: Visitor | bytes, name: str, tall: int = 0) -> None:
        if not folder:
            return
        if isinstance(seen, Visitor):
            size = seen.page.viewport_size
            assert size is not None
            seen.page.set_viewport_size({"width": size["width"], "height": tall or size["height"]})
            seen = seen.page.screenshot(animations="disabled")
        Path(folder, name).write_bytes(keep_small(seen))

    return take
