"""A verdict is heard and felt: each colour by its own tune and pulse."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from khien.kernel.places.models import Place
from tests.journeys import gate
from tests.journeys.at_gate.people import RED, under_order
from tests.journeys.conftest import Visitor
from tests.journeys.gate import burst
from tests.rooms.checkpoints.cards import CCCD

pytestmark = pytest.mark.django_db(transaction=True)
SPY = """
window.pulses = [];
Navigator.prototype.vibrate = (pulse) => { window.pulses.push(pulse.join(" ")); return true; };
window.tones = [];
const Voice = OscillatorNode;
window.OscillatorNode = class extends Voice {
  constructor(context, how) { super(context, how); window.tones.push(how.frequency); }
};
const Context = AudioContext;
window.AudioContext = class extends Context { constructor() { super(); window.sound = this; } };
"""
TUNES = {"green": [880], "yellow": [660, 660], "red": [220, 220, 220], "grey": [330]}
PULSES = {"green": "60", "yellow": "80 60 80", "red": "300 100 300 100 300", "grey": "30"}
CODES = {"green": CCCD, "red": RED, "yellow": "KB1:ABCDEFGH23", "grey": "https://example.com/"}


def felt(page: Page, colour: str, known: int) -> tuple[Any, Any]:
    """The pulse of the verdict after `known` others, and the tones since."""
    page.evaluate("window.tones = []")
    burst(page, CODES[colour])
    page.wait_for_function("known => window.pulses.length > known", arg=known, timeout=gate.WAIT_MS)
    gate.colour(page, colour)
    pulses, tones = page.evaluate("[window.pulses, window.tones]")
    assert len(pulses) == known + 1
    return pulses[-1], tones


def test_each_colour_has_its_tune_and_its_pulse_and_the_tune_can_be_turned_off(
    phone: Visitor, line: gate.Line, market: Place
) -> None:
    under_order(market)
    page = phone.page
    page.add_init_script(SPY)
    gate.enrol(page, line.url, gate.new_code(market))
    line.cut()  # so that no answer of the server changes a colour
    page.click("#menu-open")
    page.keyboard.press("Escape")
    page.wait_for_function("window.sound?.state === 'running'", timeout=gate.WAIT_MS)
    for known, colour in enumerate(("red", "green", "yellow", "grey")):
        assert felt(page, colour, known) == (PULSES[colour], TUNES[colour])
    page.click("#mute")
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    assert felt(page, "red", 4) == (PULSES["red"], [])
    # The choice outlives the page.
    page.reload()
    page.wait_for_selector("body[data-started=ready]", timeout=gate.WAIT_MS)
    expect(page.locator("#mute")).to_have_attribute("aria-pressed", "true")
    page.click("#mute")
    page.wait_for_function("window.sound?.state === 'running'", timeout=gate.WAIT_MS)
    assert felt(page, "green", 0) == (PULSES["green"], TUNES["green"])


def test_sound_that_another_app_took_away_comes_back(phone: Visitor, line: gate.Line, market: Place) -> None:
    page = phone.page
    page.add_init_script(SPY)
    gate.enrol(page, line.url, gate.new_code(market))
    line.cut()
    page.click("#menu-open")
    page.keyboard.press("Escape")
    page.wait_for_function("window.sound?.state === 'running'", timeout=gate.WAIT_MS)
    page.evaluate("window.sound.suspend()")
    assert felt(page, "green", 0) == (PULSES["green"], [])
    page.wait_for_function("window.sound.state === 'running'", timeout=gate.WAIT_MS)
    assert felt(page, "grey", 1) == (PULSES["grey"], TUNES["grey"])
