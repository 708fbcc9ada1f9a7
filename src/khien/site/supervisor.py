"""`khien up`: one process tree (database, web server, worker, ticker, sender, engine), kept and ended together."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path

import click

from khien.engine import compiled
from khien.site import database, environment
from khien.site.environment import SettingError
from khien.site.postgres import PostgresError, Server, die_with_parent

logger = logging.getLogger("khien.supervisor")

STOP_SECONDS = 12.0
LONGEST_WAIT_S = 30.0
STEADY_S = 20.0
WEB_FIRST_S = 5.0

# Hooks of the demonstration: `load(full)` fills an empty installation, `live(speed)` keeps it moving until
# SIGTERM, `welcome(url)` returns what to print when it is up.
DEMO = "khien.site.demo"


def web_command() -> list[str]:
    """granian: WSGI, two processes, a killed one is replaced."""
    return [
        *[sys.executable, "-m", "granian", "khien.site.wsgi:application", "--interface", "wsgi"],
        *[
            "--host",
            environment.get("KHIEN_BIND").text(),
            "--port",
            str(environment.get("KHIEN_PORT").number()),
        ],
        *["--workers", str(environment.get("KHIEN_WEB_WORKERS").number()), "--blocking-threads", "4"],
        *[
            "--respawn-failed-workers",
            "--workers-kill-timeout",
            "8s",
            "--log-level",
            "warning",
            "--no-access-log",
        ],
    ]


PARTS: dict[str, Callable[[], list[str]]] = {
    "web": web_command,
    "worker": lambda: [sys.executable, "-m", "khien.site.worker"],
    "ticker": lambda: [sys.executable, "-m", "khien.site.ticker"],
    "sender": lambda: [sys.executable, "-m", "khien.site.sender"],
    "engine": lambda: [sys.executable, "-m", "khien.site.engine"],
}
TRACING = {"web", "worker", "engine"}
"""The parts that ask the engine, whose kernels must be compiled before."""


@dataclass
class Part:
    """A process that is to run: started again when it dies, each time after a longer wait."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    next_at: float = 0.0

    def keep(self) -> None:
        """Start it when it does not run and its time has come; note when it has died."""
        now = time.monotonic()
        if self.process is not None and (status := self.process.poll()) is not None:
            self._end_group(signal.SIGKILL)  # children that outlived a killed parent hold its port
            self.failures = 0 if now - self.started_at > STEADY_S else self.failures + 1
            wait = min(LONGEST_WAIT_S, 0.25 * 2**self.failures)
            logger.warning(
                "part=%s pid=%s died status=%s again_in_s=%.1f", self.name, self.process.pid, status, wait
            )
            self.process, self.next_at = None, now + wait
        if self.process is None and now >= self.next_at:
            self.process = subprocess.Popen(  # noqa: S603
                self.command,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # ctrl-C is ours to pass on, in order
                preexec_fn=die_with_parent(signal.SIGTERM),
            )
            self.started_at = now
            logger.info("part=%s pid=%s started", self.name, self.process.pid)

    def ask_to_end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for it until `deadline` (monotonic), then kill it with all its children."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            logger.warning("part=%s pid=%s does not end, killed", self.name, self.process.pid)
        self._end_group(signal.SIGKILL)
        self.process.wait()
        self.process = None

    def _end_group(self, number: int) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)


@dataclass
class Supervisor:
    """The tree of one `khien up`: `run()` returns when `stop` is set and everything has ended."""

    parts: Sequence[Part]
    server: Server | None
    owns_server: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    on_ready: Callable[[], None] | None = None
    _server_failures: int = 0
    _server_next_at: float = 0.0
    _server_looked_at: float = 0.0

    def run(self) -> None:
        ready = self.on_ready is None
        # The web server first: on two cores it answers sooner when the others do not start beside it.
        others_at = 0.0 if ready else time.monotonic() + WEB_FIRST_S
        try:
            while not self.stop.is_set():
                self._keep_server()
                for part in self.parts:
                    if part.name == "web" or ready or time.monotonic() > others_at:
                        part.keep()
                if not ready and responds():
                    ready = True
                    assert self.on_ready is not None
                    self.on_ready()
                self.stop.wait(0.1)
        finally:
            self._end()

    def _keep_server(self) -> None:
        """Start PostgreSQL again when it died. Our own child is asked each round, an adopted one each second."""
        if self.server is None:
            return
        now = time.monotonic()
        if now < self._server_next_at or (self.server.child_runs() or now < self._server_looked_at + 1.0):
            return
        self._server_looked_at = now
        if self.server.alive():
            self._server_failures = 0
            return
        logger.warning("part=postgres died")
        try:
            self.server.start()
        except PostgresError as fault:
            self._server_failures += 1
            self._server_next_at = now + min(LONGEST_WAIT_S, 0.5 * 2**self._server_failures)
            logger.error("part=postgres %s", fault)
        else:
            logger.info("part=postgres pid=%s started", self.server.pid)

    def _end(self) -> None:
        for part in reversed(self.parts):
            part.ask_to_end()
        deadline = time.monotonic() + STOP_SECONDS
        for part in reversed(self.parts):
            part.end(deadline)
        if self.server is not None:
            # One that we adopted had lost the process that started it: it is ours to end, unless another
            # supervisor of this installation came first.
            self.server.stop(adopted=self.owns_server)
        logger.info("everything is stopped")


