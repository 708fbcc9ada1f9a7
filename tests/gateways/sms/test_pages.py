from __future__ import annotations

import pytest
from django.test import Client

from khien.gateways.sms import sending, verbs
from khien.gateways.sms.models import SimulatorBehaviour
from khien.kernel.staff import Role
from tests.factories import make_account, make_province

pytestmark = pytest.mark.django_db


def test_the_phones_page_is_for_administrators_unless_in_a_demo(client: Client, settings) -> None:
    province, _district, _commune = make_province()
    sending.send_now("0912345678", "Mã của bạn: 123456", "one_time_code")
    settings.KHIEN_DEMO = False
    assert client.get("/gateways/sms/").status_code == 403
    client.force_login(
        make_account(Role.TRACER, province), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert client.get("/gateways/sms/").status_code == 403
    client.force_login(
        make_account(Role.ADMINISTRATOR, province),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    page = client.get("/gateways/sms/").content.decode()
    assert "0912 345 678" in page
    assert "123456" not in page
    settings.KHIEN_DEMO = True
    client.logout()
    page = client.get("/gateways/sms/").content.decode()
    assert "123456" in page
    handle = page.split("/gateways/sms/phones/")[1].split("/")[0]
    assert "0912" not in handle
    assert "123456" in client.get(f"/gateways/sms/phones/{handle}/").content.decode()
    assert client.get("/gateways/sms/phones/none/").status_code == 404


def test_an_administrator_sets_it_on_the_page(client: Client) -> None:
    province, _district, _commune = make_province()
    client.force_login(
        make_account(Role.ADMINISTRATOR, province),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    fields = dict.fromkeys(verbs.SHARES, 0) | dict.fromkeys(verbs.WHOLE, 1)
    assert client.get("/gateways/sms/misbehave/").status_code == 200
    assert client.post("/gateways/sms/misbehave/", fields | {"refused": 0.25}).status_code == 302
    assert SimulatorBehaviour.objects.get().refused == 0.25
    assert client.post("/gateways/sms/misbehave/", fields | {"refused": 2}).status_code == 422
