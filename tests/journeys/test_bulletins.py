"""A bulletin in a real browser: begun from a template, counted while it is typed, tested, submitted, then opened,
listened to and approved by another person on a phone, and let out."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import Page, expect

from khien.kernel import clock
from khien.kernel.staff import Role
from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account
from khien.rooms.broadcasts.models import BulletinVersion
from khien.rooms.broadcasts.verbs import dispatch
from tests.journeys import pictures
from tests.journeys.conftest import WIDTHS, Arrive, Visitor
from tests.journeys.town import PASSWORD, SYSTEM, Town, at

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        not (shutil.which("espeak-ng") and shutil.which("lame")),
        reason="as root, `apt-get install espeak-ng lame`",
    ),
]
WAIT_MS = 20_000


def shot(visitor: Visitor, name: str) -> None:
    """Keep what the visitor sees at both widths, where pictures are asked for."""
    before = visitor.page.viewport_size
    for width in WIDTHS:
        visitor.widen(width)
        pictures.keep(visitor.page, f"{name}-{width}")
    if before:
        visitor.page.set_viewport_size(before)


def hire(town: Town, username: str, full_name: str, role: Role) -> None:
    account = Account(username=username, full_name=full_name, created_at=clock.now())
    account.set_password(PASSWORD)
    account.save()
    staff.grant_role(SYSTEM, account=account, role=role, unit=town.province)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_a_bulletin_from_its_template_to_its_approval_by_another_person(town: Town, arrive: Arrive) -> None:
    from khien.rooms.broadcasts.verbs import audiences

    hire(town, "press", "Hoàng Thu Thông", Role.COMMUNICATION_OFFICER)
    administrator = arrive("administrator")
    administrator.open("/broadcasts/bulletins/test-numbers/")
    administrator.page.fill("[name=number]", "0912 345 001")
    administrator.page.fill("[name=holder]", "Phòng thông tin")
    press(administrator.page, "Thêm số")
    expect(administrator.page.get_by_text("Phòng thông tin")).to_be_visible(timeout=WAIT_MS)
    administrator.look()
    shot(administrator, "numbers")

    # The author begins with a template; a gap left open is named and nothing that was typed is lost.
    author = arrive("press")
    page = author.page
    author.open("/broadcasts/bulletins/")
    author.look()
    page.get_by_role("link", name="Soạn bản tin").click()
    page.get_by_role("link", name="Lịch tiêm chủng").click()
    page.locator("[name=unit]").select_option(label="Phường Quang Trung")
    for name, value in (("ngay", "12/1"), ("gio", "7h30"), ("noi", "trạm y tế phường")):
        page.fill(f"[name=value-{name}]", value)
    page.locator("[name=channels][value=article]").check()
    page.locator("[name=channels][value=loudspeaker]").check()
    press(page, "Tạo bản nháp")
    expect(page.get_by_role("alert")).to_contain_text("doi_tuong", timeout=WAIT_MS)
    author.look(answered=422)
    shot(author, "new")
    assert page.input_value("[name=value-noi]") == "trạm y tế phường"
    page.fill("[name=value-doi_tuong]", "người từ 18 tuổi")
    press(page, "Tạo bản nháp")

    # The desk: the SMS is counted while it is typed, and says the same once it is saved.
    page.wait_for_url("**/edit/")
    box = page.locator("textarea[name=text-sms-vi-text]")
    box.fill("Tiêm vắc-xin ngày 12/1 tại trạm y tế phường, từ 7h30. " + "Mời bà con đến đúng giờ. " * 3)
    row = page.locator("[data-sms-of=id_text-sms-vi-text]")
    expect(row.locator("[data-as-is-encoding]")).to_have_text("UCS-2")
    expect(row.locator("[data-as-is-parts]")).to_have_text("2")
    expect(row.locator("[data-plain-encoding]")).to_have_text("GSM-7")
    expect(row.locator("[data-plain-parts]")).to_have_text("1")
    typed = row.locator("[data-as-is-units]").inner_text()
    press(page, "Lưu nháp")
    expect(page.get_by_text("Đã lưu bản nháp")).to_be_visible(timeout=WAIT_MS)
    expect(row.locator("[data-as-is-units]")).to_have_text(typed)
    author.look()
    shot(author, "desk")
    author.tab_to("main form .actions button", most=150)

    # Receivers, sound, test.
    audience = audiences.create_audience(SYSTEM, register="people", units=[town.commune.pk])
    page.reload()
    page.locator("[name=audience]").select_option(value=str(audience.pk))
    press(page, "Chọn")
    expect(page.get_by_text("Đã chọn người nhận")).to_be_visible(timeout=WAIT_MS)
    press(page, "Tạo âm thanh bằng máy")
    expect(page.get_by_text("Đã tạo âm thanh")).to_be_visible(timeout=WAIT_MS)
    press(page, "Gửi tin thử")
    expect(page.get_by_text("Đã gửi tin thử")).to_be_visible(timeout=WAIT_MS)
    town.work()
    page.get_by_role("link", name="Xem lại và trình duyệt").click()
    expect(page.get_by_text("tổng đài đã nhận 1")).to_be_visible(timeout=WAIT_MS)
    author.look()
    shot(author, "submit")
    press(page, "Trình duyệt")
    expect(page.get_by_text("Người khác sẽ duyệt")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_role("link", name="Duyệt", exact=True)).to_have_count(0)
    author.look()

    # Another person, on a phone: nothing is approved unseen or unheard.
    leader = arrive("leader", width=390)
    page = leader.page
    leader.open("/broadcasts/bulletins/")
    leader.look()
    shot(leader, "list")
    page.get_by_role("link", name="Tiêm vắc-xin ngày 12/1 tại trạm y tế phường").first.click()
    page.fill("[name=password]", PASSWORD)
    press(page, "Duyệt")
    expect(page.get_by_role("alert")).to_contain_text("Bạn chưa mở tin nhắn cuối", timeout=WAIT_MS)
    leader.look(answered=409)
    page.get_by_role("link", name="Mở tin nhắn cuối").click()
    expect(page.get_by_text("2 phần")).to_be_visible(timeout=WAIT_MS)
    leader.look()
    shot(leader, "final")
    page.get_by_role("link", name="Đã xem, về trang duyệt").click()
    with page.expect_response(lambda answer: answer.url.endswith("1.mp3")) as heard:
        page.locator("audio").evaluate("player => player.play()")
    assert heard.value.ok
    assert page.locator("audio").evaluate("player => player.duration") > 2
    page.locator("[name=has_listened]").check()
    page.fill("[name=password]", PASSWORD)
    shot(leader, "review")
    leader.look()
    press(page, "Duyệt")
    expect(page.get_by_text("Đã duyệt. Các kênh đang bắt đầu.")).to_be_visible(timeout=WAIT_MS)

    # What a worker does then; each channel is on one page.
    version = BulletinVersion.objects.get()
    assert version.state == "approved"
    runs = dispatch.dispatch_version(version)
    assert [(run.channel, run.failure) for run in runs] == [("article", ""), ("loudspeaker", ""), ("sms", "")]
    page.reload()
    expect(page.get_by_role("heading", name="Từng kênh")).to_be_visible(timeout=WAIT_MS)
    leader.look()
    shot(leader, "bulletin")

    # It is withdrawn with a reason, and says so.
    town.time(at(9, 9))
    page.get_by_text("Rút bản tin").first.click()
    page.fill("[name=reason]", "Hoãn tiêm vì mưa bão")
    press(page, "Rút bản tin")
    expect(page.get_by_text("Hoãn tiêm vì mưa bão")).to_be_visible(timeout=WAIT_MS)
    leader.look()
    page.get_by_role("link", name="Nhật ký").click()
    expect(page.get_by_text("broadcasts.approve_bulletin")).to_be_visible(timeout=WAIT_MS)
    leader.look()
    shot(leader, "log")
