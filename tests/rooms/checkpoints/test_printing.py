"""Posters and paper passes by the thousand: numbered, replaced, lost; ordered, stopped, gone on with, forgotten."""

from __future__ import annotations

import subprocess
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from django.test import Client
from openpyxl import Workbook
from PIL import Image
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.people import identity
from khien.kernel.people.models import Household, IdentityDocument, Person
from khien.kernel.places import verbs as places
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.rooms.checkpoints import card_rows, jobs, papers, passes, posters, printing, verbs
from khien.rooms.checkpoints.models import CardRow, PassCard, Poster, PrintPart, PrintRun
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province, make_unit

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


@pytest.fixture(autouse=True)
def noon() -> Any:
    places.load_kinds(SYSTEM)
    rules.load_seed(SYSTEM)
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune() -> Any:
    return make_province()[2]


@pytest.fixture
def officer(commune: Any) -> Any:
    return make_actor(Role.COMMUNE_OFFICER, commune)


def identify(person: Any, number: str) -> None:
    """The person has an identity card of that number."""
    IdentityDocument.objects.create(person=person, created_at=clock.now(), **identity.seal("cccd", number))


def codes_on(made: bytes, folder: Path, dpi: int = 100) -> list[list[tuple[str, float]]]:
    """What a reader finds on each page: the text, and the width of the code in millimetres."""
    (folder / "made.pdf").write_bytes(made)
    subprocess.run(["pdftoppm", "-r", str(dpi), "-png", folder / "made.pdf", folder / "seen"], check=True)
    found = []
    for path in sorted(folder.glob("seen*.png")):
        read = zxingcpp.read_barcodes(Image.open(path), formats=zxingcpp.BarcodeFormat.QRCode)
        found.append(
            [
                (r.text, abs(r.position.top_right.x - r.position.top_left.x) / dpi * 25.4)
                for r in sorted(read, key=lambda r: (r.position.top_left.y, r.position.top_left.x))
            ]
        )
        path.unlink()
    return found


def test_a_poster_is_numbered_replaced_and_lost_without_losing_history(commune: Any, officer: Any) -> None:
    place = make_place(commune)
    plain = posters.address(place.code)
    check = plain.split("m=")[1]
    assert posters.read(place.code, check) == posters.Known(place, 0, "current")
    first = verbs.print_poster(officer, place=place)
    assert (first.serial, first.state) == (1, "current")
    assert verbs.print_poster(officer, place=place).pk == first.pk, "one more print is no new code"
    second = verbs.replace_poster(officer, place=place)
    assert second.serial == 2
    states = {
        serial: known.state
        for serial in (0, 1, 2)
        if (known := posters.read(place.code, posters.address(place.code, serial).split("m=")[1]))
    }
    assert states == {0: "replaced", 1: "replaced", 2: "current"}
    verbs.report_poster(officer, place=place, serial=1)
    lost = posters.read(place.code, posters.address(place.code, 1).split("m=")[1])
    assert lost is not None
    assert lost.state == "lost"
    assert not posters.is_ours(place.code, posters.address(place.code, 1).split("m=")[1])
    assert posters.is_ours(place.code, check)
    assert posters.read(place.code, "AAAAAAAA") is None
    other = make_place(commune)
    assert posters.read(other.code, check) is None, "the check of one place is worth nothing at another"
    verbs.report_poster(officer, place=other, serial=0)
    assert not posters.is_ours(other.code, posters.address(other.code).split("m=")[1])
    assert [row.prints for row in printing.posters_of(officer, place.pk)] == [1, 2]
    with pytest.raises(NotAllowed):
        verbs.replace_poster(make_actor(Role.COMMUNE_OFFICER, make_unit()), place=place)


