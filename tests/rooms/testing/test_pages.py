from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from khien.kernel.audit.models import AuditLine
from khien.kernel.people.models import DocumentKind, IdentityDocument, Person
from khien.kernel.people.verbs import NewDocument, add_document
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import RESIDENT_SESSION_KEY
from khien.rooms.testing import announce, verbs
from khien.rooms.testing.models import HeldRow, Result, SamplingRequest, Specimen
from tests.factories import NOON, make_account, make_unit
from tests.rooms.testing.conftest import House

NUMBER = "035090000123"
CARD = f"{NUMBER}||Nguyễn Văn An|15011990|Nam|Tổ 1, Quang Trung|01012022"


def signed_in(role: str, house: House) -> Client:
    client = Client()
    unit = house.province if role == Role.LABORATORY else house.commune
    client.force_login(
        make_account(role, unit), backend="allauth.account.auth_backends.AuthenticationBackend"
    )
    return client


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def test_a_scanned_card_and_a_look_at_the_name_store_a_specimen(house: House) -> None:
    add_document(system_actor("test"), person=house.an, document=NewDocument(DocumentKind.CCCD, NUMBER))
    client = signed_in(Role.SAMPLER, house)
    asked = client.post("/testing/sampling/", {"barcode": "T0001", "who": CARD, "swab": "nasopharyngeal"})
    page = text(asked)
    assert "Đúng người này không?" in page
    assert "Nguyễn Văn An" in page
    assert NUMBER not in page
    saved = client.post(
        "/testing/sampling/save/",
        {"barcode": "T0001", "swab": "nasopharyngeal", "person": str(house.an.public_id)},
        follow=True,
    )
    assert "Đã nhận ống T0001 của Nguyễn Văn An." in text(saved)
    assert Specimen.objects.get().person == house.an


def test_several_people_of_one_name_are_offered(house: House) -> None:
    page = text(
        signed_in(Role.SAMPLER, house).post(
            "/testing/sampling/", {"barcode": "T0001", "who": "tran thi binh", "swab": "oral"}
        )
    )
    assert "Trần Thị Bình" in page


def test_somebody_unknown_is_registered_from_the_card(house: House) -> None:
    client = signed_in(Role.SAMPLER, house)
    page = text(client.post("/testing/sampling/", {"barcode": "T0001", "who": CARD, "swab": "oral"}))
    assert "Người chưa có trong sổ" in page
    assert NUMBER not in page
    answer = client.post(
        "/testing/sampling/register/",
        {
            "barcode": "T0001",
            "swab": "oral",
            "full_name": "Nguyễn Văn An",
            "birth_year": "1990",
            "sex": "m",
            "phone": "0912345678",
            "unit": house.commune.pk,
            "address": "Tổ 1",
        },
    )
    assert answer.status_code == 302
    person = Specimen.objects.get().person
    assert person not in (house.an, house.binh)
    assert IdentityDocument.objects.get(person=person).last4 == NUMBER[-4:]


def test_a_wrong_phone_at_registration_is_shown_beside_its_field(house: House) -> None:
    before = Person.objects.count()
    answer = signed_in(Role.SAMPLER, house).post(
        "/testing/sampling/register/",
        {
            "barcode": "T0001",
            "swab": "oral",
            "full_name": "Lê Văn Cường",
            "birth_year": "1990",
            "phone": "0912",
            "unit": house.commune.pk,
        },
    )
    assert answer.status_code == 422
    assert "Số điện thoại" in text(answer)
    assert Person.objects.count() == before


@pytest.mark.parametrize("barcode", ["T!", CARD])
def test_what_is_no_tube_is_said_before_anybody_is_looked_up(house: House, barcode: str) -> None:
    answer = signed_in(Role.SAMPLER, house).post(
        "/testing/sampling/", {"barcode": barcode, "who": "tran thi binh", "swab": "oral"}
    )
    assert answer.status_code == 422
    assert "field--error" in text(answer)


