from __future__ import annotations

import json
import re

from django.template.loader import render_to_string
from django.test import Client

from khien.kernel.staff import Role
from khien.rooms.broadcasts import announce
from khien.rooms.broadcasts.models import MessageTemplate, Recipient
from tests.factories import make_account, make_person, make_unit
from tests.rooms.broadcasts.conftest import House


def signed_in(role: str, unit) -> Client:
    client = Client()
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_the_list_counts_and_filters(house: House) -> None:
    house.send(house.people(2), "Tin một {name}", reference="tracing.case:41")
    client = signed_in(Role.COMMUNE_OFFICER, house.commune)
    page = text(client.get("/broadcasts/"))
    assert "Tin một" in page
    assert "đang gửi" in page
    assert "Tin một" not in text(client.get("/broadcasts/?state=settled"))
    assert "Tin một" in text(client.get("/broadcasts/?reference=tracing.case:41&purpose=test"))
    assert "Chưa gửi tin nào" in text(signed_in(Role.TRACER, make_unit("Châu Sơn")).get("/broadcasts/"))


def test_leaders_see_counts_and_officers_see_people(house: House) -> None:
    broadcast = house.send([*house.people(1), make_person("Lê Văn Cường", house.commune)])
    address = f"/broadcasts/{broadcast.pk}/"
    officer = text(signed_in(Role.COMMUNE_OFFICER, house.commune).get(address))
    assert "Lê Văn Cường" in officer
    assert "chưa có số điện thoại" in officer
    assert "+84912340000" not in officer
    leader = text(signed_in(Role.LEADER, house.province).get(address))
    assert "Lê Văn Cường" not in leader
    assert "Không gửi" in leader
    assert signed_in(Role.TRACER, make_unit("Châu Sơn")).get(address).status_code == 404


def test_a_person_decides_on_the_page_to_send_the_unknown_again(house: House) -> None:
    broadcast = house.send(house.people(1))
    Recipient.objects.update(state="unknown")
    client = signed_in(Role.COMMUNICATION_OFFICER, house.commune)
    assert "Gửi lại 1 tin chưa rõ" in text(client.get(f"/broadcasts/{broadcast.pk}/"))
    page = text(client.post(f"/broadcasts/{broadcast.pk}/requeue/", follow=True))
    assert "1 tin chưa rõ được gửi lại" in page
    assert Recipient.objects.get().state == "queued"


def test_a_text_is_changed_with_its_cost_in_view(house: House) -> None:
    client = signed_in(Role.COMMUNICATION_OFFICER, house.commune)
    assert "hết thời gian cách ly" in text(client.get("/broadcasts/templates/"))
    address = "/broadcasts/templates/order_ended/"
    preview = text(client.post(address, {"text": "Đã xong {name}", "preview": "1"}))
    assert "Da xong {name}" in preview
    assert "UCS-2" in preview
    assert client.post(address, {"text": "Đã xong {who}"}).status_code == 422
    assert client.post(address, {"text": "Đã xong {name}"}).status_code == 302
    assert MessageTemplate.objects.get(code="order_ended").text == "Đã xong {name}"


def test_the_panel_of_a_person_never_calls_accepted_delivered(house: House) -> None:
    (an,) = house.people(1)
    house.send([an])
    Recipient.objects.update(state="accepted")
    panel = render_to_string("broadcasts/panel.html", announce._panel(house.tracer, an.pk))
    assert "Tổng đài đã nhận" in panel
    assert "Đã đến máy" not in panel
    assert announce._panel(house.leader, an.pk) is None


def test_the_gateway_delivers_receipts_with_its_token(house: House, settings) -> None:
    broadcast = house.send(house.people(1))
    Recipient.objects.update(state="accepted", message_id="m-1")
    body = {
        "receipts": [
            {"message_id": "m-1", "state": "delivered", "at": "2022-01-10T05:00:00Z"},
            {"message_id": "m-1", "state": "delivered", "at": "2022-01-10T05:00:00Z"},
            {"message_id": "m-2", "state": "expired", "at": "2022-01-10T05:00:00"},
        ]
    }

    def post(token: str) -> tuple[int, dict]:
        answer = Client().post(
            "/api/v1/broadcasts/receipts",
            json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {token}"},
        )
        return answer.status_code, answer.json()

    settings.KHIEN_SMS_TOKEN = ""
    assert post("")[0] == 401
    settings.KHIEN_SMS_TOKEN = "gate-token"
    assert post("wrong")[0] == 401
    assert post("gate-token") == (200, {"received": 3, "stored": 1, "duplicate": 1, "held": 1})
    assert broadcast.recipients.get().state == "delivered"
    body["receipts"][0]["at"] = "0001-01-01T00:00:00Z"
    status, answer = post("gate-token")
    assert (status, answer["code"]) == (422, "bad_date")
    officer = signed_in(Role.COMMUNICATION_OFFICER, house.commune)
    assert "1 báo nhận chưa khớp" in text(officer.get("/broadcasts/"))
    assert "m-2" in text(officer.get("/broadcasts/receipts/"))
