from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from khien.gateways.sms.models import SimulatorBehaviour
from khien.kernel import clock
from khien.kernel.people.models import Person
from khien.kernel.staff import Role, system_actor
from khien.rooms.broadcasts import verbs
from khien.rooms.broadcasts.models import Broadcast
from tests.factories import NOON, make_actor, make_person, make_province
from tests.rooms.broadcasts.press import Press, furnish


class House(SimpleNamespace):
    """A commune with a communication officer; now is noon."""

    def people(self, count: int) -> list[Person]:
        return [
            make_person(f"Người {number}", self.commune, phone=f"+8491234{number:04d}")
            for number in range(count)
        ]

    def send(self, people: list[Person], text: str = "Xin chào {name}", **more: object) -> Broadcast:
        return verbs.send_to_people(self.system, people=people, text=text, purpose="test", **more)

    def misbehave(self, **how: float) -> None:
        SimulatorBehaviour.objects.update_or_create(pk=1, defaults={"receipt_delay_s": 0, **how})


def furnished() -> House:
    province, _district, commune = make_province()
    return House(
        province=province,
        commune=commune,
        system=system_actor("test"),
        officer=make_actor(Role.COMMUNICATION_OFFICER, commune),
        leader=make_actor(Role.LEADER, province),
        tracer=make_actor(Role.TRACER, commune),
    )


@pytest.fixture
def house(db: None) -> Iterator[House]:
    with clock.reads.frozen_at(NOON):
        yield furnished()


@pytest.fixture
def press(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Press]:
    """A commune's author, the province's leaders, and channels that note what they are told."""
    yield from furnish(monkeypatch)
