"""Sheets of companies: received = stored + duplicate + held, row by row; what is held can be mended."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from openpyxl import Workbook, load_workbook

from khien.kernel.errors import Invalid
from khien.kernel.staff import Role
from khien.rooms.declarations import rows, verbs
from khien.rooms.declarations.models import Declaration, HeldRow, Intake
from tests.factories import make_actor
from tests.rooms.declarations.conftest import Ground
from tests.rooms.declarations.test_pages import signed_in

HEADER = [
    "Họ và tên *",
    "Năm sinh",
    "Điện thoại",
    "Số căn cước",
    "Xã, phường đang ở",
    "Có triệu chứng",
    "Gặp ca bệnh",
]
GOOD = [
    ["Nguyễn Văn Một", 1980, "0912000001", "035080000001", "13285", "Không", "không"],
    ["Trần Thị Hai", "12/05/1991", 912000002, None, "Phường Quang Trung", "sốt; ho", "K"],
    ["Lê Văn Ba", 1975, "0912000003", "", "Minh Khai", "0", "Có"],
]
BAD = [
    ["Vũ Thị Bốn", 1999, "0912", "035199000004", "13285", "Không", "Không"],
    ["", 1999, "0912000005", "", "13285", "Không", "Không"],
    ["Đỗ Văn Sáu", 1988, "0912000006", "", "Xã Không Có", "Không", "Không"],
    ["Bùi Thị Bảy", 1988, "0912000007", "", "13285", "có lẽ", "Không"],
]


def xlsx(table: list[list[object]]) -> bytes:
    book = Workbook()
    for row in table:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_sheet_with_bad_rows_is_answered_row_by_row_and_again_gives_duplicates(ground: Ground) -> None:
    actor = make_actor(Role.CLERK, ground.commune)
    sheet = rows.read("a.xlsx", xlsx([HEADER, *GOOD, *BAD]))
    answer = verbs.import_sheet(actor, rows=sheet, unit=ground.commune, agreed=True)
    told = [(row.line, row.state) for row in answer.rows]
    assert told == [(2, "stored"), (3, "stored"), (4, "stored")] + [(n, "held") for n in (5, 6, 7, 8)]
    assert "Xã Không Có" in answer.rows[5].reason
    assert all(row.reason for row in answer.rows[3:])
    two = Declaration.objects.get(full_name="Trần Thị Hai")
    assert (two.birth_year, two.phone, two.content["symptoms"]) == (1991, "+84912000002", ["fever", "cough"])
    assert Declaration.objects.get(full_name="Lê Văn Ba").unit == ground.other
    again = verbs.import_sheet(actor, rows=sheet, unit=ground.commune, agreed=True).intake
    assert (again.received, again.stored, again.duplicate, again.held) == (7, 0, 3, 4)
    assert HeldRow.objects.count() == 4
    assert "035199000004" not in str(list(HeldRow.objects.values()))


def test_a_held_row_is_mended_or_dropped_on_its_page(ground: Ground) -> None:
    clerk = signed_in(Role.CLERK, ground.commune)
    file = SimpleUploadedFile("a.xlsx", xlsx([HEADER, GOOD[0], *BAD[:2]]))
    page = clerk.post("/declarations/sheets/", {"unit": ground.commune.pk, "file": file, "agreed": "on"})
    assert "Nhận 3 dòng = 1 ghi mới + 0 đã có + 2 bị giữ." in page.content.decode()
    first, second = HeldRow.objects.order_by("line")
    cells = {**first.row, "phone": "0912 000 004"}
    assert (
        clerk.post(f"/declarations/sheets/rows/{first.pk}/", {**cells, "birth_year": "1"}).status_code == 422
    )
    assert clerk.post(f"/declarations/sheets/rows/{first.pk}/", cells).status_code == 302
    mended = Declaration.objects.get(full_name="Vũ Thị Bốn")
    assert mended.intake == first.intake
    assert (
        clerk.post(
            f"/declarations/sheets/rows/{second.pk}/", {"act": "drop", "reason": "dòng trống"}
        ).status_code
        == 302
    )
    assert not HeldRow.objects.filter(state="open").exists()


def test_a_company_sends_by_its_own_address_until_it_is_closed(ground: Ground) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, ground.commune)
    company, token = verbs.open_company(officer, unit=ground.commune, name="May Hà Nam")
    assert token not in str(list(type(company).objects.values()))
    sheet = io.StringIO()
    csv.writer(sheet, delimiter=";").writerows([HEADER, *GOOD])
    address = f"/declarations/company/{token}/"
    client = Client()
    page = client.post(
        address, {"file": SimpleUploadedFile("a.csv", sheet.getvalue().encode()), "agreed": "on"}
    ).content.decode()
    assert "3 ghi mới" in page
    assert "KB1:" in page
    assert (
        client.post(address, {"file": SimpleUploadedFile("a.csv", sheet.getvalue().encode())}).status_code
        == 422
    )
    assert Intake.objects.get().company == company
    verbs.close_company(officer, company=company)
    assert client.get(address).status_code == 404
    assert client.get("/declarations/company/").status_code == 404, "what it opened ends with it"


def test_the_token_of_a_company_leaves_the_address_at_once(ground: Ground) -> None:
    officer = make_actor(Role.COMMUNE_OFFICER, ground.commune)
    _company, token = verbs.open_company(officer, unit=ground.commune, name="May Hà Nam")
    client = Client()
    assert client.get("/declarations/company/").status_code == 404, "the plain address opens nothing"
    answer = client.get(f"/declarations/company/{token}/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/declarations/company/")
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert token not in cookie.value
    page = client.get("/declarations/company/")
    assert "May Hà Nam" in page.content.decode()
    assert token not in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    sheet = io.StringIO()
    csv.writer(sheet, delimiter=";").writerows([HEADER, *GOOD])
    file = SimpleUploadedFile("a.csv", sheet.getvalue().encode())
    assert (
        "3 ghi mới" in client.post("/declarations/company/", {"file": file, "agreed": "on"}).content.decode()
    )
    session = client.session
    session["declarations_company"] = [session["declarations_company"][0], 0]
    session.save()
    assert client.get("/declarations/company/").status_code == 404, "after a working day"
    assert Client().get(f"/declarations/company/{token[:-1]}/").status_code == 404


def test_the_template_is_read_back_by_the_reader(ground: Ground) -> None:
    book = load_workbook(io.BytesIO(rows.template()))
    sheet = book.worksheets[0]
    for place, value in enumerate(
        ["Nguyễn Văn Một", "1980", "nam", "0912000001", "", "13285", "", "Không", "Không", "13288"], 1
    ):
        sheet.cell(2, place).value = value
    out = io.BytesIO()
    book.save(out)
    answer = verbs.import_sheet(
        make_actor(Role.CLERK, ground.commune),
        rows=rows.read("m.xlsx", out.getvalue()),
        unit=ground.commune,
        agreed=True,
    )
    assert [row.state for row in answer.rows] == ["stored"], answer.rows
    assert Declaration.objects.get().content["visited"][0]["unit"] == ground.other.pk


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        (b"PK\x03\x04rubbish", "not_xlsx"),
        ("Họ và tên;Năm sinh\nA;1980".encode(), "missing_column"),
        ("Họ và tên".encode("utf-16"), "wrong_encoding"),
        (b"\xff\xfe\x00\x01", "wrong_encoding"),
        (xlsx([HEADER])[:-40], "not_xlsx"),
        (xlsx([HEADER]), "empty_file"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(content: bytes, code: str) -> None:
    with pytest.raises(Invalid) as fault:
        rows.read("x", content)
    assert fault.value.code == code
    assert fault.value.way_out