def test_a_used_tube_is_said_on_the_page(house: House) -> None:
    house.collect("T0001")
    answer = signed_in(Role.SAMPLER, house).post(
        "/testing/sampling/save/", {"barcode": "T0001", "swab": "oral", "person": str(house.binh.public_id)}
    )
    assert answer.status_code == 409
    assert "Dùng ống mới" in text(answer)


def test_a_person_from_the_list_needs_only_the_tube(house: House) -> None:
    request = verbs.request_sampling(house.officer, person=house.an, reason="symptoms")
    client = signed_in(Role.SAMPLER, house)
    page = text(client.get(f"/testing/requests/?until={NOON.date()}&reason=symptoms"))
    assert "Nguyễn Văn An" in page
    assert f"/testing/requests/{request.pk}/tube/" in page
    assert "Không có ai" in text(client.get("/testing/requests/?reason=contact_day"))
    answer = client.post(f"/testing/requests/{request.pk}/tube/", {"barcode": "T0001", "swab": "oral"})
    assert answer.status_code == 302
    assert SamplingRequest.objects.get().state == "done"


def test_a_request_is_cancelled_on_its_page(house: House) -> None:
    request = verbs.request_sampling(house.officer, person=house.an, reason="symptoms")
    client = signed_in(Role.COMMUNE_OFFICER, house)
    assert client.get(f"/testing/requests/{request.pk}/cancel/").status_code == 200
    assert client.post(f"/testing/requests/{request.pk}/cancel/", {"reason": ""}).status_code == 422
    client.post(f"/testing/requests/{request.pk}/cancel/", {"reason": "Đã chuyển đi"})
    assert SamplingRequest.objects.get().state == "cancelled"


def test_the_laboratory_enters_one_result_after_another(house: House) -> None:
    house.collect("T0001")
    client = signed_in(Role.LABORATORY, house)
    page = text(
        client.post(
            "/testing/laboratory/",
            {"barcode": " t0001 ", "value": "positive", "ct_value": "24,5", "assay": "RT-PCR"},
            follow=True,
        )
    )
    assert "Đã ghi ống T0001: dương tính." in page
    assert 'value="RT-PCR"' in page
    assert Result.objects.get().specimen.person == house.an


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"barcode": "T0009", "value": "positive"}, "Không có ống mẫu T0009"),
        ({"barcode": "T0001", "value": "positive", "ct_value": "abc"}, "Giá trị CT không đúng"),
        ({"barcode": "T0001", "value": "positive", "resulted_at": "2022-01-11T08:00"}, "ở tương lai"),
        ({"barcode": "T0001", "value": "positive", "resulted_at": "2022-01-01T08:00"}, "trước khi lấy mẫu"),
        ({"barcode": "T0001"}, "bắt buộc"),
    ],
)
def test_a_wrong_entry_is_explained_and_changes_nothing(house: House, given: dict, why: str) -> None:
    house.collect("T0001")
    answer = signed_in(Role.LABORATORY, house).post("/testing/laboratory/", given)
    assert answer.status_code == 422
    assert why in text(answer)
    assert not Result.objects.exists()


def test_a_correction_shows_both_versions(house: House) -> None:
    specimen = house.collect("T0001")
    verbs.record_result(house.laboratory, specimen=specimen, value="negative")
    client = signed_in(Role.LABORATORY, house)
    assert client.get("/testing/specimens/T0001/correct/").status_code == 200
    assert client.post("/testing/specimens/T0001/correct/", {"value": "positive"}).status_code == 422
    page = text(
        client.post(
            "/testing/specimens/T0001/correct/", {"value": "positive", "reason": "Nhầm giếng"}, follow=True
        )
    )
    assert "Nhầm giếng" in page
    assert "đã thay" in page


