"""A backup put back into a fresh cluster gives the same installation."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile

import psycopg
import pytest
from click.testing import CliRunner

from khien.site import backup as backups
from khien.site import cli
from khien.site.backup import BackupError, rows_by_table
from khien.site.postgres import throwaway


@pytest.fixture
def folder(tmp_path, monkeypatch):
    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "identity-hash.2021010101.key").write_bytes(b"\x01" * 32)
    monkeypatch.setenv("KHIEN_KEYS", str(keys))
    return tmp_path


@pytest.fixture(scope="module")
def server():
    with throwaway() as server:
        yield server


def table(dsn: str, rows: int = 3) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(
            f"CREATE TABLE people AS SELECT n, 'Đặng Thị Hường' AS name FROM generate_series(1, {rows}) n"
        )


@pytest.mark.slow
def test_a_whole_installation_comes_back_in_a_fresh_cluster(folder, server):
    """Migrated, with the country's units and rules, backed up, restored elsewhere: the same rows in all tables."""
    first = server.ensure_database("whole")
    environment = {**os.environ, "DATABASE_URL": first, "KHIEN_DATA": str(folder)}
    for act in (["migrate"], ["backup", str(folder / "all.backup")]):
        subprocess.run([sys.executable, "-m", "khien.site.cli", *act], env=environment, check=True)
    with throwaway() as fresh:
        environment["DATABASE_URL"] = fresh.dsn()
        restore = ["restore", str(folder / "all.backup")]
        subprocess.run([sys.executable, "-m", "khien.site.cli", *restore], env=environment, check=True)
        before, after = dict(rows_by_table(first)), dict(rows_by_table(fresh.dsn()))
        assert before == after
        lineage = "SELECT lineage FROM presence_ledger"
        with psycopg.connect(first) as one, psycopg.connect(fresh.dsn()) as two:
            assert one.execute(lineage).fetchone() != two.execute(lineage).fetchone(), "another history"
        assert len(after) > 30
        assert sum(after.values()) > 10_000
        # What came back is whole enough to go on with: nothing is left to migrate.
        check = ["manage", "migrate", "--check"]
        subprocess.run([sys.executable, "-m", "khien.site.cli", *check], env=environment, check=True)


def test_rows_and_keys_come_back(folder, server, monkeypatch):
    source, target = server.ensure_database("rows_a"), server.ensure_database("rows_b")
    table(source)
    file = folder / "one.backup"
    backups.write_backup(source, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []

    monkeypatch.setenv("KHIEN_KEYS", str(folder / "elsewhere"))
    assert backups.read_backup(target, file) == 1
    assert dict(rows_by_table(target)) == {"people": 3}
    key = folder / "elsewhere" / "identity-hash.2021010101.key"
    assert key.read_bytes() == b"\x01" * 32
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_what_is_there_is_overwritten_only_when_told(folder, server):
    source, target = server.ensure_database("told_a"), server.ensure_database("told_b")
    table(source, 3)
    table(target, 7)
    file = folder / "two.backup"
    backups.write_backup(source, file)
    with pytest.raises(BackupError, match="not empty"):
        backups.read_backup(target, file)
    assert dict(rows_by_table(target)) == {"people": 7}
    backups.read_backup(target, file, replace=True)
    assert dict(rows_by_table(target)) == {"people": 3}


def test_another_key_of_the_same_name_is_not_overwritten(folder, server):
    source, target = server.ensure_database("key_a"), server.ensure_database("key_b")
    table(source)
    file = folder / "three.backup"
    backups.write_backup(source, file)
    key = folder / "keys" / "identity-hash.2021010101.key"
    key.write_bytes(b"\x02" * 32)
    with pytest.raises(BackupError, match="another key"):
        backups.read_backup(target, file)
    assert dict(rows_by_table(target)) == {}
    assert key.read_bytes() == b"\x02" * 32


def test_an_installation_in_use_is_not_restored_over(folder, server):
    source, target = server.ensure_database("use_a"), server.ensure_database("use_b")
    table(source)
    file = folder / "four.backup"
    backups.write_backup(source, file)
    with psycopg.connect(target), pytest.raises(BackupError, match="stop `khien up`"):
        backups.read_backup(target, file)


def test_what_is_not_a_backup_is_refused(folder, server):
    target = server.ensure_database("not_a")
    (folder / "text").write_text("not a tar")
    with tarfile.open(folder / "empty.tar", "w"):
        pass
    for name in ("text", "empty.tar"):
        with pytest.raises(BackupError, match="backup of Khiên"):
            backups.read_backup(target, folder / name)


def test_a_failed_backup_leaves_no_file(folder, server):
    with pytest.raises(BackupError, match="pg_dump"):
        backups.write_backup(server.dsn("nowhere"), folder / "none.backup")
    assert sorted(path.name for path in folder.iterdir()) == ["keys"]


def test_the_folder_must_exist(folder, server, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", server.dsn())
    answer = CliRunner().invoke(cli.group, ["backup", str(folder / "no" / "x.backup")])
    assert answer.exit_code == 1
    assert "make it first" in answer.output
