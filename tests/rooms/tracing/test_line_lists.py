"""Real line lists in, and bad ones held or refused: nothing is lost, nothing is guessed in silence."""

from __future__ import annotations

import csv
import statistics
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner

from khien.kernel import clock
from khien.kernel.errors import Invalid
from khien.rooms.tracing import reads
from khien.rooms.tracing.command import import_linelist
from khien.rooms.tracing.models import Case, HeldLine, LineListImport, Outbreak, SourceProposal
from khien.rooms.tracing.verbs import import_line_list
from tests.factories import NOON, make_province
from tests.rooms.tracing.scenes import SYSTEM, load_rules

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parents[2] / "data/outbreaks"


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def province():
    return make_province()[0]


def rows_of(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def take(province, text: str | bytes, contacts: str | None = None, **more):
    return import_line_list(
        SYSTEM,
        outbreak_name=more.pop("name", "Thử"),
        unit=province,
        cases=text if isinstance(text, bytes) else text.encode(),
        contacts=None if contacts is None else contacts.encode(),
        **more,
    )


def test_mers_korea_comes_in_with_all_pairs_and_the_serial_interval_of_the_file(province) -> None:
    answer = import_line_list(
        SYSTEM,
        outbreak_name="MERS",
        unit=province,
        cases=(DATA / "mers_korea_2015.linelist.csv").read_bytes(),
        contacts=(DATA / "mers_korea_2015.contacts.csv").read_bytes(),
    )
    contacts = rows_of("mers_korea_2015.contacts.csv")
    intake = answer.intake
    assert (intake.received, intake.stored, intake.duplicate, intake.held) == (162, 162, 0, 0)
    assert (intake.links_received, intake.links_stored) == (98, 98)
    assert intake.mapping["onset"] == "dt_onset"
    assert intake.mapping["confirmed"] == "dt_diag"
    # The file says itself how many days lie between the onsets of each pair.
    said = [int(row["diff_dt_onset"]) for row in contacts if row["diff_dt_onset"]]
    found = reads.pairs(SYSTEM, intake.outbreak_id)
    assert (found.linked, found.timed) == (len(contacts), len(said))
    assert found.mean == pytest.approx(statistics.fmean(said))
    assert found.sd == pytest.approx(statistics.stdev(said))
    pairs = {(row["from"], row["to"], row["exposure"].strip()) for row in contacts}
    stored = SourceProposal.objects.filter(state="linked").values_list(
        "source_case__registered_number", "case__registered_number", "exposure"
    )
    assert set(stored) == pairs
    first = Case.objects.get(registered_number="SK_1")
    assert first.status == "closed"
    assert (first.onset_on, first.age, first.person.sex) == (date(2015, 5, 11), 68, "m")
    assert "Pyeongtaek" in first.details["loc_hosp"]


def test_hagelloch_measles_come_in_by_the_infector_column(province) -> None:
    answer = import_line_list(
        SYSTEM,
        outbreak_name="Hagelloch",
        unit=province,
        cases=(DATA / "measles_hagelloch_1861.csv").read_bytes(),
    )
    rows = {row["case_ID"]: row for row in rows_of("measles_hagelloch_1861.csv")}
    linked = [row for row in rows.values() if row["infector"]]
    gaps = [
        (
            date.fromisoformat(row["date_of_prodrome"])
            - date.fromisoformat(rows[row["infector"]]["date_of_prodrome"])
        ).days
        for row in linked
    ]
    found = reads.pairs(SYSTEM, answer.intake.outbreak_id)
    assert (answer.intake.received, answer.intake.stored, answer.intake.held) == (188, 188, 0)
    assert (found.linked, found.timed) == (len(linked), len(gaps)) == (184, 184)
    assert found.mean == pytest.approx(statistics.fmean(gaps))
    assert found.sd == pytest.approx(statistics.stdev(gaps))
    chain = reads.chain_of_outbreak(SYSTEM, answer.intake.outbreak_id)
    assert len(chain.links) == 184
    curve = reads.curve(SYSTEM, answer.intake.outbreak_id)
    assert sum(day.cases for day in curve.days) == 188
    assert curve.own_interval
    assert any(day.r is not None and day.low < day.r < day.high for day in curve.days)


def test_the_same_file_again_finds_every_row_already_there(province) -> None:
    data = (DATA / "mers_korea_2015.linelist.csv").read_bytes()
    contacts = (DATA / "mers_korea_2015.contacts.csv").read_bytes()
    for _time in range(2):
        answer = import_line_list(SYSTEM, outbreak_name="MERS", unit=province, cases=data, contacts=contacts)
    assert (answer.intake.stored, answer.intake.duplicate, answer.intake.held) == (0, 162, 0)
    assert (answer.intake.links_stored, answer.intake.links_duplicate) == (0, 98)
    assert Case.objects.count() == 162


def test_bad_rows_are_held_with_their_reason_and_the_good_ones_stored(province) -> None:
    answer = take(
        province,
        "id,dt_onset,age,sex\n"
        "1,2022-01-05,30,M\n"
        "2,2022-02-30,30,F\n"  # no such day
        "3,2022-03-01,30,F\n"  # in the future
        ",2022-01-05,30,F\n"  # no number
        "5,05/01/2022,200,F\n"  # impossible age
        "6,05/01/2022,20,x\n"  # unknown sex
        "7,05/01/2022,20\n"  # a cell is missing
        "1,2022-01-05,30,M\n"  # the same row again
        "1,2022-01-06,30,M\n"  # the same person with another onset
        "8,05-01-2022,20.0,Nữ\n",
    )
    intake = answer.intake
    assert (intake.received, intake.stored, intake.duplicate, intake.held) == (10, 2, 1, 7)
    held = dict(HeldLine.objects.values_list("line", "reason"))
    assert set(held) == {3, 4, 5, 6, 7, 8, 10}
    assert "tương lai" in held[4]
    assert "dòng 2" in held[10]
    assert set(Case.objects.values_list("registered_number", flat=True)) == {"1", "8"}


def test_links_to_unknown_cases_to_oneself_and_in_a_circle_are_held(province) -> None:
    answer = take(
        province,
        "id,dt_onset\na,2022-01-01\nb,2022-01-04\nc,2022-01-07\n",
        "from,to\na,b\nb,c\nc,a\nb,b\na,zz\na,b\n",
    )
    intake = answer.intake
    assert (intake.links_received, intake.links_stored, intake.links_duplicate, intake.links_held) == (
        6,
        2,
        1,
        3,
    )
    assert Case.objects.get(registered_number="c").source_case.registered_number == "b"


@pytest.mark.parametrize(
    "data",
    [
        "id,tên\n1,Trần Thị Ổi\n".encode("utf-16"),
        "id,tên\n1,Trần Văn Á\n".encode("windows-1258", "replace"),
        b"id,dt_onset\n1,\x00\n",
        b"",
        b"id,dt_onset\n",
        b"id,id\n1,2\n",
        b"colour,shape\nred,round\n",
    ],
    ids=["utf-16", "windows-1258", "binary", "empty", "header only", "column twice", "no number"],
)
def test_a_file_that_cannot_be_read_gets_a_clear_answer_and_changes_nothing(province, data: bytes) -> None:
    with pytest.raises(Invalid) as problem:
        take(province, data)
    assert problem.value.message
    assert problem.value.way_out
    assert not Outbreak.objects.exists()
    assert not LineListImport.objects.exists()


def test_a_byte_order_mark_and_semicolons_are_read(province) -> None:
    answer = take(province, "\ufeffMã ca;Ngày khởi phát;Tuổi\n1;05/01/2022;30\n")
    assert answer.intake.mapping == {"number": "Mã ca", "onset": "Ngày khởi phát", "age": "Tuổi"}
    assert answer.intake.encoding == "utf-8-sig"
    assert Case.objects.get().onset_on == date(2022, 1, 5)


def test_a_recent_case_comes_in_open_with_its_window_and_announces_itself(province) -> None:
    take(province, "id,dt_onset\n1,2022-01-05\n")
    case = Case.objects.get()
    assert case.status == "open"
    assert clock.local(case.infectious_from).date() == date(2022, 1, 3)


def test_the_command_shows_the_mapping_the_counts_and_the_intervals(province) -> None:
    arguments = [
        str(DATA / "mers_korea_2015.linelist.csv"),
        "--outbreak",
        "MERS",
        "--contacts",
        str(DATA / "mers_korea_2015.contacts.csv"),
        "--unit",
        "35",
    ]
    tried = CliRunner().invoke(import_linelist, [*arguments, "--dry-run"])
    assert tried.exit_code == 0, tried.output
    assert "chưa ghi gì" in tried.output
    assert not Case.objects.exists()
    done = CliRunner().invoke(import_linelist, arguments)
    assert done.exit_code == 0, done.output
    assert "number = id" in done.output
    assert "nhận 162 = ghi 162 + trùng 0 + giữ lại 0" in done.output
    assert "n = 98, trung bình 14.4694, độ lệch chuẩn 5.1995" in done.output
    wrong = CliRunner().invoke(import_linelist, [*arguments, "--map", "onset=no_such_column"])
    assert wrong.exit_code == 2
    assert "no_such_column" in wrong.output
