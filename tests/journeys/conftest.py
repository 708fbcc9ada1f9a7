"""A real browser for the journeys: Debian's Chromium, driven by playwright, every complaint of the page kept."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Playwright, sync_playwright

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (390, 1100)


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


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield running
    running.close()


class Visitor:
    """A page that remembers what the browser complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.complaints: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, path: str) -> None:
        self.page.goto(self.address + path)

    def sign_in(self, username: str, password: str = "mat-khau-thu-nghiem") -> None:
        """As staff, through the sign-in page."""
        self.open("/accounts/login/")
        self.page.fill("[name=login]", username)
        self.page.fill("[name=password]", password)
        self.page.click("main button")
        self.page.wait_for_url("**/desk/**")

    def faults(self) -> list[str]:
        """What is wrong with the page as it stands: the browser's complaints, a sideways scroll, axe violations."""
        found = list(self.complaints)
        wider = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if wider > 0:
            found.append(f"{wider} px wider than the window")
        violations = Axe().run(self.page).response["violations"]
        found += [f"{v['id']}: {[node['target'] for node in v['nodes']]}" for v in violations]
        # axe reads style sheets in a way that the CSP refuses; that is no fault of the page.
        self.complaints.clear()
        return found


@pytest.fixture
def visitor(browser: Browser, live_server: object) -> Iterator[Visitor]:
    context = browser.new_context(locale="vi-VN", viewport={"width": 1100, "height": 800})
    yield Visitor(context.new_page(), live_server.url)  # type: ignore[attr-defined]
    context.close()
