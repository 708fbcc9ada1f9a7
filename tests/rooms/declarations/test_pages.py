"""The pages without any script: declaring, finding again, comparing, settling."""

from __future__ import annotations

import csv
import io
import re
import uuid
from datetime import date, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.limits import Limit
from khien.kernel.staff import Role
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.rooms.declarations import codes, verbs
from khien.rooms.declarations.models import Declaration, RiskArea, Task
from khien.rooms.declarations.pages import entering
from tests.factories import NOON, make_account, make_person
from tests.rooms.declarations.conftest import SYSTEM, Ground

NUMBER = "035186000009"


def signed_in(role: str, unit) -> Client:
    client = Client()
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


def resident(person) -> Client:
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = person.pk
    session.save()
    client.cookies["sessionid"] = session.session_key
    return client


def typed(ground: Ground, **more: object) -> dict[str, object]:
    return {
        "client_id": str(uuid.uuid4()),
        "version": "1",
        "filled_by": "self",
        "full_name": "Nguyễn Thị Hoa",
        "birth_year": "1986",
        "phone": "0912 345 678",
        "unit-province": str(ground.province.pk),
        "unit": str(ground.commune.pk),
        "been_elsewhere": "no",
        "contact": "no",
        "has_symptoms": "no",
        "consent": "on",
        **more,
    }


def test_a_resident_without_an_account_declares_and_gets_a_code(ground: Ground) -> None:
    client = Client()
    page = client.get("/declarations/new/health/").content.decode()
    assert "Phường Quang Trung" in page, "the installation's province is chosen already"
    answer = client.post("/declarations/new/health/", typed(ground, number=NUMBER))
    assert answer.status_code == 302
    done = client.get(answer.url).content.decode()
    row = Declaration.objects.get()
    assert codes.shown(row.code) in done
    assert "<svg" in done
    assert "Được qua" in done
    assert NUMBER not in done + str(list(AuditLine.objects.values())) + str(
        list(Declaration.objects.values())
    )
    assert Client().get("/declarations/done/").status_code == 302


def test_a_mistake_changes_nothing_and_says_what_to_do(ground: Ground) -> None:
    client = Client()
    answer = client.post("/declarations/new/health/", typed(ground, phone="12", number=NUMBER, consent=""))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Cần đánh dấu đồng ý" in page
    assert NUMBER not in page
    assert Declaration.objects.count() == 0


def test_a_button_of_the_sheet_draws_it_again(ground: Ground) -> None:
    page = Client().post("/declarations/new/health/", typed(ground, action="add:companions")).content.decode()
    assert 'name="companions-0-full_name"' in page
    assert "Chưa lưu được" not in page
    assert Declaration.objects.count() == 0


def test_a_script_sends_the_same_draft_twice_and_is_told_so(ground: Ground) -> None:
    client = Client()
    form = typed(ground, made_at=(NOON - timedelta(hours=5)).isoformat())
    first = client.post("/declarations/new/health/", form, headers={"Accept": "application/json"}).json()
    again = client.post("/declarations/new/health/", form, headers={"Accept": "application/json"}).json()
    assert (first["state"], again["state"]) == ("stored", "duplicate")
    assert first["code"] == again["code"]
    assert Declaration.objects.get().declared_at == NOON - timedelta(hours=5)
    wrong = client.post(
        "/declarations/new/health/", typed(ground, phone=""), headers={"Accept": "application/json"}
    )
    assert (wrong.status_code, wrong.json()["state"]) == (422, "refused")


def test_only_an_empty_form_of_nobody_may_stay_on_the_phone(ground: Ground) -> None:
    assert Client().get("/declarations/new/health/")["X-Khien-Keep"] == "1"
    person = make_person("Nguyễn Thị Hoa", ground.commune, phone="+84912345678")
    assert resident(person).get("/declarations/new/health/").get("X-Khien-Keep") != "1"
    worker = Client().get("/declarations/sw.js")
    assert worker["Content-Type"].startswith("text/javascript")