def test_a_file_gives_its_sum_and_what_is_held_can_be_settled(house: House) -> None:
    house.collect("T0001")
    client = signed_in(Role.LABORATORY, house)
    content = "Mã ống,Kết quả\nT0001,Âm tính\nT0002,Âm tính\n".encode()
    page = text(client.post("/testing/intake/", {"file": SimpleUploadedFile("kq.csv", content)}))
    assert "Nhận 2 dòng = 1 ghi mới + 0 đã có + 1 bị giữ." in page
    assert "Không có ống mẫu T0002" in page
    row = HeldRow.objects.get()
    assert "T0002" in text(client.get("/testing/held/"))
    assert "Không có ống mẫu T0002" in text(client.post(f"/testing/held/{row.pk}/retry/", follow=True))
    assert client.post(f"/testing/held/{row.pk}/dismiss/", {"reason": "Mẫu thử"}).status_code == 302
    assert "Không có dòng nào bị giữ" in text(client.get("/testing/held/"))


def test_a_file_in_a_wrong_encoding_is_refused_whole(house: House) -> None:
    house.collect("T0001")
    content = "Mã ống,Kết quả\nT0001,Âm tính\n".encode("utf-16")
    answer = signed_in(Role.LABORATORY, house).post(
        "/testing/intake/", {"file": SimpleUploadedFile("kq.csv", content)}
    )
    assert answer.status_code == 422
    assert "UTF-8" in text(answer)
    assert not Result.objects.exists()


def test_the_list_keeps_its_filters_in_the_address(house: House) -> None:
    house.collect("A0001", at=NOON - timedelta(days=3))
    specimen = house.collect("B0001")
    verbs.record_result(house.laboratory, specimen=specimen, value="positive")
    client = signed_in(Role.COMMUNE_OFFICER, house)
    page = text(client.get("/testing/specimens/?state=positive"))
    assert "B0001" in page
    assert "A0001" not in page
    assert "A0001" in text(client.get("/testing/specimens/?state=waiting&end=2022-01-08"))
    assert (
        "đổi lại hai ngày" in text(client.get("/testing/specimens/?start=2022-01-10&end=2022-01-01")).lower()
    )
    line = AuditLine.objects.filter(act="testing.specimens").earliest("pk")
    assert line.persons == [house.an.pk]


def test_a_tube_of_elsewhere_is_not_found(house: House) -> None:
    house.collect("T0001")
    client = Client()
    client.force_login(
        make_account(Role.LABORATORY, make_unit("Châu Sơn")),
        backend="allauth.account.auth_backends.AuthenticationBackend",
    )
    assert client.get("/testing/specimens/T0001/").status_code == 404
    assert client.get("/testing/sampling/").status_code == 403


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "Chờ kết quả"),
        ("positive", "Việc cần làm ngay"),
        ("negative", "vẫn cách ly đến hết ngày ghi trong quyết định"),
        ("indeterminate", "Cần lấy mẫu lại"),
    ],
)
def test_people_read_their_result_and_what_to_do(house: House, value: str | None, words: str) -> None:
    specimen = house.collect("T0001")
    house.collect("T0002", house.binh)
    if value:
        verbs.record_result(house.laboratory, specimen=specimen, value=value)
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = house.an.pk
    session.save()
    page = text(client.get("/testing/my/"))
    assert words in page
    assert "T0002" not in page
    assert AuditLine.objects.filter(act="testing.my_tests", persons=[house.an.pk]).exists()


def test_the_search_finds_a_tube_for_those_who_may_see_it(house: House) -> None:
    house.collect("T0001")
    hits = announce._find(house.laboratory, "t000", 5)
    assert [(hit.label, hit.url) for hit in hits] == [("T0001", "/testing/specimens/T0001/")]
    assert announce._find(house.leader, "t0001", 5) == []
    assert announce._panel(house.leader, house.an.pk) is None


def test_only_the_latest_test_says_what_to_do(house: House) -> None:
    old = house.collect("T0001", at=NOON - timedelta(days=20))
    verbs.record_result(house.laboratory, specimen=old, value="positive")
    new = house.collect("T0002")
    verbs.record_result(house.laboratory, specimen=new, value="negative")
    client = Client()
    session = client.session
    session[RESIDENT_SESSION_KEY] = house.an.pk
    session.save()
    page = text(client.get("/testing/my/"))
    assert "Việc cần làm ngay" not in page
    assert "Các lần trước" in page
    assert page.index("T0002") < page.index("Dương tính") < page.index("T0001")
