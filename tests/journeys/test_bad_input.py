"""What cannot be taken: each door says what is wrong and the way out, in the reader's language, and changes nothing."""

from __future__ import annotations

from uuid import uuid4

from playwright.sync_api import expect

from khien.kernel.staff import verbs as staff
from khien.kernel.staff.models import Account, Device
from khien.kernel.staff.reads import actor_of_account
from khien.rooms.checkpoints.models import HeldScan, Scan
from khien.rooms.quarantine.models import Order
from khien.rooms.testing import verbs as testing
from khien.rooms.testing.models import HeldRow, Intake, Result, Specimen
from khien.rooms.tracing import verbs as tracing
from khien.rooms.tracing.models import Case, HeldResult
from tests.journeys.conftest import Arrive, Visitor
from tests.journeys.town import SYSTEM, Town, at

FACTS = (Result, Specimen, Intake, HeldRow, Case, Scan, Order)


def facts() -> dict[str, int]:
    """How much of everything there is."""
    return {model.__name__: model.objects.count() for model in FACTS}


def speak_english(visitor: Visitor) -> None:
    visitor.page.locator("button[name=language][value=en]").first.click()
    expect(visitor.page.locator("html")).to_have_attribute("lang", "en")


def enter(laboratory: Visitor, barcode: str, resulted_at: str = "") -> str:
    """Enter a negative result; gives what the page answers."""
    page = laboratory.page
    laboratory.open("/testing/laboratory/")
    page.fill("[name=barcode]", barcode)
    page.locator("[name=value][value=negative]").check()
    page.fill("[name=resulted_at]", resulted_at)
    with page.expect_navigation():
        page.locator("main form.form button").click()
    laboratory.look(answered=422)
    return laboratory.text()


def send_file(laboratory: Visitor, content: bytes) -> str:
    """Send a file of results; gives what the page answers."""
    page = laboratory.page
    laboratory.open("/testing/intake/")
    page.set_input_files("[name=file]", {"name": "ket-qua.csv", "mimeType": "text/csv", "buffer": content})
    with page.expect_navigation():
        page.locator("main form.form button").click()
    laboratory.look(answered=422)
    return laboratory.text()


def test_the_laboratory_is_told_what_is_wrong_with_tubes_dates_and_files(town: Town, arrive: Arrive) -> None:
    town.time(at(10, 7))
    testing.collect_specimen(SYSTEM, barcode="KH00000021", person=town.residents[0].person)
    town.time(at(10, 11))
    before = facts()
    laboratory = arrive("laboratory")
    # Saved by a spreadsheet in the code page of old Windows.
    windows = "Mã ống,Kết quả\nKH00000021,Dương tính\n".encode("utf-16")

    answer = enter(laboratory, "KH00000099")
    assert "Không có ống mẫu KH00000099." in answer
    assert "Xem lại mã in trên ống" in answer
    answer = enter(laboratory, "KH00000021", "2022-01-10T23:00")
    assert "Giờ có kết quả ở tương lai. Xem lại ngày giờ của kết quả." in answer
    answer = send_file(laboratory, windows)
    assert "Tệp không dùng bảng mã UTF-8" in answer
    assert "CSV UTF-8" in answer
    assert facts() == before

    speak_english(laboratory)
    assert "There is no tube KH00000099." in enter(laboratory, "KH00000099")
    assert "in the future" in enter(laboratory, "KH00000021", "2022-01-10T23:00")
    assert "UTF-8" in (answer := send_file(laboratory, windows))
    assert "Tệp" not in answer
    assert facts() == before


def test_a_person_twice_in_one_file_is_held_with_the_reason(town: Town, arrive: Arrive) -> None:
    town.time(at(10, 7))
    for barcode in ("KH00000031", "KH00000032"):
        testing.collect_specimen(SYSTEM, barcode=barcode, person=town.residents[0].person)
    town.time(at(10, 11))
    laboratory = arrive("laboratory")
    answer = send_file(
        laboratory, "Mã ống;Kết quả\nKH00000031;Âm tính\nKH00000032;Âm tính\nKH00000099;Âm tính\n".encode()
    )
    assert "Nhận 3 dòng = 1 ghi mới + 0 đã có + 2 bị giữ." in answer
    assert Result.objects.count() == 1
    laboratory.open("/testing/held/")
    held = laboratory.text()
    assert "KH00000032" in held
    assert "Không có ống mẫu KH00000099." in held
    laboratory.look()


