"""What an officer sees of a bus that came through a gate."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from khien.kernel import clock
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.rooms.checkpoints import verbs
from tests.factories import make_account, make_actor
from tests.journeys import pictures
from tests.journeys.conftest import Visitor
from tests.rooms.checkpoints.cards import cccd, event

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_officer_sees_who_came_together(visitor: Visitor, market: Place) -> None:
    group = str(uuid4())
    named = ("Trần Văn Lái", "Phạm Thị Hoa", "Vũ Thị Gấm")
    cards = [cccd(f"03509000001{n}", name) for n, name in enumerate(named)]
    typed = "KA1:" + json.dumps({"name": "Lê Văn Cường", "year": 1980, "from": "Lý Nhân"})
    events = [event(market.code, code, clock.now(), group=group) for code in (*cards, typed)]
    assert verbs.store_scans(make_actor(Role.GUARD, market.unit), events).stored == 4
    Person.objects.update(unit=market.unit)
    make_account(Role.COMMUNE_OFFICER, market.unit, username="officer")
    visitor.sign_in("officer")
    visitor.complaints.clear()  # the desk itself needs a province
    for name, address, words in (
        ("person", f"/desk/people/{Person.objects.get(full_name=named[0]).public_id}/", "và 1 người chưa rõ"),
        ("typed", "/checkpoints/typed/", "Đi cùng:"),
    ):
        visitor.open(address)
        said = visitor.text()
        assert "Phạm Thị Hoa" in said
        assert "Vũ Thị Gấm" in said
        assert words in said
        visitor.look()
        for width in (390, 1100):
            visitor.widen(width)
            pictures.keep(visitor.page, f"together-{name}-{width}")
    assert visitor.kept == []
