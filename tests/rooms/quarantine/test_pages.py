"""The doors of the room: the officer's day, one order, the person's link, the paper and its check."""

from __future__ import annotations

import io
import json
from datetime import timedelta

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from pypdf import PdfReader

from khien.kernel.audit.models import AuditLine
from khien.kernel.registries import person_panels, search_entries
from khien.kernel.staff import Role
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.rooms.quarantine import links, printing, verbs
from khien.rooms.quarantine.models import Alarm, FollowUp, Order
from tests.factories import NOON, make_account, make_actor, make_person, make_unit
from tests.rooms.quarantine.conftest import World


@pytest.fixture
def officer(world: World) -> Client:
    client = Client()
    client.force_login(
        make_account(Role.COMMUNE_OFFICER, world.commune),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    return client


def text_of(answer: object) -> str:
    return answer.content.decode()  # type: ignore[attr-defined]


def test_the_officers_day_shows_drafts_alarms_and_follow_ups_of_the_commune(
    world: World, officer: Client
) -> None:
    world.issue()
    verbs.make_due_follow_ups(world.system)
    verbs.raise_alarm(
        world.system, person_id=world.person.pk, kind="scanned_outside", evidence={"scan": 1, "place": 2}
    )
    sick = make_person("Đinh Văn Dũng", world.commune)
    verbs.propose_isolation(world.system, case_id=3, person_id=sick.pk, sampled_at=NOON)
    elsewhere = make_person("Phạm Ở Xa", make_unit("Khác", world.province))
    world.issue(elsewhere)
    page = text_of(officer.get("/quarantine/"))
    assert "Trần Thị Bưởi" in page
    assert "Đinh Văn Dũng" in page
    assert "quét mã ở nơi khác" in page
    assert "tel:+84912000001" in page
    assert "Phạm Ở Xa" not in page
    line = AuditLine.objects.get(act="quarantine.day")
    assert line.persons == sorted([world.person.pk, sick.pk])
    draft = Order.objects.get(person=sick)
    answer = officer.post(f"/quarantine/orders/{draft.pk}/sign/")
    assert answer.status_code == 302
    draft.refresh_from_db()
    assert draft.state == "issued"


def test_the_list_of_orders_keeps_its_filter_in_the_address(world: World, officer: Client) -> None:
    order = world.issue()
    watch = world.issue(make_person("Lê Văn Cam", world.commune), case_id=2, degree=2)
    page = text_of(officer.get("/quarantine/orders/?kind=watch&state=issued"))
    assert watch.number in page
    assert order.number not in page
    page = text_of(officer.get("/quarantine/orders/?q=buoi"))
    assert order.number in page
    assert watch.number not in page
    assert order.number in text_of(officer.get("/quarantine/orders/?case=1"))
    assert officer.get("/quarantine/orders/?degree=9&page=x&unit=abc").status_code == 200


def test_the_page_of_an_order_does_what_its_forms_say(world: World, officer: Client) -> None:
    order = world.issue()
    at = f"/quarantine/orders/{order.pk}/"
    assert officer.get(at).status_code == 200
    assert officer.get(at + "extend/").status_code == 302
    wrong = officer.post(at + "extend/", {"last_day": "2022-01-12", "reason": "chờ kết quả xét nghiệm"})
    assert wrong.status_code == 422
    assert "Ngày mới phải sau ngày 22/01/2022" in text_of(wrong)
    assert officer.post(at + "extend/", {"last_day": "khi nào", "reason": ""}).status_code == 422
    for address, data in [
        ("extend/", {"last_day": "2022-01-25", "reason": "chờ kết quả xét nghiệm"}),
        ("move/", {"kind": "home", "address": "Nhà bà ngoại", "reason": "nhà mình đông người"}),
        ("follow/", {"day": "2022-01-10", "temperature": "38,5", "symptoms": ["cough"], "channel": "visit"}),
        ("end/", {"reason": "âm tính hai lần liền"}),
    ]:
        answer = officer.post(at + address, data)
        assert answer.status_code == 302, (address, text_of(answer))
    page = text_of(officer.get(at))
    for words in [
        "chờ kết quả xét nghiệm",
        "nhà mình đông người",
        "38,5",
        "âm tính hai lần liền",
        "có triệu chứng",
    ]:
        assert words in page, words
    alarm = Alarm.objects.get()
    assert officer.post(f"/quarantine/alarms/{alarm.pk}/", {"outcome": "care", "note": ""}).status_code == 422
    assert (
        officer.post(
            f"/quarantine/alarms/{alarm.pk}/", {"outcome": "care", "note": "đã đưa đi lấy mẫu"}
        ).status_code
        == 302
    )
    assert officer.post(at + "cancel/", {"reason": "ra nhầm người"}).status_code == 422


def test_other_communes_and_other_roles_find_the_doors_closed(world: World) -> None:
    order = world.issue()
    stranger = Client()
    stranger.force_login(
        make_account(Role.COMMUNE_OFFICER, make_unit("Khác")),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    for address in ["", "order.pdf"]:
        assert stranger.get(f"/quarantine/orders/{order.pk}/{address}").status_code == 404
    leader = Client()
    leader.force_login(
        make_account(Role.LEADER, world.province),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    assert leader.get("/quarantine/").status_code == 403
    assert Client().get(f"/quarantine/orders/{order.pk}/").status_code == 302


def test_an_officer_issues_by_hand_in_the_own_name(world: World, officer: Client) -> None:
    at = reverse("quarantine:new", args=[world.person.public_id])
    assert officer.get(at).status_code == 200
    future = {"degree": "1", "last_exposure": "2022-02-01T08:00"}
    assert "tương lai" in text_of(officer.post(at, future))
    assert "Đã quá thời hạn" in text_of(
        officer.post(at, {"degree": "2", "last_exposure": "2021-12-20T08:00"})
    )
    answer = officer.post(at, {"degree": "1", "last_exposure": "2022-01-09T08:00", "vaccinated": "on"})
    assert answer.status_code == 302
    order = Order.objects.get()
    assert (order.case_id, order.signed_by_name) == (None, "Cán bộ Thử")
    assert (order.ends_at - NOON).days == 6


def test_the_paper_is_one_page_that_says_it_all_and_its_code_proves_it(world: World, officer: Client) -> None:
    order = world.issue()
    answer = officer.get(f"/quarantine/orders/{order.pk}/order.pdf")
    assert answer["Content-Type"] == "application/pdf"
    assert answer["Content-Disposition"] == 'inline; filename="quyet-dinh-cach-ly-1-2022.pdf"'
    reader = PdfReader(io.BytesIO(answer.content))
    assert len(reader.pages) == 1
    words = " ".join(reader.pages[0].extract_text().split())
    for wanted in [
        "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
        "1/2022/QĐ-CLYT",
        "Trần Thị Bưởi",
        "1990",
        "hết ngày 22/01/2022",
        "10696/BYT-MT",
        "115",
    ]:
        assert wanted in words, wanted
    address = links.verify_url(order.pk)
    page = text_of(Client().get(address.removeprefix("http://127.0.0.1:8000")))
    assert "1/2022/QĐ-CLYT" in page
    assert "22/01/2022" in page
    assert "Bưởi" not in page
    forged = f"/quarantine/v/{links.token('f', order.pk)}/"
    assert Client().get(forged).status_code == 404


def test_longest_words_still_fit_one_page(world: World) -> None:
    person = make_person(
        "Nguyễn Phan Hoàng Công Tằng Tôn Nữ Thị Ngọc Phương Anh",
        world.commune,
        address="Số 1234/56/78 ngõ 9, " * 5,
    )
    order = verbs.propose_isolation(world.system, case_id=1, person_id=person.pk, sampled_at=NOON)
    assert order is not None
    order = verbs.sign_order(world.officer, order_id=order.pk)
    order = verbs.extend_order(
        world.officer, order_id=order.pk, last_day=NOON.date() + timedelta(days=20), reason="còn dương tính"
    )
    assert len(PdfReader(io.BytesIO(printing.order_pdf(order))).pages) == 1


def test_the_link_opens_the_daily_form_and_nothing_else(world: World) -> None:
    order = world.issue()
    at = f"/quarantine/f/{links.token('f', order.pk)}/"
    phone = Client()
    page = text_of(phone.get(at))
    assert "22/01/2022" in page
    assert "Bưởi" not in page
    assert phone.post(at, {"temperature": "nóng lắm"}).status_code == 422
    assert not FollowUp.objects.exists()
    answer = phone.post(at, {"temperature": "36,8"})
    assert answer.headers["Location"] == at + "done/"
    assert phone.get(at + "done/").status_code == 200
    assert FollowUp.objects.get().channel == "page"
    assert "đã báo rồi" in text_of(phone.get(at))
    assert phone.post(at + "name/", {"year": "1950"}).status_code == 422
    assert phone.post(at + "name/", {"year": "1990"}).status_code == 302
    assert "Trần Thị Bưởi" in text_of(phone.get(at))
    assert "Bưởi" not in text_of(Client().get(at))


@pytest.mark.parametrize(
    "token", ["1-abc", "0", "x", "1-", "zzzzzzzzzzzzzzzz-aaaa", "-1-a", "é-aaaaaaaaaaaaaaaa"]
)
def test_a_guessed_link_opens_nothing(world: World, token: str) -> None:
    world.issue()
    assert Client().get(f"/quarantine/f/{token}/").status_code == 404


def test_a_signed_in_person_sees_the_own_orders_and_papers_only(world: World) -> None:
    order = world.issue()
    other = world.issue(make_person("Lê Văn Cam", world.commune), case_id=2)
    me = Client()
    session = me.session
    session[RESIDENT_SESSION_KEY] = world.person.pk
    session.save()
    page = text_of(me.get("/quarantine/mine/"))
    assert order.number in page
    assert other.number not in page
    assert me.get(f"/quarantine/mine/{order.pk}.pdf")["Content-Type"] == "application/pdf"
    assert me.get(f"/quarantine/mine/{other.pk}.pdf").status_code == 404


def test_the_registries_know_the_room(world: World) -> None:
    order = world.issue()
    leader = make_actor(Role.LEADER, world.province)
    panel = person_panels.get("quarantine.orders")
    assert panel.read(leader, world.person.pk) is None
    shown = panel.read(world.officer, world.person.pk)
    assert shown is not None
    assert order.number in render_to_string(panel.template, shown)
    [hit] = search_entries.get("quarantine.orders").find(world.officer, "1/2022", 5)
    assert hit.url == f"/quarantine/orders/{order.pk}/"
    assert search_entries.get("quarantine.orders").find(leader, "1/2022", 5) == []


def test_the_machine_door_lists_and_records_follow_ups(world: World, officer: Client) -> None:
    order = world.issue()
    verbs.make_due_follow_ups(world.system)
    at = "/api/v1/quarantine/follow-ups"
    assert Client().get(at).status_code == 401
    answer = officer.get(at).json()
    assert (answer["count"], answer["items"][0]["order"], answer["items"][0]["state"]) == (1, order.pk, "due")
    assert officer.get(at + "?state=sleeping").json()["field"] == "state"
    post = f"/api/v1/quarantine/orders/{order.pk}/follow-ups"

    def send(**body: object) -> object:
        return officer.post(post, json.dumps(body), content_type="application/json")

    assert send(temperature="99").status_code == 422  # type: ignore[attr-defined]
    assert send(temperature="37,9").json()["temperature"] == 37.9  # type: ignore[attr-defined]
    assert officer.get(at + "?state=due").json()["count"] == 0
    assert Alarm.objects.count() == 1