def test_a_signed_in_resident_begins_with_what_they_said_last(ground: Ground) -> None:
    person = make_person("Nguyễn Thị Hoa", ground.commune, birth_date=date(1986, 2, 3), phone="+84912345678")
    client = resident(person)
    page = client.get("/declarations/new/health/").content.decode()
    assert 'value="Nguyễn Thị Hoa"' in page
    client.post(
        "/declarations/new/health/", typed(ground, address="Ngõ 7", has_symptoms="yes", symptoms="fever")
    )
    row = Declaration.objects.get()
    assert (row.person, row.channel, row.match) == (person, "resident", "linked")
    page = client.get("/declarations/new/health/").content.decode()
    assert 'value="Ngõ 7"' in page
    assert not re.search(r'name="has_symptoms"[^>]*checked', page)
    mine = client.get("/declarations/mine/").content.decode()
    assert codes.shown(row.code) in mine


def test_a_code_shows_a_guard_the_colour_and_no_more(ground: Ground) -> None:
    row = verbs.declare(
        SYSTEM,
        form=ground.health,
        value=ground.answer(has_symptoms=True, symptoms=["fever"], address="Ngõ Riêng"),
        client_id=uuid.uuid4(),
        channel="public",
    ).declaration
    guard = signed_in(Role.GUARD, ground.commune)
    page = guard.get("/declarations/code/", {"code": codes.shown(row.code)}).content.decode()
    assert "Khai có triệu chứng: cán bộ y tế sẽ gọi." in page
    assert "N. T. Hoa" in page
    for secret in ("Nguyễn Thị", "0912", "912345678", "Ngõ Riêng", "Sốt"):
        assert secret not in page
    out = guard.get(f"/api/v1/declarations/codes/{row.code}").json()
    assert (out["colour"], out["name"], out["valid"]) == ("yellow", "N. T. Hoa", True)
    assert guard.get("/api/v1/declarations/codes/KB1:0000").status_code == 404
    assert Client().get("/declarations/code/", {"code": row.code}).status_code == 302
    slip = "X" if row.code[3] != "X" else "Y"
    wrong = guard.get("/declarations/code/", {"code": row.code[:3] + slip + row.code[4:]}).content.decode()
    assert "gõ sai một ký tự" in wrong


def test_the_declarer_opens_it_with_what_only_they_know_and_guessing_ends_soon(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = verbs.declare(
        SYSTEM,
        form=ground.health,
        value=ground.answer(address="Ngõ 7"),
        client_id=uuid.uuid4(),
        channel="public",
    ).declaration
    client = Client()
    assert client.get("/declarations/opened/").status_code == 302
    for year in range(1950, 1955):
        assert client.post("/declarations/find/", {"code": row.code, "proof": str(year)}).status_code == 422
    page = client.post("/declarations/find/", {"code": row.code, "proof": "1986"}).content.decode()
    assert "quá nhiều lần" in page
    later = timezone.now() + timedelta(hours=1, minutes=1)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: later)
        assert client.post("/declarations/find/", {"code": row.code, "proof": "5678"}).status_code == 302
    assert "Ngõ 7" in client.get("/declarations/opened/").content.decode()
    again = client.get("/declarations/again/health/")
    assert 'value="Ngõ 7"' in client.get(again.url).content.decode()


def test_a_flood_of_declarations_from_one_network_is_stopped_and_says_what_to_do(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entering, "FROM_AN_ADDRESS", Limit("declaration_from", 2, 3600))
    pages = [
        Client().post("/declarations/new/health/", typed(ground, phone=f"091234567{n}")) for n in range(3)
    ]
    assert [page.status_code for page in pages] == [302, 302, 422]
    assert "vẫn ở trên máy này" in pages[2].content.decode()
    draft = Client().post(
        "/declarations/new/health/", typed(ground, phone="0912345679"), headers={"Accept": "application/json"}
    )
    assert draft.status_code == 429
    assert Declaration.objects.count() == 2


def test_a_clerk_helps_and_papers_come_in_a_row(ground: Ground) -> None:
    clerk = signed_in(Role.CLERK, ground.commune)
    answer = clerk.post("/declarations/help/health/", typed(ground))
    assert "KB1:" in clerk.get(answer.url).content.decode()
    page = clerk.post(
        "/declarations/paper/health/",
        typed(ground, full_name="Vũ Thị Lan", phone="0912345679", paper_on="2022-01-08"),
        follow=True,
    ).content.decode()
    assert "Đã nhập tờ của Vũ Thị Lan" in page
    assert 'value="2022-01-08"' in page
    helped, paper = Declaration.objects.order_by("pk")
    assert (helped.channel, paper.channel) == ("helper", "paper")
    assert None not in {helped.entered_by, paper.entered_by}
    assert clock.local(paper.declared_at).date() == date(2022, 1, 8)
    late = clerk.post("/declarations/paper/health/", typed(ground, paper_on="2022-01-11"))
    assert late.status_code == 422


