"""Filling an empty installation with a synthetic Hà Nam and its first days."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, timedelta

import numpy as np

from khien.kernel import clock
from khien.kernel.bulk import copy_rows, reserve_ids
from khien.kernel.clock import verbs as clock_verbs
from khien.kernel.clock.models import ClockSetting
from khien.kernel.people import verbs as people_verbs
from khien.kernel.people.models import Household, Person
from khien.kernel.places import verbs as places_verbs
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.staff import system_actor
from khien.kernel.units.models import AdminUnit, Tier
from khien.rooms.checkpoints.models import Scan
from khien.simulation import KINDS, Province
from khien.site.demo import declaring, press
from khien.site.demo.feed import Feed
from khien.site.demo.staff import make_accounts
from khien.site.models import DemoState
from khien.site.setup import prepare as prepare_house

START = date(2022, 1, 3)
"""A Monday under the rules of 29 December 2021, before Tết."""

Progress = Callable[[str], None]


def prepare(*, people: int, days: int, seed: int, tell: Progress) -> DemoState:
    """Load whatever of the demo is not there yet; returns its state. Its clock stands still until it lives.

    A demo that was broken off while loading goes on from the last whole hour.
    """
    started = time.perf_counter()

    def say(text: str) -> None:
        tell(f"{text} ({time.perf_counter() - started:.0f} s)")

    state = DemoState.objects.filter(pk=1).first()
    if state is None or not state.ready:
        known = state is not None
        state = lay_ground(people=people, seed=seed)
        if not known:
            say(f"{people:,} người, {Place.objects.count():,} địa điểm")
        feed = Feed(state)
        if not Scan.objects.exists():
            with clock.reads.frozen_at(clock.start_of_day(START) + timedelta(days=days)):
                say(f"{feed.load_scans(days):,} lượt quét")
        for day in range(state.next_hour // 24, days):
            feed.tell_day(day)
            say(f"ngày {(START + timedelta(days=day)).strftime('%d/%m/%Y')}: {feed.counts()}")
        with clock.reads.frozen_at(clock.start_of_day(START) + timedelta(days=days)):
            number = declaring.declare_hours(state, days * 24 - declaring.EVERY_H, days * 24)
            province = AdminUnit.objects.get(code="35", tier=Tier.PROVINCE, during__contains=START)
            bulletins = press.write(province)
        say(f"{number:,} tờ khai y tế, {bulletins} bản tin")
        state.ready = True
        state.save(update_fields=["ready"])
    reached = clock.start_of_day(state.start) + timedelta(hours=state.next_hour)
    if not ClockSetting.objects.exists():
        clock_verbs.anchor(reached, 0.0)
    return state


def lay_ground(*, people: int, seed: int) -> DemoState:
    """The house, the demo's accounts, and the province's people and places, as far as they are not there yet."""
    with clock.reads.frozen_at(clock.start_of_day(START)):
        prepare_house()
        province = AdminUnit.objects.get(code="35", tier=Tier.PROVINCE, during__contains=START)
        make_accounts(province)
        state = DemoState.objects.filter(pk=1).first()
        return state or _load_ground(Province(people, seed), province, seed)


def _load_ground(world: Province, province: AdminUnit, seed: int) -> DemoState:
    """People, households and places of the synthetic province, in one transaction."""
    from django.db import transaction

    system = system_actor("demo")
    with transaction.atomic():
        units = {
            u.code: u for u in AdminUnit.objects.filter(path__startswith=province.path, tier=Tier.COMMUNE)
        }
        first_person = _load_people(world, units, system)
        places = _load_places(world, units, system)
        return DemoState.objects.create(
            id=1,
            seed=seed,
            people=len(world),
            start=START,
            first_person_id=first_person,
            places=places,
        )


def _load_people(world: Province, units: dict[str, AdminUnit], system: object) -> int:
    homes = world.households.to_pydict()
    home_ids = reserve_ids(Household, len(homes["household"]))
    copy_rows(
        Household,
        ("id", "unit_id", "address"),
        (
            (pk, units[code].pk, address)
            for pk, code, address in zip(home_ids, homes["commune_code"], homes["address"], strict=True)
        ),
    )
    rows = world.people.to_pydict()
    first: int | None = None
    for start in range(0, len(world), 50_000):
        part = range(start, min(start + 50_000, len(world)))
        chunk = [
            Person(
                full_name=rows["full_name"][n],
                sex="f" if rows["sex"][n] in {"f", "female", "Nữ"} else "m",
                birth_date=rows["birth_date"][n],
                unit=units[rows["commune_code"][n]],
                address=rows["address"][n][:200],
                household_id=home_ids[rows["household"][n]],
                source="synthetic",
            )
            for n in part
        ]
        people_verbs.load_people(
            system,  # type: ignore[arg-type]
            people=chunk,
            numbers=[(n - start, "cccd", rows["cccd"][n]) for n in part],
            phones=[(n - start, rows["phone"][n]) for n in part if rows["phone"][n]],
            since=START - timedelta(days=365),
        )
        first = chunk[0].pk if first is None else first
        if chunk[0].pk - first != start:
            raise RuntimeError("people were loaded out of order")
    assert first is not None
    return int(first)


def _load_places(world: Province, units: dict[str, AdminUnit], system: object) -> dict[str, int]:
    known = set(PlaceKind.objects.values_list("code", flat=True))
    PlaceKind.objects.bulk_create(
        PlaceKind(
            code=kind.code,
            name=kind.name,
            name_en=kind.code.replace("_", " "),
            closed_space=kind.closed,
            default_stay_min=kind.stay_min,
            typical_area_m2=kind.area_m2,
        )
        for kind in KINDS
        if kind.code not in known
    )
    rows = world.places.to_pydict()
    ids: dict[str, int] = {}
    opened = clock.start_of_day(START - timedelta(days=365))
    # Homes have no poster and no scans; parents come before their parts.
    wanted = [n for n, kind in enumerate(rows["kind"]) if kind != "home"]
    for parts in (False, True):
        chosen = [n for n in wanted if (rows["parent"][n] is not None) == parts]
        made = [
            Place(
                name=rows["name"][n],
                kind_id=rows["kind"][n],
                unit=units[rows["commune_code"][n]],
                parent_id=ids[str(rows["parent"][n])] if parts else None,
                latitude=rows["lat"][n],
                longitude=rows["lon"][n],
                area_m2=float(np.float32(rows["area_m2"][n])),
                opened_at=opened,
            )
            for n in chosen
        ]
        places_verbs.load_places(system, places=made)  # type: ignore[arg-type]
        ids |= {str(rows["place"][n]): place.pk for n, place in zip(chosen, made, strict=True)}
    return ids
