"""The doors of the room: batches from devices and guards, enrolment, and every page."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import zxingcpp
from django.test import Client
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Invalid, NotFound
from khien.kernel.people.models import Person
from khien.kernel.places import verbs as places
from khien.kernel.places.models import Place
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Device, EnrolmentCode
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY, actor_of_account
from khien.kernel.staff.verbs import enrol_device, make_enrolment_code, revoke_device
from khien.rooms.checkpoints import papers, passes, posters, reads, verbs
from khien.rooms.checkpoints.models import HeldScan, PassCard, Scan
from tests.factories import NOON, make_account, make_actor, make_person, make_place, make_province, make_unit
from tests.kernel.documents.test_pdf import pixels
from tests.rooms.checkpoints.cards import CCCD, NUMBER, event

pytestmark = pytest.mark.django_db
SCANS = "/api/v1/checkpoints/scans"
ENROL = "/api/v1/checkpoints/devices/enrol"


@pytest.fixture(autouse=True)
def noon():
    places.load_kinds(system_actor("test"))
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune():
    return make_province()[2]


@pytest.fixture
def market(commune):
    return make_place(commune)


def signed_in(role: str, unit: Any) -> Client:
    client = Client()
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


def enrolled(unit: Any) -> tuple[Device, str]:
    account = make_account(Role.ADMINISTRATOR, unit)
    _row, code = make_enrolment_code(actor_of_account(account), name="Chốt 1", unit=unit)
    made = enrol_device(code)
    return made.device, made.token


def post(body: Any, token: str = "", client: Client | None = None, **more: Any) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return (client or Client()).post(
        SCANS, json.dumps(body), content_type="application/json", headers={**headers, **more}
    )


# Devices


def test_a_code_enrols_one_device_once_within_a_quarter_of_an_hour(commune) -> None:
    actor = actor_of_account(make_account(Role.ADMINISTRATOR, commune))
    _row, code = make_enrolment_code(actor, name="Chốt cầu", unit=commune)
    answer = Client().post(ENROL, {"code": f" {code.lower()} "}, content_type="application/json")
    assert answer.status_code == 200
    assert answer.json()["name"] == "Chốt cầu"
    assert answer.json()["token"] not in str(list(Device.objects.values()))
    assert code not in str(list(EnrolmentCode.objects.values()))
    again = Client().post(ENROL, {"code": code}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (422, "enrolment_code")
    _row, late = make_enrolment_code(actor, name="Chốt cầu", unit=commune)
    with clock.reads.frozen_at(NOON + timedelta(minutes=15)), pytest.raises(Invalid):
        enrol_device(late)


def test_a_device_sends_and_each_id_counts_once(commune, market) -> None:
    _device, token = enrolled(commune)
    batch = {"sent_at": NOON.isoformat(), "events": [event(market.code), event(market.code, "hello")]}
    first = post(batch, token).json()
    assert (first["received"], first["stored"], first["duplicate"], first["held"]) == (2, 1, 0, 1)
    assert first["answers"][0]["verdict"]["colour"] == "green"
    assert "CCCD" in first["answers"][1]["message"]
    second = post(batch, token).json()
    assert (second["stored"], second["duplicate"], second["held"]) == (0, 2, 0)
    assert Scan.objects.count() == HeldScan.objects.count() == 1


def test_a_revoked_device_is_told_so_and_what_it_sends_is_held(commune, market) -> None:
    device, token = enrolled(commune)
    revoke_device(make_actor(Role.ADMINISTRATOR, commune), device=device)
    answer = post({"events": [event(market.code)]}, token)
    assert answer.status_code == 401
    assert answer.json()["code"] == "device_revoked"
    assert "thu hồi" in answer.json()["message"]
    assert answer.json()["way_out"]
    assert not Scan.objects.exists()
    held = HeldScan.objects.get()
    assert (held.reason, held.device, held.unit) == ("device_revoked", device, commune)
    english = post({"events": []}, token, **{"Accept-Language": "en"})
    assert english.status_code == 401
    assert "revoked or suspended" in english.json()["message"]


@pytest.mark.parametrize("token", ["", "nonsense"])
def test_nobody_sends_without_a_token_or_a_session(token: str, market) -> None:
    assert post({"events": [event(market.code)]}, token).status_code in {401, 403}
    assert not Scan.objects.exists()


def test_a_signed_in_guard_sends_through_the_same_door(commune, market) -> None:
    answer = post({"events": [event(market.code)]}, client=signed_in(Role.GUARD, commune))
    assert answer.status_code == 200, answer.content
    assert answer.json()["stored"] == 1
    assert post({"events": []}, client=signed_in(Role.LABORATORY, commune)).status_code == 403


def test_too_large_a_batch_is_refused_whole(commune, market) -> None:
    _device, token = enrolled(commune)
    many = post({"events": [event(market.code) for _ in range(201)]}, token)
    assert (many.status_code, many.json()["code"]) == (422, "too_large")
    long = post({"events": [event(market.code, "x" * 300_000)]}, token)
    assert (long.status_code, long.json()["code"]) == (422, "too_large")
    assert not Scan.objects.exists()


@pytest.mark.parametrize("body", ["[]", "{}", '{"events": 3}', '{"events": [], "sent_at": "x"}', "{", ""])
def test_a_malformed_batch_says_what_is_wrong(commune, body: str) -> None:
    _device, token = enrolled(commune)
    answer = Client().post(
        SCANS, body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code in {400, 422}
    assert answer.json()["message"]


# Pages


def test_the_gate_works_without_scripts(commune, market) -> None:
    client = signed_in(Role.GUARD, commune)
    page = client.get("/checkpoints/scan/").content.decode()
    new_id = re.search(r'name="id" value="([^"]+)"', page).group(1)
    form = {"id": new_id, "place": market.code, "direction": "in", "code": CCCD}
    answer = client.post("/checkpoints/scan/", form).content.decode()
    assert "Được qua" in answer
    assert "verdict--green" in answer
    assert NUMBER not in answer
    client.post("/checkpoints/scan/", form)
    assert Scan.objects.count() == 1
    bad = client.post("/checkpoints/scan/", {**form, "id": "x", "code": "abc"}).content.decode()
    assert "verdict--grey" in bad


def test_places_are_added_corrected_printed_and_closed(commune, tmp_path: Path) -> None:
    client = signed_in(Role.COMMUNE_OFFICER, commune)
    form = {"name": "Chợ Bầu", "kind": "market", "unit": commune.pk, "area_m2": "3000"}
    made = client.post("/checkpoints/places/new/", form)
    place = Place.objects.get()
    assert made["Location"] == f"/checkpoints/places/{place.pk}/"
    assert "Chợ Bầu" in client.get("/checkpoints/places/?q=cho+bau").content.decode()
    assert "Chợ Bầu" not in client.get("/checkpoints/places/?kind=school").content.decode()
    assert "3000 m²" in client.get(made["Location"]).content.decode()
    client.post(f"{made['Location']}edit/", {"name": "Chợ Bầu mới", "kind": "market"})
    place.refresh_from_db()
    assert place.name == "Chợ Bầu mới"
    with clock.reads.frozen_at(NOON + timedelta(hours=1)):
        client.post(f"{made['Location']}state/", {"state": "closed"})
        assert "đã đóng" in client.get(made["Location"]).content.decode()
    refused = client.post("/checkpoints/places/new/", {**form, "area_m2": "-3"})
    assert refused.status_code == 200
    assert Place.objects.count() == 1


def test_the_poster_is_read_off_the_paper_and_is_large_enough(commune, market, tmp_path: Path) -> None:
    made = signed_in(Role.COMMUNE_OFFICER, commune).get(f"/checkpoints/places/{market.pk}/poster.pdf")
    assert made["Content-Type"] == "application/pdf"
    picture = pixels(made.content, tmp_path, dpi=100)
    found = zxingcpp.read_barcode(picture)
    assert found.text == posters.address(market.code)
    side_cm = (found.position.top_right.x - found.position.top_left.x) / 100 * 2.54
    assert 15 <= side_cm <= 17
    page = PdfReader(BytesIO(made.content)).pages[0]
    assert [round(float(side)) for side in (page.mediabox.width, page.mediabox.height)] == [595, 842]
    assert "Chợ Bầu" in page.extract_text()


def test_a_poster_opens_its_place_and_a_forged_one_does_not(market) -> None:
    address = posters.address(market.code).split("8000", 1)[-1].split("example", 1)[-1]
    path = "/checkpoints/" + address.split("/checkpoints/", 1)[1]
    assert "Chợ Bầu" in Client().get(path).content.decode()
    assert Client().get(path[:-1] + ("A" if path[-1] != "A" else "B")).status_code == 404
    assert Client().get(f"/checkpoints/at/{market.code}/").status_code == 404


def test_a_resident_checks_in_by_the_poster(commune, market) -> None:
    person = make_person(unit=commune)
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    path = "/checkpoints/" + posters.address(market.code).split("/checkpoints/", 1)[1]
    assert client.post(path, {"direction": "in", "id": str(uuid4())}).status_code == 302
    scan = Scan.objects.get()
    assert (scan.person_id, scan.place_id, scan.method) == (person.pk, market.pk, "phone")
    nobody = Client().post(path, {"direction": "in", "id": str(uuid4())})
    assert nobody.status_code == 422  # neither a session nor a number: asked for one
    assert Scan.objects.count() == 1


def test_a_resident_makes_and_renews_a_pass_that_holds_no_number(commune) -> None:
    person = make_person(unit=commune)
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    still = '<div class="pass-code" role="img"'  # the picture of a pass that stands still
    assert still not in client.get("/checkpoints/pass/").content.decode()
    client.post("/checkpoints/pass/")
    first = PassCard.objects.get()
    assert still in client.get("/checkpoints/pass/").content.decode()
    with clock.reads.frozen_at(NOON + timedelta(hours=1)):
        client.post("/checkpoints/pass/")
    first.refresh_from_db()
    assert first.revoked_at is not None
    assert PassCard.objects.filter(revoked_at=None).exclude(sub=first.sub).count() == 1


def test_a_paper_pass_is_printed_and_read_back(commune, tmp_path: Path) -> None:
    person = make_person("Nguyễn Thị Ánh", commune)
    made = signed_in(Role.CLERK, commune).post(f"/checkpoints/people/{person.public_id}/pass/")
    assert made["Content-Type"] == "application/pdf"
    found = zxingcpp.read_barcode(pixels(made.content, tmp_path, dpi=150))
    claims = passes.verify(found.text)
    card = PassCard.objects.get()
    assert (claims.sub, claims.masked_name, claims.birth_year) == (card.sub, "N. T. Ánh", 1990)
    side_cm = (found.position.top_right.x - found.position.top_left.x) / 150 * 2.54
    assert side_cm >= 5
    elsewhere = make_person("Người Khác", None)
    refused = signed_in(Role.CLERK, commune).post(f"/checkpoints/people/{elsewhere.public_id}/pass/")
    assert refused.status_code == 404


def test_an_administrator_enrols_and_revokes_by_page(commune) -> None:
    client = signed_in(Role.ADMINISTRATOR, commune)
    page = client.post("/checkpoints/devices/", {"name": "Chốt A", "unit": commune.pk}).content.decode()
    code = re.search(r"enrol-code code\">([0-9A-Z]{10})<", page).group(1)
    device = enrol_device(code).device
    assert "Chốt A" in client.get("/checkpoints/devices/").content.decode()
    client.post(f"/checkpoints/devices/{device.pk}/state/", {"state": "suspended"})
    device.refresh_from_db()
    assert device.state == "suspended"
    client.post(f"/checkpoints/devices/{device.pk}/state/", {"state": "revoked"})
    device.refresh_from_db()
    assert device.state == "revoked"
    other = make_unit("Xã Khác")
    stranger = signed_in(Role.ADMINISTRATOR, other)
    assert "Chốt A" not in stranger.get("/checkpoints/devices/").content.decode()
    assert stranger.post(f"/checkpoints/devices/{device.pk}/state/", {"state": "active"}).status_code == 404


def test_what_was_held_is_shown_to_the_commune_and_leaves_the_list_when_seen(commune, market) -> None:
    verbs.store_scans(make_actor(Role.GUARD, commune), [event(market.code, f"{NUMBER}|An|x")])
    client = signed_in(Role.COMMUNE_OFFICER, commune)
    page = client.get("/checkpoints/held/").content.decode()
    assert "mã thẻ bị đọc thiếu" in page
    assert NUMBER not in page
    assert AuditLine.objects.filter(act="checkpoints.held", sort="read").exists()
    stranger = signed_in(Role.COMMUNE_OFFICER, make_unit("Xã Khác"))
    assert "mã thẻ bị đọc thiếu" not in stranger.get("/checkpoints/held/").content.decode()
    held = HeldScan.objects.get()
    assert stranger.post(f"/checkpoints/held/{held.pk}/settle/").status_code == 404
    client.post(f"/checkpoints/held/{held.pk}/settle/")
    assert "mã thẻ bị đọc thiếu" not in client.get("/checkpoints/held/").content.decode()
    assert "mã thẻ bị đọc thiếu" in client.get("/checkpoints/held/?settled=1").content.decode()


def test_the_person_panel_shows_stays_only_to_those_who_trace_or_care(commune, market) -> None:
    from khien.rooms.checkpoints import jobs

    person = make_person(unit=commune)
    at = (NOON - timedelta(hours=2)).isoformat()
    verbs.store_scans(
        system_actor("test"), [{**event(market.pk), "at": at, "person": person.pk}], verdicts=False
    )
    jobs.derive_when_due()
    panel = reads.recent_stays(make_actor(Role.TRACER, commune), person.pk)
    assert [place.pk for _stay, place in panel["stays"]] == [market.pk]
    for role in (Role.LEADER, Role.GUARD, Role.LABORATORY):
        assert reads.recent_stays(make_actor(role, commune), person.pk) is None


def test_coverage_and_search(commune, market) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    make_place(commune, "Trường Quang Trung", "school")
    verbs.store_scans(make_actor(Role.GUARD, commune), [event(market.code)])
    rows = reads.coverage(officer, NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert [(r.place_id, r.scans, str(r.day)) for r in rows] == [(market.pk, 1, "2022-01-10")]
    today = reads.activity(officer, clock.today())
    assert (today.places, today.active, today.scans) == (2, 1, 1)
    assert reads.activity(make_actor(Role.COMMUNE_OFFICER, make_unit("Xã Khác")), clock.today()).places == 0
    assert [hit.label for hit in reads.find_places(officer, "truong quang", 5)] == ["Trường Quang Trung"]


def test_scope_of_cards(commune) -> None:
    person = make_person(unit=commune)
    card = verbs.issue_pass(make_actor(Role.CLERK, commune), person=person, kind="paper")
    with pytest.raises(NotFound):
        reads.card(make_actor(Role.CLERK, make_unit("Xã Khác")), card.pk)
    assert papers.paper_card(card).startswith(b"%PDF")
    assert Person.objects.count() == 1
