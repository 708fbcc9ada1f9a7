"""Statements that are asked thousands of times an hour: the server plans each once a connection.

Django writes values into the text of a statement, which the server then parses and plans anew each time; of a statement
with many parts and little work, that is most of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from django.db import connection

_ONLY_WHEN_ASKED = 2**31 - 1


def run(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows that a statement returns (none for one that returns nothing), in the transaction that is open.

    Values are `%s` or `%(name)s`; arrays are best passed as text. The plan is kept for any values, so a statement
    must not depend on how many elements an array has.
    """
    connection.ensure_connection()
    raw = connection.connection
    if raw.prepare_threshold is None:  # Django's own statements are not prepared, and stay so
        raw.prepare_threshold = _ONLY_WHEN_ASKED
    with connection.wrap_database_errors, psycopg.Cursor(raw) as cursor:
        cursor.execute(statement, values, prepare=True)
        return [] if cursor.description is None else cursor.fetchall()
