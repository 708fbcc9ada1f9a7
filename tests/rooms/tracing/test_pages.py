"""The pages and the machine door, without scripts, as a tracer uses them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from django.test import Client

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.rooms.tracing import reads, verbs
from khien.rooms.tracing.models import Case, Outbreak, TracedContact
from tests.factories import NOON, make_account, make_person, make_place, make_province, make_unit
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case, stay

pytestmark = pytest.mark.django_db
DATA = Path(__file__).parents[2] / "data/outbreaks"


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        load_rules()
        yield


@pytest.fixture
def unit():
    return make_province()[2]


@pytest.fixture
def tracer(unit):
    client = Client()
    client.force_login(
        make_account(Role.TRACER, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


@pytest.fixture
def case(unit):
    person, friend = make_person("Trần Thị Ca", unit), make_person("Lê Văn Bạn", unit)
    seller = make_person("Phạm Thị Chợ", unit)
    cafe = make_place(unit, "Cà phê Sông Đáy", "cafe", area_m2=60)
    market = make_place(unit, "Chợ Bầu", "market", area_m2=5000)
    stay(person, cafe, at(8, 9), 60)
    stay(friend, cafe, at(8, 9, 30), 60)
    stay(person, market, at(8, 15), 60)
    stay(seller, market, at(8, 8), 600)
    return open_case(person, unit, result_id=1, sampled_at=at(9, 8), resulted_at=at(9, 20))


def test_a_tracer_lists_and_approves_on_one_page(tracer, case) -> None:
    page = tracer.get(f"/tracing/cases/{case.pk}/")
    assert "Trần Thị Ca" in page.content.decode()
    assert "Lập danh sách" in page.content.decode()
    answer = tracer.post(f"/tracing/cases/{case.pk}/list/", follow=True)
    text = answer.content.decode()
    assert "Cà phê Sông Đáy, 09:30–10:00 08/01/2022" in text
    assert "điều b" in text
    assert "Trong 2 địa điểm của ca này, 2 nơi có lượt quét" in text
    friend = TracedContact.objects.get(person__full_name="Lê Văn Bạn")
    seller = TracedContact.objects.get(person__full_name="Phạm Thị Chợ")
    assert f'value="{friend.pk}" id="c{friend.pk}" checked' in text
    assert f'value="{seller.pk}" id="c{seller.pk}">' in text
    page = f"/tracing/cases/{case.pk}/contacts/"
    ticked = tracer.get(page + "?top=1").content.decode()
    assert f'value="{seller.pk}" id="c{seller.pk}" checked' in ticked
    listed = friend.contact_list_id
    refused = tracer.post(page, {"list": listed, "contacts": [seller.pk]})
    assert refused.status_code == 422
    assert "chưa có lý do" in refused.content.decode()
    done = tracer.post(page, {"list": listed, "contacts": [friend.pk]}, follow=True)
    assert "Đã duyệt 1 người" in done.content.decode()
    friend.refresh_from_db()
    assert friend.state == "approved"


def test_every_page_writes_who_was_shown(tracer, case) -> None:
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    tracer.get(f"/tracing/cases/{case.pk}/contacts/")
    line = AuditLine.objects.filter(act="tracing.contact_list").latest("pk")
    assert set(line.persons) >= {case.person_id, *case.contacts.values_list("person_id", flat=True)}


def test_a_long_list_shows_the_most_probable_and_the_rest_at_a_click(tracer, unit, case) -> None:
    bridge = make_place(unit, "Chợ Phủ Lý", "market", area_m2=6000)
    stay(case.person, bridge, at(8, 17), 60)
    for n in range(70):
        stay(make_person(f"Người Chợ {n:02}", unit), bridge, at(8, 17), 10 + n / 2)
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    page = f"/tracing/cases/{case.pk}/contacts/"
    first = tracer.get(page)
    rows = [contact for contact, _tick in first.context["rows"]]
    assert (len(rows), first.context["total"]) == (61, 72)
    assert "Đang hiện 61 trong 72 người" in first.content.decode()
    assert rows[0].is_legal_f1
    shown = {contact.person_id for contact in rows}
    assert set(AuditLine.objects.filter(act="tracing.contact_list").latest("pk").persons) == {
        case.person_id,
        *shown,
    }
    assert len(tracer.get(page + "?all=1").context["rows"]) == 72
    assert len(tracer.get(page + "?top=65").context["rows"]) == 66
    # Who is not shown stays as they were.
    friend = TracedContact.objects.get(person__full_name="Lê Văn Bạn")
    tracer.post(page, {"list": friend.contact_list_id, "contacts": [friend.pk]})
    assert TracedContact.objects.filter(case=case, state="proposed").count() == 71


def test_a_list_made_while_its_page_is_read_is_not_shown_empty(tracer, case, monkeypatch) -> None:
    latest_list = reads.latest_list

    def then_it_is_made(actor, case_id):
        found = latest_list(actor, case_id)
        verbs.list_contacts(SYSTEM, case_id=case_id)
        return found

    monkeypatch.setattr(reads, "latest_list", then_it_is_made)
    text = tracer.get(f"/tracing/cases/{case.pk}/contacts/").content.decode()
    assert "Chưa lập danh sách" in text
    assert "Không tìm thấy ai" not in text


def test_the_clock_names_the_blocking_step(tracer, case) -> None:
    assert (
        "Đang chờ: <strong>Lập danh sách</strong>"
        in tracer.get(f"/tracing/cases/{case.pk}/").content.decode()
    )
    assert "Trần Thị Ca" in tracer.get("/tracing/?step=listed").content.decode()
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    assert "Trần Thị Ca" not in tracer.get("/tracing/?step=listed").content.decode()
    assert "Trần Thị Ca" in tracer.get("/tracing/?step=approved").content.decode()


def test_the_interview_is_entered_on_the_case_page_and_bad_input_is_answered_beside_the_field(
    tracer, case
) -> None:
    base = f"/tracing/cases/{case.pk}"
    future = tracer.post(f"{base}/symptoms/", {"classification": "confirmed", "onset_on": "2022-03-01"})
    assert future.status_code == 422
    assert "tương lai" in future.content.decode()
    tracer.post(f"{base}/symptoms/", {"classification": "confirmed", "onset_on": "2022-01-08"})
    place = {"place_code": "KHONGCO", "start": "2022-01-08T09:00", "end": "2022-01-08T10:00"}
    assert "Không có địa điểm mang mã này" in tracer.post(f"{base}/landmarks/", place).content.decode()
    text = {"text": "Đám cưới", "start": "2022-01-08T09:00", "end": "2022-01-08T10:00"}
    assert tracer.post(f"{base}/landmarks/", text).status_code == 302
    hand = {"full_name": "Ông Bảy", "kind": "body", "day": "2022-01-08", "minutes": "5"}
    assert tracer.post(f"{base}/hand-contacts/", hand).status_code == 302
    page = tracer.get(f"{base}/").content.decode()
    assert "Đám cưới" in page
    assert "Ông Bảy" in page
    case.refresh_from_db()
    assert case.onset_on is not None
    assert case.landmarks.get().start == at(8, 9)


def test_the_chain_is_a_picture_with_a_table_beside_it(tracer, case, unit) -> None:
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    friend = TracedContact.objects.get(person__full_name="Lê Văn Bạn").person
    second = open_case(friend, unit, result_id=2, sampled_at=at(10, 8), resulted_at=at(10, 11))
    text = tracer.get(f"/tracing/cases/{second.pk}/chain/").content.decode()
    assert "<svg" in text
    assert "style=" not in text
    assert text.count(f'href="/tracing/cases/{case.pk}/"') >= 2
    assert "Là người tiếp xúc của ca trước" in text


def test_an_outbreak_shows_its_curve_r_and_chains(tracer, unit) -> None:
    verbs.import_line_list(
        SYSTEM,
        outbreak_name="Sởi Hagelloch",
        unit=unit,
        cases=(DATA / "measles_hagelloch_1861.csv").read_bytes(),
    )
    page = tracer.get("/tracing/outbreaks/")
    assert "Sởi Hagelloch" in page.content.decode()
    address = page.context["page"].object_list[0].pk
    text = tracer.get(f"/tracing/outbreaks/{address}/").content.decode()
    assert text.count('class="bar"') > 20
    assert 'class="band"' in text
    assert "184 cặp nguồn – lây" in text
    table = tracer.get(f"/tracing/outbreaks/{address}/?format=csv").content.decode()
    assert table.startswith("day,cases,r_mean,r_low,r_high")


@pytest.fixture
def singers(unit):
    """Three at a karaoke on 4 January, of whom two fell ill on the 9th and one that day; all went to the market too."""
    karaoke = make_place(unit, "Karaoke Phố Cũ", "cafe", area_m2=40)
    market = make_place(unit, "Chợ Bầu", "market", area_m2=5000)
    people = [make_person(f"Người Hát {n}", unit) for n in range(3)]
    for day in range(1, 10):
        for n in range(12):
            stay(make_person(f"Người Chợ {day}-{n}", unit), market, at(day, 8), 60)
        for person in people:
            stay(person, market, at(day, 8), 60)
    for person in people:
        stay(person, karaoke, at(4, 20), 90)
    return [
        open_case(person, unit, onset_on=date(2022, 1, day), sampled_at=at(day, 9))
        for person, day in zip(people, (9, 9, 4), strict=True)
    ]


def test_the_place_that_explains_the_cases_comes_first(tracer, singers) -> None:
    first, second, earlier = singers
    page = tracer.get("/tracing/common-places/")
    row = page.context["found"].rows[0]
    assert row.place == "Karaoke Phố Cũ"
    assert (row.found.start, row.found.end) == (at(4, 20), at(4, 22))
    assert {c.pk for c in row.may_be_infected} == {first.pk, second.pk}
    assert [c.pk for c in row.infectious] == [earlier.pk]
    market = next(row for row in page.context["found"].rows if row.place == "Chợ Bầu")
    assert row.found.low > market.found.low
    text = page.content.decode()
    assert "20:00–22:00 04/01/2022" in text.replace('<span class="nowrap">', "").replace("</span>", "")
    assert "gợi ý để xác minh" in text
    line = AuditLine.objects.filter(act="tracing.common_places").latest("pk")
    assert set(line.persons) == {case.person_id for case in singers}


def test_what_one_case_shared_and_what_an_outbreak_shared(tracer, singers, unit) -> None:
    page = tracer.get(f"/tracing/common-places/?case={singers[0].pk}&at_least=2")
    assert {row.place for row in page.context["found"].rows} == {"Karaoke Phố Cũ", "Chợ Bầu"}
    assert tracer.get("/tracing/common-places/?at_least=3").status_code == 200
    outbreak = Outbreak.objects.create(name="Karaoke", unit=unit, opened_at=clock.now())
    Case.objects.filter(pk__in=[singers[0].pk, singers[2].pk]).update(outbreak=outbreak)
    page = tracer.get(f"/tracing/common-places/?outbreak={outbreak.pk}")
    assert page.context["found"].answer.asked == 2
    assert f"/tracing/common-places/?outbreak={outbreak.pk}" in (
        tracer.get(f"/tracing/outbreaks/{outbreak.pk}/").content.decode()
    )
    assert f"case={singers[1].pk}" in tracer.get(f"/tracing/cases/{singers[1].pk}/").content.decode()


def test_what_a_case_told_of_a_place_counts_as_a_stay(tracer, singers, unit) -> None:
    verbs.add_landmark(
        SYSTEM,
        case_id=open_case(make_person("Người Kể", unit), unit, onset_on=date(2022, 1, 9)).pk,
        place=Place.objects.get(name="Karaoke Phố Cũ"),
        text="",
        start=at(4, 20),
        end=at(4, 21),
        masked=None,
    )
    row = tracer.get("/tracing/common-places/").context["found"].rows[0]
    assert (row.place, len(row.may_be_infected)) == ("Karaoke Phố Cũ", 3)


def test_the_common_places_of_another_unit_are_not_shown(singers) -> None:
    stranger = Client()
    stranger.force_login(
        make_account(Role.TRACER, make_unit()), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    page = stranger.get("/tracing/common-places/")
    assert page.context["found"].rows == []
    assert "Chưa đủ hai ca" in page.content.decode()
    assert stranger.get(f"/tracing/common-places/?case={singers[0].pk}").status_code == 404
    assert stranger.get(f"/tracing/common-places/?unit={singers[0].unit_id}").context["found"].rows == []
    leader = Client()
    leader.force_login(
        make_account(Role.LEADER, singers[0].unit),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    assert leader.get("/tracing/common-places/").status_code == 403


@pytest.mark.parametrize(
    "query", ["days=²", "days=999", "case=x", "outbreak=99999999999999999999", "at_least=0"]
)
def test_strange_questions_about_common_places_are_answered(tracer, singers, query: str) -> None:
    assert tracer.get(f"/tracing/common-places/?{query}").status_code in (200, 404)


def test_a_held_result_is_shown_and_decided(tracer, case, unit) -> None:
    verbs.close_case(SYSTEM, case_id=case.pk, note="Khỏi")
    held = verbs.hold_result(
        SYSTEM,
        result_id=9,
        person_id=case.person_id,
        unit_id=unit.pk,
        sampled_at=at(9, 7),
        resulted_at=at(10, 7),
        reason="Ca đã đóng",
    )
    assert "Ca đã đóng" in tracer.get("/tracing/").content.decode()
    assert tracer.post(f"/tracing/held/{held.pk}/", {"decision": "reopen"}).status_code == 302
    case.refresh_from_db()
    assert case.status == "open"


def test_a_case_is_opened_by_hand_for_a_person(tracer, unit) -> None:
    person = make_person("Nghi Ngờ", unit)
    answer = tracer.post(
        f"/tracing/people/{person.public_id}/open/",
        {"classification": "suspected", "onset_on": "2022-01-09"},
        follow=True,
    )
    assert "Nghi Ngờ" in answer.content.decode()


def test_another_unit_and_another_role_see_nothing(case) -> None:
    stranger = Client()
    stranger.force_login(
        make_account(Role.TRACER, make_unit()), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert stranger.get(f"/tracing/cases/{case.pk}/").status_code == 404
    assert stranger.get(f"/api/v1/tracing/cases/{case.pk}/contacts").status_code == 404
    leader = Client()
    leader.force_login(
        make_account(Role.LEADER, case.unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    assert leader.get("/tracing/").status_code == 403
    assert leader.get("/api/v1/tracing/cases").status_code == 403


def test_the_machine_door_gives_cases_and_contacts_with_their_evidence(tracer, case) -> None:
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    cases = tracer.get("/api/v1/tracing/cases").json()
    assert cases["count"] == 1
    assert cases["items"][0]["blocking_step"] == "Duyệt danh sách"
    contacts = tracer.get(f"/api/v1/tracing/cases/{case.pk}/contacts").json()
    assert contacts["rules"]["tracing.contact_definition"] == "11042/BYT-DP"
    first = contacts["items"][0]
    assert (first["name"], first["legal"], first["clause"]) == ("Lê Văn Bạn", True, "b")
    assert first["why"][0]["place_name"] == "Cà phê Sông Đáy"
    assert Client().get("/api/v1/tracing/cases").status_code == 401


def test_the_search_and_the_person_page_know_of_cases(tracer, case) -> None:
    text = tracer.get(f"/desk/people/{case.person.public_id}/").content.decode()
    assert f"/tracing/cases/{case.pk}/" in text
    assert f"/tracing/cases/{case.pk}/" in tracer.get(f"/desk/search/?q=BN{case.pk}").content.decode()


def test_the_pages_speak_english_to_whom_it_is_easier(tracer, case) -> None:
    tracer.cookies["khien_language"] = "en"
    tracer.post(f"/tracing/cases/{case.pk}/list/")
    text = tracer.get(f"/tracing/cases/{case.pk}/contacts/").content.decode()
    assert "Of the 2 places of this case, 2 have scans of others." in text
    friend = TracedContact.objects.get(person__full_name="Lê Văn Bạn")
    page = f"/tracing/cases/{case.pk}/contacts/"
    done = tracer.post(page, {"list": friend.contact_list_id, "contacts": [friend.pk]}, follow=True)
    assert "1 person approved." in done.content.decode()


@pytest.mark.parametrize(
    "query",
    ["q=²", "q=bn²", "q=%00", "unit=99999999999999999999", "outbreak=x", "step=zz", "page=zz", "status=zz"],
)
def test_strange_addresses_are_answered(tracer, case, query: str) -> None:
    assert tracer.get(f"/tracing/?{query}").status_code == 200
    assert tracer.get(f"/api/v1/tracing/cases?{query}").status_code in (200, 422)


def test_strange_selections_change_nothing(tracer, case) -> None:
    tracer.post(f"/tracing/cases/{case.pk}/list/")
    page = f"/tracing/cases/{case.pk}/contacts/"
    for value in ("²", "9" * 40, "-1", "x"):
        assert tracer.post(page, {"contacts": [value], "list": value}).status_code in (404, 409, 422)
    assert set(case.contacts.values_list("state", flat=True)) == {"proposed"}


def test_an_empty_list_is_approved_with_one_button(tracer, unit) -> None:
    alone = open_case(make_person("Một Mình", unit), unit, result_id=5, sampled_at=at(9, 8))
    page = tracer.post(f"/tracing/cases/{alone.pk}/list/", follow=True).content.decode()
    assert "Duyệt danh sách trống" in page
    made = alone.lists.get()
    tracer.post(f"/tracing/cases/{alone.pk}/contacts/", {"list": made.pk})
    assert alone.steps.filter(step="approved").exists()
