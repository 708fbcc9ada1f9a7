"""Quarantine in a real browser: the officer signs and follows up, the person reports by the link of a message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from khien.kernel import clock
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Role, system_actor
from khien.rooms.quarantine import links, verbs
from khien.rooms.quarantine.models import Alarm, FollowUp, Order
from khien.rooms.quarantine.verbs import Exposed
from tests.factories import make_account, make_actor, make_person, make_province
from tests.journeys.conftest import WIDTHS, Visitor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def order() -> Order:
    """A contact under order and a case whose isolation waits for a signature, in one commune."""
    load_seed(system_actor("test"))
    province, _district, commune = make_province()
    make_account(Role.COMMUNE_OFFICER, commune, username="yte-xa")
    contact = make_person("Trần Thị Bưởi", commune, phone="+84912000001")
    case = make_person("Ngô Văn Ổi", commune, phone="+84912000002")
    now = clock.now()
    [outcome] = verbs.issue_orders(
        make_actor(Role.TRACER, province),
        case_id=41,
        people=[Exposed(contact.pk, 1, now - timedelta(days=1))],
    )
    verbs.propose_isolation(system_actor("test"), case_id=41, person_id=case.pk, sampled_at=now)
    verbs.make_due_follow_ups(system_actor("test"))
    return Order.objects.get(pk=outcome.order_id)


def test_every_page_is_whole(visitor: Visitor, order: Order) -> None:
    verbs.raise_alarm(
        system_actor("test"), person_id=order.person_id, kind="scanned_outside", evidence={"scan": 1}
    )
    visitor.sign_in("yte-xa")
    link = f"/quarantine/f/{links.token('f', order.pk)}/"
    faults = []
    for path in (
        "/quarantine/",
        "/quarantine/orders/",
        f"/quarantine/orders/{order.pk}/",
        f"/quarantine/new/{order.person.public_id}/",
        link,
        f"{link}name/",
        f"{link}done/",
        f"/quarantine/v/{links.token('v', order.pk)}/",
    ):
        for width in WIDTHS:
            visitor.page.set_viewport_size({"width": width, "height": 800})
            visitor.open(path)
            faults += [f"{path} at {width} px: {fault}" for fault in visitor.faults()]
    assert faults == []


def test_the_person_reports_by_the_link_and_the_officer_sees_it_and_signs(
    visitor: Visitor, order: Order
) -> None:
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 800})
    visitor.open(f"/quarantine/f/{links.token('f', order.pk)}/")
    for target in page.locator("main .choice, main button, main input[type=text]").all():
        box = target.bounding_box()
        assert box is not None
        assert box["height"] >= 44, target.inner_text()
    page.fill("[name=temperature]", "38,4")
    page.get_by_label("Ho", exact=True).check()
    page.get_by_role("button", name="Gửi").click()
    expect(page.get_by_role("heading", name="Đã gửi, cảm ơn bạn")).to_be_visible()
    assert FollowUp.objects.get().symptoms == ["cough"]

    visitor.sign_in("yte-xa")
    visitor.open("/quarantine/")
    expect(page.get_by_text("có triệu chứng")).to_be_visible()
    page.get_by_role("button", name="Ký").click()
    expect(page.get_by_text("Đã ký quyết định số 2/")).to_be_visible()
    visitor.open("/quarantine/")
    page.get_by_role("link", name="có triệu chứng").click()
    page.get_by_label("Kết quả").select_option("care")
    page.get_by_label("Đã xử lý thế nào").fill("đã đưa đi lấy mẫu tại trạm")
    page.get_by_role("button", name="Ghi kết quả xử lý").click()
    expect(page.get_by_text("Đã ghi kết quả xử lý.")).to_be_visible()
    assert Alarm.objects.get().outcome == "care"
