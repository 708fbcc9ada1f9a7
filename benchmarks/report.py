"""One way to print what a benchmark found: a table for people, one JSON object as the last line for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value; `ratio` is to the peer measured in the same run, `goal` the issue's own words."""

    name: str
    value: float
    unit: str
    peer: str | None = None
    ratio: float | None = None
    goal: str | None = None
    met: bool | None = None


def show(bench: str, figures: Sequence[Figure], *, as_json: bool) -> None:
    """Print the table, and with `as_json` the object `{"bench": …, "figures": […]}` as the last line."""
    table = Table(title=bench)
    for column in ("figure", "value", "unit", "peer", "ratio", "goal", "met"):
        table.add_column(column, justify="right" if column in {"value", "ratio"} else "left")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:,.4g}",
            figure.unit,
            figure.peer or "",
            "" if figure.ratio is None else f"{figure.ratio:.2f}",
            figure.goal or "",
            {True: "yes", False: "no", None: ""}[figure.met],
        )
    Console(width=120).print(table)
    if as_json:
        print(
            json.dumps(
                {"bench": bench, "figures": [asdict(figure) for figure in figures]}, ensure_ascii=False
            )
        )
