"""Residents come in by a real OpenID Connect provider, in a real browser, and go out of it again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.sessions.models import Session

from khien.gateways.identity import choosing, oidc
from khien.kernel.audit.models import AuditLine
from tests.journeys.conftest import Arrive, Visitor
from tests.journeys.town import Town
from tests.peers import identity

pytestmark = pytest.mark.django_db(transaction=True)


class Provider:
    """The provider of the journey, which the test can stop and start again."""

    def __init__(self, url: str, accounts: dict[str, str]) -> None:
        self.url, self.accounts = url, accounts
        self.running = ExitStack()
        self.port = 0

    def start(self, **more: Any) -> identity.Peer:
        peer = self.running.enter_context(
            identity.running(url=self.url, accounts=self.accounts, port=self.port, **more)
        )
        self.port = peer.port
        return peer

    def stop(self) -> None:
        self.running.close()


@pytest.fixture
def provider(town: Town, live_server: Any, settings: Any) -> Iterator[Provider]:
    binh = town.residents[1]
    peer = Provider(live_server.url, {"binh": binh.number, "nguoi-la": "035200999999", "trong": ""})
    settings.KHIEN_OIDC_ISSUER = peer.start().issuer
    settings.KHIEN_OIDC_CLIENT_ID = "khien"
    settings.KHIEN_OIDC_CLIENT_SECRET = identity.SECRET
    settings.KHIEN_OIDC_SCOPES = "openid identity"
    settings.KHIEN_OIDC_NUMBER_CLAIM = "citizen_id"
    settings.KHIEN_OIDC_NAME = "VNeID"
    choosing._made.cache_clear()
    yield peer
    peer.stop()
    choosing._made.cache_clear()


def at_provider(visitor: Visitor, name: str) -> None:
    """Sign in at the provider and let it go back."""
    page = visitor.page
    page.wait_for_selector("[name=login]")
    page.fill("[name=login]", name)
    page.fill("[name=password]", "x")
    page.click("button[type=submit]")
    page.wait_for_selector("text=Continue")
    page.click("text=Continue")
    page.wait_for_load_state()
    visitor.complaints.clear()  # the provider's own pages are not ours to mend


def test_a_resident_comes_in_by_identity_and_goes_out_of_both(
    town: Town, provider: Provider, arrive: Arrive, caplog: pytest.LogCaptureFixture
) -> None:
    binh = town.residents[1]
    visitor = arrive(width=390)
    seen: list[str] = []
    visitor.page.on("request", lambda request: seen.append(request.url))
    visitor.open("/me/reads/")
    visitor.look()
    visitor.page.click("text=Đăng nhập bằng VNeID >> nth=0")
    at_provider(visitor, "binh")
    visitor.page.wait_for_url("**/me/reads/")
    assert "Ai đã mở hồ sơ của tôi" in visitor.page.inner_text("h1")
    visitor.open("/me/")
    assert binh.name in visitor.page.inner_text("h1")
    assert not any(binh.number in url for url in seen)
    assert binh.number not in caplog.text
    assert not any(binh.number in repr(session.get_decoded()) for session in Session.objects.all())
    line = AuditLine.objects.filter(act="residents.enter").latest("pk")
    assert (line.persons, line.details) == ([binh.person.pk], {"how": "identity"})
    visitor.page.click("main button:has-text('Thoát')")
    visitor.page.wait_for_url("**/sign-out/?by=identity")
    assert visitor.faults() == []
    visitor.page.click("a:has-text('Thoát cả VNeID')")
    visitor.page.click("button[name=logout]")
    visitor.page.wait_for_url(f"{visitor.address}/")
    visitor.open("/me/")
    visitor.page.wait_for_url("**/sign-in/?next=**")
    visitor.page.click("text=Đăng nhập bằng VNeID >> nth=0")
    visitor.page.wait_for_selector("[name=login]")  # the provider has forgotten them too


def test_whoever_is_in_no_ledger_gets_a_way_out(town: Town, provider: Provider, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    visitor.open("/sign-in/identity/")
    at_provider(visitor, "nguoi-la")
    assert visitor.page.inner_text("h1") == "Chưa có bạn trong sổ dân cư"
    assert "trạm y tế xã" in visitor.text()
    visitor.look()
    visitor.page.click("text=Đăng nhập bằng mã qua điện thoại")
    visitor.page.wait_for_url("**/sign-in/")


def test_no_number_no_entry(town: Town, provider: Provider, arrive: Arrive) -> None:
    visitor = arrive()
    visitor.open("/sign-in/identity/")
    at_provider(visitor, "trong")
    assert visitor.page.inner_text("h1") == "Không đăng nhập được bằng VNeID"


def test_a_wrong_state_and_a_code_used_before_let_nobody_in(
    town: Town, provider: Provider, arrive: Arrive
) -> None:
    visitor, thief = arrive(), arrive()
    backs: list[str] = []
    visitor.page.on(
        "request", lambda request: backs.append(request.url) if "/identity/back/" in request.url else None
    )
    visitor.open("/sign-in/identity/")
    at_provider(visitor, "binh")
    visitor.page.wait_for_url("**/me/")
    thief.open(backs[0])  # the state is of another browser
    assert "bắt đầu ở máy khác" in thief.page.inner_text("h1")
    thief.look(answered=400)
    visitor.open(backs[0])  # and works once even there
    assert "bắt đầu ở máy khác" in visitor.page.inner_text("h1")
    code = re.search(r"code=([^&]+)", backs[0])
    assert code
    # A stolen code with a state of one's own: the provider refuses a used code, and PKCE binds it to another verifier.
    thief.page.goto(f"{thief.address}/sign-in/identity/")
    thief.open(
        f"/sign-in/identity/back/?state={_kept_state()}&code={code[1]}&iss={provider_issuer(provider)}"
    )
    assert thief.page.inner_text("h1") == "Không đăng nhập được bằng VNeID"
    thief.open("/me/")
    thief.page.wait_for_url("**/sign-in/?next=**")


def _kept_state() -> str:
    """The state that the youngest sign-in waits for."""
    rows = [s.get_decoded().get("identity_begun", []) for s in Session.objects.all()]
    return max((row for kept in rows for row in kept), key=lambda row: row["at"])["state"]


def provider_issuer(provider: Provider) -> str:
    return f"http://127.0.0.1:{provider.port}"


def test_the_provider_may_change_its_keys_and_may_be_down(
    town: Town, provider: Provider, arrive: Arrive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "KEYS_AGAIN_S", 0.0)
    first = arrive()
    first.open("/sign-in/identity/")
    at_provider(first, "binh")
    first.page.wait_for_url("**/me/")
    provider.stop()
    provider.start(kid="two", conform=False)
    second = arrive()
    second.open("/sign-in/identity/")
    at_provider(second, "binh")
    second.page.wait_for_url("**/me/")
    third = arrive(width=390)
    third.open("/sign-in/identity/")
    third.page.wait_for_selector("[name=login]")
    provider.stop()
    third.complaints.clear()
    state = _kept_state()
    third.open(f"/sign-in/identity/back/?state={state}&code=x&iss={provider_issuer(provider)}")
    assert third.page.inner_text("h1") == "VNeID hiện không trả lời"
    third.look(answered=503)
    choosing._made.cache_clear()
    third.open("/sign-in/identity/")
    assert third.page.inner_text("h1") == "VNeID hiện không trả lời"
    third.page.click("text=Đăng nhập bằng mã qua điện thoại")
    third.page.wait_for_url("**/sign-in/")


def test_who_says_no_at_the_provider_comes_back_to_a_choice(
    town: Town, provider: Provider, arrive: Arrive
) -> None:
    visitor = arrive(width=390)
    visitor.open("/sign-in/identity/?shared=1")
    visitor.page.wait_for_selector("[name=login]")
    visitor.page.click("text=/Cancel|Abort/")
    visitor.page.wait_for_selector("h1")
    assert visitor.page.inner_text("h1") == "Bạn chưa đăng nhập"
    visitor.complaints.clear()
    visitor.look()
