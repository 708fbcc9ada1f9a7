"""The embedded server keeps its promises: it starts, is adopted, survives kill -9 and cleans up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from khien.site import postgres
from khien.site.postgres import PostgresError, Server, throwaway
from tests.waiting import wait_until


@pytest.fixture
def folder(tmp_path_factory):
    """A folder that the server's user can reach, short enough for a socket."""
    import shutil
    import tempfile

    place = Path(tempfile.mkdtemp(prefix="khien-t-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def server(folder):
    server = Server(folder / "pg")
    yield server
    server.stop(adopted=True)


def value(dsn: str, query: str):
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchone()[0]


def test_starts_with_unicode_and_without_a_port(server):
    dsn = server.start()
    assert value(dsn, "SHOW server_encoding") == "UTF8"
    assert value(dsn, "SHOW listen_addresses") == ""
    assert value(dsn, "SHOW synchronous_commit") == "on"
    assert value(dsn, "SHOW fsync") == "on"
    assert value(dsn, "SELECT upper('đặng thị hường')") == "ĐẶNG THỊ HƯỜNG"
    assert value(dsn, "SELECT datlocprovider::text FROM pg_database WHERE datname = 'khien'") == "b"


def test_only_the_owner_may_enter_the_socket_folder(server):
    server.start()
    assert server.socket_folder.stat().st_mode & 0o777 == 0o700


def test_committed_rows_survive_kill_9(server):
    dsn = server.start()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100) AS n")
        first = server.pid
        os.kill(first, signal.SIGKILL)
        began = time.monotonic()
        assert server.start() == dsn
        took = time.monotonic() - began
    assert server.pid != first
    assert value(dsn, "SELECT count(*) FROM kept") == 100
    assert took < 15


def test_a_second_start_adopts_the_live_server(server, folder):
    server.start()
    second = Server(folder / "pg")
    second.start()
    assert second.adopted
    assert second.pid == server.pid
    second.stop()
    assert server.alive()


def test_a_zombie_postmaster_is_replaced(server, folder):
    """Where nobody reaps, a killed postmaster stays as a zombie with its number in the pid file."""
    script = (
        "import sys, time; from pathlib import Path; from khien.site.postgres import Server;"
        f"s = Server(Path({str(folder / 'pg')!r})); s.start(); print(s.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        pid = int(starter.stdout.readline())
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
        server.start()
        assert server.pid != pid
        assert not server.adopted
        starter.stdin.close()


def test_the_server_ends_with_the_process_that_started_it(server, folder):
    script = (
        "import sys; from pathlib import Path; from khien.site.postgres import Server;"
        f"s = Server(Path({str(folder / 'pg')!r})); s.start(); print(s.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as starter:
        int(starter.stdout.readline())
        starter.kill()
    wait_until(lambda: not server._processes())


def test_a_long_folder_gets_a_short_socket(folder):
    with Server(folder / ("long" * 25)) as server:
        assert len(str(server.socket_folder)) < 60
        assert server.alive()
        socket_folder = server.socket_folder
    socket_folder.rmdir()


def test_throwaway_leaves_nothing():
    with throwaway() as server:
        other = server.ensure_database("other")
        assert server.ensure_database("other") == other
        assert value(other, "SELECT 1") == 1
        place = server.folder
        pid = server.pid
    assert not place.exists()
    assert not psutil.pid_exists(pid)


def test_binaries_out_of_reach_are_copied(folder, monkeypatch):
    nobody = postgres.SystemUser("nobody", 65534, 65534)
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    assert not postgres.reachable(closed / "x", nobody)
    found = postgres.wheel_binaries()
    copied = postgres._copied(found, folder / "copies")
    assert postgres._copied(found, folder / "copies") == copied
    for name in ("postgres", "initdb", "pg_dump", "psql"):
        answer = subprocess.run([copied / name, "--version"], capture_output=True, text=True, check=True)
        assert "18" in answer.stdout


def test_a_failed_start_tells_the_log(server):
    server.start()
    server.stop()
    server.configuration = {"shared_buffers": "nonsense"}
    with pytest.raises(PostgresError, match="shared_buffers"):
        server.start()


def test_a_cluster_of_another_version_is_refused(server):
    server.start()
    server.stop()
    (server.cluster / "PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresError, match="PostgreSQL 16"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="changes user, needs root")
def test_root_runs_it_as_somebody_else(server):
    server.start()
    assert psutil.Process(server.pid).uids().real != 0
