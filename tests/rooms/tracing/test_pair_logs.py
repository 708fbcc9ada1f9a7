"""Logs of devices in, and bad ones held or refused: every row is accounted for, and the contacts are on the list."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from django.test import Client

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import merge
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.staff import Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.tracing import verbs
from khien.rooms.tracing.command import import_contacts
from khien.rooms.tracing.models import HeldPair, Outbreak, PairLogImport
from khien.rooms.tracing.pairlog import read_log
from tests.factories import NOON, make_account, make_actor, make_person, make_province, make_unit
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case

pytestmark = pytest.mark.django_db
HEAD = "person,other,start,end\n"


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def units() -> tuple[AdminUnit, AdminUnit, AdminUnit]:
    return make_province()


@pytest.fixture
def an(units: Any) -> Person:
    return make_person("Trần Thị Ca", units[2])


@pytest.fixture
def ban(units: Any) -> Person:
    return make_person("Lê Văn Bạn", units[2])


def take(unit: AdminUnit, text: str, **more: Any) -> verbs.pairlogs.PairLogAnswer:
    (rows,) = read_log(text.encode()).portions()
    return verbs.import_pair_contacts(SYSTEM, unit=unit, rows=rows, **more)


def counts(intake: PairLogImport) -> tuple[int, int, int, int]:
    return intake.received, intake.stored, intake.duplicate, intake.held


def stays() -> list[tuple[int, Any, Any, str]]:
    rows = PresenceRecord.objects.order_by("enter", "person_id")
    return [(row.person_id, row.enter, row.leave, row.source) for row in rows]


def test_a_contact_of_a_log_is_on_the_contact_list(units, an, ban) -> None:
    answer = take(
        units[0],
        "rssi,person,other,start,end\n"
        f"-61,{an.public_id},{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
        f"-58,{ban.public_id},{an.public_id},2022-01-08T02:01:00Z,2022-01-08 09:21:00+07:00\n",
    )
    assert counts(answer.intake) == (2, 2, 0, 0)
    case = open_case(an, units[2], result_id=1, sampled_at=at(9, 8), resulted_at=at(9, 20))
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    contact = case.contacts.get()
    assert (contact.person, contact.degree, contact.clause) == (ban, 1, "b")
    assert (contact.encounters, contact.minutes) == (1, 21), "what both devices tell is one contact"
    assert contact.exposures.get().kind == "pair"


def test_the_same_file_again_finds_every_row_already_there(units, an, ban) -> None:
    text = (
        HEAD
        + f"{an.public_id},{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{ban.public_id},{an.public_id},2022-01-08T09:20,2022-01-08T09:40\n"
        + f"{an.public_id},x,2022-01-08T09:00,2022-01-08T09:20\n"
    )
    assert counts(take(units[0], text).intake) == (3, 2, 0, 1)
    before = stays()
    assert counts(take(units[0], text).intake) == (3, 0, 2, 1)
    assert stays() == before
    assert len(before) == 2
    assert HeldPair.objects.count() == 1, "what is held is held once"
    assert HeldPair.objects.get().intake == PairLogImport.objects.latest("pk")
    assert PairLogImport.objects.count() == 2


def test_each_bad_row_is_held_with_field_reason_and_way_out_and_the_good_ones_stored(units, an, ban) -> None:
    nobody = uuid4()
    pair = f"{an.public_id},{ban.public_id}"
    answer = take(
        units[0],
        HEAD
        + f"{pair},2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{pair},2022-01-08T10:00,2022-01-08T09:59:59\n"  # ends before it begins
        + f"{pair},2022-01-10T11:00,2022-01-10T15:00\n"  # a clock three hours ahead
        + f"{pair},2022-01-08T09:00,2022-01-09T09:00:01\n"  # longer than a day
        + f"{pair},2021-12-19T09:00,2021-12-19T09:20\n"  # past retention
        + f"{an.public_id},{nobody},2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{an.public_id},035190000123,2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{pair},2022-01-08,2022-01-08T09:20\n"  # no hour
        + f"{pair},2022-01-08T09:00,1641609600000\n"  # no ISO 8601
        + f"{an.public_id},{an.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{an.public_id},,2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{pair},2022-01-08T09:00\n"  # a cell is missing
        + f"{pair},0001-01-01T00:00,0001-01-01T00:10+07:00\n"  # before any calendar of UTC
        + f"{pair},2022-01-09T09:00,2022-01-09T09:20\n",
    )
    assert counts(answer.intake) == (14, 2, 0, 12)
    held = {row.line: row for row in HeldPair.objects.all()}
    assert {line: row.field for line, row in held.items()} == {
        3: "end",
        4: "end",
        5: "end",
        6: "start",
        7: "other",
        8: "other",
        9: "start",
        10: "end",
        11: "other",
        12: "other",
        13: "row",
        14: "start",
    }
    for line, words in {
        3: "trước khi bắt đầu",
        4: "tương lai. Kiểm tra đồng hồ và múi giờ",
        5: "Dài quá 24 giờ",
        6: "quá hạn lưu và đã bị xóa; chỉ nhận từ ngày 20/12/2021",
        7: "Đăng ký người này",
        8: "không phải mã người",
        10: "Viết 2022-01-31T08:00",
        11: "cùng một người",
        12: "để trống",
        13: "Dòng có 3 ô, tên cột có 4",
    }.items():
        assert words in held[line].reason, line
    kept = json.dumps([[row.row, row.reason] for row in held.values()])
    assert "035190000123" not in kept, "an identity number is nowhere kept in the clear"
    assert len(stays()) == 4


def test_a_row_that_can_now_be_taken_waits_no_longer(units, an) -> None:
    late = uuid4()
    text = HEAD + f"{an.public_id},{late},2022-01-08T09:00,2022-01-08T09:20\n"
    assert counts(take(units[0], text).intake) == (1, 0, 0, 1)
    Person.objects.filter(pk=make_person("Lê Văn Bạn", units[2]).pk).update(public_id=late)
    assert counts(take(units[0], text).intake) == (1, 1, 0, 0)
    assert not HeldPair.objects.exists()


def test_people_are_named_by_case_number_within_the_outbreak(units, an, ban) -> None:
    outbreak = Outbreak.objects.create(name="Xưởng may", unit=units[0], opened_at=NOON)
    case = open_case(an, units[2], result_id=1, sampled_at=at(9, 8), resulted_at=at(9, 20))
    case.outbreak, case.registered_number = outbreak, "BN7"
    case.save()
    text = HEAD + f"BN7,{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
    assert counts(take(units[0], text).intake) == (1, 0, 0, 1)
    assert "--outbreak" in HeldPair.objects.get().reason
    assert counts(take(units[0], text, outbreak_name="Xưởng may").intake) == (1, 1, 0, 0)
    assert {person for person, *_ in stays()} == {an.pk, ban.pk}
    with pytest.raises(NotFound, match="Không có ổ dịch tên “Khác”") as refused:
        take(units[0], text, outbreak_name="Khác")
    assert (refused.value.field, PairLogImport.objects.count()) == ("outbreak", 2)


def test_records_that_became_one_are_followed(units, an, ban) -> None:
    twin = make_person("Lê Văn Bạn", units[2])
    merge(SYSTEM, kept=ban, gone=twin)
    take(units[0], HEAD + f"{an.public_id},{twin.public_id},2022-01-08T09:00,2022-01-08T09:20\n")
    assert {person for person, *_ in stays()} == {an.pk, ban.pk}
    own = HEAD + f"{ban.public_id},{twin.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
    assert counts(take(units[0], own).intake) == (1, 0, 0, 1)


def test_a_day_that_was_forgotten_does_not_come_back(units, an, ban) -> None:
    presence.forget((NOON - timedelta(days=2)).date())
    answer = take(
        units[0],
        HEAD
        + f"{an.public_id},{ban.public_id},2022-01-07T09:00,2022-01-07T09:20\n"
        + f"{an.public_id},{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n",
    )
    assert counts(answer.intake) == (2, 1, 0, 1)
    assert "quá hạn lưu" in answer.held[0].fault.reason


def test_a_portion_is_one_act_with_its_event_and_its_audit_line(units, an, ban) -> None:
    text = HEAD + f"{an.public_id},{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
    intake = take(units[0], text, sha256="ab").intake
    take(units[0], text)
    event = Event.objects.get(name="pair_contacts_imported")
    assert event.payload == {
        "log": intake.pk,
        "stored": 1,
        "first_day": "2022-01-08",
        "last_day": "2022-01-08",
    }
    first, second = AuditLine.objects.filter(act="tracing.import_pair_contacts").order_by("pk")
    assert first.subject == f"tracing.pairlogimport:{intake.pk}"
    assert sorted(first.persons) == sorted([an.pk, ban.pk])
    assert (second.persons, second.details["duplicate"]) == ([], 1)


def test_only_the_administrator_of_the_unit_may(units, an, ban) -> None:
    elsewhere = make_person("Người Tỉnh Khác", make_unit("Xã Khác"))
    text = (
        HEAD
        + f"{an.public_id},{ban.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
        + f"{an.public_id},{elsewhere.public_id},2022-01-08T09:00,2022-01-08T09:20\n"
    )
    (rows,) = read_log(text.encode()).portions()
    for actor in (make_actor(Role.TRACER, units[0]), make_actor(Role.ADMINISTRATOR, units[2])):
        with pytest.raises(NotAllowed):
            verbs.import_pair_contacts(actor, unit=units[0], rows=rows)
    answer = verbs.import_pair_contacts(make_actor(Role.ADMINISTRATOR, units[0]), unit=units[0], rows=rows)
    assert counts(answer.intake) == (2, 1, 0, 1), "nobody of other units is found"


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        (b"", "file", "không có dòng nào"),
        (HEAD.encode(), "file", "không có dòng nào"),
        (b"person,other,start\n1,2,3\n", "end", "Không đoán được cột"),
        (b"person,person,other,start,end\n1,1,2,3,4\n", "file", "có hai lần"),
        (b"person,other,start,end\n\xff,2,3,4\n", "file", "không phải UTF-8"),
        (b"\xff\xfep\x00", "file", "UTF-16"),
        (b'person,other,start,end\n1,2,3,"' + b"x" * 140_000 + b'"\n', "file", "không đúng dạng CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(data: bytes, field: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as refused:
        read_log(data)
    assert refused.value.field == field
    assert refused.value.way_out


# The command -----------------------------------------------------------------------------------------


def run(file: Path, text: str, *options: str) -> Result:
    file.write_text(text, encoding="utf-8")
    return CliRunner().invoke(import_contacts, [str(file), *options])


def test_the_command_takes_portions_says_what_it_held_and_can_be_run_again(
    units, an, ban, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("khien.rooms.tracing.pairlog.PORTION", 2)
    text = (
        "Người;Người kia;Bắt đầu;Kết thúc\n"
        + f"{an.public_id};{ban.public_id};2022-01-08T09:00;2022-01-08T09:10\n"
        + f"{an.public_id};{ban.public_id};2022-01-08T10:00;2022-01-08T09:00\n"
        + f"{ban.public_id};{an.public_id};2022-01-08T09:05;2022-01-08T09:20\n"
        + f"{an.public_id};{ban.public_id};2022-01-08T09:00;2022-01-08T09:10\n"
        + f"{an.public_id};{ban.public_id};2022-01-09T09:00;2022-01-09T09:10\n"
    )
    tried = run(tmp_path / "log.csv", text, "--dry-run")
    assert "nhận 5 = ghi 3 + trùng 1 + giữ lại 1" in tried.output
    assert "chưa ghi gì" in tried.output
    assert not PairLogImport.objects.exists()
    assert stays() == []
    done = run(tmp_path / "log.csv", text)
    assert done.exit_code == 0, done.output
    assert "person = Người, other = Người kia, start = Bắt đầu, end = Kết thúc" in done.output
    assert "giữ lại: dòng 3, end: Kết thúc trước khi bắt đầu" in done.output
    assert "nhận 5 = ghi 3 + trùng 1 + giữ lại 1" in done.output
    spans = PairLogImport.objects.order_by("pk").values_list("first_line", "last_line", "received")
    assert list(spans) == [(2, 3, 2), (4, 5, 2), (6, 6, 1)]
    assert len(set(PairLogImport.objects.values_list("sha256", flat=True))) == 1
    assert len(stays()) == 4
    again = run(tmp_path / "log.csv", text)
    assert "nhận 5 = ghi 0 + trùng 4 + giữ lại 1" in again.output


def test_the_command_answers_what_is_wrong_and_changes_nothing(units, tmp_path) -> None:
    for text, options, words in (
        ("a,b\n1,2\n", (), "Chỉ ra bằng --map person=TÊN_CỘT; các cột của tệp: a, b."),
        (HEAD + "1,2,3,4\n", ("--map", "who=a"), "Các trường: person, other, start, end."),
        (HEAD + "1,2,3,4\n", ("--unit", "99999"), "Không có đơn vị mang mã 99999."),
        (HEAD + "1,2,2022-01-08T09:00,2022-01-08T09:10\n", ("--outbreak", "Khác"), "khien import linelist"),
    ):
        answer = run(tmp_path / "log.csv", text, *options)
        assert answer.exit_code == 2
        assert words in answer.output
    assert not PairLogImport.objects.exists()


def test_what_was_held_is_shown_to_the_tracers_of_the_unit(units, an, client: Client) -> None:
    take(units[0], HEAD + f"{an.public_id},x,2022-01-08T09:00,2022-01-08T09:20\n")
    client.force_login(make_account(Role.TRACER, units[0]))
    text = client.get("/tracing/pair-logs/").content.decode()
    assert "“x” không phải mã người" in text
    assert units[0].full_name in text
    assert "/tracing/pair-logs/" in client.get("/tracing/outbreaks/").content.decode()
    client.force_login(make_account(Role.TRACER, units[2]))
    assert "không phải mã người" not in client.get("/tracing/pair-logs/").content.decode()
    client.force_login(make_account(Role.GUARD, units[0]))
    assert client.get("/tracing/pair-logs/").status_code == 403