class AlreadyRunning(RuntimeError):
    """The same part of this installation is supervised by another process."""

    def __init__(self, part: str, pid: str) -> None:
        super().__init__(f"{part} already runs, supervised by process {pid}")
        self.part, self.pid = part, pid


@contextlib.contextmanager
def claimed(names: Sequence[str], folder: Path) -> Iterator[None]:
    """Hold these parts of the installation; a lock ends with its process, however that dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        for name in names:
            handle = stack.enter_context((folder / f"{name}.lock").open("a+"))
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                raise AlreadyRunning(name, handle.read().strip() or "unknown") from None
            handle.truncate(0)
            handle.write(str(os.getpid()))
            handle.flush()
        yield


@contextlib.contextmanager
def _claim_if_free(name: str, folder: Path) -> Iterator[bool]:
    """Hold the part if nobody does; yields whether we hold it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(claimed([name], folder))
        except AlreadyRunning:
            held = False
        else:
            held = True
        yield held


def answers() -> bool:
    """Does something listen on the web server's port?"""
    host = environment.get("KHIEN_BIND").text()
    try:
        socket.create_connection((_reach(host), environment.get("KHIEN_PORT").number()), timeout=0.5).close()
    except OSError:
        return False
    return True


def responds() -> bool:
    """Does the web server answer a request? (Its port is open before its processes have loaded.)"""
    connection = http.client.HTTPConnection(
        _reach(environment.get("KHIEN_BIND").text()), environment.get("KHIEN_PORT").number(), timeout=2
    )
    try:
        connection.request("HEAD", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True


def _reach(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def _check_settings() -> None:
    """Load Django's settings, which refuse what must not run (a default secret in production)."""
    import_module("khien.site.settings")


def _check_port() -> None:
    if answers():
        port = environment.get("KHIEN_PORT").number()
        raise click.ClickException(
            f"port {port} is taken by another program: end it, or choose another port with KHIEN_PORT"
        )


def run_installation(
    names: Sequence[str],
    *,
    migrate: bool = True,
    extra: Sequence[Part] = (),
    before: list[str] | None = None,
    is_done: Callable[[], bool] | None = None,
    welcome: Callable[[], str] | None = None,
) -> None:
    """Start what `names` lists and keep it running until SIGINT or SIGTERM.

    `before` is a command that runs once the database is up to date, before the parts start, unless `is_done`
    says that it is not needed; `welcome` gives the text that is printed when the web server answers.
    """
    data = environment.data_folder()
    # The children must find the same places, whoever they are.
    os.environ["KHIEN_DATA"] = str(data)
    if os.environ.get("NUMBA_CACHE_DIR") in (None, compiled.BESIDE):
        os.environ["NUMBA_CACHE_DIR"] = str(data / "numba" / compiled.cache_name())
    (data / "static").mkdir(parents=True, exist_ok=True)
    _check_settings()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    server = None if database.own_server() else database.embedded()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.ExitStack() as holds:
        holds.enter_context(claimed(names, data / "run"))
        if "web" in names:
            _check_port()
        parts = [Part(name, PARTS[name]()) for name in PARTS if name in names]
        owns = server is not None and holds.enter_context(_claim_if_free("postgres", data / "run"))
        supervisor = Supervisor([*parts, *extra], server, owns, stop)
        if TRACING & set(names):
            holds.enter_context(_compiling())
        if server is not None:
            database.announce(server.start())
            verb = "adopted" if server.adopted else "started"
            logger.info("part=postgres pid=%s %s", server.pid, verb)
        try:
            if migrate and not (server is not None and _up_to_date(server)):
                _step(
                    [sys.executable, "-m", "khien.site.cli", "migrate"],
                    "bringing the database up to date",
                    stop,
                )
                if server is not None and not stop.is_set():
                    _version_file(server).write_text(_version())
            if before is not None and not stop.is_set() and not (is_done is not None and is_done()):
                _step(before, "loading the demo data", stop)
        except BaseException:
            if server is not None:
                server.stop()
            raise
        if "web" in names:
            supervisor.on_ready = lambda: click.echo(welcome() if welcome else f"Khiên: {_url()}")
        supervisor.run()


@contextlib.contextmanager
def _compiling() -> Iterator[None]:
    """The engine's kernels are compiled beside everything else that a first start has to do (half a minute; where they
    are compiled already, two seconds)."""
    command = ["nice", "-n", "5", sys.executable, "-m", "khien.engine.warming"]
    with subprocess.Popen(  # noqa: S603
        command, start_new_session=True, preexec_fn=die_with_parent(signal.SIGKILL)
    ) as child:
        try:
            yield
        finally:
            child.kill()


def _up_to_date(server: Server) -> bool:
    """Did this very version bring the embedded database up to date before? (Spares a start two seconds.)"""
    mark = _version_file(server)
    return mark.exists() and mark.read_text() == _version()


def _version_file(server: Server) -> Path:
    return server.cluster / "khien-version"  # in the cluster, so that it goes where the cluster goes


def _version() -> str:
    """What a migration depends on: our migrations and shipped data, and the versions of what brings its own."""
    package = Path(__file__).resolve().parents[1]
    files = [*package.glob("**/migrations/*.py"), *(package / "data").rglob("*")]
    digest = hashlib.sha256()
    for path in sorted(path for path in files if path.is_file()):
        entry = path.stat()
        digest.update(f"{path.relative_to(package)} {entry.st_size} {entry.st_mtime_ns}\n".encode())
    for name in ("django", "django-allauth", "django-axes", "procrastinate"):
        digest.update(f"{name} {metadata.version(name)}\n".encode())
    return digest.hexdigest()


def _step(command: list[str], meaning: str, stop: threading.Event) -> None:
    """A command of ours as a child, ended when we are asked to stop; its failure is ours."""
    with subprocess.Popen(  # noqa: S603
        command, start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM)
    ) as child:
        while child.poll() is None:
            if stop.wait(0.05):
                child.terminate()
                try:
                    child.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    os.killpg(child.pid, signal.SIGKILL)
                return
    if child.returncode != 0:
        raise click.ClickException(f"{meaning} failed (status {child.returncode})")


def _url() -> str:
    return f"http://{_reach(environment.get('KHIEN_BIND').text())}:{environment.get('KHIEN_PORT').number()}"


@click.command()
@click.option(
    "--only", type=click.Choice(list(PARTS)), multiple=True, help="run this part alone (repeatable)"
)
@click.option("--migrate/--no-migrate", default=True, help="first bring the database to this version")
def up(only: tuple[str, ...], migrate: bool) -> None:
    """Run an installation with the settings of the environment; ctrl-C ends all that it started."""
    try:
        run_installation(list(only) or list(PARTS), migrate=migrate)
    except AlreadyRunning as fault:
        raise click.ClickException(f"{fault}; it answers at {_url()} when it holds the web server") from fault


@click.command()
@click.option("--full", is_flag=True, help="900,000 people instead of 20,000")
@click.option("--speed", default=60.0, show_default=True, help="business seconds in a real second")
def demo(full: bool, speed: float) -> None:
    """Run the living demonstration: demo data and accounts, the faster clock, scans and tests arriving."""
    if environment.get("KHIEN_MODE").text() == "production":
        raise SettingError(
            "the demonstration makes known passwords: it cannot run with KHIEN_MODE=production"
        )
    os.environ["KHIEN_DEMO"] = "1"
    extra: list[Part] = []
    before: list[str] | None = None
    welcome: Callable[[], str] | None = None
    if find_spec(DEMO) is not None:
        call = "from khien.site.supervisor import demo_step; demo_step"
        extra = [Part("demo", [sys.executable, "-c", f"{call}('live', {speed!r})"])]

        before = [sys.executable, "-c", f"{call}('load', {full!r})"]

        def welcome() -> str:
            return str(import_module(DEMO).welcome(_url()))

    try:
        run_installation(list(PARTS), extra=extra, before=before, is_done=_demo_is_loaded, welcome=welcome)
    except AlreadyRunning as fault:
        click.echo(f"Khiên already runs (process {fault.pid}): {_url()}")


def _demo_is_loaded() -> bool:
    """Whether the demo's first days are in the database whole (asked without Django, to start sooner)."""
    import psycopg

    with psycopg.connect(database.url()) as connection:
        row = connection.execute("SELECT ready FROM khien_site_demostate").fetchone()
    return row is not None and bool(row[0])


def demo_step(name: str, argument: object) -> None:
    """In a process of its own: set Django up and call a hook of the demonstration."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    import django

    django.setup()
    getattr(import_module(DEMO), name)(argument)
