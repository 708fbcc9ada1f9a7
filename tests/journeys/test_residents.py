"""A resident's own pages and the desk that helps those without a phone, in a real browser at both widths."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.audit import verbs as audit
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.stays import columns
from khien.kernel.rules import retention
from khien.kernel.staff import Role, system_actor
from tests.factories import make_account
from tests.journeys.conftest import Arrive
from tests.journeys.town import PASSWORD, Town, at

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_resident_reads_their_own_data_on_a_phone_and_leaves_it(
    town: Town, arrive: Arrive, picture: Callable[..., None]
) -> None:
    binh = town.residents[2]
    for day in (7, 8):
        enter = at(day, 9, 15)
        stay = columns(
            [binh.person.pk], [town.cafe.pk], [enter], [enter + timedelta(minutes=50)], [f"k{day}"]
        )
        presence.store(stay, source="scan")
    retention.forget(system_actor("retention"))
    audit.seal_lines()
    visitor = arrive(width=390)
    page = visitor.page
    visitor.open("/me/places/")
    page.wait_for_url("**/sign-in/?next=**")
    visitor.look()
    picture(visitor, "resident-sign-in-390.png")
    page.fill("[name=phone]", binh.phone)
    page.click("text=Gửi mã cho tôi")
    page.wait_for_url("**/sign-in/code/")
    visitor.look()
    picture(visitor, "resident-code-390.png")
    found = re.search(r"\b\d{6}\b", SimulatedMessage.objects.latest("pk").text)
    assert found
    page.fill("[name=code]", found[0])
    page.check("[name=shared]")
    page.click("text=Tiếp tục")
    page.wait_for_url("**/me/places/")
    told = visitor.text()
    assert "Quán cà phê Góc Phố" in told
    assert "Xóa ngày 29/01/2022" in told  # 21 days after the 7th
    visitor.look()
    picture(visitor, "resident-places-390.png", tall=1500)
    page.click("text=Xem nhật ký xóa hằng ngày")
    page.wait_for_url("**/deletions/")
    assert "09/01/2022" in visitor.text()
    visitor.look()
    picture(visitor, "deletions-390.png")
    visitor.open("/me/")
    assert "tự thoát sau 15 phút" in visitor.text()
    visitor.look()
    picture(visitor, "resident-me-390.png", tall=1500)
    small = page.evaluate(
        "[...document.querySelectorAll('main button, main a.button')].filter(b => b.offsetHeight < 48).length"
    )
    assert small == 0
    page.click("main button:has-text('Thoát')")
    page.wait_for_url("**/sign-out/")
    visitor.look()
    page.go_back()
    page.wait_for_load_state()
    assert binh.name not in page.content()


def test_an_officer_helps_somebody_without_a_phone_by_keyboard(
    town: Town, arrive: Arrive, picture: Callable[..., None]
) -> None:
    make_account(Role.CLERK, town.commune, username="clerk", password=PASSWORD)
    who = town.residents[3]
    visitor = arrive("clerk")
    page = visitor.page
    page.keyboard.press("/")
    page.keyboard.type(who.name)
    page.keyboard.press("Enter")
    page.click(f"main a:has-text('{who.name}')")
    page.click("text=Làm giúp tại quầy")
    page.wait_for_url("**/help/")
    visitor.look()
    visitor.tab_to("[name=task]")
    page.keyboard.press("ArrowDown")
    visitor.tab_to("[name=number]")
    page.keyboard.type(who.number)
    visitor.tab_to("[name=purpose]")
    page.keyboard.type("không có điện thoại")
    picture(visitor, "help-begin-1100.png")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/desk/help/\d+/$"))
    assert who.number not in page.url
    visitor.look()
    picture(visitor, "help-1100.png")
    page.click("text=Mở: Khai báo y tế")
    page.wait_for_url("**/declarations/")
    assert f"Đang làm giúp {who.name}" in page.inner_text(".helping")
    visitor.look()
    visitor.widen(390)
    picture(visitor, "help-declaration-390.png")
    page.click(".helping >> text=Kết thúc làm giúp")
    page.wait_for_url(f"**/desk/people/{who.person.public_id}/")
    assert "Đã kết thúc làm giúp" in page.inner_text("main")
    visitor.open("/declarations/mine/")
    page.wait_for_url("**/sign-in/?next=**")
