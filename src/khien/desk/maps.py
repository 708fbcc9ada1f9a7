"""Counts by commune, in the units of their day or in those of today."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Max, Q
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from khien.desk import figures
from khien.kernel import clock
from khien.kernel.staff import Actor
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier, UnitSuccession

DAYS = 14
ERAS = ("then", "now")


def measures() -> dict[str, str | Promise]:
    """What can be counted, by its name in the address."""
    return {
        "cases": gettext_lazy("Ca mới trong 14 ngày"),
        "orders": gettext_lazy("Người đang cách ly"),
        "tests": gettext_lazy("Xét nghiệm trong 14 ngày"),
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """What is drawn: `measure`, and `era` "then" (units of the day of the counts) or "now" (today's units)."""

    measure: str
    era: str

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Choice:
        """From an address; what it does not know becomes the usual."""
        measure, era = query.get("measure", ""), query.get("units", "")
        return cls(measure if measure in measures() else "cases", era if era in ERAS else "then")


@dataclass(frozen=True, slots=True)
class Row:
    """A unit with its count. `state` says why it is not on the map: "" (it is), "no_point", "several" or
    "unmapped"."""

    unit_id: int
    name: str
    count: int
    state: str

    @property
    def why(self) -> str:
        """The state in words."""
        return {
            "no_point": _("chưa có toạ độ"),
            "several": _("nhiều đơn vị"),
            "unmapped": _("chưa ánh xạ"),
        }.get(self.state, "")


@dataclass(frozen=True, slots=True)
class Picture:
    """What the map draws and the table beside it says; `shown` units stand on the map."""

    rows: list[Row]
    features: list[dict[str, Any]]
    day: date

    @property
    def total(self) -> int:
        return sum(row.count for row in self.rows)

    @property
    def shown(self) -> int:
        return sum(not row.state for row in self.rows)

    @property
    def beside(self) -> list[Row]:
        return [row for row in self.rows if row.state]


def draw(actor: Actor, chosen: Choice) -> Picture:
    """The picture of one measure, within the actor's units."""
    day = clock.today()
    counts = figures.units_counted(actor, chosen.measure, day, DAYS)
    home = _home(actor, counts, day)
    return _as_of_now(counts, home) if chosen.era == "now" else _as_of_then(counts, home, day)


def _home(actor: Actor, counts: dict[int, int], day: date) -> list[AdminUnit]:
    """The communes that exist on `day` in the actor's units and those that are counted; where the actor's units
    are of an earlier time (data of before a reform), all communes of theirs."""
    inside = AdminUnit.objects.filter(figures.within(actor, "path"), tier=Tier.COMMUNE).order_by("sort_key")
    today = inside.filter(during__contains=day)
    if not today.exists():
        return list(inside)
    return list(inside.filter(Q(pk__in=today) | Q(pk__in=[pk for pk, count in counts.items() if count])))


def _as_of_then(counts: dict[int, int], home: list[AdminUnit], day: date) -> Picture:
    rows, features = [], []
    for unit in home:
        count = counts.get(unit.pk, 0)
        state = "" if unit.latitude is not None or unit.boundary else "no_point"
        rows.append(Row(unit.pk, unit.full_name, count, state))
        if not state:
            features.append(_feature(unit, count, polygon=bool(unit.boundary)))
    return Picture(_sorted(rows), features, day)


def _as_of_now(counts: dict[int, int], home: list[AdminUnit]) -> Picture:
    """Each commune's count goes to its one certain successor; the others stand beside the map by name."""
    day: date = AdminUnit.objects.aggregate(day=Max("during__startswith"))["day"] or clock.today()
    translations = units.translate([unit.pk for unit in home], day)
    successors = UnitSuccession.objects.filter(
        predecessor__in=[unit.pk for unit in home], successor__during__contains=day
    ).values_list("successor_id", flat=True)
    same = [pk for pk, found in translations.items() if found.state == "same"]
    targets = AdminUnit.objects.filter(pk__in=[*successors, *same]).order_by("sort_key")
    sums: dict[int, int] = {unit.pk: 0 for unit in targets}
    rows = []
    for unit in home:
        found = translations[unit.pk]
        if found.unit_id is None:
            rows.append(Row(unit.pk, unit.full_name, counts.get(unit.pk, 0), found.state))
        else:
            sums[found.unit_id] += counts.get(unit.pk, 0)
    features = []
    for unit in targets:
        state = "" if unit.boundary or unit.latitude is not None else "no_point"
        rows.append(Row(unit.pk, unit.full_name, sums[unit.pk], state))
        if not state:
            features.append(_feature(unit, sums[unit.pk], polygon=bool(unit.boundary)))
    return Picture(_sorted(rows), features, day)


def _feature(unit: AdminUnit, count: int, *, polygon: bool) -> dict[str, Any]:
    geometry = unit.boundary if polygon else {"type": "Point", "coordinates": [unit.longitude, unit.latitude]}
    return {
        "type": "Feature",
        "properties": {"name": unit.full_name, "count": count},
        "geometry": geometry,
    }


def _sorted(rows: list[Row]) -> list[Row]:
    """Most first; the order of names otherwise stays."""
    return sorted(rows, key=lambda row: -row.count)
