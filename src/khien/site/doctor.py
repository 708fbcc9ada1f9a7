"""`khien doctor`: what this installation needs, what it has, and how to get what is missing."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from khien.site import database, environment, postgres
from khien.site.environment import PROJECT


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: `state` is "ok", "missing" (must be mended) or "note" (only some need it)."""

    name: str
    state: str
    what: str
    way_out: str = ""


@click.command()
def doctor() -> None:
    """Name what is missing and how to get it; exit status 1 when something must be mended."""
    findings = list(examine())
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{finding.state:<8} {finding.name:<{width}}  {finding.what}")
        if finding.way_out:
            click.echo(f"{'':<8} {'':<{width}}  → {finding.way_out}")
    missing = sum(finding.state == "missing" for finding in findings)
    click.echo("nothing is missing" if not missing else f"{missing} to be mended")
    sys.exit(1 if missing else 0)


def examine() -> Iterator[Finding]:
    """Look at everything; each check answers by itself, one fault does not hide the others."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _settings,
        _database,
        _data_folder,
        _port,
        _carriers,
        _speech,
        _chromium,
        _test_data,
    ]
    for check in checks:
        yield from check()


def _python() -> Iterator[Finding]:
    good = sys.version_info >= (3, 11)
    yield Finding(
        "python",
        "ok" if good else "missing",
        sys.version.split()[0],
        "" if good else "install Python 3.11 or newer",
    )


def _packages() -> Iterator[Finding]:
    lock = PROJECT / "requirements.lock"
    if not lock.exists():
        return
    wanted: dict[str, set[str]] = {}  # several versions where the lock has one for each Python
    optional: set[str] = set()
    for line in lock.read_text().splitlines():
        name, mark, rest = line.partition("==")
        if mark and not line.startswith((" ", "#")):
            name = name.split("[", 1)[0].strip()
            wanted.setdefault(name, set()).add(rest.split()[0])
            if ";" in rest:
                optional.add(name)
    wrong = []
    for name, versions in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            if name not in optional:
                wrong.append(f"{name} is absent")
            continue
        if found not in versions:
            wrong.append(f"{name} {found} instead of {' or '.join(sorted(versions))}")
    yield Finding(
        "packages",
        "missing" if wrong else "ok",
        "; ".join(wrong[:5]) + (" …" if len(wrong) > 5 else "") if wrong else "as in requirements.lock",
        "`python3 dev.py sync product` makes them equal to the lock" if wrong else "",
    )


def _settings() -> Iterator[Finding]:
    unknown = sorted(
        name for name in os.environ if name.startswith("KHIEN_") and name not in environment.SETTINGS
    )
    unknown = [name for name in unknown if name != "KHIEN_EMBEDDED_URL"]
    if unknown:
        yield Finding(
            "settings", "note", f"unknown: {', '.join(unknown)}", "docs/operations.md lists them all"
        )
    mode, secret = environment.get("KHIEN_MODE").text(), environment.get("KHIEN_SECRET").text()
    if mode != "production":
        yield Finding("mode", "ok", f"{mode}: for trying out, not for people's data")
    elif secret == environment.DEVELOPMENT_SECRET or len(secret) < 32:
        yield Finding(
            "secret",
            "missing",
            "KHIEN_SECRET is the default or short",
            "KHIEN_SECRET=$(openssl rand -hex 32)",
        )
    else:
        yield Finding("mode", "ok", "production, with a secret of its own")


def _database() -> Iterator[Finding]:
    if database.own_server():
        import psycopg

        try:
            with psycopg.connect(database.url(), connect_timeout=5) as connection:
                number = connection.info.server_version // 10_000
        except psycopg.OperationalError as fault:
            reason = str(fault).strip().splitlines()[-1]
            yield Finding("database", "missing", reason, "check DATABASE_URL and that its server runs")
            return
        yield Finding(
            "database",
            "ok" if number >= 16 else "missing",
            f"PostgreSQL {number} at DATABASE_URL",
            "" if number >= 16 else "use PostgreSQL 16 or newer",
        )
        return
    try:
        user = postgres.server_user(environment.get("KHIEN_PG_USER").text())
    except postgres.PostgresError as fault:
        yield Finding("database", "missing", "no user for the embedded server", str(fault))
        return
    found = postgres.wheel_binaries() or postgres.system_binaries()
    if found is None:
        yield Finding(
            "database",
            "missing",
            "no PostgreSQL",
            "`python3 dev.py sync product`, or `apt-get install postgresql`, or set DATABASE_URL",
        )
        return
    server = database.embedded()
    state = f"runs (process {server.pid})" if server.alive() else "does not run now"
    yield Finding("database", "ok", f"embedded, as user {user.name}, {state}")


def _data_folder() -> Iterator[Finding]:
    folder = environment.data_folder()
    there = folder
    while not there.exists():
        there = there.parent
    if not os.access(there, os.W_OK | os.X_OK):
        yield Finding(
            "data folder", "missing", f"{folder} cannot be written", "choose another place with KHIEN_DATA"
        )
        return
    free = shutil.disk_usage(there).free
    enough = free > 2 * 1024**3
    yield Finding(
        "data folder",
        "ok" if enough else "missing",
        f"{folder}, {free / 1024**3:.0f} GiB free",
        "" if enough else "make room: at least 2 GiB, or choose another place with KHIEN_DATA",
    )


def _port() -> Iterator[Finding]:
    host, port = environment.get("KHIEN_BIND").text(), environment.get("KHIEN_PORT").number()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            yield Finding(
                "port", "note", f"{host}:{port}: {fault.strerror}", "if Khiên does not run: choose KHIEN_PORT"
            )
            return
    yield Finding("port", "ok", f"{host}:{port} is free")


def _carriers() -> Iterator[Finding]:
    name = environment.get("KHIEN_SMS_CARRIERS").text()
    if not name:
        return
    import django

    django.setup()
    from khien.gateways.sms import carriers
    from khien.gateways.sms.interface import GatewayNotSet

    try:
        codes = carriers.configured()
    except GatewayNotSet as fault:
        yield Finding("carriers", "missing", str(fault), "mend that key, then look again")
    else:
        yield Finding("carriers", "ok", f"{', '.join(codes)} (from {name})")


def _speech() -> Iterator[Finding]:
    """Programs, not packages of Python: the product runs without them, but makes no sound."""
    command = environment.get("KHIEN_SPEECH_COMMAND").text().split()
    wanted = [command[0], "lame"] if command else ["espeak-ng", "lame"]
    absent = [name for name in wanted if shutil.which(name) is None]
    yield Finding(
        "speech",
        "note" if absent else "ok",
        f"{' and '.join(absent)} absent: no audio for loudspeakers, only scripts to print"
        if absent
        else ", ".join(wanted),
        f"as root: `apt-get install {' '.join(absent)}`" if absent else "",
    )


def _chromium() -> Iterator[Finding]:
    found = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
        None,
    )
    yield Finding(
        "chromium",
        "ok" if found else "note",
        found or "absent; only the tests of journeys need it",
        "" if found else "as root: `apt-get install chromium`",
    )


def _test_data() -> Iterator[Finding]:
    folder = Path(environment.get("KHIEN_TEST_DATA").text() or PROJECT.parent / "shared" / "data")
    there = folder.is_dir()
    yield Finding(
        "test data",
        "ok" if there else "note",
        str(folder) if there else f"{folder} is absent; tests that need it name the set they miss",
        "" if there else "set KHIEN_TEST_DATA to the folder with the data sets that may not ship",
    )
