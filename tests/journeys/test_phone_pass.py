"""The pass on a phone: a code that lives, works without network, and shows a picture of itself as one."""

from __future__ import annotations

import base64
import io
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from cryptography.hazmat.primitives import serialization
from django.conf import settings as django_settings
from django.contrib.sessions.backends.db import SessionStore
from PIL import Image
from playwright.sync_api import Page, expect

from khien.kernel import clock, keys
from khien.kernel.staff import system_actor
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.kernel.standing import verbs as standing
from khien.rooms.checkpoints import steps, verbs
from khien.rooms.checkpoints.models import PassCard
from tests.journeys.conftest import Arrive, Visitor
from tests.journeys.town import Town
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "steps.json").read_text())
WAIT_MS = 30_000


def as_resident(visitor: Visitor, person_id: int) -> None:
    """Signed in as a resident, as after the code from the message."""
    session = SessionStore()
    session[RESIDENT_SESSION_KEY] = person_id
    session.save()
    visitor.page.context.add_cookies(
        [
            {
                "name": django_settings.SESSION_COOKIE_NAME,
                "value": session.session_key or "",
                "url": visitor.address,
            }
        ]
    )


def gate_keys() -> list[dict[str, str]]:
    """The pass keys as a gate's bundle names them."""
    made = []
    for key_id in keys.all_ids("pass"):
        public = keys.get("pass", key_id).es256().public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        text = (
            base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (der, sha256(der).digest()[:4])
        )
        made.append(dict(zip(("spki", "kid"), text, strict=True)))
    return made


def code_on(page: Page) -> str:
    """What a gate's camera reads off the screen; "" while nothing can be read."""
    picture = Image.open(io.BytesIO(page.screenshot()))
    found = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    return found[0].text if found else ""


def test_the_browser_judges_steps_as_the_server_does(visitor: Visitor) -> None:
    visitor.open("/checkpoints/pass/phone/")
    answers = visitor.page.evaluate(
        """async ({cases, passKeys}) => {
            const {verifyStep} = await import("/static/checkpoints/step.js");
            const answers = [];
            for (const {text, now} of cases) {
                try {
                    const {sub, fresh, age_s} = await verifyStep(text, passKeys, now);
                    answers.push({sub, fresh, age_s});
                } catch (fault) {
                    answers.push(fault instanceof RangeError ? {error: true} : {fault: String(fault)});
                }
            }
            return answers;
        }""",
        {"cases": VECTORS["cases"], "passKeys": VECTORS["passKeys"]},
    )
    assert [(c["about"], a) for c, a in zip(VECTORS["cases"], answers, strict=True)] == [
        (c["about"], c["expect"]) for c in VECTORS["cases"]
    ]


def test_a_pass_lives_on_the_phone_and_works_without_network(
    town: Town, arrive: Arrive, picture: Any
) -> None:
    an, binh = town.residents[0].person, town.residents[1].person
    visitor = arrive(width=390)
    page = visitor.page
    as_resident(visitor, an.pk)
    visitor.open("/checkpoints/pass/")
    page.get_by_role("button", name="Tạo thẻ trên máy này").click()
    expect(page.locator("[data-verdict] strong")).to_have_text("Được qua", timeout=WAIT_MS)
    visitor.look()
    picture(visitor, "phone-pass-390.png", tall=1000)
    card = PassCard.objects.get(kind="phone")
    assert len(bytes(card.device_key or b"")) == 33
    text = wait_until(lambda: code_on(page), what="the code can be read")
    step = steps.verify(text)
    now = datetime.now(UTC)  # a phone's step is told by its own clock
    assert (step.claims.sub, step.fresh(now)) == (card.sub, True)
    assert not step.fresh(now + timedelta(minutes=3))

    # The gate's own page, without network: the live code is no picture, the one of a while ago is.
    seen = page.evaluate(
        """async ([live, keys, now]) => {
            const { read } = await import("/static/checkpoints/gate/codes.js");
            const { judge } = await import("/static/checkpoints/gate/judge.js");
            const bundle = { payload: { otherwise: { colour: "green", sentence: "" } }, madeAt: Date.now(),
                classOf: async () => ({ colour: "green", sentence: "", listed: false }) };
            const made = [];
            for (const later of [0, 300_000]) {
                const real = Date.now;
                Date.now = () => real() + later;
                const seen = await read(live, { pass_keys: keys, signers: [] });
                Date.now = real;
                const words = { words: {}, passCopied: "?" };
                const { colour } = await judge(seen, bundle, words, now);
                made.push([seen.kind, seen.numbers[0][1], seen.copied, colour]);
            }
            return made;
        }""",
        [text, gate_keys(), clock.now().timestamp() * 1000],  # the pass expires by the town's time
    )
    assert seen == [["pass", card.sub, False, "green"], ["pass", card.sub, True, "yellow"]]

    # The code is another one after at most 15 seconds.
    wait_until(lambda: code_on(page) not in ("", text), 25, "the code changes")

    # Without network: the page opens again, from what the phone keeps, and its code still lives.
    page.wait_for_function("navigator.serviceWorker.ready.then(r => Boolean(r.active))")
    page.context.set_offline(True)
    visitor.complaints.clear()
    visitor.open("/checkpoints/pass/")
    expect(page.locator("[data-offline]")).to_be_visible(timeout=WAIT_MS)
    offline = steps.verify(wait_until(lambda: code_on(page), what="the code can be read without network"))
    assert (offline.claims.sub, offline.fresh(datetime.now(UTC))) == (card.sub, True)
    assert an.full_name not in page.content()
    page.context.set_offline(False)

    # An order comes into force: the colour and its sentence are those of the gate.
    standing.impose(
        an.pk,
        "under_order",
        start=clock.now(),
        end=None,
        colour="red",
        reason="Đang cách ly tại nhà.",
        authority=an,
    )
    visitor.open("/checkpoints/pass/")
    expect(page.locator("[data-verdict] strong")).to_have_text("Dừng lại")
    expect(page.locator("[data-verdict] [data-reason]")).to_have_text("Đang cách ly tại nhà.")

    # The pass is reported lost: the phone says so and shows it no more.
    verbs.revoke_pass(system_actor("test"), card=card, reason="lost")
    visitor.open("/checkpoints/pass/")
    expect(page.locator("[data-ended]")).to_be_visible()
    expect(page.locator("[data-live]")).to_be_hidden()

    # Another resident on the same phone never sees the first one's.
    page.get_by_role("button", name="Tạo thẻ trên máy này").click()
    expect(page.locator("[data-verdict] strong")).to_have_text("Dừng lại", timeout=WAIT_MS)
    as_resident(visitor, binh.pk)
    visitor.open("/checkpoints/pass/")
    expect(page.get_by_role("button", name="Tạo thẻ trên máy này")).to_be_visible()
    assert page.evaluate(
        "import('/static/checkpoints/pass-store.js').then(s => s.kept()).then(p => p === undefined)"
    )
    visitor.look()


def test_the_key_cannot_leave_the_phone(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    as_resident(visitor, town.residents[0].person.pk)
    visitor.open("/checkpoints/pass/")
    visitor.page.get_by_role("button", name="Tạo thẻ trên máy này").click()
    expect(visitor.page.locator("[data-live]")).to_be_visible(timeout=WAIT_MS)
    answer = visitor.page.evaluate(
        """async () => {
            const {kept} = await import("/static/checkpoints/pass-store.js");
            const {privateKey} = await kept();
            try { await crypto.subtle.exportKey("jwk", privateKey); return "exported"; }
            catch (fault) { return fault.name; }
        }"""
    )
    assert answer == "InvalidAccessError"
