"""The pages of audiences, carriers, numbers and orders."""

from __future__ import annotations

import io
import zipfile

from django.core.files.uploadedfile import SimpleUploadedFile

from khien.kernel.staff import Role
from khien.rooms.broadcasts.models import Audience, Carrier, OptOut
from khien.rooms.broadcasts.verbs import audiences
from tests.factories import NOON, make_unit
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.test_orders import issued
from tests.rooms.broadcasts.test_pages import signed_in, text


def writer(house: House):
    return signed_in(Role.COMMUNICATION_OFFICER, house.province)


def test_an_audience_is_chosen_counted_and_kept(house: House) -> None:
    house.people(3)
    client = writer(house)
    page = text(client.get("/broadcasts/audiences/new/"))
    assert "Cả Thành phố Phủ Lý" in page
    assert "Phường Quang Trung" in page
    assert "Từ tuổi" in page
    given = {"audience-register": "people", "audience-units": [house.commune.pk], "audience-f_age_from": "18"}
    counted = text(client.post("/broadcasts/audiences/new/", {**given, "action": "preview"}))
    assert "3 số điện thoại" in counted
    assert not Audience.objects.exists()
    answer = client.post("/broadcasts/audiences/new/", {**given, "action": "save"})
    audience = Audience.objects.get()
    assert answer["Location"] == f"/broadcasts/audiences/{audience.pk}/"
    assert audience.filters == {"age_from": 18}
    fragment = client.post("/broadcasts/audiences/preview/", given)
    assert "3 số điện thoại" in text(fragment)
    assert "<html" not in text(fragment)
    changed = {**given, "audience-f_age_from": "99", "action": "save"}
    assert client.post(f"/broadcasts/audiences/{audience.pk}/change/", changed).status_code == 302
    audience.refresh_from_db()
    assert audience.filters == {"age_from": 99}


def test_another_register_shows_its_filters_with_and_without_a_script(house: House) -> None:
    client = writer(house)
    page = client.post(
        "/broadcasts/audiences/new/", {"audience-register": "staff", "action": "audience-register"}
    )
    assert page.status_code == 200
    assert "Vai trò" in text(page)
    assert "Từ tuổi" not in text(page)
    fragment = text(client.get("/broadcasts/audiences/filters/?audience-register=declarations.declarants"))
    assert "Khai trong mấy ngày qua" in fragment


def test_what_is_wrong_is_said_at_its_field(house: House) -> None:
    client = writer(house)
    none = client.post("/broadcasts/audiences/new/", {"audience-register": "people", "action": "save"})
    assert none.status_code == 422
    assert "Chưa chọn địa bàn nào" in text(none)
    elsewhere = make_unit("Xa")
    given = {"audience-register": "people", "audience-units": [elsewhere.pk], "action": "save"}
    assert client.post("/broadcasts/audiences/new/", given).status_code == 422
    given = {
        "audience-register": "people",
        "audience-units": [house.commune.pk],
        "audience-f_age_from": "60",
        "audience-f_age_to": "18",
    }
    assert "Tuổi đầu lớn hơn tuổi cuối" in text(client.post("/broadcasts/audiences/new/", given))
    assert not Audience.objects.exists()


def test_the_page_of_an_audience_counts_and_never_lists(house: House) -> None:
    house.people(3)
    OptOut.objects.create(number="+84912340001", at=NOON, how="desk")
    Carrier.objects.filter(code="vinaphone").update(price=300, daily_cap=1)
    audience = audiences.create_audience(house.officer, register="people", units=[house.commune.pk])
    audiences.freeze_audience(house.officer, audience=audience, names={"name"})
    for role in (Role.LEADER, Role.COMMUNICATION_OFFICER):
        client = signed_in(role, house.province)
        page = text(client.get(f"/broadcasts/audiences/{audience.pk}/"))
        assert "Đã từ chối nhận tin" in page
        assert "91234000" not in page
        assert "Người 0" not in page
        page = text(client.post(f"/broadcasts/audiences/{audience.pk}/", {"text": "Chào {name}"}))
        assert "Vượt mức mỗi ngày" in page
        assert "600" in page
    wrong = client.post(f"/broadcasts/audiences/{audience.pk}/", {"text": "Chào {shoe}"})
    assert wrong.status_code == 422
    assert "không có: {shoe}" in text(wrong)
    assert text(client.get("/broadcasts/audiences/")).count("Người dân trong sổ") == 1
    stranger = signed_in(Role.COMMUNICATION_OFFICER, make_unit("Xa"))
    assert stranger.get(f"/broadcasts/audiences/{audience.pk}/").status_code == 404


