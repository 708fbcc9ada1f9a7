"""Every operation keeps the promises of its OpenAPI description, whatever it is sent.

Schemathesis makes the requests from the description itself; each is sent as nobody, as a member of staff
with every role, and as a device.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Device, RoleGrant
from khien.kernel.staff.reads import hash_token
from khien.site.wsgi import application
from tests.factories import make_account, make_person, make_place, make_province

PROMISES = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

TOKEN = "thiet-bi-thu-nghiem"


@pytest.fixture
def callers(db: None) -> Iterator[dict[str, dict[str, str]]]:
    """Headers of each sort of caller, on a small province with somebody in it."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    rules.load_seed(system_actor("test"))
    province, _district, commune = make_province()
    make_person(unit=commune, phone="+84912345678")
    make_place(commune)
    account = make_account(Role.ADMINISTRATOR, province)
    for role in Role.values:
        RoleGrant.objects.get_or_create(
            account=account,
            role=role,
            unit=province,
            defaults={"during": (datetime(2020, 1, 1, tzinfo=UTC), None)},
        )
    Device.objects.create(
        name="Chốt thử",
        unit=commune,
        token_hash=hash_token(TOKEN),
        enrolled_at=datetime(2022, 1, 1, tzinfo=UTC),
        enrolled_by=account,
    )
    client = Client()
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    session = client.cookies["sessionid"].value
    csrf = "a" * 32
    yield {
        "nobody": {},
        "staff": {"Cookie": f"sessionid={session}; csrftoken={csrf}", "X-CSRFToken": csrf},
        "device": {"Authorization": f"Bearer {TOKEN}"},
    }
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def keep_promises(operation: Any, headers: dict[str, str]) -> None:
    """Send a dozen generated requests of one operation as one caller."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=12,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def promise(case: Any) -> None:
        case.validate_response(case.call(headers=headers), checks=PROMISES)

    promise()


def test_the_api_keeps_its_description(callers: dict[str, dict[str, str]]) -> None:
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        for headers in callers.values():
            keep_promises(operation, headers)
    assert len(operations) >= 4


def test_an_address_that_there_is_not_is_answered_as_machines_read(client: Client) -> None:
    answer = client.get("/api/v1/tracing/cases/-70003/contacts")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert client.get("/nothing/here/").headers["Content-Type"].startswith("text/html")
