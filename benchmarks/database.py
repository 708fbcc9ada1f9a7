"""A migrated database of its own for a benchmark, on a throwaway server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory


@contextmanager
def fresh_database(*, durable: bool = False) -> Iterator[None]:
    """Inside the block Django is set up on an empty, migrated database that is deleted afterwards.

    Unless `durable`, the server syncs nothing to disk, and figures of writing are not those of an installation.
    """
    from khien.site.postgres import throwaway

    with TemporaryDirectory(prefix="khien-bench-") as folder, throwaway(durable=durable) as server:
        os.environ["DATABASE_URL"] = server.dsn()
        os.environ["KHIEN_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "khien.site.settings"
        import django
        from django.core.management import call_command
        from django.db import connections

        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield
        finally:
            connections.close_all()
