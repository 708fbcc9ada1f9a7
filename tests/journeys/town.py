"""A small town for the journeys: units, rules, places, staff, residents, and a clock that the test moves.

Everybody is invented: names come from the simulation, card numbers are of a century that has not begun, phones of
a range without subscribers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np
from django.apps import apps
from django.db import connection
from django.db.migrations import RunPython
from django.db.migrations.loader import MigrationLoader

from khien.gateways.sms import sending
from khien.kernel import clock
from khien.kernel.clock import verbs as clock_verbs
from khien.kernel.clock.models import ClockSetting
from khien.kernel.events.models import Delivery
from khien.kernel.events.verbs import deliver_pending
from khien.kernel.people import verbs as people
from khien.kernel.people.models import Household, Person
from khien.kernel.people.verbs import NewDocument
from khien.kernel.places import verbs as places
from khien.kernel.places.models import Place
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Broadcast
from khien.rooms.broadcasts.sender import send_broadcast
from khien.rooms.checkpoints.jobs import derive_when_due
from khien.rooms.declarations import verbs as declarations
from khien.rooms.testing.models import Result, Specimen
from khien.rooms.tracing.models import Case, CaseStep
from khien.simulation import names
from tests.factories import make_declared, make_place, make_province, make_unit

PASSWORD = "mat-khau-thu-nghiem"
SYSTEM = system_actor("test")
STAFF = {
    Role.GUARD: "Vũ Đức Trực",
    Role.SAMPLER: "Lê Thị Mẫn",
    Role.LABORATORY: "Phạm Quang Nghiệm",
    Role.TRACER: "Nguyễn Thị Minh Truy",
    Role.COMMUNE_OFFICER: "Trần Văn Hòa",
    Role.LEADER: "Đỗ Xuân Lãnh",
    Role.ADMINISTRATOR: "Đặng Hữu Quản",
}


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of January 2022 on a Vietnamese wall clock."""
    return datetime(2022, 1, day, hour, minute, tzinfo=UTC) - timedelta(hours=7)


@dataclass(frozen=True)
class Resident:
    """Somebody with a card and a phone."""

    person: Person
    number: str
    phone: str

    @property
    def name(self) -> str:
        return self.person.full_name

    @property
    def born(self) -> int:
        assert self.person.birth_year is not None
        return self.person.birth_year

    @property
    def card(self) -> str:
        """What the QR code of the identity card says."""
        day = self.person.birth_date
        assert day is not None
        sex = "Nữ" if self.person.sex == "f" else "Nam"
        return f"{self.number}||{self.name}|{day:%d%m%Y}|{sex}|{self.person.address}|15042021"


@dataclass
class Town:
    """The province's first ward with two places, the staff of each role, and the residents of the story."""

    province: AdminUnit
    commune: AdminUnit
    communes: list[AdminUnit]
    cafe: Place
    one_stop: Place
    residents: list[Resident] = field(default_factory=list)

    def time(self, moment: datetime) -> None:
        """From here on it is `moment`, for the server too."""
        clock_verbs.anchor(moment, speed=0.0)

    def work(self, moment: datetime | None = None) -> None:
        """What the worker and the ticker would do until nothing is left: presence, events, messages."""
        if moment is not None:
            self.time(moment)
        for _round in range(20):
            done = derive_when_due() + deliver_pending()
            for broadcast in Broadcast.objects.filter(settled_at__isnull=True):
                done += send_broadcast(broadcast.pk, sending.gateway()).sent
            if not done:
                break
        failed = Delivery.objects.exclude(failure="").values_list("handler", "failure")
        assert list(failed) == []

    def close(self) -> None:
        forget_the_time()


def forget_the_time() -> None:
    """Business time is the real time again."""
    ClockSetting.objects.all().delete()
    clock.reads._setting = (-1e9, None)


def found_town() -> Town:
    """The town on Sunday 9 January 2022 at 08:00."""
    clock_verbs.anchor(at(9, 8), speed=0.0)
    write_what_migrations_wrote()
    province, city, commune = make_province()
    rules.load_seed(SYSTEM)
    places.load_kinds(SYSTEM)
    declarations.load_forms(SYSTEM)
    communes = [commune]
    for name, kind in (
        ("Lương Khánh Thiện", "Phường"),
        ("Minh Khai", "Phường"),
        ("Tiên Tân", "Xã"),
        ("Phù Vân", "Xã"),
    ):
        communes.append(make_unit(name, city, kind=kind))
    for role, full_name in STAFF.items():
        unit = commune if role in (Role.GUARD, Role.COMMUNE_OFFICER) else province
        account = Account(username=str(role), full_name=full_name, created_at=clock.now())
        account.set_password(PASSWORD)
        account.save()
        staff.grant_role(SYSTEM, account=account, role=role, unit=unit)
    town = Town(
        province,
        commune,
        communes,
        cafe=make_place(commune, "Quán cà phê Góc Phố", "cafe", area_m2=70),
        one_stop=make_place(commune, "Bộ phận một cửa phường Quang Trung", "one_stop", area_m2=120),
    )
    town.residents = settle(town, 6, seed=11)
    make_declared(*(resident.person for resident in town.residents), hours=24 * 60)
    return town


