"""The map of coverage: each commune in the colour of its class, with what the classes mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints.coverage import Numbers, Row

UPPER = (0.1, 0.25, 0.5, 0.75)
"""Where one class ends and the next begins: fixed, so that maps of two days can be laid beside one another."""
_SCANNED = ("#e3efee", "#a9cdcc", "#6aa5a6", "#2f7478", "#0b4a52")
_SILENT = ("#fbeee0", "#f3c99b", "#e09a51", "#b8651c", "#7a3a06")
_NOTHING = "#ffffff"
MEASURES = ("active", "exit", "silent")


@dataclass(frozen=True, slots=True)
class Step:
    """A line of the legend: a colour and what it means; `count` communes bear it."""

    colour: str
    words: str
    count: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the map shows: GeoJSON features, the legend, its title, and communes that have no place on it."""

    features: list[dict[str, Any]]
    legend: list[Step]
    title: str
    missing: list[str]


def share_of(numbers: Numbers, measure: str) -> float | None:
    """The share that a measure colours by, 0 to 1; None where there is nothing to share."""
    shares = {"active": numbers.active_share, "exit": numbers.exit_share, "silent": numbers.silent_share}
    return shares[measure]


def draw(rows: Sequence[Row], measure: str = "", query: str = "") -> Drawn | None:
    """The map of communes by `measure` (`MEASURES`; anything else is the first); `query` goes along to each commune's
    page. None when no commune has an outline or a point."""
    measure = measure if measure in MEASURES else MEASURES[0]
    colours = _SILENT if measure == "silent" else _SCANNED
    counts = [0] * (len(colours) + 1)
    features, missing = [], []
    for row in rows:
        if row.unit is None:
            continue
        geometry = _geometry(row.unit)
        if geometry is None:
            missing.append(row.label)
            continue
        share = share_of(row.numbers, measure)
        step = len(colours) if share is None else sum(share >= edge for edge in UPPER)
        counts[step] += 1
        told = _("không có gì để tính") if share is None else f"{100 * share:.1f} %".replace(".", ",")
        features.append(
            {
                "type": "Feature",
                "properties": {
                    "text": f"{row.label}: {told}",
                    "colour": _NOTHING if share is None else colours[step],
                    "empty": share is None,
                    "url": reverse("checkpoints:coverage_unit", args=[row.unit.pk])
                    + (f"?{query}" if query else ""),
                },
                "geometry": geometry,
            }
        )
    if not features:
        return None
    legend = [Step(*line) for line in zip((*colours, _NOTHING), _words(), counts, strict=True)]
    return Drawn(features, legend, _titles()[measure], missing)


def _geometry(unit: AdminUnit) -> Any:
    if unit.boundary:
        return unit.boundary
    if unit.latitude is None or unit.longitude is None:
        return None
    return {"type": "Point", "coordinates": [unit.longitude, unit.latitude]}


def _titles() -> dict[str, str]:
    return {
        "active": _("Phần nơi đang mở có quét"),
        "exit": _("Phần lượt ở lại có quét ra"),
        "silent": _("Phần ngày-máy im lặng"),
    }


def _words() -> list[str]:
    return [
        _("dưới 10 %"),
        _("10 đến dưới 25 %"),
        _("25 đến dưới 50 %"),
        _("50 đến dưới 75 %"),
        _("từ 75 %"),
        _("không có gì để tính"),
    ]