def test_a_result_for_a_closed_case_waits_for_a_tracer(town: Town, arrive: Arrive) -> None:
    sick = town.residents[0]
    town.time(at(9, 7))
    late = testing.collect_specimen(SYSTEM, barcode="KH00000042", person=sick.person)
    first = testing.collect_specimen(SYSTEM, barcode="KH00000041", person=sick.person)
    town.time(at(9, 10))
    testing.record_result(SYSTEM, specimen=first, value="positive")
    town.work(at(9, 11))
    case = Case.objects.get()
    tracer = actor_of_account(Account.objects.get(username="tracer"))
    tracing.approve_contacts(tracer, case_id=case.pk, contact_ids=case.contacts.values_list("pk", flat=True))
    town.time(at(9, 12))
    tracing.close_case(tracer, case_id=case.pk, note="Chuyển tuyến trên theo dõi.")
    town.work()
    before = facts()

    town.time(at(9, 14))
    laboratory = arrive("laboratory")
    laboratory.page.goto(laboratory.address + "/testing/laboratory/")
    laboratory.page.fill("[name=barcode]", late.barcode)
    laboratory.page.locator("[name=value][value=positive]").check()
    laboratory.page.locator("main form.form button").click()
    expect(laboratory.page.locator("main")).to_contain_text("KH00000042")
    town.work(at(9, 14, 1))
    assert facts() == {**before, "Result": before["Result"] + 1}
    assert HeldResult.objects.filter(settled_at__isnull=True).count() == 1

    desk = arrive("tracer")
    desk.open("/tracing/")
    assert "Kết quả dương tính cho ca đã đóng (1)" in desk.text()
    assert case.label in desk.text()
    desk.look()
    speak_english(desk)
    assert "Positive results for closed cases (1)" in desk.text()
    desk.look()


def test_a_guard_is_told_what_to_do_with_a_malformed_code(town: Town, arrive: Arrive) -> None:
    guard = arrive("guard", width=390)
    for language, word, way_out in (
        ("vi", "Chưa ghi nhận", "Quét thẻ Khiên hoặc CCCD."),
        ("en", "Not recorded", "Scan the Khiên pass or the identity card."),
    ):
        if language == "en":
            speak_english(guard)
        guard.open(f"/checkpoints/scan/?place={town.cafe.code}")
        guard.page.fill("#code", "https://example.com/an-com-chua")
        guard.page.keyboard.press("Enter")
        expect(guard.page.locator("#verdict")).to_contain_text(way_out)
        expect(guard.page.locator("#verdict strong")).to_have_text(word)
        guard.look()
    assert Scan.objects.count() == 0
    assert HeldScan.objects.count() == 2

    officer = arrive("commune_officer")
    officer.open("/checkpoints/held/")
    assert "example.com" in officer.text()
    officer.look()


def test_a_revoked_device_is_told_so_and_what_it_sends_is_kept(town: Town, arrive: Arrive) -> None:
    administrator = actor_of_account(Account.objects.get(username="administrator"))
    _row, code = staff.make_enrolment_code(administrator, name="Điện thoại chốt", unit=town.commune)
    token = staff.enrol_device(code).token
    visitor = arrive("administrator")
    visitor.open("/checkpoints/devices/")
    visitor.look()
    visitor.page.locator("main button", has_text="Thu hồi").first.click()
    expect(visitor.page.locator("main")).to_contain_text("đã thu hồi")
    assert Device.objects.get().state == Device.State.REVOKED

    for language, said in (("vi", "Thiết bị này đã bị thu hồi"), ("en", "This device has been revoked")):
        event = {
            "id": str(uuid4()),
            "place": town.cafe.code,
            "at": at(9, 8).isoformat(),
            "direction": "in",
            "code": town.residents[0].card,
        }
        answer = visitor.page.context.request.post(
            visitor.address + "/api/v1/checkpoints/scans",
            data={"events": [event]},
            headers={"Authorization": f"Bearer {token}", "Accept-Language": language},
        )
        assert answer.status == 401
        assert answer.json()["code"] == "device_revoked"
        assert said in answer.json()["message"]
        assert answer.json()["way_out"]
    assert Scan.objects.count() == 0
    assert HeldScan.objects.count() == 2
    visitor.open("/checkpoints/held/")
    assert town.residents[0].number not in visitor.page.content()
    assert "thu hồi" in visitor.text()
    visitor.look()
