"""Presence from Parquet and CSV files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from khien.engine import moments
from khien.engine.moments import Moment
from khien.engine.presence import OPEN, Presence, Refused
from khien.engine.ranges import BoolArray, IntArray

COLUMNS = ("person", "place", "enter", "leave")
_ZONED = r"[T ].*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"
_AT_ONCE = 65_536  # texts parsed together: one bad text makes only its own batch slow


@dataclass(frozen=True)
class UnreadableFile(Exception):
    """A file that cannot be used at all: which field of it, why, and the way out."""

    field: str
    reason: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}. {self.way_out}"


def read_presence(path: Path, *, as_of: Moment | None = None) -> Presence:
    """Read `person, place, enter, leave` from a `.parquet` file, or from a UTF-8 CSV file with a header.

    Other columns are ignored. Ids are whole numbers or text (CSV: text). Times are ISO 8601 text, or
    timestamps in Parquet; those without a zone are Asia/Ho_Chi_Minh, those without hours midnight;
    fractions of a second are cut off. An empty `leave` is a stay still open, which runs until `as_of`.
    Records that cannot be taken (empty id, no such time, ends before it begins) are in `.refused` of the
    result, one by one. Raises UnreadableFile, and ValueError for open stays without `as_of`.
    """
    table, refused, rows = _read_parquet(path) if _is_parquet(path) else _read_csv(path)
    enter, no_enter, bad_enter = _times(table["enter"], "enter", rows)
    leave, no_leave, bad_leave = _times(table["leave"], "leave", rows)
    leave[no_leave] = OPEN
    missing = [Refused(int(rows[at]), "enter", "empty") for at in np.flatnonzero(no_enter)]
    # Positions in the table and rows of the file differ where the CSV reader had to leave lines out.
    total = len(rows) + len(refused)
    spread = [np.full(total, OPEN), np.full(total, OPEN)]
    for column, values in zip(spread, (enter, leave), strict=True):
        column[rows] = values
    ids = [_ids(table[name], name) for name in ("person", "place")]
    if refused:
        at = np.full(total, -1)
        at[rows] = np.arange(len(rows))
        positions = pa.array(at, mask=at < 0)
        ids = [column.take(positions) for column in ids]
    bad = {one.row: one for one in [*bad_leave, *bad_enter, *missing, *refused]}
    return Presence.from_columns(*ids, *spread, as_of=as_of, refused=bad.values())


def _is_parquet(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PAR1"
    except OSError as error:
        raise UnreadableFile(str(path), error.strerror or "cannot be read", "Check the path") from error


def _require(path: Path, names: list[str]) -> None:
    for column in COLUMNS:
        if names.count(column) != 1:
            reason = f"column {column!r} is {'missing' if column not in names else 'there twice'}"
            raise UnreadableFile(
                str(path),
                f"{reason} (found: {', '.join(names) or 'none'})",
                f"The file needs the columns {', '.join(COLUMNS)}, separated by commas in CSV",
            )


def _read_parquet(path: Path) -> tuple[pa.Table, list[Refused], IntArray]:
    try:
        _require(path, pq.read_schema(path).names)
        table = pq.read_table(path, columns=list(COLUMNS))
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(str(path), f"not a sound Parquet file ({error})", "Export it again") from error
    return table, [], np.arange(table.num_rows)


def _read_csv(path: Path) -> tuple[pa.Table, list[Refused], IntArray]:
    ragged: list[Refused] = []

    def keep_reason(line: pyarrow.csv.InvalidRow) -> str:
        # The header is line 1, empty lines are not counted.
        reason = f"{line.actual_columns} fields instead of {line.expected_columns}"
        ragged.append(Refused(line.number - 2, "record", reason))
        return "skip"

    try:
        table = pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(use_threads=False),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=keep_reason),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={column: pa.large_string() for column in COLUMNS}
            ),
        )
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFile(
            str(path), f"not a sound CSV file ({error})", "Save it as CSV in UTF-8"
        ) from error
    _require(path, table.column_names)
    rows = np.ones(table.num_rows + len(ragged), bool)
    rows[[one.row for one in ragged]] = False
    return table, ragged, np.flatnonzero(rows)


def _ids(column: pa.ChunkedArray, name: str) -> pa.Array:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_integer(kind):
        return column.cast(kind).combine_chunks()
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise UnreadableFile(name, f"the column holds {kind}", "Ids must be text or whole numbers")
    text = pc.utf8_trim_whitespace(column.cast(pa.large_string()).combine_chunks())
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.large_string()), text)


def _times(column: pa.ChunkedArray, name: str, rows: IntArray) -> tuple[IntArray, BoolArray, list[Refused]]:
    """Epoch seconds (anything where there is none), where the field is empty, and what is no time."""
    if pa.types.is_timestamp(column.type):
        zoned = column.type.tz is not None
        whole = pc.floor_temporal(column.cast(pa.timestamp(column.type.unit)), unit="second")
        found = whole.cast(pa.timestamp("s")).cast(pa.int64()).combine_chunks()
        values = found.fill_null(0).to_numpy() - (0 if zoned else _vietnam_offset())
        return values, found.is_null().to_numpy(zero_copy_only=False), []
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise UnreadableFile(
            name, f"the column holds {column.type}", "Times must be ISO 8601 text or timestamps"
        )
    text = pc.utf8_trim_whitespace(column.cast(pa.large_string()).combine_chunks()).fill_null("")
    empty = pc.equal(text, "").to_numpy(zero_copy_only=False)
    zoned = pc.match_substring_regex(text, _ZONED).to_numpy(zero_copy_only=False)
    values = np.zeros(len(text), np.int64)
    refused: list[Refused] = []
    for kind, zone in ((zoned, "UTC"), (~zoned & ~empty, None)):
        places = np.flatnonzero(kind)
        for first in range(0, len(places), _AT_ONCE):
            part = places[first : first + _AT_ONCE]
            texts = text.take(pa.array(part))
            try:
                values[part] = _parse_batch(texts, zone)
            except pa.ArrowInvalid:
                for at, one in zip(part, texts.to_pylist(), strict=True):
                    try:
                        values[at] = moments.parse(one)
                    except ValueError:
                        refused.append(Refused(int(rows[at]), name, f"no ISO 8601 time: {one!r}"))
    return values, empty, refused


def _parse_batch(texts: pa.Array, zone: str | None) -> IntArray:
    moment = texts.cast(pa.timestamp("us", zone)).cast(pa.int64()).to_numpy() // 1_000_000
    return moment - (0 if zone else _vietnam_offset())


def _vietnam_offset() -> int:
    offset = moments.VIETNAM.utcoffset(None)
    assert offset is not None
    return int(offset.total_seconds())
