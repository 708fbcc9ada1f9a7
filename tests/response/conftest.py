from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from khien.gateways.sms import sending
from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.clock.reads import frozen_at
from khien.kernel.events.models import Delivery
from khien.kernel.events.verbs import deliver_pending
from khien.kernel.people.models import Person
from khien.kernel.places.models import Place
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.stays import columns
from khien.kernel.rules.verbs import load_seed
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Broadcast
from khien.rooms.broadcasts.sender import send_broadcast
from khien.rooms.testing import verbs as testing
from khien.rooms.tracing.models import Case, CaseStep
from tests.factories import make_account, make_household, make_person, make_place, make_province

_key = itertools.count(1)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of January 2022 on a Vietnamese wall clock."""
    return datetime(2022, 1, day, hour, minute, tzinfo=UTC) - timedelta(hours=7)


@dataclass
class Outbreak:
    """A market, a case who was there, and those who were near; the rules of January 2022 hold."""

    commune: AdminUnit
    market: Place
    sick: Person
    neighbour: Person
    seller: Person
    passer: Person
    sampler: Actor
    laboratory: Actor
    tracer: Actor
    officer: Actor

    def stay(self, person: Person, start: datetime, minutes: float) -> None:
        stays = columns(
            [person.pk],
            [self.market.pk],
            [start],
            [start + timedelta(minutes=minutes)],
            [f"t{next(_key)}"],
        )
        presence.store(stays, source="scan")

    def positive(self) -> None:
        """The swab was taken at 07:00 and is found positive at 11:00 on 10 January."""
        with frozen_at(at(10, 7)):
            specimen = testing.collect_specimen(self.sampler, barcode="KH00000017", person=self.sick)
        with frozen_at(at(10, 11)):
            testing.record_result(self.laboratory, specimen=specimen, value="positive")

    def work(self, when: datetime) -> None:
        """What workers would do until nothing is left: deliver events, send messages."""
        with frozen_at(when):
            for _round in range(8):
                ran = deliver_pending()
                for broadcast in Broadcast.objects.filter(settled_at__isnull=True):
                    ran += send_broadcast(broadcast.pk, sending.gateway()).sent
                if not ran:
                    break

    def replay(self, when: datetime) -> None:
        """Everything is delivered once more, as after a crash that lost the marks."""
        Delivery.objects.update(done_at=None)
        self.work(when)

    @property
    def case(self) -> Case:
        return Case.objects.get(person=self.sick)

    def steps(self) -> dict[str, datetime]:
        return dict(CaseStep.objects.filter(case=self.case).values_list("step", "at"))


def faults() -> list[str]:
    return [f"{d.handler}: {d.failure}" for d in Delivery.objects.exclude(failure="")]


def inbox(phone: str) -> list[str]:
    """What the simulated phone has received, oldest first."""
    return list(
        SimulatedMessage.objects.filter(number=phone, arrived=True)
        .order_by("pk")
        .values_list("text", flat=True)
    )


def staff(role: str, unit: AdminUnit) -> Actor:
    return actor_of_account(make_account(role, unit))


@pytest.fixture
def outbreak(db: None) -> Iterator[Outbreak]:
    with frozen_at(at(9, 8)):
        load_seed(system_actor("test"))
        province, _district, commune = make_province()
        sick = make_person("Đỗ Văn Bệnh", commune, phone="+84912000001")
        neighbour = make_person("Đỗ Thị Nhà", commune, phone="+84912000002")
        make_household(commune, sick, neighbour)
        outbreak = Outbreak(
            commune=commune,
            market=make_place(commune, "Chợ Bầu", area_m2=100),
            sick=Person.objects.get(pk=sick.pk),
            neighbour=neighbour,
            seller=make_person("Lê Văn Hàng", commune, phone="+84912000003"),
            passer=make_person("Ngô Qua Đường", commune, phone="+84912000004"),
            sampler=staff(Role.SAMPLER, commune),
            laboratory=staff(Role.LABORATORY, province),
            tracer=staff(Role.TRACER, province),
            officer=staff(Role.COMMUNE_OFFICER, commune),
        )
        outbreak.stay(outbreak.sick, at(9, 8), 60)
        outbreak.stay(outbreak.seller, at(9, 8, 10), 45)
        outbreak.stay(outbreak.passer, at(9, 11), 30)
        yield outbreak
