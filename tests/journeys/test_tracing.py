"""The tracer's way through a case, in a real browser: whole at both widths, by keyboard, in both languages."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from khien.kernel.staff import Role
from khien.rooms.tracing import verbs
from khien.rooms.tracing.models import Case, TracedContact
from khien.rooms.tracing.pairlog import read_log
from tests.factories import make_account, make_household, make_person, make_place, make_province
from tests.journeys import pictures
from tests.journeys.conftest import WIDTHS, Visitor
from tests.rooms.tracing.scenes import SYSTEM, at, load_rules, open_case, stay

pytestmark = pytest.mark.django_db(transaction=True)
DATA = Path(__file__).parents[1] / "data/outbreaks"


@pytest.fixture
def case(noon: None) -> Case:
    load_rules()
    unit = make_province()[2]
    make_account(Role.TRACER, unit, "truyvet")
    person, friend = (
        make_person("Trần Thị Ca", unit, phone="+84912345678"),
        make_person("Lê Văn Bạn", unit),
    )
    mother = make_person("Nguyễn Thị Mẹ", unit)
    make_household(unit, person, mother)
    cafe = make_place(unit, "Cà phê Sông Đáy", "cafe", area_m2=60)
    market = make_place(unit, "Chợ Bầu", "market", area_m2=5000)
    for n in range(12):
        stay(make_person(f"Phạm Thị Chợ {n}", unit), market, at(8, 8), 300)
    stay(person, cafe, at(8, 9), 60)
    stay(friend, cafe, at(8, 9, 30), 60)
    stay(person, market, at(8, 11), 60)
    stay(person, cafe, at(4, 19), 100)
    stay(friend, cafe, at(4, 19, 20), 90)
    open_case(friend, unit, onset_on=date(2022, 1, 9), sampled_at=at(9, 9))
    made = open_case(
        person,
        unit,
        result_id=1,
        sampled_at=at(9, 8),
        resulted_at=at(9, 20),
        onset_on=date(2022, 1, 8),
    )
    verbs.import_line_list(
        SYSTEM,
        outbreak_name="MERS 2015",
        unit=unit,
        cases=(DATA / "mers_korea_2015.linelist.csv").read_bytes(),
        contacts=(DATA / "mers_korea_2015.contacts.csv").read_bytes(),
    )
    log = (
        "person,other,start,end\n"
        f"{person.public_id},{friend.public_id},2022-01-08T14:00,2022-01-08T14:20\n"
        f"{person.public_id},{friend.public_id},2022-01-08T15:20,2022-01-08T15:00\n"
    )
    for rows in read_log(log.encode()).portions():
        verbs.import_pair_contacts(SYSTEM, unit=unit, rows=rows)
    return made


def whole(visitor: Visitor, path: str, name: str) -> list[str]:
    """Faults of a page at both widths."""
    found = []
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 800})
        visitor.open(path)
        pictures.keep(visitor.page, f"{name}-{width}")
        found += [f"{path} at {width}: {fault}" for fault in visitor.faults()]
    visitor.page.set_viewport_size({"width": 1100, "height": 800})
    return found


def test_a_tracer_lists_the_contacts_of_a_case_and_approves_them(case: Case, visitor: Visitor) -> None:
    visitor.sign_in("truyvet")
    visitor.open("/tracing/?status=open")
    visitor.page.get_by_role("link", name=f"BN{case.pk}").click()
    visitor.page.get_by_role("button", name="Lập danh sách tiếp xúc").click()
    visitor.page.wait_for_url("**/contacts/")
    friend = visitor.page.get_by_role("row").filter(has_text="Lê Văn Bạn")
    assert "Cà phê Sông Đáy, 09:30–10:00 08/01/2022" in friend.inner_text()
    assert friend.get_by_role("checkbox").is_checked()
    assert (
        not visitor.page.get_by_role("row")
        .filter(has_text="Phạm Thị Chợ 1")
        .first.get_by_role("checkbox")
        .is_checked()
    )
    friend.get_by_role("checkbox").uncheck()
    visitor.page.get_by_role("button", name="Duyệt những người được đánh dấu").click()
    assert "chưa có lý do" in visitor.page.locator("main").inner_text()
    visitor.page.get_by_role("row").filter(has_text="Lê Văn Bạn").get_by_role("checkbox").check()
    visitor.page.get_by_role("button", name="Duyệt những người được đánh dấu").click()
    visitor.page.get_by_text("Đã duyệt 2 người").wait_for()
    assert TracedContact.objects.filter(case=case, state="approved").count() == 2


def test_the_pages_are_whole_at_both_widths(case: Case, visitor: Visitor) -> None:
    verbs.list_contacts(SYSTEM, case_id=case.pk)
    contact = case.contacts.first()
    assert contact is not None
    outbreak = Case.objects.filter(outbreak__isnull=False).earliest("pk")
    visitor.sign_in("truyvet")
    faults: list[str] = []
    for path, name in (
        ("/tracing/", "cases"),
        ("/tracing/?q=khongcoai", "cases-empty"),
        (f"/tracing/cases/{case.pk}/", "case"),
        (f"/tracing/cases/{case.pk}/contacts/?top=10", "contacts"),
        (f"/tracing/cases/{case.pk}/contacts/{contact.pk}/drop/", "drop"),
        (f"/tracing/cases/{outbreak.pk}/chain/", "chain"),
        ("/tracing/common-places/", "common-places"),
        (f"/tracing/common-places/?case={case.pk}&at_least=3", "common-places-empty"),
        ("/tracing/outbreaks/", "outbreaks"),
        (f"/tracing/outbreaks/{outbreak.outbreak_id}/", "outbreak"),
        ("/tracing/pair-logs/", "pair-logs"),
        (f"/tracing/people/{case.person.public_id}/open/", "open"),
    ):
        faults += whole(visitor, path, name)
    assert faults == []
