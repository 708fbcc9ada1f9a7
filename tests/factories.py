"""Rows for tests, made the way the product makes them where that matters."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any

from khien.kernel import clock
from khien.kernel.bulk import reserve_ids
from khien.kernel.language import fold, sort_key
from khien.kernel.people.models import Household, Person, Phone
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.staff.actors import Actor, Grant
from khien.kernel.staff.models import Account, RoleGrant
from khien.kernel.units.models import AdminUnit, Tier
from khien.kernel.units.reads import scope_paths

_number = itertools.count(1)

NOON = datetime(2022, 1, 10, 5, 0, tzinfo=UTC)
"""12:00 in Viet Nam on 2022-01-10, the usual now of tests."""


def make_unit(
    name: str = "Quang Trung",
    parent: AdminUnit | None = None,
    *,
    tier: int = Tier.COMMUNE,
    kind: str = "Phường",
    code: str = "",
    since: date | None = None,
    until: date | None = None,
    **more: Any,
) -> AdminUnit:
    """A unit under `parent` (or at the top)."""
    (pk,) = reserve_ids(AdminUnit, 1)
    return AdminUnit.objects.create(
        id=pk,
        path=f"{parent.path if parent else ''}{pk}.",
        code=code or f"{next(_number):05d}",
        tier=tier,
        kind=kind,
        name=name,
        name_folded=fold(name),
        sort_key=sort_key(name),
        parent=parent,
        during=(since, until),
        source="test",
        **more,
    )


def make_province() -> tuple[AdminUnit, AdminUnit, AdminUnit]:
    """Hà Nam, one district and one commune of it."""
    province = make_unit("Hà Nam", tier=Tier.PROVINCE, kind="Tỉnh", code="35")
    district = make_unit("Phủ Lý", province, tier=Tier.DISTRICT, kind="Thành phố", code="347")
    return province, district, make_unit("Quang Trung", district, code="13285")


def make_person(name: str = "Nguyễn Văn An", unit: AdminUnit | None = None, **more: Any) -> Person:
    """A person in the ledger, with a phone when `phone="+84…"` is given."""
    phone = more.pop("phone", None)
    born: date | None = more.pop("birth_date", date(1990, 1, 15))
    person = Person.objects.create(
        full_name=name,
        name_folded=fold(name),
        name_sort=sort_key(name),
        birth_date=born,
        birth_year=more.pop("birth_year", born.year if born else None),
        unit=unit,
        created_at=clock.now(),
        **more,
    )
    if phone:
        Phone.objects.create(person=person, number=phone)
    return person


def make_declared(*people: Person, hours: float = 72) -> None:
    """The people have a valid health declaration from now on, for `hours`: their cards are green."""
    from khien.kernel.standing import verbs as standing

    now = clock.now()
    for person in people:
        standing.impose(
            person.pk,
            "declared",
            start=now,
            end=now + timedelta(hours=hours),
            colour="green",
            reason="Đã khai báo y tế.",
            authority=person,
        )


def make_household(unit: AdminUnit, *people: Person) -> Household:
    household = Household.objects.create(unit=unit, address="Tổ 1")
    Person.objects.filter(pk__in=[p.pk for p in people]).update(household=household)
    return household


def make_account(
    role: str, unit: AdminUnit, username: str = "", password: str = "mat-khau-thu-nghiem"
) -> Account:
    """A member of staff with one role in one unit."""
    account = Account(
        username=username or f"{role}{next(_number)}", full_name="Cán bộ Thử", created_at=clock.now()
    )
    account.set_password(password)
    account.save()
    RoleGrant.objects.create(
        account=account, role=role, unit=unit, during=(datetime(2020, 1, 1, tzinfo=UTC), None)
    )
    return account


def make_actor(role: str, unit: AdminUnit) -> Actor:
    """A member of staff as an actor, without an account row."""
    return Actor(
        kind="staff", id=next(_number), name=f"test {role}", grants=(Grant(role, scope_paths(unit.pk)),)
    )


def make_place(unit: AdminUnit, name: str = "Chợ Bầu", kind: str = "market", **more: Any) -> Place:
    """A place; its kind is made when the seeds have not been loaded."""
    PlaceKind.objects.get_or_create(
        code=kind,
        defaults={
            "name": kind,
            "name_en": kind,
            "closed_space": True,
            "default_stay_min": 60,
            "typical_area_m2": 200,
        },
    )
    return Place.objects.create(
        code=more.pop("code", f"P{next(_number):07d}"),
        name=name,
        name_folded=fold(name),
        kind_id=kind,
        unit=unit,
        opened_at=more.pop("opened_at", datetime(2020, 1, 1, tzinfo=UTC)),
        **more,
    )
