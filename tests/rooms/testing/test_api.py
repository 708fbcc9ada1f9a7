from __future__ import annotations

import json

from django.test import Client

from khien.kernel.staff import Role
from khien.rooms.testing.models import Result
from tests.factories import make_account
from tests.rooms.testing.conftest import House


def post(client: Client, body: object) -> tuple[int, dict]:
    answer = client.post("/api/v1/testing/results", json.dumps(body), content_type="application/json")
    return answer.status_code, answer.json()


def laboratory(house: House, role: str = Role.LABORATORY) -> Client:
    client = Client()
    client.force_login(
        make_account(role, house.province), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


def test_a_batch_is_answered_row_by_row_and_may_be_sent_again(house: House) -> None:
    house.collect("T0001")
    body = {
        "results": [
            {"barcode": "T0001", "value": "positive", "ct_value": "21.3", "assay": "RT-PCR"},
            {"barcode": "T0002", "value": "negative"},
            {"barcode": "\u0000", "value": "\u0000", "assay": "\u0000"},
        ]
    }
    status, answer = post(laboratory(house), body)
    assert status == 200
    assert (answer["received"], answer["stored"], answer["duplicate"], answer["held"]) == (3, 1, 0, 2)
    assert [(r["row"], r["state"], r["code"]) for r in answer["rows"]] == [
        (1, "stored", ""),
        (2, "held", "unknown_tube"),
        (3, "held", "bad_barcode"),
    ]
    _status, again = post(laboratory(house), body)
    assert (again["stored"], again["duplicate"], again["held"]) == (0, 1, 2)
    assert Result.objects.count() == 1


def test_problems_have_one_shape(house: House) -> None:
    assert post(Client(), {"results": []})[0] == 401
    status, answer = post(laboratory(house), {"results": []})
    assert (status, answer["code"]) == (422, "malformed")
    status, answer = post(
        laboratory(house, Role.SAMPLER), {"results": [{"barcode": "T0001", "value": "negative"}]}
    )
    assert (status, answer["code"]) == (403, "not_allowed")
