"""Writing many rows at once: COPY, with ids taken beforehand so that rows may refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from django.db import connection, models
from numpy.typing import NDArray
from psycopg import sql

Column = NDArray[Any]

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # signature, no flags, no extension
_TAIL = b"\xff\xff"
_PG_EPOCH_US = np.datetime64("2000-01-01", "us")
_PG_EPOCH_DAY = np.datetime64("2000-01-01", "D")
_UUID = np.dtype("V16")
_ROWS_A_BLOCK = 100_000


def reserve_ids(model: type[models.Model], count: int) -> range:
    """`count` ids of a model's sequence, for rows that are about to be copied in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [model._meta.db_table])
        (sequence,) = cursor.fetchone()
        # The lock keeps two loaders from taking the same block between the two steps.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [sequence])
        cursor.execute("SELECT nextval(%s)", [sequence])
        (first,) = cursor.fetchone()
        if count > 1:
            cursor.execute("SELECT setval(%s, %s)", [sequence, first + count - 1])
    return range(first, first + count)


def copy_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Copy rows into the table of `model`; `columns` are column names. In the transaction that is open."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(model._meta.db_table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def copy_columns(table: str, columns: Mapping[str, Column]) -> None:
    """Copy arrays of equal length into a table, many times faster than row by row; the order of rows is not kept.

    int64, int32 and bool go as they are (bigint, integer, boolean); datetime64[us] is timestamptz (UTC, NaT is
    NULL), datetime64[D] date; `V16` uuid; `S` text. A constant is an array from `np.broadcast_to`.
    """
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.cursor.copy(statement) as copy:
        copy.write(_HEAD)
        length = len(next(iter(columns.values())))
        for first in range(0, length, _ROWS_A_BLOCK):
            part = slice(first, first + _ROWS_A_BLOCK)
            for block in _binary([column[part] for column in columns.values()]):
                copy.write(block)
        copy.write(_TAIL)


def _binary(columns: list[Column]) -> Iterator[bytes]:
    """Rows of PostgreSQL's binary COPY: one block for all rows whose values have the same widths."""
    encoded = [_encoded(column) for column in columns]
    of = np.zeros(len(columns[0]), np.int64)
    for sizes, _values in encoded:
        if sizes.min() == sizes.max():
            continue
        of = np.unique(of * (int(sizes.max()) + 2) + sizes + 1, return_inverse=True)[1]
    for kind in range(int(of.max()) + 1):
        chosen = np.flatnonzero(of == kind)
        widths = [int(sizes[chosen[0]]) for sizes, _values in encoded]
        fields: list[Any] = [("fields", ">i2")]
        for number, size in enumerate(widths):
            fields.append((f"size{number}", ">i4"))
            if size > 0:
                fields.append((f"value{number}", f"V{size}"))
        rows = np.zeros(len(chosen), np.dtype(fields))
        rows["fields"] = len(columns)
        for number, (size, (_sizes, values)) in enumerate(zip(widths, encoded, strict=True)):
            rows[f"size{number}"] = size
            if size > 0:
                raw = np.ascontiguousarray(values[chosen])
                width = raw.dtype.itemsize
                octets = raw.view(np.uint8).reshape(len(chosen), width)[:, :size]
                rows[f"value{number}"] = np.ascontiguousarray(octets).view(f"V{size}").reshape(-1)
        yield rows.tobytes()


def _encoded(column: Column) -> tuple[Column, Column]:
    """The width of each value in octets (-1 for NULL: not a time, or masked), and the values in network order."""
    if isinstance(column, np.ma.MaskedArray):
        size, values = _encoded(column.data)
        size[np.ma.getmaskarray(column)] = -1
        return size, values
    size = np.full(len(column), column.dtype.itemsize, np.int32)
    if column.dtype.kind == "M":
        unit = np.datetime_data(column.dtype)[0]
        size[np.isnat(column)] = -1
        if unit == "us":
            return size, (column - _PG_EPOCH_US).astype(">i8")
        if unit == "D":
            size[size > 0] = 4
            return size, (column - _PG_EPOCH_DAY).astype(">i4")
    if column.dtype.kind == "i":
        return size, column.astype(column.dtype.newbyteorder(">"))
    if column.dtype.kind == "b" or column.dtype == _UUID:
        return size, column
    if column.dtype.kind == "S":
        return np.char.str_len(column).astype(np.int32), column
    raise TypeError(f"no column of {column.dtype} can be copied")
