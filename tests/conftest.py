from __future__ import annotations

from collections.abc import Generator, Iterator
from importlib import import_module

import pytest
from django.apps import apps
from django.db import connection
from django.utils import translation
from pytest_django.plugin import blocking_manager_key

from khien.desk import codes
from khien.kernel.presence import segments

PARTITIONED = (
    "presence_record",
    "checkpoints_scan",
    "broadcasts_audiencemember",
    "broadcasts_campaignresult",
)
SEEDED = (
    "khien.rooms.broadcasts.migrations.0002_templates",
    "khien.rooms.broadcasts.migrations.0004_carriers",
    "khien.rooms.broadcasts.migrations.0006_bulletins_work",
    "khien.response.migrations.0001_messages",
    "khien.response.migrations.0002_silent_place",
)
COMMITTING = {"transactional_db", "live_server"}


@pytest.fixture(autouse=True)
def quick_passwords(settings: object) -> None:
    """Accounts made by tests do not wait for scrypt."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def vietnamese() -> Iterator[None]:
    """No test speaks the language that another one left behind."""
    with translation.override("vi"):
        yield


@pytest.fixture(autouse=True)
def codes_are_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One-time codes leave within the request that asks, not in a thread beside it."""
    monkeypatch.setattr("khien.desk.codes.soon", lambda language: codes.send_all_due(language))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """After a test that commits, Django empties the tables it manages; here, once that is done, the partitioned ones
    are emptied too, and what migrations had written is written again."""
    result = yield
    marker = item.get_closest_marker("django_db")
    names = set(getattr(item, "fixturenames", ()))
    committed = COMMITTING & names or (marker is not None and marker.kwargs.get("transaction"))
    if committed and nextitem is not None:
        with item.config.stash[blocking_manager_key].unblock():
            with connection.cursor() as cursor:
                cursor.execute(f"TRUNCATE {', '.join(PARTITIONED)}")
            for name in SEEDED:
                import_module(name).write(apps, None)
    return result


@pytest.fixture(autouse=True)
def no_segments_of_another_test() -> Iterator[None]:
    """What a process knows of presence beyond the segments is rolled back with the test that wrote it."""
    segments.reset()
    yield
    segments.reset()
