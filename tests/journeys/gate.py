"""A gate for the journeys: a device with the app, a network that can be cut, and codes of every kind on film."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import segno
from PIL import Image, ImageDraw, ImageFilter
from playwright.sync_api import Browser, Page, Playwright, expect

from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.staff.verbs import make_enrolment_code
from tests.factories import make_account
from tests.journeys.camera import camera_flags
from tests.journeys.conftest import CHROMIUM, FLAGS

WAIT_MS = 30_000
APP = "/checkpoints/gate/"


class Line:
    """The wire between a device and the server, on a port of its own; cut, nothing answers there."""

    def __init__(self, server: str) -> None:
        self._server = (urlsplit(server).hostname, urlsplit(server).port)
        self._open: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self.port = 0
        self.join()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def join(self) -> None:
        """The server can be reached."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("localhost", self.port))
        listener.listen(64)
        self.port, self._listener = listener.getsockname()[1], listener
        threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """Connections break, new ones are refused."""
        if self._listener is not None:
            # A blocked accept holds the port until it is shut down.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._open.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                here, _address = listener.accept()
            except OSError:
                return
            try:
                there = socket.create_connection(self._server)  # type: ignore[arg-type]
            except OSError:
                here.close()
                continue
            self._open |= {here, there}
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    def _pump(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
            self._open.discard(end)


@contextlib.contextmanager
def line_to(server: str) -> Iterator[Line]:
    line = Line(server)
    try:
        yield line
    finally:
        line.cut()


def new_code(place: Place, name: str = "Điện thoại chốt cầu", **more: Any) -> str:
    """A one-time code for a device at the place's unit."""
    account = make_account(Role.ADMINISTRATOR, place.unit)
    return make_enrolment_code(actor_of_account(account), name=name, unit=place.unit, **more)[1]


def enrol(page: Page, url: str, code: str) -> None:
    """Open the app on a new device and use up the code; the app has its first data afterwards."""
    page.goto(url + APP)
    page.fill("#enrol-code", code)
    page.click("#enrol-form .act--main")
    page.wait_for_selector("body[data-started=ready]", timeout=WAIT_MS)
    page.wait_for_selector("body[data-offline=ready]", timeout=WAIT_MS)


def choose_place(page: Page, place: Place) -> None:
    page.click("#place-open")
    page.fill("#place-find", place.name)
    page.click(f"#place-list [data-code={place.code}]")
    expect(page.locator("#place-name")).to_have_text(place.name)


def type_number(page: Page, text: str) -> None:
    page.click("#number-open")
    page.fill("#number-field", text)
    page.press("#number-field", "Enter")


def colour(page: Page, wanted: str) -> None:
    """The verdict becomes this colour."""
    expect(page.locator("#verdict")).to_have_attribute("data-colour", wanted, timeout=WAIT_MS)


def queue(page: Page, waiting: int) -> None:
    expect(page.locator("#state-queue")).to_have_attribute("data-waiting", str(waiting), timeout=WAIT_MS)


def burst(page: Page, text: str, *, end: str = "Enter") -> None:
    """What a hand scanner does: a key a millisecond, then Enter, wherever the focus is."""
    page.evaluate(
        "([text, end]) => { for (const key of [...[...text], end]) {"
        " const how = { key, bubbles: true, cancelable: true, composed: true };"
        " (document.activeElement ?? document.body).dispatchEvent(new KeyboardEvent('keydown', how)); } }",
        [text, end],
    )


def camera_of(playwright: Playwright, video: Path) -> Browser:
    """A browser that sees the video through its camera."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *camera_flags(video)])


def film_of_many(
    texts: list[str], path: Path, *, frames: int = 12, seed: int = 1, size: tuple[int, int] = (640, 480)
) -> Path:
    """A camera's view of printed codes, one after the other, as Y4M: tilted in space, blurred, noisy, with a glare that
    wanders over them."""
    rng = np.random.default_rng(seed)
    width, height = size
    with path.open("wb") as out:
        out.write(f"YUV4MPEG2 W{width} H{height} F8:1 Ip A1:1 C420jpeg\n".encode())
        for text in texts:
            printed = _printed(text)
            for number in range(frames):
                light = _photographed(printed, size, number, rng)
                out.write(b"FRAME\n" + light.tobytes() + b"\x80" * (width * height // 2))
    return path


def _printed(text: str) -> Image.Image:
    made = io.BytesIO()
    segno.make(text, error="m" if len(text) < 300 else "l", micro=False, boost_error=False).save(
        made, kind="png", scale=8, border=4
    )
    made.seek(0)
    paper = Image.open(made).convert("L").resize((760, 760), Image.Resampling.LANCZOS)
    return Image.eval(paper, lambda level: 24 + level * 200 // 255)  # ink is not black, paper is not white


def _photographed(
    printed: Image.Image, size: tuple[int, int], number: int, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    width, height = size
    frame = Image.new("L", size, 96)
    if number % 6 != 5:  # the hand is between two papers
        turned = printed.rotate(-6 + number, expand=True, fillcolor=96, resample=Image.Resampling.BICUBIC)
        side = int(height * 0.94)
        turned = turned.resize((side, side), Image.Resampling.BICUBIC)
        lean = 0.06 + 0.01 * (number % 4)  # the far edge is shorter
        corners = (
            (0, 0),
            (side, lean * side),
            (side * (1 - lean / 2), side),
            (lean * side, side * (1 - lean)),
        )
        tilted = turned.transform(
            (side, side),
            Image.Transform.QUAD,
            [c for point in (corners[0], corners[3], corners[2], corners[1]) for c in point],
            resample=Image.Resampling.BICUBIC,
            fillcolor=96,
        )
        frame.paste(tilted, ((width - side) // 2 + number % 5, (height - side) // 2))
    glare = Image.new("L", size, 0)
    x = int(width * (0.25 + 0.04 * number))
    ImageDraw.Draw(glare).ellipse((x - 46, 90, x + 46, 182), fill=110)
    frame = frame.filter(ImageFilter.GaussianBlur(0.9))
    light = np.asarray(frame, np.int16) + np.asarray(glare.filter(ImageFilter.GaussianBlur(22)), np.int16)
    light = light + rng.normal(0, 6, (height, width)).astype(np.int16)
    return np.clip(light, 0, 255).astype(np.uint8)
