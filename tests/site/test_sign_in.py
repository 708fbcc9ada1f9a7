"""Staff sign in with a password and, once they have one, a code from their phone; guessing is locked out."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal import auth as totp
from django.test import Client

from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Account
from tests.factories import make_account, make_unit

pytestmark = pytest.mark.django_db
PASSWORD = "mat-khau-thu-nghiem"


@pytest.fixture
def account() -> Account:
    rules.load_seed(system_actor("test"))
    return make_account(Role.TRACER, make_unit(), username="lan", password=PASSWORD)


def sign_in(client: Client, password: str = PASSWORD) -> object:
    return client.post("/accounts/login/", {"login": "lan", "password": password})


def test_the_right_password_opens_the_desk(client: Client, account: Account) -> None:
    assert sign_in(client).url == "/desk/"
    assert client.get("/desk/").status_code == 200


def test_a_closed_account_is_not_let_in(client: Client, account: Account) -> None:
    sign_in(client)
    Account.objects.update(is_active=False)
    assert client.get("/desk/").status_code == 302
    assert sign_in(Client()).url != "/desk/"


def test_nobody_signs_up(client: Client) -> None:
    client.post("/accounts/signup/", {"username": "moi", "password1": "mat-khau-dai-va-la"})
    assert not Account.objects.exists()


def test_guessing_is_locked_out_even_with_the_right_password_at_last(
    client: Client, account: Account
) -> None:
    for _attempt in range(8):
        sign_in(client, "sai")
    sign_in(client)
    assert client.get("/desk/").status_code == 302
    another_process = Client()  # the count is in the database, not in the memory of one process
    sign_in(another_process)
    assert another_process.get("/desk/").status_code == 302


def test_with_a_second_factor_the_password_alone_opens_nothing(client: Client, account: Account) -> None:
    secret = totp.generate_totp_secret()
    Authenticator.objects.create(
        user=account, type=Authenticator.Type.TOTP, data={"secret": get_adapter().encrypt(secret)}
    )
    assert secret not in str(Authenticator.objects.values_list("data", flat=True))
    assert "/2fa/" in sign_in(client).url
    assert client.get("/desk/").status_code == 302
    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200
    counter = int(time.time()) // 30
    code = totp.format_hotp_value(totp.hotp_value(secret, counter))
    client.post("/accounts/2fa/authenticate/", {"code": code})
    assert client.get("/desk/").status_code == 200


def test_every_answer_carries_the_strict_policy(client: Client) -> None:
    policy = client.get("/").headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy.replace("wasm-unsafe-eval", "")
