"""Which PostgreSQL this installation works with, and having it run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from khien.site import environment
from khien.site.postgres import Server


def own_server() -> bool:
    """Is the database somebody else's to run (`DATABASE_URL`)?"""
    return bool(environment.get("DATABASE_URL").text())


def embedded() -> Server:
    """The embedded server of this installation, not yet started."""
    data = environment.data_folder()
    return Server(
        data / "postgres",
        user_name=environment.get("KHIEN_PG_USER").text(),
        binaries_folder=data / "postgres",
    )


def url() -> str:
    """The address of the database, whether or not its server runs."""
    return environment.get("DATABASE_URL").text() or embedded().dsn()


def announce(dsn: str) -> None:
    """Let Django's settings, here and in the processes that we start, find the embedded server."""
    os.environ["KHIEN_EMBEDDED_URL"] = dsn


@contextmanager
def running() -> Iterator[str]:
    """Inside the block the database answers; an embedded server that we had to start is stopped at the end."""
    if own_server():
        yield url()
        return
    with embedded() as server:
        announce(server.dsn())
        yield server.dsn()