def test_posters_of_a_commune_are_printed_once_each_and_readable(
    commune: Any, officer: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr("khien.rooms.checkpoints.verbs.printing.POSTERS_A_PART", 2)
    there = [make_place(commune, f"Chợ #{n} *Đông*") for n in range(5)]
    make_place(commune, "Nhà riêng", "home")
    make_place(commune, "Đã đóng", closed_at=NOON - timedelta(days=1))
    run = verbs.order_posters(officer, unit=commune)
    assert (run.total, run.parts.count()) == (5, 3)
    with pytest.raises(Conflict):
        verbs.order_posters(officer, unit=commune)
    assert verbs.print_part(SYSTEM, run_id=run.pk) == 2
    verbs.stop_printing(officer, run=run)
    assert jobs.print_run(run.pk) == 0, "a stopped order makes nothing"
    half = printing.run(officer, run.pk)
    assert (half.state, half.done) == ("stopped", 2)
    verbs.resume_printing(officer, run=half)
    assert jobs.print_run(run.pk) == 3
    done = printing.run(officer, run.pk)
    assert (done.state, done.done) == ("done", 5)
    assert Poster.objects.count() == 5
    read = [
        code
        for part in printing.parts(done)
        for page in codes_on(bytes(printing.part(done, part.number).content), tmp_path, 60)
        for code in page
    ]
    assert sorted(text for text, _mm in read) == sorted(posters.address(p.code, 1) for p in there)
    assert all(mm >= 150 for _text, mm in read), "15 cm at least"


def test_a_part_that_fails_leaves_nothing_half_made_and_goes_on_later(
    commune: Any, officer: Any, monkeypatch: Any
) -> None:
    make_person(unit=commune)
    run = verbs.order_cards(officer, unit=commune)

    def broken(*_cards: Any) -> bytes:
        raise RuntimeError("no paper")

    with monkeypatch.context() as broke:
        broke.setattr(papers, "card_sheets", broken)
        with pytest.raises(RuntimeError):
            jobs.print_run(run.pk)
    assert PassCard.objects.count() == 0, "no card is in the books that no page bears"
    failed = printing.run(officer, run.pk)
    assert (failed.state, failed.failure, failed.done) == ("failed", "RuntimeError", 0)
    verbs.resume_printing(officer, run=failed)
    assert jobs.print_run(run.pk) == 1
    assert PassCard.objects.count() == 1


def test_cards_of_a_commune_eight_to_a_page_each_five_centimetres(
    commune: Any, officer: Any, tmp_path: Path
) -> None:
    people = [make_person(f"Nguyễn Văn Số {n}", commune) for n in range(9)]
    make_person("Người Xã Khác", make_unit("Minh Khai"))
    kept = verbs.issue_pass(officer, person=people[0], kind="paper")
    run = verbs.order_cards(officer, unit=commune)
    assert run.total == 8, "whoever has a card keeps it"
    jobs.print_run(run.pk)
    assert jobs.print_run(run.pk) == 0
    kept.refresh_from_db()
    assert kept.revoked_at is None
    content = bytes(printing.part(run, 1).content)
    (page,) = codes_on(content, tmp_path, 200)
    claims = [passes.verify(text) for text, _mm in page]
    assert {c.sub for c in claims} == set(PassCard.objects.exclude(pk=kept.pk).values_list("sub", flat=True))
    assert all(50 <= mm <= 55 for _text, mm in page), [mm for _text, mm in page]
    words = PdfReader(BytesIO(content)).pages[0].extract_text()
    assert "N. V. S. 3" in words
    assert "Nguyễn" not in words
    assert "Sinh 1990" in words
    assert commune.full_name in words


def test_reissue_ends_the_old_cards_and_the_lost_are_listed(commune: Any, officer: Any) -> None:
    person = make_person(unit=commune)
    old = verbs.issue_pass(officer, person=person, kind="paper")
    run = verbs.order_cards(officer, unit=commune, people=[person], renew=True)
    jobs.print_run(run.pk)
    old.refresh_from_db()
    assert (old.revoked_at, old.revoked_for) == (NOON, "reissued")
    new = PassCard.objects.get(revoked_at__isnull=True)
    verbs.revoke_pass(officer, card=new, reason="lost")
    new.refresh_from_db()
    assert new.revoked_for == "lost"
    with pytest.raises(Invalid):
        verbs.revoke_pass(officer, card=new, reason="?")
    with pytest.raises(Invalid):
        verbs.order_cards(officer, unit=commune, people=[])


def test_a_list_is_printed_as_one_job_and_every_row_is_accounted_for(commune: Any, officer: Any) -> None:
    an = make_person("Trần Văn An", commune)
    identify(an, "035191000071")
    binh, cuc = make_person("Lê Thị Bình", commune), make_person("Ngô Thị Cúc", commune)
    twins = [make_person("Vũ Văn Đôi", commune) for _n in range(2)]
    kept = verbs.issue_pass(officer, person=cuc, kind="paper")
    far = make_person("Người Xã Khác", make_unit("Minh Khai"))
    identify(far, "035191000072")
    text = """Họ và tên; Năm sinh; Số CCCD
035191000071
Trần Văn An; 1990
lê thị bình; 05/03/1990
Ngô Thị Cúc; 1990
Vũ Văn Đôi; 1990
035191000072
Phạm Văn Sai; 035191000071
035191000099

Chỉ Có Tên"""
    rows = card_rows.of_text(text)
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7, 8, 9, 11]
    answer = verbs.order_cards_of_list(officer, unit=commune, rows=rows)
    assert [row.state for row in answer.rows] == [
        "stored", "duplicate", "stored", "duplicate", "held", "held", "held", "held", "held"
    ]  # fmt: skip
    intake = answer.intake
    assert (intake.received, intake.stored, intake.duplicate, intake.held) == (9, 2, 2, 5)
    reasons = list(CardRow.objects.order_by("line").values_list("reason", flat=True))
    for reason, word in zip(
        reasons, ("nhiều người", "địa bàn", "tên khác", "địa bàn", "Thiếu số"), strict=True
    ):
        assert word in reason
    for number in ("035191000071", "035191000072", "035191000099"):
        assert number not in str(list(CardRow.objects.values())), "numbers of a list are not kept"
    assert intake.run is not None
    assert intake.run.total == 2
    jobs.print_run(intake.run.pk)
    assert set(PassCard.objects.filter(person__in=[an, binh]).values_list("person", flat=True)) == {
        an.pk,
        binh.pk,
    }
    assert not PassCard.objects.filter(person__in=[*twins, far]).exists()
    # The same list again: nobody gets a second card, a row that waits waits once.
    again = verbs.order_cards_of_list(officer, unit=commune, rows=rows).intake
    assert (again.received, again.stored, again.duplicate, again.held, again.run) == (9, 0, 4, 5, None)
    assert CardRow.objects.count() == 5
    # Replacing keeps the history: the old card is there, ended and why.
    renewed = verbs.order_cards_of_list(officer, unit=commune, rows=rows[3:4], renew=True).intake
    jobs.print_run(renewed.run.pk)
    kept.refresh_from_db()
    assert (kept.revoked_at, kept.revoked_for) == (NOON, "reissued")
    assert PassCard.objects.filter(person=cuc).count() == 2
    row = CardRow.objects.order_by("line").first()
    assert row is not None
    with pytest.raises(Invalid):
        verbs.dismiss_card_row(officer, held=row, reason=" ")
    verbs.dismiss_card_row(officer, held=row, reason="đã chuyển đi")
    assert printing.held_rows(officer).count() == 4
    assert printing.held_rows(make_actor(Role.COMMUNE_OFFICER, make_unit())).count() == 0
    assert verbs.forget_card_lists(clock.today()) == 0
    assert verbs.forget_card_lists(clock.today() + timedelta(days=1)) == 5
    assert PrintRun.objects.count() == 2, "the log of printing stays"


