"""`khien backup` and `khien restore`: one file that holds the database and the keys.

The file is a tar of `about.json`, `database.dump` (pg_dump's custom format, one snapshot) and `keys/`. It is
not encrypted and holds the keys of the identity numbers: it is made readable by its owner alone, and is to be
kept where only those may read who may read the database (docs/operations.md says how to encrypt it).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import click
import psycopg
from psycopg import sql

from khien import __version__
from khien.site import database, environment

VIET_NAM = timezone(timedelta(hours=7))
NOTES = "backups.jsonl"
ABOUT, DUMP, KEYS = "about.json", "database.dump", "keys/"
FORMAT = 1


class BackupError(click.ClickException):
    """A backup cannot be made or put back; the text names the reason and the way out."""


def key_folder() -> Path:
    return Path(environment.get("KHIEN_KEYS").text() or environment.data_folder() / "keys")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write the database and the keys to FILE, while the installation runs or not."""
    with database.running() as dsn:
        size = write_backup(dsn, file)
    click.echo(f"{file}: {size:,} bytes, readable by its owner alone; it holds the keys, keep it as such")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="overwrite what this installation holds")
def restore(file: Path, replace: bool) -> None:
    """Put the backup FILE back into an empty installation; stop `khien up` first."""
    with database.running() as dsn:
        tables = read_backup(dsn, file, replace=replace)
    click.echo(f"{tables} tables are back; `khien migrate` brings an older backup to this version")


def write_backup(dsn: str, file: Path) -> int:
    """Make the backup and return its size in bytes; `file` appears whole or not at all."""
    file = file.absolute()
    if not file.parent.is_dir():
        raise BackupError(f"the folder {file.parent} does not exist: make it first")
    handle, part_name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    part = Path(part_name)
    try:
        with (
            os.fdopen(handle, "wb") as output,
            tempfile.NamedTemporaryFile(prefix=".khien-dump.", dir=file.parent) as dump,
        ):
            _tool("pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--dbname={dsn}", into=dump)
            with tarfile.open(fileobj=output, mode="w") as archive:
                about = {"format": FORMAT, "khien": __version__, "made_at": datetime.now(UTC).isoformat()}
                _add(archive, ABOUT, json.dumps(about).encode())
                for path in sorted(key_folder().glob("*.key")):
                    _add(archive, KEYS + path.name, path.read_bytes())
                archive.add(dump.name, DUMP, filter=_anonymous)
            output.flush()
            os.fsync(output.fileno())
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    _note(file)
    return file.stat().st_size


def _note(file: Path) -> None:
    """Remember where a backup was put: it holds what the rules will have forgotten, and must go too one day."""
    line = {"made_at": datetime.now(UTC).isoformat(), "file": str(file)}
    with (environment.data_folder() / NOTES).open("a") as notes:
        notes.write(json.dumps(line) + "\n")


def old_backups(before: date) -> Iterator[str]:
    """Backups made before a Vietnamese day that still lie where they were put (`khien retention prove`)."""
    notes = environment.data_folder() / NOTES
    if not notes.exists():
        return
    for line in notes.read_text().splitlines():
        note = json.loads(line)
        made = datetime.fromisoformat(note["made_at"])
        if (
            made < datetime(before.year, before.month, before.day, tzinfo=VIET_NAM)
            and Path(note["file"]).exists()
        ):
            yield f"the backup {note['file']} of {made:%Y-%m-%d} still lies there"


def read_backup(dsn: str, file: Path, *, replace: bool = False) -> int:
    """Put the database and the keys back, and return the number of tables.

    Without `replace` the database must hold no table, and a key of the same name must be the same key.
    Raises `BackupError` and changes nothing otherwise; the database changes in one transaction.
    """
    try:
        archive = tarfile.open(file)  # noqa: SIM115 - closed below
    except (tarfile.TarError, OSError) as fault:
        raise BackupError(f"{file} is not a backup of Khiên: {fault}") from fault
    with archive, tempfile.NamedTemporaryFile(prefix=".khien-dump.") as dump:
        try:
            about = json.loads(_member(archive, ABOUT))
            if about.get("format") != FORMAT:
                raise BackupError(f"{file} has format {about.get('format')}, this version reads {FORMAT}")
            keys = {
                Path(name).name: _member(archive, name)
                for name in archive.getnames()
                if name.startswith(KEYS)
            }
            dump.write(_member(archive, DUMP))
        except (KeyError, ValueError, tarfile.TarError) as fault:
            raise BackupError(f"{file} is not a whole backup of Khiên: {fault}") from fault
        dump.flush()
        _check_keys(keys, replace)
        with psycopg.connect(dsn, autocommit=True) as connection:
            others = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
            if others and others[0]:
                raise BackupError(f"{others[0]} connections use the database: stop `khien up` first")
            if _tables(connection) and not replace:
                raise BackupError("the database is not empty: `--replace` overwrites what it holds")
            if replace:
                _empty(connection)
        _tool("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
              f"--dbname={dsn}", dump.name)  # fmt: skip
        _put_keys(keys)
        with psycopg.connect(dsn) as connection:
            _another_history(connection)
            return _tables(connection)


def _tables(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return int(str(row[0])) if row else 0


def _empty(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Drop all that the schema `public` holds, and make it anew."""
    connection.execute(sql.SQL("DROP SCHEMA public CASCADE; CREATE SCHEMA public"))


def _another_history(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Copies of presence that were made before are not of what came back: whoever holds one begins anew."""
    row = connection.execute("SELECT to_regclass('public.presence_ledger')").fetchone()
    if row is not None and row[0] is not None:
        connection.execute("UPDATE presence_ledger SET lineage = gen_random_uuid()")


def _check_keys(keys: dict[str, bytes], replace: bool) -> None:
    for name, content in keys.items():
        here = key_folder() / name
        if here.exists() and here.read_bytes() != content and not replace:
            raise BackupError(
                f"{here} is another key than the backup's: move the key folder away, or use `--replace`"
            )


def _put_keys(keys: dict[str, bytes]) -> None:
    folder = key_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, content in keys.items():
        with contextlib.suppress(FileNotFoundError):
            (folder / name).unlink()
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as output:
            output.write(content)


def _tool(name: str, *arguments: str, into: object = None) -> None:
    """Run one of PostgreSQL's tools; raises `BackupError` with what it said."""
    answer = subprocess.run(  # noqa: S603
        [str(database.embedded().bin(name)), *arguments],
        stdout=into,  # type: ignore[call-overload]
        stderr=subprocess.PIPE,
        check=False,
    )
    if answer.returncode != 0:
        raise BackupError(f"{name} failed: {answer.stderr.decode(errors='replace').strip()[-1500:]}")


def _add(archive: tarfile.TarInfo | tarfile.TarFile, name: str, content: bytes) -> None:
    assert isinstance(archive, tarfile.TarFile)
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o600
    archive.addfile(entry, io.BytesIO(content))


def _anonymous(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o600
    return entry


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    reader = archive.extractfile(name)
    if reader is None:
        raise KeyError(f"{name} is not a file")
    with reader:
        return reader.read()


def rows_by_table(dsn: str) -> Iterator[tuple[str, int]]:
    """Every table of the schema `public` with its exact number of rows, by name."""
    with psycopg.connect(dsn) as connection:
        names = connection.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
        ).fetchall()
        for (name,) in names:
            row = connection.execute(
                sql.SQL("SELECT count(*) FROM public.{}").format(sql.Identifier(str(name)))
            ).fetchone()
            assert row is not None
            yield str(name), int(row[0])
