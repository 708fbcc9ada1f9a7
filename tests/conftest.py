from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

PARTITIONED = ("presence_record", "checkpoints_scan")


@pytest.fixture(autouse=True)
def quick_passwords(settings: object) -> None:
    """Accounts made by tests do not wait for scrypt."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def empty_partitioned_tables(request: pytest.FixtureRequest) -> Iterator[None]:
    """Django flushes only the tables that it manages; after a test that commits, these are emptied here."""
    yield
    marker = request.node.get_closest_marker("django_db")
    if marker is not None and marker.kwargs.get("transaction"):
        blocker = request.getfixturevalue("django_db_blocker")
        with blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {', '.join(PARTITIONED)}")