def test_a_list_may_take_whole_households_and_an_order_one_hamlet(commune: Any, officer: Any) -> None:
    home = Household.objects.create(unit=commune, address="12 Tổ 3")
    family = [make_person(f"Đỗ Văn Số {n}", commune) for n in range(3)]
    Person.objects.filter(pk__in=[p.pk for p in family]).update(household=home)
    make_person("Ở Nơi Khác", commune)
    rows = card_rows.of_text("Đỗ Văn Số 1;1990")
    intake = verbs.order_cards_of_list(officer, unit=commune, rows=rows, households=True).intake
    assert (intake.stored, intake.household) == (1, 2)
    assert intake.run is not None
    assert intake.run.total == 3
    verbs.stop_printing(officer, run=intake.run)
    assert verbs.order_cards(officer, unit=commune, address="tổ 3").total == 3
    with pytest.raises(NotAllowed):
        verbs.order_cards_of_list(make_actor(Role.TRACER, commune), unit=commune, rows=rows)


def test_lists_come_as_text_csv_or_excel(commune: Any) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["STT", "Họ và tên", "Năm sinh", "Số CCCD"])
    sheet.append([1, "Trần Văn An", 1990, "035191000071"])
    out = BytesIO()
    book.save(out)
    wanted = card_rows.CardLine(2, "035191000071", "Trần Văn An", 1990)
    assert card_rows.of_file(out.getvalue()) == [wanted]
    assert card_rows.of_file("Họ tên,năm sinh,số\nTrần Văn An,1990,035191000071\n".encode()) == [wanted]
    assert card_rows.of_text("0912 345 678\tTrần Văn An") == [
        card_rows.CardLine(1, "0912 345 678", "Trần Văn An", None)
    ]
    for broken in (b"PK\x03\x04 not a workbook", b"\xff\xfe\x00"):
        with pytest.raises(Invalid):
            card_rows.of_file(broken)
    with pytest.raises(Invalid):
        card_rows.of_text("035191000071\n" * (card_rows.MOST + 1))


