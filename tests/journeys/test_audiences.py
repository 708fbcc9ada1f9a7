"""Choosing whom a text reaches, what it costs, and the orders to carriers, in a real browser at both widths."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from khien.kernel import clock
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account
from khien.rooms.broadcasts.models import (
    Audience,
    Bulletin,
    BulletinVersion,
    Carrier,
    CarrierOrder,
    Channel,
    ChannelText,
)
from khien.rooms.broadcasts.verbs import orders
from tests.journeys.conftest import Arrive
from tests.journeys.town import PASSWORD, Town, at

SYSTEM = system_actor("test")


@pytest.fixture
def writer(town: Town) -> str:
    account = Account(username="writer", full_name="Hoàng Thu Thông", created_at=clock.now())
    account.set_password(PASSWORD)
    account.save()
    staff.grant_role(SYSTEM, account=account, role=Role.COMMUNICATION_OFFICER, unit=town.province)
    return "writer"


def test_a_writer_chooses_counts_and_prices_an_audience(
    town: Town, writer: str, arrive: Arrive, picture: Any
) -> None:
    officer = arrive(writer, width=390)
    page = officer.page
    officer.open("/broadcasts/audiences/")
    officer.look()
    page.click("text=Chọn người nhận")
    officer.look()
    page.select_option("[name=audience-register]", "staff")
    expect(page.locator("#audience-filters")).to_contain_text("Vai trò")
    page.select_option("[name=audience-register]", "people")
    expect(page.locator("#audience-filters")).to_contain_text("Từ tuổi")
    page.fill("[name=audience-f_age_from]", "18")
    page.locator("label.choice", has_text="Quang Trung").click()
    page.click("text=Đếm thử")
    expect(page.locator("#audience-count")).to_contain_text("6 số điện thoại")
    officer.look()
    picture(officer, "audience-390.png", tall=1600)
    page.click("text=Lưu danh sách")
    page.wait_for_url("**/audiences/*/")
    assert Audience.objects.get().filters == {"age_from": 18}
    page.fill("[name=text]", "Kính gửi {name}: từ 20 giờ hôm nay ở nhà.")
    with page.expect_navigation():
        page.click("main form button")
    expect(page.locator("main")).to_contain_text("Gmobile")
    officer.look()
    officer.widen(1100)
    picture(officer, "audience-1100.png", tall=1100)
    # What cannot be is said, and nothing is kept.
    officer.open("/broadcasts/audiences/new/")
    with page.expect_navigation():
        page.click("text=Lưu danh sách")
    expect(page.locator("main")).to_contain_text("Chưa chọn địa bàn nào")
    officer.look(answered=422)


def test_the_pages_of_carriers_numbers_and_orders_are_whole(
    town: Town, writer: str, arrive: Arrive, picture: Any
) -> None:
    Carrier.objects.exclude(code="viettel").update(is_active=False)
    bulletin = Bulletin.objects.create(unit=town.commune, created_at=clock.now(), created_by=1)
    version = BulletinVersion.objects.create(
        bulletin=bulletin,
        state="approved",
        title="Giãn cách",
        body="Ở nhà.",
        expires_at=at(10, 8),
        content_hash="x" * 64,
        submitted_at=clock.now(),
        submitted_by=1,
    )
    ChannelText.objects.create(
        version=version, channel=Channel.CARRIER_ORDER, text="Từ 20 giờ hôm nay ở nhà."
    )
    (order,) = orders.issue_orders(SYSTEM, version=version)
    keeper = arrive("administrator")
    for path in ("/broadcasts/carriers/", "/broadcasts/carriers/viettel/", "/broadcasts/carriers/ported/"):
        keeper.open(path)
        keeper.look()
    page = keeper.page
    page.set_input_files(
        "[name=file]",
        {
            "name": "so.csv",
            "mimeType": "text/csv",
            "buffer": "Số điện thoại,Nhà mạng\n0912345678,Viettel\n0912,Viettel\n".encode(),
        },
    )
    with page.expect_navigation():
        page.click("text=Nhập tệp")
    expect(page.locator("main")).to_contain_text("Nhận 2 dòng = 1 ghi mới + 0 đã có + 1 bị giữ.")
    keeper.look()
    picture(keeper, "ported-1100.png", tall=900)
    keeper.open("/broadcasts/numbers/")
    page.fill("[name=number]", "0912 345 678")
    with page.expect_navigation():
        page.click("text=Tra số")
    with page.expect_navigation():
        page.click("text=Ghi từ chối nhận bản tin")
    expect(page.locator("main")).to_contain_text("đã từ chối ngày 09/01/2022")
    assert "0912" not in page.url
    keeper.look()
    officer = arrive(writer)
    officer.open("/broadcasts/orders/")
    officer.look()
    officer.page.click(f"text={order.reference}")
    officer.look()
    officer.page.fill("[name=how]", "thư điện tử cho đầu mối")
    with officer.page.expect_navigation():
        officer.page.click("text=Ghi nhận đã gửi")
    town.time(at(11, 9))
    officer.page.reload()
    expect(officer.page.locator("main")).to_contain_text("quá hạn báo cáo")
    picture(officer, "order-1100.png", tall=1100)
    for name, count in (("subscribers", 9), ("accepted", 9), ("delivered", 8), ("failed", 1)):
        officer.page.fill(f"[name={name}]", str(count))
    with officer.page.expect_navigation():
        officer.page.click("text=Lưu báo cáo")
    expect(officer.page.locator("main")).to_contain_text("Nhà mạng đã báo cáo")
    officer.look()
    assert CarrierOrder.objects.get().delivered == 8
    assert CarrierOrder.objects.get().report_due_at == at(10, 8) + timedelta(days=1)
