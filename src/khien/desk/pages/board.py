"""The situation board and the map: pictures first, their numbers behind them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from khien.desk import figures, maps
from khien.kernel import clock
from khien.kernel.doors import Request, staff_page
from khien.kernel.errors import NotFound
from khien.kernel.registries import desk_widgets

SPANS = (14, 28, 42, 90)
DEFAULT_SPAN = 42


@staff_page()
def board(request: Request) -> HttpResponse:
    """The situation board of the actor's units. htmx asks again every ten seconds and gets only the inside;
    who has no business with counts gets the way to their own work instead."""
    if not request.actor.has(*figures.COUNTERS):
        return render(request, "desk/start.html")
    context = {
        "board": (facts := figures.board(request.actor, _span(request))),
        "data": _for_charts(facts),
        "spans": SPANS,
        "span": _span(request),
        "tiles": [
            (entry.title, render_to_string(entry.template, entry.read(request.actor), request))
            for entry in sorted(desk_widgets, key=lambda entry: entry.order)
            if request.actor.has(*entry.roles)
        ],
    }
    return render(request, "desk/_board.html" if request.htmx else "desk/board.html", context)


@staff_page(*figures.COUNTERS)
def figure_csv(request: Request, name: str) -> HttpResponse:
    """The numbers of one picture as CSV (UTF-8 with a mark, so that spreadsheets read the accents)."""
    facts = figures.board(request.actor, _span(request))
    tables: dict[str, tuple[list[str], Iterable[Iterable[Any]]]] = {
        "cases": (["day", "cases", "mean_7_days"], ((d.day, d.cases, f"{d.mean7:.3f}") for d in facts.cases)),
        "r": (
            ["day", "r_mean", "r_2.5", "r_97.5", "cases_at_least_11"],
            ((d.day, f"{d.mean:.3f}", f"{d.low:.3f}", f"{d.high:.3f}", int(d.certain)) for d in facts.r),
        ),
        "tests": (
            ["day", "tests", "positive", "positivity_7_days"],
            (
                (d.day, d.tests, d.positive, "" if d.positivity7 is None else f"{d.positivity7:.4f}")
                for d in facts.tests
            ),
        ),
        "steps": (
            ["unit", "cases", "step", "median_hours", "waiting"],
            ((s.unit, s.cases, s.step, f"{s.hours:.1f}", s.waiting) for s in facts.steps),
        ),
    }
    if name not in tables:
        raise NotFound()
    return _csv(f"khien-{name}-{facts.end:%Y-%m-%d}.csv", *tables[name])


@staff_page(*figures.COUNTERS)
def unit_map(request: Request) -> HttpResponse:
    """Counts by commune on a map: points of the communes of their day, or today's polygons."""
    chosen = maps.Choice.of(request.GET)
    picture = maps.draw(request.actor, chosen)
    if request.GET.get("format") == "csv":
        rows = [(row.name, row.count, row.state) for row in picture.rows]
        return _csv(f"khien-map-{chosen.measure}.csv", ["unit", "count", "state"], rows)
    return render(
        request,
        "desk/map.html",
        {
            "picture": picture,
            "chosen": chosen,
            "measures": maps.measures(),
            "today": clock.today(),
        },
    )


def _span(request: Request) -> int:
    asked = request.GET.get("days", "")
    return int(asked) if asked.isdigit() and int(asked) in SPANS else DEFAULT_SPAN


def _for_charts(facts: figures.Board) -> dict[str, Any]:
    """What the pictures draw; the tables beside them hold the same."""
    return {
        "cases": [[f"{d.day:%Y-%m-%d}", d.cases, round(d.mean7, 2)] for d in facts.cases],
        "r": [[f"{d.day:%Y-%m-%d}", round(d.mean, 2), round(d.low, 2), round(d.high, 2)] for d in facts.r],
        "tests": [
            [f"{d.day:%Y-%m-%d}", d.tests, None if d.positivity7 is None else round(100 * d.positivity7, 1)]
            for d in facts.tests
        ],
        "words": {
            "cases": _("Ca mới"),
            "mean7": _("Trung bình 7 ngày"),
            "r": _("Rt"),
            "interval": _("Khoảng tin cậy 95 %"),
            "tests": _("Xét nghiệm"),
            "positivity": _("Tỷ lệ dương tính 7 ngày (%)"),
        },
    }


def _csv(name: str, header: list[str], rows: Iterable[Iterable[Any]]) -> HttpResponse:
    answer = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(answer)
    writer.writerow(header)
    writer.writerows(rows)
    return answer
