"""Deletion runs daily and is provable: what went, that nothing too old is left, and that no day is missing."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from khien.kernel import clock, partitions
from khien.kernel.audit import verbs as audit
from khien.kernel.audit.models import AuditLine
from khien.kernel.places.models import Place
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.registries import Registry, RetentionRule, holdings, retention
from khien.kernel.rules import retention as forgetting
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import system_actor
from khien.site import backup
from tests.factories import NOON, make_person, make_place, make_province

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("retention")
TODAY = date(2022, 1, 10)


@pytest.fixture(autouse=True)
def a_folder_of_its_own(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that another test left in the data folder counts here."""
    settings.KHIEN_DATA = tmp_path
    monkeypatch.setenv("KHIEN_DATA", str(tmp_path))
    rules.load_seed(SYSTEM)


def stay(day: date) -> None:
    """One stay of somebody at noon of a day."""
    enter = clock.start_of_day(day) + timedelta(hours=12)
    place = Place.objects.first() or make_place(make_province()[2])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO presence_record (day, person_id, place_id, enter, leave, source, exit_inferred,"
            " entry_inferred, source_key) VALUES (%s, %s, %s, %s, %s, 'scan', false, false, %s)",
            [day, make_person().pk, place.pk, enter, enter + timedelta(hours=1), f"k{day}"],
        )


def flaws() -> list[str]:
    return [f"{flaw.where}: {flaw.what}" for flaw in forgetting.prove()]


def run(day: date = TODAY) -> dict[str, int]:
    with clock.reads.frozen_at(clock.start_of_day(day) + timedelta(hours=1)):
        gone = forgetting.forget(SYSTEM)
    audit.seal_lines()
    return gone


def prove(day: date = TODAY) -> list[str]:
    with clock.reads.frozen_at(clock.start_of_day(day) + timedelta(hours=2)):
        return flaws()


def test_what_is_too_old_goes_each_day_and_the_proof_says_so() -> None:
    days = [TODAY - timedelta(days=n) for n in (0, 5, 21, 22, 23, 40)]
    partitions.ensure("presence_record", days[:4])  # the older ones lie in the default partition
    for day in days:
        stay(day)
    assert "presence.records: 3 rows of presence_record are from before 2021-12-20" in prove()
    assert run()["presence"] == 3
    assert prove() == []
    assert PresenceRecord.objects.count() == 3
    line = AuditLine.objects.get(act="rules.forget")
    proof = next(p for p in line.details["proofs"] if p["holding"] == "presence.records")
    assert proof == {
        "rule": "presence",
        "before": "2021-12-20",
        "holding": "presence.records",
        "gone": {"2021-12-19": 1, "2021-12-18": 1, "2021-12-01": 1},
        "left": 0,
        "oldest": "2021-12-20",
    }
    assert run(TODAY + timedelta(days=1))["presence"] == 1
    assert prove(TODAY + timedelta(days=1)) == []


def test_every_rule_of_the_house_says_where_its_rows_lie() -> None:
    told = {holding.rule for holding in holdings}
    assert sorted(key for key, _entry in retention.items() if key not in told) == []
    for name, holding in holdings.items():
        assert forgetting.left_in(holding, date(1990, 1, 1)) == 0, name


def test_what_is_left_anywhere_is_named(tmp_path: Path) -> None:
    run()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE presence_record_20211201 (LIKE presence_record)")
    folder = tmp_path / "segments"
    folder.mkdir()
    number = (date(2021, 12, 1) - date(1970, 1, 1)).days
    (folder / f"{number}-5-abcd.segment").write_bytes(b"")
    for name, made in (
        ("old.backup", "2021-11-01"),
        ("new.backup", "2022-01-05"),
        ("gone.backup", "2021-11-01"),
    ):
        line = {"made_at": f"{made}T00:00:00+00:00", "file": str(tmp_path / name)}
        with (tmp_path / backup.NOTES).open("a") as notes:
            notes.write(json.dumps(line) + "\n")
        if name != "gone.backup":
            (tmp_path / name).touch()
    assert prove() == [
        "presence.records: the partition presence_record_20211201 is from before 2021-12-20",
        f"backups: the backup {tmp_path}/old.backup of 2021-11-01 still lies there",
        f"presence.segments: the file {number}-5-abcd.segment of the engine's segments is left",
    ]


def test_a_missing_day_and_a_changed_line_are_named() -> None:
    assert prove() == ["log: nothing was ever deleted"]
    run(TODAY - timedelta(days=3))
    run(TODAY - timedelta(days=2))
    run()
    assert prove() == ["log: no deletion between 2022-01-08 and 2022-01-10"]
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE audit_auditline DISABLE TRIGGER audit_guard")
        first = AuditLine.objects.filter(act="rules.forget").earliest("pk")
        cursor.execute(
            "UPDATE audit_auditline SET details = jsonb_set(details, '{gone,presence}', '99') WHERE id = %s",
            [first.pk],
        )
    found = prove()
    assert f"line {first.pk}: the digest is not that of the run" in found
    assert any("a line has been changed" in text for text in found)
    assert "log: nothing was deleted since 2022-01-10" in prove(TODAY + timedelta(days=1))


def test_one_rooms_fault_keeps_no_other_rooms_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_before: date) -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        return 0

    other: Registry[RetentionRule] = Registry("retention")
    for key, entry in retention.items():
        other.add(key, entry)
    other.add("a.broken", RetentionRule("Hỏng", "retention.held", broken))
    monkeypatch.setattr(forgetting, "retention", other)
    stay(TODAY - timedelta(days=30))
    assert run()["presence"] == 1
    assert AuditLine.objects.get(act="rules.forget").details["failed"] == {"a.broken": "DataError"}
    assert "a.broken: no holding says where its rows lie, so nothing can be shown" in prove()
    assert any(text.startswith("a.broken: could not be deleted today") for text in prove())


def test_the_public_reads_counts_and_seals_and_nothing_else(client: Client) -> None:
    stay(TODAY - timedelta(days=30))
    run(TODAY - timedelta(days=1))
    run()
    page = client.get("/deletions/").content.decode()
    assert "09/01/2022" in page
    assert "10/01/2022" in page
    assert "Lượt vào/ra" in page
    assert "số 2" in page
    table = client.get("/deletions.csv").content.decode()
    assert "2022-01-09,presence,2021-12-19,1,0,0," in table
    assert "Nguyễn Văn An" not in page + table


def test_the_command_says_what_it_looked_at(capsys: pytest.CaptureFixture[str]) -> None:
    from khien.kernel.rules.command import prove as command

    with clock.reads.frozen_at(NOON):
        forgetting.forget(SYSTEM)
        with pytest.raises(SystemExit) as ended:
            command.callback()  # type: ignore[misc]
        assert ended.value.code == 0, capsys.readouterr().out
        stay(TODAY - timedelta(days=30))
        with pytest.raises(SystemExit) as ended:
            command.callback()  # type: ignore[misc]
    assert ended.value.code == 1
    assert "presence.records: 1 rows" in capsys.readouterr().out