def test_the_page_of_a_list(commune: Any) -> None:
    identify(make_person("Trần Văn An", commune), "035191000071")
    client = Client()
    client.force_login(
        make_account(Role.CLERK, commune), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert client.post("/checkpoints/prints/list/", {"unit": commune.pk}).status_code == 422
    page = client.post(
        "/checkpoints/prints/list/", {"unit": commune.pk, "text": "035191000071\n035191000099"}
    ).content.decode()
    assert "Nhận 2 dòng = 1 in thẻ + 0 đã có + 1 bị giữ." in page
    assert "035191000099" not in page
    run = PrintRun.objects.get()
    assert "Từ danh sách 2 dòng" in client.get(f"/checkpoints/prints/{run.pk}/").content.decode()
    row = CardRow.objects.get()
    client.post(f"/checkpoints/prints/list/rows/{row.pk}/dismiss/", {"reason": "sai số"})
    row.refresh_from_db()
    assert (row.state, row.note) == ("dismissed", "sai số")
    leader = Client()
    leader.force_login(
        make_account(Role.LEADER, commune), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert leader.get("/checkpoints/prints/list/").status_code == 403


def test_pages_are_kept_for_some_days_and_the_line_stays(commune: Any, officer: Any) -> None:
    make_person(unit=commune)
    run = verbs.order_cards(officer, unit=commune)
    jobs.print_run(run.pk)
    assert verbs.forget_prints(clock.today()) == 0
    assert verbs.forget_prints(clock.today() + timedelta(days=1)) == 1
    assert not PrintPart.objects.exists()
    gone = PrintRun.objects.get()
    assert (gone.state, gone.gone_at) == ("done", NOON)
    with pytest.raises(Conflict):
        verbs.resume_printing(officer, run=gone)


def test_the_doors_of_printing(commune: Any) -> None:
    make_place(commune)
    make_person(unit=commune)
    account = make_account(Role.COMMUNE_OFFICER, commune)
    client = Client()
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get("/checkpoints/prints/").status_code == 200
    answer = client.post("/checkpoints/prints/new/posters/", {"unit": commune.pk})
    run = PrintRun.objects.get()
    assert answer.headers["Location"] == f"/checkpoints/prints/{run.pk}/"
    assert client.get(f"/checkpoints/prints/{run.pk}/1.pdf").status_code == 404
    assert client.get(f"/checkpoints/prints/{run.pk}/all.zip").status_code == 404
    client.post(f"/checkpoints/prints/{run.pk}/turn/", {"act": "stop"})
    client.post(f"/checkpoints/prints/{run.pk}/turn/", {"act": "resume"})
    jobs.print_run(run.pk)
    page = client.get(f"/checkpoints/prints/{run.pk}/", headers={"HX-Request": "true"})
    assert "every 2s" not in page.content.decode()
    assert client.get(f"/checkpoints/prints/{run.pk}/1.pdf").content.startswith(b"%PDF")
    assert b"".join(client.get(f"/checkpoints/prints/{run.pk}/all.zip").streaming_content)[:2] == b"PK"
    client.post("/checkpoints/prints/new/cards/", {"unit": commune.pk})
    cards = PrintRun.objects.get(kind="cards")
    administrator = Client()
    administrator.force_login(
        make_account(Role.ADMINISTRATOR, commune),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    assert administrator.get(f"/checkpoints/prints/{cards.pk}/").status_code == 404
    assert administrator.get(f"/checkpoints/prints/{run.pk}/").status_code == 200
    assert client.get("/checkpoints/prints/new/others/").status_code == 404
