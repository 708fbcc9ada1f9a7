"""Where an alert holds: the code of an administrative unit and the outline of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid

UNIT_CODES = "VN-DVHC"
"""Name of the list of Vietnamese unit codes in a geocode; the day from which the code holds follows a colon, because
codes are used again: `VN-DVHC:2025-07-01`."""

Point = tuple[float, float]
"""Latitude, longitude: degrees, WGS 84."""

_DECIMALS = 5  # about a metre


@dataclass(frozen=True, slots=True)
class Area:
    """A place in words, its outlines and its codes.

    `polygons` are closed rings of at least four points (the first is the last), `circles` a centre and a radius in
    kilometres, `geocodes` pairs of the list's name and the code. Raises `Invalid` for what is no such shape.
    """

    description: str
    polygons: tuple[tuple[Point, ...], ...] = ()
    circles: tuple[tuple[Point, float], ...] = ()
    geocodes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        from khien.kernel.alerts.cap import text  # it imports this module for its types

        object.__setattr__(self, "description", text(self.description, "description"))
        if not self.description:
            raise Invalid(_("Khu vực thiếu tên."), field="areas")
        for ring in self.polygons:
            if len(ring) < 4 or ring[0] != ring[-1]:
                raise Invalid(_("Đường bao phải khép kín và có ít nhất bốn điểm."), field="polygons")
            for point in ring:
                _check(point)
        for centre, radius in self.circles:
            _check(centre)
            if not 0 <= radius <= 20_000:
                raise Invalid(_("Bán kính tính bằng ki-lô-mét, từ 0."), field="circles")
        for name, code in self.geocodes:
            if not re.fullmatch(r"[!-~]{1,80}", name) or not re.fullmatch(r"[!-~]{1,80}", code):
                raise Invalid(_("Mã khu vực chỉ gồm chữ không dấu và số."), field="geocodes")


def of_unit(
    name: str, code: str, *, since: date | None = None, boundary: Mapping[str, Any] | None = None
) -> Area:
    """The area of a unit: its full name, its code with the day from which that holds, and its outline.

    `boundary` is a GeoJSON Polygon or MultiPolygon (longitude first) as `AdminUnit.boundary` has it. CAP has no holes:
    a hole is filled, so that nobody inside is left unwarned. Islets that shrink to less than a ring at five decimals
    are left out. Raises `Invalid` for another geometry.
    """
    era = f":{since.isoformat()}" if since else ""
    rings = _rings(boundary) if boundary else ()
    return Area(unicodedata.normalize("NFC", name), polygons=rings, geocodes=((UNIT_CODES + era, code),))


def _rings(geometry: Mapping[str, Any]) -> tuple[tuple[Point, ...], ...]:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in {"Polygon", "MultiPolygon"} or not isinstance(coordinates, Sequence):
        raise Invalid(_("Ranh giới phải là vùng (Polygon hoặc MultiPolygon)."), field="boundary")
    polygons = [coordinates] if kind == "Polygon" else coordinates
    rings = (_ring(polygon[0]) for polygon in polygons if polygon)
    return tuple(ring for ring in rings if len(ring) >= 4)


def _ring(points: Sequence[Sequence[float]]) -> tuple[Point, ...]:
    ring: list[Point] = []
    for longitude, latitude, *_height in points:
        point = (round(float(latitude), _DECIMALS), round(float(longitude), _DECIMALS))
        if not ring or ring[-1] != point:
            ring.append(point)
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
    return tuple(ring)


def _check(point: Point) -> None:
    latitude, longitude = point
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise Invalid(_("Tọa độ ngoài trái đất: viết vĩ độ trước, kinh độ sau."), field="polygons")
