"""A place with a poster, another, a line to the server, and a guard's phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from khien.kernel.places import verbs as places
from khien.kernel.places.models import Place
from khien.kernel.staff import system_actor
from tests.factories import make_place, make_province
from tests.journeys import gate
from tests.journeys.conftest import Visitor
from tests.waiting import wait_until

SYSTEM = system_actor("test")


@pytest.fixture
def market() -> Place:
    places.load_kinds(SYSTEM)
    return make_place(make_province()[2], "Chợ Bầu", code="GATE234567")


@pytest.fixture
def bridge(market: Place) -> Place:
    return make_place(market.unit, "Cầu Hồng Phú", "checkpoint", code="GATE765432")


@pytest.fixture
def line(live_server: Any, settings: Any) -> Iterator[gate.Line]:
    with gate.line_to(live_server.url) as line:
        settings.KHIEN_URL = line.url
        yield line
    # What is still being answered when the browser goes must end before the tables are emptied.
    wait_until(lambda: not others_at_work(), 20)


def others_at_work() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND state <> 'idle' AND backend_type = 'client backend'"
        )
        return int(cursor.fetchone()[0])


@pytest.fixture
def phone(browser: Any, line: gate.Line) -> Iterator[Visitor]:
    """A guard's phone, new."""
    context = browser.new_context(locale="vi-VN", viewport={"width": 390, "height": 844})
    visitor = Visitor(context.new_page(), "")
    yield visitor
    context.close()
