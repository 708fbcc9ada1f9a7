"""Loading the units of the country, of both eras, with who came after whom."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from typing import Any

from psycopg.types.json import Jsonb
from psycopg.types.range import Range

from khien.kernel.acts import record, unchanged, verb
from khien.kernel.bulk import copy_rows, reserve_ids
from khien.kernel.language import fold, sort_key
from khien.kernel.staff import Actor, Role
from khien.kernel.units.models import AdminUnit, Tier, UnitSuccession

REFORM = date(2025, 7, 1)
"""The day on which 63 provinces became 34 and districts went (QĐ 759/QĐ-TTg of 2025)."""

_SOURCE = "data/admin-units"


@dataclass(slots=True)
class LoadReport:
    """What was loaded, and the successions that could not be because one side is unknown."""

    units: int = 0
    successions: int = 0
    unknown_old: list[str] = field(default_factory=list)
    unknown_new: list[str] = field(default_factory=list)


@verb(Role.ADMINISTRATOR)
def load_country(actor: Actor) -> LoadReport:
    """Load the shipped units of the whole country: 63 provinces, 705 districts and 10,598 communes until
    2025-06-30, 34 and 3,321 since; boundaries of the former Hà Nam and Ninh Bình. Does nothing the second time.
    """
    report = LoadReport()
    if AdminUnit.objects.exists():
        unchanged()
        return report
    loader = _Loader()
    country = loader.add("", Tier.COUNTRY, "", "Việt Nam", None, (None, None), code="VN")
    old, new = (None, REFORM), (REFORM, None)

    provinces = {
        r["province_code"]: loader.add(r["province_code"], Tier.PROVINCE, r["type"], r["name"], country, old)
        for r in _rows("vn-provinces-2023.csv")
    }
    districts = {
        r["district_code"]: loader.add(
            r["district_code"], Tier.DISTRICT, r["type"], r["name"], provinces[r["province_code"]], old
        )
        for r in _rows("vn-districts-2023.csv")
    }
    points = {r["commune_code"]: r for r in _rows("ha-nam-communes-2023.csv")}
    communes = {
        r["commune_code"]: loader.add(
            r["commune_code"],
            Tier.COMMUNE,
            r["type"],
            r["name"],
            districts[r["district_code"]],
            old,
            point=points.get(r["commune_code"]),
        )
        for r in _rows("vn-communes-2023.csv")
    }
    new_provinces = {
        r["province_code"]: loader.add(r["province_code"], Tier.PROVINCE, r["type"], r["name"], country, new)
        for r in _rows("vn-provinces-2025-07.csv")
    }
    boundaries = _boundaries()
    new_communes = {
        r["commune_code"]: loader.add(
            r["commune_code"],
            Tier.COMMUNE,
            r["type"],
            r["name"],
            new_provinces[r["province_code"]],
            new,
            point=r,
            boundary=boundaries.get(r["commune_code"]),
        )
        for r in _rows("vn-communes-2025-07.csv")
    }
    columns = [str(field.column) for field in AdminUnit._meta.concrete_fields]
    copy_rows(AdminUnit, columns, ([_copied(unit, column) for column in columns] for unit in loader.units))
    report.units = len(loader.units)

    links: dict[tuple[int, int], UnitSuccession] = {}

    def link(
        before: AdminUnit | None, after: AdminUnit | None, share: str, old_code: str, new_code: str
    ) -> None:
        if before is None:
            report.unknown_old.append(old_code)
        elif after is None:
            report.unknown_new.append(new_code)
        else:
            links[before.pk, after.pk] = UnitSuccession(
                predecessor=before, successor=after, share=share, on=REFORM, source=_SOURCE
            )

    for r in _rows("vn-province-crosswalk-2025.csv"):
        link(
            provinces.get(r["old_province_code"]),
            new_provinces.get(r["new_province_code"]),
            "full",
            r["old_province_code"],
            r["new_province_code"],
        )
    for r in _rows("vn-commune-crosswalk-2025.csv"):
        link(
            communes.get(r["old_commune_code"]),
            new_communes.get(r["new_commune_code"]),
            r["share"],
            r["old_commune_code"],
            r["new_commune_code"],
        )
    copy_rows(
        UnitSuccession,
        ("predecessor_id", "successor_id", "share", "on", "source"),
        ((before, after, link.share, link.on, link.source) for (before, after), link in links.items()),
    )
    report.successions = len(links)
    record(
        actor,
        country,
        units=report.units,
        successions=report.successions,
        unknown_old=len(report.unknown_old),
        unknown_new=len(report.unknown_new),
    )
    return report


class _Loader:
    """Gives every unit its id beforehand, so that paths are known when the rows are written."""

    def __init__(self) -> None:
        self.units: list[AdminUnit] = []
        self._next = reserve_ids(AdminUnit, 20_000).start

    def add(
        self,
        key: str,
        tier: int,
        kind: str,
        name: str,
        parent: AdminUnit | None,
        during: tuple[date | None, date | None],
        *,
        code: str = "",
        point: dict[str, str] | None = None,
        boundary: dict[str, Any] | None = None,
    ) -> AdminUnit:
        number = self._next
        self._next += 1
        unit = AdminUnit(
            id=number,
            code=code or key,
            tier=tier,
            kind=kind,
            name=name,
            name_folded=fold(name),
            sort_key=sort_key(name),
            parent=parent,
            path=f"{parent.path if parent else ''}{number}.",
            during=during,
            latitude=_number(point, "lat"),
            longitude=_number(point, "lon"),
            area_km2=_number(point, "area_km2"),
            boundary=boundary,
            source=_SOURCE,
        )
        self.units.append(unit)
        return unit


def _copied(unit: AdminUnit, column: str) -> Any:
    value = getattr(unit, column)
    if column == "during":
        return Range(*value)
    return Jsonb(value) if column == "boundary" and value is not None else value


def _rows(name: str) -> list[dict[str, str]]:
    text = files("khien.data").joinpath("admin-units", name).read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def _boundaries() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in ("ninh-binh-communes-2025-07.geojson", "ha-nam-communes-2025-07.geojson"):
        document = json.loads(files("khien.data").joinpath("admin-units", name).read_text("utf-8"))
        for feature in document["features"]:
            found[feature["properties"]["code"]] = feature["geometry"]
    return found


def _number(row: dict[str, str] | None, column: str) -> float | None:
    text = (row or {}).get(column, "")
    return float(text) if text else None
