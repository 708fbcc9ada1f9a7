"""`khien up` on this machine: it answers, heals what is killed, and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from khien.site import supervisor
from khien.site.postgres import Server
from khien.site.supervisor import AlreadyRunning, Part, Supervisor, claimed
from tests.waiting import wait_until

COMMAND = [sys.executable, "-m", "khien.site.cli"]


class Installation:
    """An installation in a folder of its own, on a port of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if name not in {"DATABASE_URL", "KHIEN_EMBEDDED_URL"}
            },
            "KHIEN_DATA": str(folder),
            "KHIEN_PORT": str(self.port),
        }
        self.server = Server(folder / "postgres")
        self.started: list[subprocess.Popen[str]] = []

    def khien(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=(self.folder / "up.log").open("a"),
            text=True,
        )
        self.started.append(process)
        return process

    def answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def value(self, query: str):
        with psycopg.connect(self.server.dsn(), autocommit=True) as connection:
            return connection.execute(query).fetchone()[0]

    def processes(self) -> list[psutil.Process]:
        """Every living process of this installation, found by its environment or its working folder."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("KHIEN_DATA") == str(self.folder) or process.cwd().startswith(
                    str(self.folder)
                )
                if mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except psutil.Error:
                continue
        return [process for process in found if process.pid != os.getpid()]

    def part(self, text: str) -> psutil.Process | None:
        for process in self.processes():
            try:
                if text in " ".join(process.cmdline()):
                    return process
            except psutil.Error:
                continue
        return None


@pytest.fixture
def installation() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="khien-up-"))
    folder.chmod(0o755)
    here = Installation(folder)
    yield here
    for process in here.started:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()
    wait_until(lambda: not here.processes(), what="the last processes end")
    shutil.rmtree(folder)


@pytest.mark.slow
def test_everything_killed_comes_back_and_nothing_stays_behind(installation):
    up = installation.khien("up")
    wait_until(installation.answers, 120, "the first start")
    wait_until(lambda: installation.part("khien.site.ticker"), what="the ticker")
    with psycopg.connect(installation.server.dsn(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 41 AS n")

    wait_until(lambda: installation.part("khien.site.engine"), 120, what="the engine")
    for text in ("khien.site.worker", "khien.site.ticker", "khien.site.engine", "granian"):
        victim = wait_until(lambda text=text: installation.part(text), what=text)
        victim.kill()
        wait_until(
            lambda text=text, victim=victim: (
                (again := installation.part(text)) is not None and again.pid != victim.pid
            ),
            what=f"{text} again",
        )
    wait_until(installation.answers, what="the web server again")

    postmaster = installation.server._postmaster()
    os.kill(postmaster, signal.SIGKILL)
    wait_until(
        lambda: installation.server._postmaster() not in {None, postmaster} and installation.server.alive(),
        what="PostgreSQL again",
    )
    assert installation.value("SELECT n FROM kept") == 41
    wait_until(installation.answers, what="the web server on the new database")

    second = installation.khien("up")
    assert second.wait(30) == 1
    assert f"process {up.pid}" in (installation.folder / "up.log").read_text()

    up.send_signal(signal.SIGINT)
    assert up.wait(40) == 0
    assert installation.processes() == []


@pytest.mark.slow
def test_a_job_of_a_killed_worker_is_done_once_by_the_next(installation):
    installation.khien("up")
    wait_until(installation.answers, 120, "the first start")
    wait_until(lambda: installation.part("khien.site.ticker"), what="the ticker")
    job = installation.value(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, args, status)"
        " VALUES ('events', 'events.deliver', '{\"event_ids\": []}', 'doing') RETURNING id"
    )
    wait_until(
        lambda: installation.value(f"SELECT count(*) FROM procrastinate_jobs WHERE id = {job}") == 0,
        what="the job done",
    )
    assert (
        installation.value(
            f"SELECT count(*) FROM procrastinate_events WHERE job_id = {job} AND type = 'failed'"
        )
        == 0
    )


@pytest.mark.slow
def test_the_parts_end_when_their_supervisor_is_killed(installation):
    up = installation.khien("up")
    wait_until(installation.answers, 120, "the first start")
    up.kill()
    wait_until(lambda: not installation.processes(), what="everything ends")
    again = installation.khien("up")
    wait_until(installation.answers, what="the second start")
    again.terminate()
    assert again.wait(40) == 0


@pytest.mark.slow
def test_the_web_server_may_run_alone(installation):
    web = installation.khien("up", "--only", "web")
    wait_until(installation.answers, 120, "the web server")
    assert installation.part("khien.site.worker") is None
    worker = installation.khien("up", "--only", "worker", "--no-migrate")
    wait_until(lambda: installation.part("khien.site.worker"), what="the worker beside it")
    worker.terminate()
    assert worker.wait(40) == 0
    wait_until(installation.answers, what="the web server after the worker has gone")
    web.terminate()
    assert web.wait(40) == 0


def test_a_taken_port_is_named(installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        up = installation.khien("up")
        assert up.wait(30) == 1
    log = (installation.folder / "up.log").read_text()
    assert f"port {installation.port} is taken" in log
    assert "KHIEN_PORT" in log


@pytest.mark.parametrize("secret", ["", "short", "development-only"])
def test_production_refuses_a_default_secret(installation, secret):
    installation.environment |= {"KHIEN_MODE": "production", "KHIEN_SECRET": secret}
    up = installation.khien("up")
    assert up.wait(30) == 1
    assert "KHIEN_SECRET" in (installation.folder / "up.log").read_text()


def test_two_supervisors_do_not_share_a_part(tmp_path):
    with (
        claimed(["web"], tmp_path),
        claimed(["worker"], tmp_path),
        pytest.raises(AlreadyRunning, match=f"web already runs, supervised by process {os.getpid()}"),
        claimed(["worker2", "web"], tmp_path),
    ):
        pass
    with claimed(["web", "worker"], tmp_path):
        pass


def test_a_part_that_dies_at_once_is_tried_again_ever_more_slowly(monkeypatch):
    part = Part("broken", [sys.executable, "-c", "raise SystemExit(3)"])
    waits = []
    for _ in range(3):
        part.keep()
        part.process.wait()
        died_at = time.monotonic()
        part.keep()
        waits.append(part.next_at - died_at)
        assert part.process is None
        part.next_at = 0.0
    assert waits[0] < waits[1] < waits[2] <= supervisor.LONGEST_WAIT_S


def test_a_part_that_does_not_end_is_killed_with_its_children(monkeypatch):
    monkeypatch.setattr(supervisor, "STOP_SECONDS", 0.5)
    script = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
    )
    part = Part("stubborn", [sys.executable, "-c", script])
    stop = threading.Event()
    family: list[psutil.Process] = []

    def when_up() -> None:
        def both() -> bool:
            if part.process is None:
                return False
            family[:] = [psutil.Process(part.process.pid), *psutil.Process(part.process.pid).children()]
            return len(family) == 2

        wait_until(both, what="both processes")
        stop.set()

    watcher = threading.Thread(target=when_up)
    watcher.start()
    Supervisor([part], None, stop=stop).run()
    watcher.join()
    wait_until(lambda: not any(map(_lives, family)), what="the end of both")


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
