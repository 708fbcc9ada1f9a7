"""Statements that are asked thousands of times an hour: the server plans each once a connection.

Django writes values into the text of a statement, which the server then parses and plans anew each time; of a statement
with many parts and little work, that is most of its time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection

_ONLY_WHEN_ASKED = 2**31 - 1


Values = Mapping[str, Any] | Sequence[Any]


def run(statement: str, values: Values) -> list[tuple[Any, ...]]:
    """The rows that a statement returns (none for one that returns nothing), in the transaction that is open.

    Values are `%s` or `%(name)s`; arrays are best passed as text. The plan is kept for any values, so a statement
    must not depend on how many elements an array has.
    """
    with _raw() as raw, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement, values, prepare=True)
        return _rows(cursor)


def run_all(statements: Sequence[tuple[str, Values]]) -> list[list[tuple[Any, ...]]]:
    """The rows of several statements, one after the other on the server but sent together: one journey for all.

    Each sees what those before it did. When one fails, the transaction has failed.
    """
    with _raw() as raw:
        cursors = [psycopg.Cursor(raw) for _statement in statements]
        with raw.pipeline():
            for cursor, (statement, values) in zip(cursors, statements, strict=True):
                cursor.execute(statement, values, prepare=True)
        return [_rows(cursor) for cursor in cursors]


@contextmanager
def _raw() -> Iterator[psycopg.Connection[Any]]:
    connection.ensure_connection()
    raw = connection.connection
    if raw.prepare_threshold is None:  # Django's own statements are not prepared, and stay so
        raw.prepare_threshold = _ONLY_WHEN_ASKED
    with connection.wrap_database_errors:
        yield raw


def _rows(cursor: psycopg.Cursor[Any]) -> list[tuple[Any, ...]]:
    return [] if cursor.description is None else cursor.fetchall()
