"""Web push against a push service on the loopback, which checks who we are and lets only the browser read."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from django.test import Client

from khien.kernel import clock, keys
from khien.kernel.audit.models import AuditLine
from khien.kernel.staff import Role
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.channels import push
from khien.rooms.broadcasts.models import BulletinVersion, PushRetry, PushRun, PushSubscription
from khien.rooms.broadcasts.verbs import subscribing
from tests.factories import NOON, make_account, make_unit
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.outlets import make_version
from tests.rooms.broadcasts.peers import Browser, Peer, answer, b64, running, unb64


@pytest.fixture
def peer(settings: Any) -> Iterator[Peer]:
    with running() as peer:
        settings.KHIEN_PUSH_SERVICES = f"fcm.googleapis.com *.notify.windows.com {peer.url}"
        settings.KHIEN_URL = "https://hanam.gov.vn"
        yield peer


def subscribe(browser: Browser, **more: Any) -> Any:
    body = {"subscription": browser.subscription, "unit": None, "language": "vi", **more}
    return Client().post("/push/subscribe/", json.dumps(body), content_type="application/json")


def start(version: BulletinVersion) -> PushRun:
    channel = channels.get("push")
    assert channel is not None
    channel.start(version)
    return PushRun.objects.get(version=version)


def must_be_ours(headers: dict[str, str], peer: Peer) -> dict[str, Any]:
    """The claims of the request's VAPID token (RFC 8292), its signature checked with the key that it names."""
    scheme, rest = headers["Authorization"].split(" ", 1)
    assert scheme == "vapid"
    parts = dict(part.strip().split("=", 1) for part in rest.split(","))
    header, claims, signature = parts["t"].split(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unb64(parts["k"]))
    raw = unb64(signature)
    both = (int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key.verify(utils.encode_dss_signature(*both), f"{header}.{claims}".encode(), ec.ECDSA(SHA256()))
    assert parts["k"] == push.public_key()[0]
    told: dict[str, Any] = json.loads(unb64(claims))
    assert told["aud"] == peer.url
    assert time.time() < int(told["exp"]) <= time.time() + 24 * 3600
    return told


def test_only_the_browser_can_read_what_it_is_told(house: House, peer: Peer) -> None:
    browser = Browser(peer)
    assert subscribe(browser).json() == {"state": "on"}
    version = make_version(house.commune, english=True, is_emergency=True)
    run = start(version)
    assert push.send_run(run.pk) is None
    assert push.send_run(run.pk) is None
    start(version)
    (told,) = browser.told()
    assert told["title"] == "Phong tỏa phường Quang Trung"
    assert told["url"] == f"/news/{version.bulletin_id}/"
    ((_path, headers, body),) = peer.requests
    assert must_be_ours(headers, peer)["sub"] == "https://hanam.gov.vn"
    assert headers["Content-Encoding"] == "aes128gcm"
    assert headers["Urgency"] == "high"
    assert 0 < int(headers["TTL"]) <= 48 * 3600
    assert b"Phong" not in body
    run.refresh_from_db()
    assert (run.state, run.sent, run.gone, run.failed) == ("finished", 1, 0, 0)
    state = channels.get("push").state(version)  # type: ignore[union-attr]
    assert state is not None
    assert str(state.counts[0].label) == "Dịch vụ đẩy đã nhận"


def test_a_token_that_somebody_changed_is_seen_through(house: House, peer: Peer) -> None:
    """The check above would pass on anything if it could not fail."""
    subscribe(Browser(peer))
    push.send_run(start(make_version(house.commune)).pk)
    headers = dict(peer.requests[0][1])
    token = headers["Authorization"].split("t=")[1].split(",")[0]
    claims = json.loads(unb64(token.split(".")[1])) | {"aud": "https://other"}
    forged = ".".join([token.split(".")[0], b64(json.dumps(claims).encode()), token.split(".")[2]])
    headers["Authorization"] = headers["Authorization"].replace(token, forged)
    with pytest.raises(InvalidSignature):
        must_be_ours(headers, peer)


def test_each_browser_hears_its_units_in_its_language(house: House, peer: Peer) -> None:
    other = make_unit("Xã Khác", house.commune.parent)
    here, there, english, all_of_it = (Browser(peer, name) for name in ("here", "there", "en", "all"))
    subscribe(here, unit=house.commune.pk)
    subscribe(there, unit=other.pk)
    subscribe(english, unit=house.province.pk, language="en")
    subscribe(all_of_it, language="xx")
    version = make_version(house.commune, english=True)
    push.send_run(start(version).pk)
    assert [len(one.told()) for one in (here, there, english, all_of_it)] == [1, 0, 1, 1]
    assert english.told()[0]["title"] == "Lockdown of Quang Trung"
    assert english.told()[0]["url"].endswith("/en/")


def test_a_browser_subscribes_once_and_can_leave(house: House, peer: Peer) -> None:
    browser = Browser(peer)
    subscribe(browser)
    subscribe(browser, language="en")
    row = PushSubscription.objects.get()
    assert row.language == "en"
    stored = bytes(row.sealed) + row.endpoint_hash.encode()
    assert peer.url.encode() not in stored
    assert browser.subscription["keys"]["auth"].encode() not in stored
    body = json.dumps({"endpoint": browser.subscription["endpoint"]})
    for _time in range(2):
        gone = Client().post("/push/unsubscribe/", body, content_type="application/json")
        assert gone.json() == {"state": "off"}
    assert not PushSubscription.objects.exists()


def test_nothing_says_whose_browser_it_is(house: House, peer: Peer) -> None:
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, house.commune)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    body = json.dumps({"subscription": Browser(peer).subscription, "language": "vi"})
    assert client.post("/push/subscribe/", body, content_type="application/json").status_code == 200
    line = AuditLine.objects.get(act="broadcasts.subscribe")
    assert (line.actor_id, line.persons) == (None, [])


