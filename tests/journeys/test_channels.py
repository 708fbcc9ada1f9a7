"""Bulletins as residents read them on a phone, and the pages of those who answer texts and run loudspeakers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel import clock
from khien.kernel.staff import Role, system_actor
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.channels import push, sound
from khien.rooms.broadcasts.models import InboundMessage, Play, PushRun, PushSubscription, Station
from khien.rooms.broadcasts.verbs import replies
from tests.factories import make_account, make_actor
from tests.journeys.conftest import Arrive
from tests.journeys.town import Town
from tests.rooms.broadcasts.outlets import make_version
from tests.rooms.broadcasts.peers import Browser, Peer, running

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = system_actor("test")
MP3 = b"\xff\xfb" + b"\x00" * 80_000


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.KHIEN_FEEDS_FOLDER = str(tmp_path / "public")
    monkeypatch.setattr(sound, "audio_of", lambda *_: (MP3, hashlib.sha256(MP3).hexdigest()))


@pytest.fixture
def peer(settings: Any) -> Iterator[Peer]:
    with running() as peer:
        settings.KHIEN_PUSH_SERVICES = peer.url
        yield peer


def go(code: str, version: Any, act: str = "start") -> None:
    getattr(channels.get(code), act)(version)


def small_targets(page: Any) -> list[str]:
    """Links and buttons that a thumb misses; words within a sentence may be as high as the line."""
    found: list[str] = page.evaluate(
        """[...document.querySelectorAll('a, button, select, summary')]
        .filter(e => e.offsetParent && e.offsetHeight < 44 && !e.closest('footer p, main p, .skip'))
        .map(e => e.outerHTML.slice(0, 80))"""
    )
    return found


def test_a_resident_reads_articles_and_alerts_on_a_slow_phone(
    town: Town, arrive: Arrive, picture: Callable[..., None]
) -> None:
    first = make_version(town.commune, english=True, urgency="Immediate", severity="Severe")
    wrong = make_version(town.commune, title="Đổi giờ lấy mẫu tại nhà văn hóa tổ 4", body="Lấy mẫu lúc 7h.")
    gone = make_version(town.commune, title="Tin nhầm", body="Đừng đọc.")
    for version in (first, wrong, gone):
        for code in ("article", "cap"):
            go(code, version)
    town.time(clock.now() + timedelta(minutes=20))
    better = make_version(
        town.commune,
        bulletin=wrong.bulletin,
        title="Đổi giờ lấy mẫu tại nhà văn hóa tổ 4",
        body="Lấy mẫu lúc 8h.",
    )
    for code in ("article", "cap"):
        go(code, better)
        go(code, gone, "cancel")
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/news/")
    page.wait_for_load_state("networkidle")
    octets = page.evaluate(
        """['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))
        .reduce((sum, one) => sum + one.encodedBodySize, 0)"""
    )
    assert 5_000 < octets < 60_000  # fonts included
    assert small_targets(page) == []
    visitor.look()
    picture(visitor, "news-390.png", tall=900)
    page.click("text=Phong tỏa phường")
    page.wait_for_url("**/news/*/")
    assert "Ai ở đâu" in visitor.text() or "ai ở đâu" in visitor.text()
    assert small_targets(page) == []
    visitor.look()
    picture(visitor, "article-390.png", tall=1000)
    page.click("header >> text=English")
    page.wait_for_url("**/en/")
    assert "Stay at home." in visitor.text()
    visitor.look()
    visitor.open(f"/news/{wrong.bulletin_id}/")
    assert "Đã sửa lúc" in visitor.text()
    page.click("summary")
    assert "Lấy mẫu lúc 7h." in visitor.text()
    visitor.look()
    picture(visitor, "article-corrected-390.png", tall=1000)
    visitor.open(f"/news/{gone.bulletin_id}/")
    assert "đã gỡ" in visitor.text()
    visitor.look()
    picture(visitor, "article-withdrawn-390.png")
    visitor.open("/alerts/")
    assert "hủy cảnh báo trước" in visitor.text()
    assert small_targets(page) == []
    visitor.look()
    picture(visitor, "alerts-390.png", tall=1200)
    visitor.tab_to("main a[href$='.cap.xml']")


def test_a_browser_asks_to_be_told_and_leaves(
    town: Town, arrive: Arrive, peer: Peer, picture: Callable[..., None]
) -> None:
    """Debian's Chromium has no push service of its own: its answer is given, everything else is real."""
    browser = Browser(peer)
    visitor = arrive(width=390)
    page = visitor.page
    page.context.grant_permissions(["notifications"])
    page.add_init_script(
        """
        const told = SUBSCRIPTION;
        let held = null;
        const made = () => ({...told, toJSON: () => told, options: {},
                             unsubscribe: async () => { held = null; return true; }});
        PushManager.prototype.getSubscription = async () => held;
        PushManager.prototype.subscribe = async (wish) => {
          if (!wish.userVisibleOnly || new Uint8Array(wish.applicationServerKey).length !== 65) throw new Error("key");
          return (held = made());
        };
        Notification.requestPermission = async () => "granted";
        """.replace("SUBSCRIPTION", json.dumps(browser.subscription))
    )
    visitor.open("/push/")
    page.wait_for_selector("[data-on]:visible")
    visitor.look()
    picture(visitor, "push-390.png")
    page.select_option("[name=unit]", label=town.commune.full_name)
    page.click("[data-on]")
    page.wait_for_selector("text=Máy này nhận thông báo.")
    assert PushSubscription.objects.get().unit == town.commune
    version = make_version(town.commune)
    go("push", version)
    push.send_run(PushRun.objects.get().pk)
    (told,) = browser.told()
    # The worker shows it: what the push service would hand to the browser is handed to it here.
    worker = page.evaluate(
        """async (told) => {
          const worker = await navigator.serviceWorker.getRegistration("/push/");
          await worker.showNotification(told.title, { body: told.body, tag: told.tag });
          return (await worker.getNotifications()).map((one) => one.title);
        }""",
        told,
    )
    assert worker == ["Phong tỏa phường Quang Trung"]
    visitor.look()
    page.click("[data-off]")
    page.wait_for_selector("text=không nhận thông báo nữa")
    assert not PushSubscription.objects.exists()


def test_a_browser_that_cannot_is_told_what_else_there_is(town: Town, arrive: Arrive) -> None:
    visitor = arrive(width=390)
    visitor.page.add_init_script("delete window.PushManager;")
    visitor.open("/push/")
    visitor.page.wait_for_selector("text=Xem bản tin tại trang này hoặc qua Atom")
    visitor.look()


def test_an_officer_answers_what_people_write(
    town: Town, arrive: Arrive, picture: Callable[..., None]
) -> None:
    texts = ("Nhà tôi ở tổ 4 hết gạo, gọi ai?", "cho hoi bao gio het phong toa", "TU CHOI TIEM", "Từ chối")
    rows = [
        {"id": str(n), "number": town.residents[n].phone, "text": text, "address": "8155"}
        for n, text in enumerate(texts)
    ]
    replies.take_inbound(SYSTEM, messages=[*rows, {"id": "9", "number": "VIETTEL", "text": "KM 50%"}])
    visitor = arrive("commune_officer")
    page = visitor.page
    visitor.open("/broadcasts/inbound/")
    assert "hết gạo" in visitor.text()
    assert "VIETTEL" not in visitor.text()  # it belongs to nobody of this commune
    visitor.look()
    picture(visitor, "inbound-1100.png")
    visitor.tab_to("input[name=ids]")
    page.keyboard.press("Space")
    page.check("input[name=ids] >> nth=1")
    page.fill("[name=text]", "x" * 170)
    page.click("button[value=answer]")
    page.wait_for_selector("text=quá 160")
    assert page.is_checked("input[name=ids] >> nth=1")
    visitor.look(answered=422)
    page.fill("[name=text]", "Gọi trạm y tế 0226 1022, có người giúp.")
    page.click("button[value=answer]")
    page.wait_for_selector("text=Đã trả lời 2 tin.")
    town.work()
    sent = SimulatedMessage.objects.filter(text__startswith="Goi tram y te")
    assert sent.count() == 2
    page.check("input[name=ids]")
    page.fill("[name=note]", "đã gọi lại")
    page.click("button[value=close]")
    page.wait_for_selector("text=Đã đóng 1 tin.")
    assert set(InboundMessage.objects.values_list("state", flat=True)) == {
        "answered",
        "closed",
        "auto",
        "held",
    }
    visitor.open("/broadcasts/inbound/?state=all")
    visitor.look()
    visitor.widen(390)
    picture(visitor, "inbound-390.png", tall=1200)


def test_stations_are_entered_given_bulletins_and_watched(
    town: Town, arrive: Arrive, picture: Callable[..., None]
) -> None:
    make_account(Role.COMMUNICATION_OFFICER, town.province, "truyenthong")
    keeper = arrive("truyenthong")
    page = keeper.page
    keeper.open("/broadcasts/stations/")
    keeper.look()
    page.click("text=Thêm đài")
    page.wait_for_url("**/new/")
    keeper.look()
    page.select_option("[name=unit]", label=str(town.commune))
    page.fill("[name=name]", "Đài phường Quang Trung")
    page.select_option("[name=way]", "push")
    page.fill("[name=slots]", "5h30")
    page.click("main form button")
    page.wait_for_selector("text=không dùng được")
    page.fill("[name=slots]", "05:30, 17:00")
    page.click("main form button")
    page.wait_for_selector("text=cần địa chỉ")
    keeper.look(answered=422)
    page.select_option("[name=way]", "pull")
    page.click("main form button")
    page.wait_for_selector("text=Đã lưu đài")
    page.click("text=Cấp mã")
    page.wait_for_selector("code")
    assert re.fullmatch(r"st\d+\.[\w-]{32}", page.inner_text("code"))
    keeper.look()
    page.reload()
    assert page.query_selector("code") is None  # shown once
    officer = make_actor(Role.COMMUNICATION_OFFICER, town.province)
    from khien.rooms.broadcasts.verbs import stations

    stations.save_station(
        officer, unit=town.commune, name="Loa FM tổ 4", kind="fm", way="paper", slots=["06:00"]
    )
    version = make_version(town.commune, is_emergency=True)
    go("loudspeaker", version)
    town.time(clock.now() + timedelta(minutes=30))
    keeper.open("/broadcasts/stations/?sort=late")
    assert "im lặng" in keeper.text()
    keeper.look()
    picture(keeper, "stations-1100.png")
    keeper.open(f"/broadcasts/stations/bulletins/{version.pk}/")
    assert "quá giờ chưa báo" in keeper.text()
    keeper.look()
    picture(keeper, "plays-1100.png")
    helper = arrive("commune_officer", width=390)
    fm = Station.objects.get(kind="fm")
    helper.open(f"/broadcasts/stations/{fm.pk}/")
    helper.look()
    helper.page.click("main table a >> nth=0")
    helper.page.wait_for_url("**/plays/*/")
    assert "ngày hai mươi tháng chín" in helper.text()
    helper.look()
    picture(helper, "play-390.png", tall=1400)
    helper.page.click("button[value=not_played]")
    helper.page.wait_for_selector("text=Chưa ghi vì sao")
    helper.look(answered=422)
    helper.page.click("button[value=played]")
    helper.page.wait_for_selector("text=Đã ghi nhận.")
    assert Play.objects.get(station=fm).state == "played"
    for path in ("articles", "alerts", "push"):
        for code in ("article", "cap", "push"):
            go(code, version)
        keeper.open(f"/broadcasts/{path}/")
        assert "Phong tỏa phường" in keeper.text()
        keeper.look()
