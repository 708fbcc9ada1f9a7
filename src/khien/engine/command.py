"""`khien trace`: contacts from a file of presence records, without a database."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from khien.engine import moments
from khien.engine.presence import Presence, UnknownPerson
from khien.engine.reading import UnreadableFile, read_presence
from khien.engine.search import Traced, forward

CSV_COLUMNS = (
    "person",
    "degree",
    "minutes",
    "longest_minutes",
    "encounters",
    "first_at",
    "last_at",
    "from_person",
)
_REFUSED_SHOWN = 20


class MomentType(click.ParamType):
    """An ISO 8601 time on the command line."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return moments.parse(value)
        except ValueError:
            self.fail(
                f"{value!r} is no ISO 8601 time. Write 2021-09-20T08:00 or 2021-09-20T08:00+07:00", param, ctx
            )


TIME = MomentType()


class Refusal(click.ClickException):
    """Something in what was asked or given cannot be used."""

    exit_code = 2


@click.command()
@click.argument("presence_file", metavar="PRESENCE", type=click.Path(path_type=Path))
@click.option(
    "--case", "cases", required=True, multiple=True, metavar="ID", help="The case; may be repeated."
)
@click.option("--from", "start", required=True, type=TIME, help="Infectious from.")
@click.option("--to", "end", required=True, type=TIME, help="Infectious until (not included).")
@click.option(
    "--min-minutes", type=click.FloatRange(0), default=15, show_default=True, help="Of each encounter."
)
@click.option(
    "--after",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="Minutes once the case left.",
)
@click.option(
    "--hops", type=click.IntRange(1), default=1, show_default=True, help="1 finds F1, 2 also F2, ..."
)
@click.option(
    "--latency-days",
    type=click.FloatRange(0),
    default=0,
    show_default=True,
    help="From infection to being infectious.",
)
@click.option(
    "--duration-days", type=click.FloatRange(0), help="Infectious for so long; otherwise to the end."
)
@click.option("--until", type=TIME, help="End of time for further hops.  [default: --to]")
@click.option("--as-of", type=TIME, help="When open stays are known to go on.  [default: --until]")
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path, dir_okay=False), help="Write every person found."
)
@click.option(
    "--refused-csv", type=click.Path(path_type=Path, dir_okay=False), help="Write the records not taken."
)
@click.option(
    "--rows", type=click.IntRange(0), default=30, show_default=True, help="Rows of the table shown."
)
def trace(
    presence_file: Path,
    cases: tuple[str, ...],
    start: int,
    end: int,
    min_minutes: float,
    after: float,
    hops: int,
    latency_days: float,
    duration_days: float | None,
    until: int | None,
    as_of: int | None,
    csv_file: Path | None,
    refused_csv: Path | None,
    rows: int,
) -> None:
    """Whom a case met, and whom they met, from PRESENCE: a Parquet or CSV file.

    Columns person, place, enter, leave; times in ISO 8601, Vietnamese time where none is written; an empty
    leave is a stay still open. The threshold of minutes holds for each encounter by itself.
    """
    if end < start:
        raise click.BadParameter("lies before --from. Swap them, or correct one", param_hint="'--to'")
    until = end if until is None else until
    try:
        presence = read_presence(presence_file, as_of=until if as_of is None else as_of)
        found = forward(
            presence,
            cases,
            (start, end),
            hops=hops,
            latency_days=latency_days,
            duration_days=duration_days,
            min_minutes=min_minutes,
            after_minutes=after,
            until=until,
        )
    except UnreadableFile as error:
        raise Refusal(str(error)) from error
    except UnknownPerson as error:
        raise Refusal(
            f"--case: no record of person {error.person!r} among the {len(presence.person_ids):,} persons of"
            f" {presence_file}. Write the id as it stands in the column person"
        ) from error
    console = Console()
    _show_intake(console, presence, presence_file)
    stretch = f"{_shown(start)} to {_shown(end)}"
    criteria = f"at least {min_minutes:g} min together" + (f" or within {after:g} min after" if after else "")
    _say(console, f"Case {', '.join(cases)}, infectious {stretch}; {criteria}")
    _show_found(console, found, rows)
    by_degree = ", ".join(f"F{hop}: {np.count_nonzero(found.degree == hop):,}" for hop in range(1, hops + 1))
    _say(console, f"{len(found):,} persons ({by_degree}); {found.encounters.sum():,} encounters")
    if refused_csv:
        refused = [(one.row + 1, one.column, one.reason) for one in presence.refused]
        _write(refused_csv, ("record", "column", "reason"), refused)
    if csv_file:
        _write(csv_file, CSV_COLUMNS, _csv_rows(found))
        _say(console, f"Written: {csv_file}")


def _show_intake(console: Console, presence: Presence, path: Path) -> None:
    _say(
        console,
        f"{path}: {presence.received:,} records received = {len(presence):,} taken"
        f" + {len(presence.refused):,} refused; {len(presence.person_ids):,} persons,"
        f" {len(presence.place_ids):,} places, {presence.open_stays:,} open stays",
    )
    for one in presence.refused[:_REFUSED_SHOWN]:
        _say(console, f"  record {one.row + 1}, {one.column}: {one.reason}")
    if len(presence.refused) > _REFUSED_SHOWN:
        _say(console, f"  and {len(presence.refused) - _REFUSED_SHOWN:,} more: see all with --refused-csv")


def _show_found(console: Console, found: Traced, rows: int) -> None:
    table = Table()
    for name in ("person", "degree", "minutes", "longest", "met", "first", "last", "from"):
        number = name in ("degree", "minutes", "longest", "met")
        table.add_column(name, justify="right" if number else "left", no_wrap=number, overflow="fold")
    for row in _csv_rows(found, rows):
        moments_shown = [_shown(moments.seconds(datetime.fromisoformat(row[at]))) for at in (5, 6)]
        table.add_row(*(Text(str(value)) for value in (*row[:5], *moments_shown, row[7])))
    if len(found) and rows:
        console.print(table)
    if rows < len(found):
        _say(console, f"Shown: {rows:,} of {len(found):,}. All of them with --csv, or more with --rows")


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def _csv_rows(found: Traced, limit: int | None = None) -> list[tuple[Any, ...]]:
    chosen = slice(None, limit)
    return [
        (person, degree, _minutes(total), _minutes(longest), encounters, _iso(first), _iso(last), source)
        for person, degree, total, longest, encounters, first, last, source in zip(
            found.person[chosen].tolist(),
            found.degree[chosen].tolist(),
            found.seconds[chosen].tolist(),
            found.longest[chosen].tolist(),
            found.encounters[chosen].tolist(),
            found.first_at[chosen].tolist(),
            found.last_at[chosen].tolist(),
            found.from_person[chosen].tolist(),
            strict=True,
        )
    ]


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}. Choose a file that can be written") from error


def _minutes(seconds: int) -> str:
    return f"{seconds / 60:.2f}".rstrip("0").rstrip(".")


def _iso(moment: int) -> str:
    return moments.local(moment).isoformat()


def _shown(moment: int) -> str:
    return f"{moments.local(moment):%d/%m/%Y %H:%M}"