@pytest.mark.parametrize("status", [404, 410])
def test_who_has_gone_is_forgotten(house: House, peer: Peer, status: int) -> None:
    subscribe(Browser(peer))
    peer.behave = lambda handler, _body: answer(handler, status)
    run = start(make_version(house.commune))
    assert push.send_run(run.pk) is None
    run.refresh_from_db()
    assert (run.sent, run.gone) == (0, 1)
    assert not PushSubscription.objects.exists()


def test_a_busy_service_is_asked_again_when_it_says_and_given_up_in_the_end(house: House, peer: Peer) -> None:
    subscribe(Browser(peer, "busy"))
    subscribe(Browser(peer, "good"))
    peer.behave = lambda handler, _body: (
        answer(handler, 429, Retry_After="120") if handler.path == "/push/busy" else answer(handler, 201)
    )
    run = start(make_version(house.commune))
    wait_s = push.send_run(run.pk)
    assert wait_s is not None
    assert 100 < wait_s <= 120
    for _time in range(10):
        PushRetry.objects.update(due_at=datetime.now(UTC) - timedelta(seconds=1))
        if push.send_run(run.pk) is None:
            break
    run.refresh_from_db()
    assert (run.state, run.sent, run.failed) == ("finished", 1, 1)
    assert len(peer.requests) == 1 + subscribing.MAX_ATTEMPTS
    assert PushSubscription.objects.filter(failures=1).count() == 1


