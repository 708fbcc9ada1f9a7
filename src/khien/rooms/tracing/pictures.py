"""Pictures as numbers for SVG templates: the chain over time, the epidemic curve with R. No markup here."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from khien.rooms.tracing.models import Case
from khien.rooms.tracing.reads import Chain, Curve, day_of_illness

ROW, LEFT, TOP, WIDTH = 22, 16, 34, 1000
LABEL = 150
R_CEILING = 10


@dataclass(frozen=True, slots=True)
class Node:
    case: Case
    x: float
    y: float
    day: date
    infected: int


@dataclass(frozen=True, slots=True)
class Edge:
    path: str
    main: bool


@dataclass(frozen=True, slots=True)
class Tick:
    x: float
    day: date


@dataclass(frozen=True, slots=True)
class ChainPicture:
    """Positions in a box of `width` × `height` units: time runs to the right, each case has a row."""

    nodes: list[Node]
    edges: list[Edge]
    ticks: list[Tick]
    width: int
    height: int


def chain_picture(chain: Chain) -> ChainPicture:
    """Lay out a chain: children stand below their source, ordered by day, so that lines hardly cross."""
    by_id = {c.pk: c for c in chain.cases}
    children: dict[int, list[int]] = defaultdict(list)
    has_source: set[int] = set()
    infected: dict[int, int] = defaultdict(int)
    for link in chain.links:
        infected[link.source] += 1
        if link.main and link.target not in has_source:
            children[link.source].append(link.target)
            has_source.add(link.target)
    days = {pk: day_of_illness(c) for pk, c in by_id.items()}
    if not days:
        return ChainPicture([], [], [], WIDTH, TOP + ROW)
    first, last = min(days.values()), max(days.values())
    scale = (WIDTH - LEFT - LABEL) / max((last - first).days, 1)
    order: list[int] = []
    todo = sorted((pk for pk in by_id if pk not in has_source), key=lambda pk: (days[pk], pk), reverse=True)
    placed: set[int] = set()
    while todo:
        pk = todo.pop()
        if pk in placed:
            continue
        placed.add(pk)
        order.append(pk)
        todo += sorted(children[pk], key=lambda k: (days[k], k), reverse=True)
    x = {pk: round(LEFT + (days[pk] - first).days * scale, 1) for pk in order}
    y = {pk: round(TOP + (row + 0.5) * ROW, 1) for row, pk in enumerate(order)}
    edges = []
    for link in sorted(chain.links, key=lambda link: link.main):
        if link.source in x and link.target in x:
            sx, sy, tx, ty = x[link.source], y[link.source], x[link.target], y[link.target]
            # Down from the source, then along to the target: reads like a family tree over time.
            edges.append(Edge(f"M{sx} {sy} L{sx} {ty} L{tx} {ty}", link.main))
    step = max((last - first).days // 8, 1)
    ticks = [
        Tick(round(LEFT + n * scale, 1), first + timedelta(days=n))
        for n in range(0, (last - first).days + 1, step)
    ]
    nodes = [Node(by_id[pk], x[pk], y[pk], days[pk], infected[pk]) for pk in order]
    return ChainPicture(nodes, edges, ticks, WIDTH, int(TOP + len(order) * ROW + 10))


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    day: date
    cases: int


@dataclass(frozen=True, slots=True)
class Level:
    y: float
    value: str


@dataclass(frozen=True, slots=True)
class CurvePicture:
    """Bars of new cases, and R as a line with its band where at least one case stands behind it."""

    bars: list[Bar]
    levels: list[Level]
    r_line: list[str]
    r_band: list[str]
    r_levels: list[Level]
    one: float
    ticks: list[Tick]
    width: int
    height: int
    r_height: int
    ceiling: int = 0


def curve_picture(curve: Curve) -> CurvePicture:
    """The curve in a box of 1000 × 220 units and R in one of 1000 × 160; R is cut at the highest R that eleven
    cases stand behind, at most at 10."""
    height, r_height, left, right = 220, 160, 44, 10
    days = curve.days
    if not days:
        return CurvePicture([], [], [], [], [], 0, [], WIDTH, height, r_height)
    most = max(day.cases for day in days)
    step = (WIDTH - left - right) / len(days)
    base, top = height - 22, 10

    def y(value: float) -> float:
        return round(base - (base - top) * value / most, 1)

    bars = [
        Bar(
            round(left + place * step, 2),
            y(day.cases),
            round(max(step - min(1.0, step * 0.2), 0.4), 2),
            round(base - y(day.cases), 1),
            day.day,
            day.cases,
        )
        for place, day in enumerate(days)
        if day.cases
    ]
    levels = [Level(y(value), str(value)) for value in sorted({0, (most + 1) // 2, most})]
    highest = curve.highest_r()
    ceiling = 2 if highest is None or highest.r is None else min(max(ceil(highest.r), 2), R_CEILING)
    r_base, r_top = r_height - 22, 10

    def r_y(value: float) -> float:
        return round(r_base - (r_base - r_top) * min(value, ceiling) / ceiling, 1)

    lines: list[str] = []
    bands: list[str] = []
    run: list[tuple[float, float, float, float]] = []

    def close() -> None:
        if len(run) > 1:
            lines.append(" ".join(f"{px},{py}" for px, py, _l, _h in run))
            upper = [f"{px},{ph}" for px, _m, _l, ph in run]
            lower = [f"{px},{pl}" for px, _m, pl, _h in reversed(run)]
            bands.append(" ".join(upper + lower))
        run.clear()

    for place, day in enumerate(days):
        if day.r is None or day.low is None or day.high is None:
            close()
        else:
            middle = round(left + (place + 0.5) * step, 2)
            run.append((middle, r_y(day.r), r_y(day.low), r_y(day.high)))
    close()
    every = max(len(days) // 8, 1)
    ticks = [Tick(round(left + place * step, 1), days[place].day) for place in range(0, len(days), every)]
    ticks = [tick for tick in ticks if tick.x < WIDTH - 70]
    r_levels = [Level(r_y(value), f"{value:g}") for value in (0.0, 1.0, ceiling)]
    return CurvePicture(
        bars, levels, lines, bands, r_levels, r_y(1.0), ticks, WIDTH, height, r_height, ceiling
    )
