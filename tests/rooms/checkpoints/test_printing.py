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
from PIL import Image
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.places import verbs as places
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.rooms.checkpoints import jobs, papers, passes, posters, printing, verbs
from khien.rooms.checkpoints.models import PassCard, Poster, PrintPart, PrintRun
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
