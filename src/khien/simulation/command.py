"""`khien simulate`: write a synthetic province as Parquet files."""

from __future__ import annotations

import time
from datetime import date, datetime
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from khien.simulation import tables
from khien.simulation.parameters import Parameters
from khien.simulation.world import Province, World


def write(world: World, days: int, folder: Path) -> dict[str, int]:
    """Write the next `days` days of a world as Parquet files below `folder`; returns rows by file."""
    province = world.province
    (folder / "truth").mkdir(parents=True, exist_ok=True)
    rows: dict[str, int] = {}

    def put(name: str, table: pa.Table) -> None:
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
        rows[name] = table.num_rows

    put("people", province.people)
    put("households", province.households)
    put("places", province.places)
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    rows["true_presence"] = 0
    path = folder / "true_presence.parquet"
    with pq.ParquetWriter(path, tables.SCHEMAS["true_presence"], compression="zstd") as writer:
        for day in world.days(days):
            table = tables.true_presence_table(day.stays, province.sites, world.base, day.number)
            writer.write_table(table, row_group_size=1_000_000)
            rows["true_presence"] += table.num_rows
            kept.append((day.scans, day.tests, day.reports))
    scans, tests, reports = (np.concatenate([row[column] for row in kept]) for column in range(3))
    put("scans", tables.scans_table(scans, province.sites, world.base))
    put("presence", world.presence_table(scans))
    put("tests", world.tests_table(tests))
    put("symptom_reports", tables.reports_table(reports, world.base))
    put("truth/infections", world.infections_table())
    put("truth/scan_errors", tables.scan_errors_table(scans))
    return rows


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process in MiB, where the system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command()
@click.option("--people", default=20_000, show_default=True, type=click.IntRange(min=100))
@click.option("--days", default=21, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--start", default="2022-01-03", show_default=True, type=click.DateTime(["%Y-%m-%d"]), help="First day."
)
@click.option(
    "--coverage",
    default=Parameters.coverage,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of stays outside homes whose entry is scanned.",
)
@click.option(
    "--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder to write."
)
def simulate(people: int, days: int, seed: int, start: datetime, coverage: float, out: Path) -> None:
    """Write a synthetic Hà Nam with its scans, tests and the true course of an epidemic, as Parquet files."""
    began = time.perf_counter()
    first: date = start.date()
    province = Province(people, seed, Parameters(coverage=coverage))
    world = province.world(first)
    rows = write(world, days, out)
    table = Table("file", "rows")
    for name, count in rows.items():
        table.add_row(f"{name}.parquet", f"{count:,}")
    console = Console()
    console.print(table)
    per_day = rows["scans"] / people / days
    memory = peak_memory_mib()
    console.print(
        f"{people:,} people, {days} days from {first.isoformat()}, seed {seed}: {per_day:.2f} scans per person "
        f"and day, {rows['truth/infections']:,} infections; {time.perf_counter() - began:.1f} s"
        + (f", peak memory {memory:,.0f} MiB" if memory is not None else "")
    )
