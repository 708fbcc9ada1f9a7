"""Coverage: province, commune, place; fourteen days; what it does to tracing; silent places."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import Problem
from khien.kernel.units.models import AdminUnit
from khien.rooms.checkpoints import coverage, coverage_map, verbs
from khien.rooms.checkpoints.coverage import READERS, Row
from khien.rooms.checkpoints.forms import CoverageFilter
from khien.rooms.checkpoints.verbs.coverage import KEEPERS

WIDTH, HEIGHT = 560, 120


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of the picture: its box in the SVG, and what it says."""

    x: float
    y: float
    width: float
    height: float
    label: str
    percent: int | None


@staff_page(*READERS)
def overview(request: Request) -> HttpResponse:
    """All communes of the actor's units."""
    return _page(request, None)


@staff_page(*READERS)
def unit_page(request: Request, unit_id: int) -> HttpResponse:
    """One unit: a commune's places, or the communes below it."""
    return _page(request, coverage.unit_of(request.actor, unit_id))


@staff_page(*READERS)
def table(request: Request) -> HttpResponse:
    """The table of a page as CSV, with the same filters; `?unit=` as the page's address."""
    unit_id = request.GET.get("unit", "")
    unit = coverage.unit_of(request.actor, int(unit_id)) if unit_id.isdigit() and len(unit_id) < 10 else None
    first, last, days = _span(request)
    answer = HttpResponse(
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="phu-quet-{last}-{days}.csv"'},
    )
    answer.write("\ufeff")
    writer = csv.writer(answer)
    writer.writerow(
        [
            "name",
            "day",
            "scans",
            "open",
            "active",
            "stays",
            "exits",
            "devices",
            "silent_devices",
            "behind_devices",
            "active_share",
            "exit_share",
            "silent_share",
            "meetings_seen_percent",
            "meetings_measured",
        ]
    )
    path = unit.path if unit is not None else ""
    for row in [*_rows(request, unit, first, last), *coverage.days(request.actor, first, last, path)]:
        n = row.numbers
        label = f"'{row.label}" if row.label[:1] in "=+-@" else row.label
        writer.writerow(
            [
                "" if row.day else label,
                row.day.isoformat() if row.day else "",
                n.scans,
                n.open,
                n.active,
                n.stays,
                n.exits,
                n.devices,
                n.silent,
                n.behind,
                *(
                    "" if share is None else f"{share:.4f}"
                    for share in (n.active_share, n.exit_share, n.silent_share)
                ),
                "" if row.effect is None else row.effect.percent,
                "" if row.effect is None else int(row.effect.measured),
            ]
        )
    return answer


@staff_page(*KEEPERS)
def silent(request: Request) -> HttpResponse:
    """Places without scans; an officer chooses whose owners are written to."""
    problem = None
    if request.method == "POST":
        ids = [int(pk) for pk in request.POST.getlist("places") if pk.isdigit() and len(pk) < 19]
        try:
            made = verbs.write_to_silent_places(request.actor, place_ids=ids)
        except Problem as fault:
            problem = fault
        else:
            messages.success(
                request,
                ngettext("Sẽ nhắn %(n)d chủ địa điểm.", "Sẽ nhắn %(n)d chủ địa điểm.", len(made))
                % {"n": len(made)}
                if made
                else _("Không nhắn ai: các số này đã được nhắn trong thời hạn."),
            )
            return redirect("checkpoints:silent")
    rows = coverage.silent_places(request.actor)
    askable = any(row.may_ask for row in rows)
    context = {"rows": rows, "askable": askable, "rule": coverage.rule(), "problem": problem}
    return render(request, "checkpoints/silent.html", context, status=problem.status if problem else 200)


def _page(request: Request, unit: AdminUnit | None) -> HttpResponse:
    first, last, days = _span(request)
    path = unit.path if unit is not None else ""
    numbers = coverage.total(request.actor, first, last, path)
    trend = coverage.days(request.actor, first, last, path)
    rows, of_places = _rows(request, unit, first, last), unit is not None and coverage.is_commune(unit)
    form = CoverageFilter(request.GET or None)
    measure = form.cleaned_data["measure"] if form.is_valid() else ""
    context: dict[str, Any] = {
        "unit": unit,
        "form": form,
        "days": days,
        "first": first,
        "last": last,
        "total": numbers,
        "rows": rows,
        "map": None if of_places else coverage_map.draw(rows, measure, request.GET.urlencode()),
        "trend": trend,
        "active_bars": _bars([(row.label, row.numbers.active_share) for row in trend]),
        "exit_bars": _bars([(row.label, row.numbers.exit_share) for row in trend]),
        "picture": (WIDTH, HEIGHT),
        "effect": coverage.effect(path, numbers, clock.now()),
        "as_of": coverage.as_of(request.actor),
        "of_places": of_places,
        "may_ask": request.actor.has(*KEEPERS),
    }
    return render(request, "checkpoints/coverage.html", context)


def _rows(request: Request, unit: AdminUnit | None, first: Any, last: Any) -> list[Row]:
    if unit is not None and coverage.is_commune(unit):
        return coverage.places(request.actor, unit, first, last)
    return coverage.communes(request.actor, first, last, unit.path if unit is not None else "")


def _span(request: Request) -> tuple[Any, Any, int]:
    form = CoverageFilter(request.GET or None)
    asked = form.cleaned_data if form.is_valid() else {}
    last = min(asked.get("day") or clock.today(), clock.today())
    days = int(asked.get("days") or coverage.TREND_DAYS)
    return last - timedelta(days=days - 1), last, days


def _bars(shares: list[tuple[str, float | None]]) -> list[Bar]:
    step = WIDTH / max(len(shares), 1)
    return [
        Bar(
            round(n * step + step * 0.1, 1),
            round(HEIGHT * (1 - (share or 0)), 1),
            round(step * 0.8, 1),
            round(HEIGHT * (share or 0), 1),
            label,
            None if share is None else round(100 * share),
        )
        for n, (label, share) in enumerate(shares)
    ]