def write_what_migrations_wrote() -> None:
    """The texts of messages that migrations put in, once more: another journey may have emptied the tables."""
    for (app, _name), migration in MigrationLoader(connection).disk_migrations.items():
        if app in ("broadcasts", "response"):
            for operation in migration.operations:
                if isinstance(operation, RunPython):
                    operation.code(apps, None)


def settle(town: Town, count: int, seed: int) -> list[Resident]:
    """Residents of the first ward, each born in another year; the first two live behind one door."""
    home = Household.objects.create(unit=town.commune, address="Tổ 4, số 27")
    made = []
    for n, (full_name, female) in enumerate(names_of(count, seed)):
        born = date(1962 + 6 * n, 3 + n % 9, 4 + n)
        number, phone = f"035{9 if female else 8}{born:%y}{n + 1:06d}", f"0990000{n + 1:03d}"
        person = people.register_person(
            SYSTEM,
            full_name=full_name,
            unit=town.commune,
            sex="f" if female else "m",
            birth_date=born,
            birth_year=born.year,
            address="Tổ 4, số 27" if n < 2 else f"Tổ {n + 4}, số {3 * n + 8}",
            phones=[phone],
            documents=[NewDocument("cccd", number)],
            household=home if n < 2 else None,
        )
        made.append(Resident(person, number, phone))
    return made


def names_of(count: int, seed: int) -> list[tuple[str, bool]]:
    """Names of the Red River delta as the simulation draws them, and whether of a woman."""
    rng = np.random.default_rng(seed)
    female = np.arange(count) % 2 == 1
    family = names.draw_family(count, rng)
    middle = names.draw_middle(female, np.full(count, 1985), rng)
    given = names.draw_given(female, rng)
    return [
        (
            " ".join(
                (
                    names.FAMILY[family[n]][0],
                    (names.MIDDLE_FEMALE if female[n] else names.MIDDLE_MALE)[middle[n]],
                    (names.GIVEN_FEMALE if female[n] else names.GIVEN_MALE)[given[n]],
                )
            ),
            bool(female[n]),
        )
        for n in range(count)
    ]


def tell_the_past(town: Town) -> None:
    """Seven weeks of an outbreak elsewhere in the town, as rows: cases with their clocks, tubes with results."""
    rng = np.random.default_rng(5)
    cases, tubes = [], []
    for back in range(49, 0, -1):
        day = at(9, 0) - timedelta(days=back)
        for _positive in range(rng.poisson(0.3 + 5 * np.exp(-((back - 6) ** 2) / 90))):
            cases.append((day + timedelta(minutes=int(rng.integers(360, 1200))), int(rng.integers(1, 5))))
        tubes += [(day + timedelta(minutes=int(m)), "negative") for m in rng.integers(360, 1200, 80 - back)]
    tubes += [(resulted, "positive") for resulted, _where in cases]
    # The people of the past live in the other communes, so that the first ward's lists hold the story only.
    ill = Person.objects.bulk_create(
        Person(full_name=name, birth_year=1950 + n % 60, unit=town.communes[where], created_at=clock.now())
        for n, ((name, _female), (_at, where)) in enumerate(
            zip(names_of(len(cases), seed=23), cases, strict=True)
        )
    )
    opened = Case.objects.bulk_create(
        Case(
            person=person,
            unit=town.communes[where],
            sampled_at=resulted - timedelta(hours=5),
            resulted_at=resulted,
            opened_at=resulted + timedelta(minutes=1),
        )
        for person, (resulted, where) in zip(ill, cases, strict=True)
    )
    steps = []
    for case, (resulted, where) in zip(opened, cases, strict=True):
        hours = (
            0.02,
            0.1,
            1.2 + where * float(rng.uniform(0.4, 1.6)),
            0.1,
            0.2,
            9 * float(rng.uniform(0.5, 2)),
        )
        moment = resulted
        steps += [CaseStep(case=case, step="sampled", at=resulted - timedelta(hours=5))]
        steps += [CaseStep(case=case, step="result", at=resulted)]
        for step, after in zip(CaseStep.Step.values[2:], hours, strict=True):
            moment += timedelta(hours=after)
            if moment < clock.now():
                steps.append(CaseStep(case=case, step=step, at=moment))
    CaseStep.objects.bulk_create(steps)
    specimens = Specimen.objects.bulk_create(
        Specimen(
            barcode=f"HN{n:08d}",
            person=ill[n % len(ill)],
            unit=ill[n % len(ill)].unit,
            sampled_at=resulted - timedelta(hours=5),
            recorded_at=resulted - timedelta(hours=5),
        )
        for n, (resulted, _value) in enumerate(tubes)
    )
    Result.objects.bulk_create(
        Result(specimen=specimen, value=value, resulted_at=resulted, recorded_at=resulted)
        for specimen, (resulted, value) in zip(specimens, tubes, strict=True)
    )