def test_an_officer_settles_compares_and_counts(ground: Ground) -> None:
    known = make_person("Nguyễn Thị Hoa", ground.commune, birth_date=date(1986, 1, 1), phone="+84900000001")
    Client().post("/declarations/new/health/", typed(ground, has_symptoms="yes", symptoms="fever"))
    row = Declaration.objects.get()
    assert row.match == "held"
    officer = signed_in(Role.COMMUNE_OFFICER, ground.commune)
    assert "Nguyễn Thị Hoa" in officer.get("/declarations/inbox/").content.decode()
    assert "khác số điện thoại" in officer.get("/declarations/held/").content.decode()
    officer.post(f"/declarations/held/{row.pk}/", {"person": str(known.public_id)})
    row.refresh_from_db()
    assert row.person == known
    task = Task.objects.get()
    assert officer.post(f"/declarations/tasks/{task.pk}/", {"outcome": ""}).status_code == 422
    officer.post(f"/declarations/tasks/{task.pk}/", {"outcome": "well", "note": "Đã gọi"})
    task.refresh_from_db()
    assert (task.state, task.note) == ("settled", "Đã gọi")
    assert "Không có tờ khai nào cần xem" in officer.get("/declarations/inbox/").content.decode()
    assert "Đã gọi" in officer.get(f"/declarations/tasks/{task.pk}/").content.decode()
    found = officer.get(
        "/declarations/list/", {"q": codes.shown(row.code), "attention": "on"}
    ).content.decode()
    assert "Nguyễn Thị Hoa" in found
    person_page = officer.get(f"/desk/people/{known.public_id}/").content.decode()
    assert codes.shown(row.code) in person_page
    leader = signed_in(Role.LEADER, ground.province)
    counts = list(
        csv.reader(io.StringIO(leader.get("/declarations/list/counts.csv").content.decode("utf-8-sig")))
    )
    assert counts[1] == ["2022-01-10", "Phường Quang Trung", "1", "1", "0"]
    assert "1 tờ khai cần xem" not in leader.get("/desk/").content.decode()
    elsewhere = signed_in(Role.COMMUNE_OFFICER, ground.other)
    assert elsewhere.get(f"/declarations/list/{row.pk}/").status_code == 404
    assert "Nguyễn Thị Hoa" not in elsewhere.get("/declarations/list/").content.decode()


def test_areas_at_risk_are_entered_by_decision_and_ended(ground: Ground) -> None:
    officer = signed_in(Role.COMMUNICATION_OFFICER, ground.province)
    form = {"unit": "13288", "level": "red", "start": "2022-01-05", "decision": "12/QĐ-UBND"}
    assert officer.post("/declarations/areas/", form).status_code == 302
    assert officer.post("/declarations/areas/", {**form, "unit": "99"}).status_code == 422
    area = RiskArea.objects.get()
    assert (area.unit, area.level) == (ground.other, "red")
    officer.post(f"/declarations/areas/{area.pk}/end/", {"end": "2022-01-09", "decision": "13/QĐ-UBND"})
    area.refresh_from_db()
    assert (area.during.upper, area.end_decision) == (date(2022, 1, 9), "13/QĐ-UBND")
    local = signed_in(Role.COMMUNE_OFFICER, ground.commune)
    assert local.post("/declarations/areas/", {**form, "start": "2022-01-09"}).status_code == 422


@pytest.mark.parametrize("key", ["health", "movement"])
def test_every_form_is_drawn_in_english_too(ground: Ground, key: str) -> None:
    page = Client().get(f"/declarations/new/{key}/", headers={"Accept-Language": "en"}).content.decode()
    assert "Year of birth" in page
    assert "Năm sinh" not in page.split("<form")[1].split("</form>")[0]


def test_each_fault_leads_to_the_question_that_it_is_about(ground: Ground) -> None:
    page = Client().post("/declarations/new/health/", {}).content.decode()
    faults = re.findall(r'<li><a href="#([^"]*)">', page)
    assert len(faults) > 5
    missing = [name for name in faults if f'id="{name}"' not in page]
    assert missing == [], "a group of choices has no field of its own: the first choice stands for it"
