"""SocioPatterns proximity files as presence records: `python -m khien.engine.sociopatterns IN OUT.parquet`.

A line `t i j ...` says that sensors i and j faced each other in [t - 20 s, t]: t is the interval's END.
Touching intervals of a pair are one stay of both, at a place of its own, so that the engine meets exactly
the pairs that were measured and nobody else.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import click
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from khien.engine import moments
from khien.engine.command import TIME, Refusal
from khien.engine.ranges import AnyArray, IntArray, merge_intervals

INTERVAL = 20  # seconds


def read_tij(path: Path) -> tuple[IntArray, IntArray, IntArray]:
    """The columns t, i, j of a (gzipped) file. Raises ValueError for a line without three whole numbers."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        table = np.loadtxt(file, dtype=np.int64, usecols=(0, 1, 2), ndmin=2)
    t, i, j = table.T
    return t, i, j


def stays(t: IntArray, i: IntArray, j: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Columns person, place, enter, leave (seconds as in `t`): two records for each unbroken meeting of a pair."""
    pairs, pair = np.unique(np.stack((np.minimum(i, j), np.maximum(i, j))), axis=1, return_inverse=True)
    merged, enter, leave = merge_intervals(pair.reshape(-1), t - INTERVAL, t)
    person = pairs[:, merged].reshape(-1)
    return person, np.tile(np.arange(len(merged)), 2), np.tile(enter, 2), np.tile(leave, 2)


def _timestamps(values: AnyArray) -> pa.Array:
    return pa.array(values.astype("datetime64[s]"), pa.timestamp("s", "UTC"))


@click.command()
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--start", type=TIME, default=0, help="What t = 0 stands for.  [default: 1970-01-01T00:00Z]")
def convert(source: Path, target: Path, start: int) -> None:
    """Write the meetings of a SocioPatterns `tij` file as presence records in Parquet."""
    try:
        t, i, j = read_tij(source)
    except (ValueError, OSError) as error:
        raise Refusal(
            f"{source}: not lines of t, i, j ({error}). Give an unpacked or .gz tij file"
        ) from error
    person, place, enter, leave = stays(t + start, i, j)
    columns = {"person": person, "place": place, "enter": _timestamps(enter), "leave": _timestamps(leave)}
    pq.write_table(pa.table(columns), target)
    click.echo(
        f"{len(t):,} intervals of {len(np.unique(person)):,} persons = {len(person) // 2:,} unbroken meetings,"
        f" {moments.local(int(enter.min())).isoformat()} to {moments.local(int(leave.max())).isoformat()}"
        if len(t)
        else "0 intervals"
    )


if __name__ == "__main__":
    convert()