def test_carriers_are_read_by_writers_and_changed_by_administrators(house: House) -> None:
    assert "Vietnamobile" in text(writer(house).get("/broadcasts/carriers/"))
    assert writer(house).get("/broadcasts/carriers/viettel/").status_code == 403
    client = signed_in(Role.ADMINISTRATOR, house.province)
    assert "098" in text(client.get("/broadcasts/carriers/viettel/"))
    given = {"name": "Viettel", "prefixes": "098 091", "rate": "5", "price": "300", "is_active": "on"}
    wrong = client.post("/broadcasts/carriers/viettel/", given)
    assert wrong.status_code == 422
    assert "Đầu số 091 đang thuộc VinaPhone" in text(wrong)
    assert client.post("/broadcasts/carriers/viettel/", {**given, "prefixes": "098 097"}).status_code == 302
    row = Carrier.objects.get(code="viettel")
    assert (row.price, row.takes_accents, row.prefixes.count()) == (300, False, 2)
    new = {**given, "code": "moi", "name": "Mới", "prefixes": "095"}
    assert client.post("/broadcasts/carriers/new/", new).status_code == 302
    assert client.post("/broadcasts/carriers/new/", new).status_code == 422


def test_a_file_of_ported_numbers_is_accounted_for(house: House) -> None:
    client = signed_in(Role.ADMINISTRATOR, house.province)
    content = "Số điện thoại,Nhà mạng\n0912345678,Viettel\n0912,Viettel\n".encode()
    page = text(client.post("/broadcasts/carriers/ported/", {"file": SimpleUploadedFile("so.csv", content)}))
    assert "Nhận 2 dòng = 1 ghi mới + 0 đã có + 1 bị giữ." in page
    assert "912345678" not in page
    bad = client.post("/broadcasts/carriers/ported/", {"file": SimpleUploadedFile("so.csv", b"a,b\n1,2\n")})
    assert bad.status_code == 422


def test_a_number_is_opted_out_at_a_desk(house: House) -> None:
    client = signed_in(Role.CLERK, house.commune)
    page = text(client.post("/broadcasts/numbers/", {"number": "0912 345 678", "action": "out"}))
    assert "đã từ chối" in page
    assert OptOut.objects.filter(number="+84912345678", how="desk").exists()
    assert "VinaPhone" in page
    client.post("/broadcasts/numbers/", {"number": "0912 345 678", "action": "in"})
    assert not OptOut.objects.exists()
    assert client.post("/broadcasts/numbers/", {"number": "0912", "action": "out"}).status_code == 422


def test_an_order_is_handed_over_and_reported_on_its_page(house: House) -> None:
    order = issued(house)[0]
    client = writer(house)
    address = f"/broadcasts/orders/{order.pk}/"
    assert order.reference in text(client.get(f"/broadcasts/orders/?version={order.version_id}"))
    assert "Tải gói gửi nhà mạng" in text(client.get(address))
    packet = client.get(f"{address}packet/")
    assert len(zipfile.ZipFile(io.BytesIO(packet.content)).namelist()) == 6
    assert client.get(f"{address}letter/").content.startswith(b"%PDF")
    assert b"PUBLIC KEY" in client.get("/broadcasts/orders/key/").content
    assert client.post(address, {"action": "sent"}).status_code == 422
    assert client.post(address, {"action": "sent", "how": "thư"}).status_code == 302
    counts = {"subscribers": 5, "accepted": 9, "delivered": 1, "failed": 0}
    wrong = client.post(address, {"action": "report", **counts})
    assert wrong.status_code == 422
    assert "nhiều hơn số thuê bao" in text(wrong)
    assert client.post(address, {"action": "report", **counts, "accepted": 5}).status_code == 302
    leader = text(signed_in(Role.LEADER, house.province).get(address))
    assert "Nhà mạng đã báo cáo" in leader
    assert "Lưu báo cáo" not in leader