def test_a_service_that_hangs_keeps_no_other_waiting(
    house: House, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(push, "PATIENCE_S", 2.0)
    subscribe(Browser(peer, "close"))
    good = Browser(peer, "good")
    subscribe(good)
    peer.behave = lambda handler, _body: (
        handler.connection.close() if handler.path == "/push/close" else answer(handler, 201)
    )
    run = start(make_version(house.commune))
    assert push.send_run(run.pk) is not None
    run.refresh_from_db()
    assert (run.sent, run.state) == (1, "running")
    assert len(good.told()) == 1


def test_a_run_that_is_cancelled_or_runs_out_tells_nobody_more(house: House, peer: Peer) -> None:
    for name in ("one", "two"):
        subscribe(Browser(peer, name))
    version = make_version(house.commune, hours=1)
    run = start(version)
    channels.get("push").cancel(version)  # type: ignore[union-attr]
    assert push.send_run(run.pk) is None
    assert peer.requests == []
    late = make_version(house.commune, hours=1)
    peer.behave = lambda handler, _body: answer(handler, 503)
    second = start(late)
    push.send_run(second.pk)
    with clock.reads.frozen_at(NOON + timedelta(hours=2)):
        PushRetry.objects.update(due_at=datetime.now(UTC) + timedelta(hours=1))
        assert push.send_run(second.pk) is None
    second.refresh_from_db()
    assert (second.state, second.failed) == ("finished", 2)


def test_a_sender_that_dies_tells_nobody_twice(
    house: House, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    browsers = [Browser(peer, f"b{n}") for n in range(6)]
    for browser in browsers:
        subscribe(browser)
    monkeypatch.setattr(push, "CHUNK", 3)
    run = start(make_version(house.commune))
    settle = subscribing.settle_subscriptions

    def die(*_given: Any, **_more: Any) -> None:
        raise SystemExit

    monkeypatch.setattr(subscribing, "settle_subscriptions", die)
    with pytest.raises(SystemExit):
        push.send_run(run.pk)
    monkeypatch.setattr(subscribing, "settle_subscriptions", settle)
    push.send_run(run.pk)
    assert [len(browser.told()) for browser in browsers] == [1] * 6


def test_a_subscription_of_an_older_key_goes_on(house: House, peer: Peer) -> None:
    browser = Browser(peer)
    subscribe(browser)
    old = push.public_key()[0]
    for purpose in ("web-push", "push-seal"):
        keys.make(purpose)
    assert push.public_key()[0] != old
    push.send_run(start(make_version(house.commune)).pk)
    assert len(browser.told()) == 1
    assert f"k={old}" in peer.requests[0][1]["Authorization"]


def test_a_long_text_fits(house: House, peer: Peer) -> None:
    browser = Browser(peer)
    subscribe(browser)
    push.send_run(start(make_version(house.commune, title="Ữ" * 160, body="ệ 🤒 " * 4000)).pk)
    (told,) = browser.told()
    assert told["body"].endswith("…")
    assert len(peer.requests[0][2]) <= 4096


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        None,
        7,
        "http://fcm.googleapis.com/x",
        "https://fcm.googleapis.com.evil.vn/x",
        "https://evil.vn/fcm.googleapis.com",
        "https://fcm.googleapis.com@127.0.0.1/",
        "https://user:pw@fcm.googleapis.com/x",
        "https://fcm.googleapis.com:22/x",
        "https://notify.windows.com.evil/x",
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::1/x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://fcm.googleapis.com/\r\nX: y",
        "https://fcm.googleapis.com/" + "x" * 2000,
        "https://fcm.goôgleapis.com/x",
    ],
)
def test_this_server_asks_no_address_that_a_stranger_names(house: House, peer: Peer, endpoint: Any) -> None:
    browser = Browser(peer)
    browser.subscription["endpoint"] = endpoint
    refused = subscribe(browser)
    assert refused.status_code == 422
    assert refused.json()["code"] == "bad_subscription"
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    "secrets",
    [
        {},
        None,
        [],
        {"p256dh": "", "auth": ""},
        {"p256dh": b64(b"\x04" + b"\x01" * 64), "auth": b64(b"x" * 16)},  # no point of the curve
        {"p256dh": b64(b"\x00"), "auth": b64(b"x" * 16)},
        {"p256dh": "!!!", "auth": "???"},
        {"p256dh": 1, "auth": 2},
    ],
)
def test_keys_that_are_none_are_refused(house: House, peer: Peer, secrets: Any) -> None:
    browser = Browser(peer)
    browser.subscription["keys"] = secrets
    assert subscribe(browser).status_code == 422


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"subscription": []}', b"\xff"])
def test_what_is_no_subscription_is_refused(house: House, peer: Peer, body: bytes) -> None:
    answer = Client().post("/push/subscribe/", body, content_type="application/json")
    assert answer.status_code == 422
    gone = Client().post("/push/unsubscribe/", body, content_type="application/json")
    assert gone.status_code == 200


def test_a_flood_of_subscriptions_from_one_address_is_stopped(house: House, peer: Peer) -> None:
    browser = Browser(peer)
    statuses = [subscribe(browser).status_code for _time in range(62)]
    assert statuses[:60] == [200] * 60
    assert statuses[60:] == [429, 429]


def test_a_page_of_another_site_subscribes_nobody(house: House, peer: Peer) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.post("/push/subscribe/", "{}", content_type="application/json").status_code == 403


def test_it_works_without_it(house: House) -> None:
    """No subscriptions: a version still goes out, and the run ends."""
    run = start(make_version(house.commune))
    assert push.send_run(run.pk) is None
    run.refresh_from_db()
    assert (run.state, run.sent) == ("finished", 0)
