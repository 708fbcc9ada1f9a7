"""Articles and alerts as the public reads them: files that say what is corrected and what is withdrawn, CAP that is
valid by the schema of OASIS, chains that leave none in force."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.db import transaction
from django.test import Client, TestCase

from khien.kernel import clock
from khien.kernel.alerts import cap, reading
from khien.kernel.errors import Invalid
from khien.kernel.staff import Role
from khien.rooms.broadcasts import channels, public_files
from khien.rooms.broadcasts.models import Article, BulletinVersion, CapMessage
from tests.factories import NOON, make_account, make_unit
from tests.kernel.alerts.test_alerts import valid
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.outlets import make_version

ATOM = "{http://www.w3.org/2005/Atom}"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[105.9, 20.5], [106.0, 20.5], [106.0, 20.6], [105.9, 20.6], [105.9, 20.5]]],
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.KHIEN_FEEDS_FOLDER = str(tmp_path / "public")
    settings.KHIEN_URL = "https://hanam.gov.vn"
    return tmp_path / "public"


def start(code: str, version: BulletinVersion) -> None:
    channel = channels.get(code)
    assert channel is not None
    with TestCase.captureOnCommitCallbacks(execute=True):
        channel.start(version)


def cancel(code: str, version: BulletinVersion) -> None:
    channel = channels.get(code)
    assert channel is not None
    with TestCase.captureOnCommitCallbacks(execute=True):
        channel.cancel(version)


def later(minutes: float) -> Any:
    return clock.reads.frozen_at(NOON + timedelta(minutes=minutes))


def get(address: str, **headers: str) -> Any:
    return Client().get(address, **headers)


# Articles -----------------------------------------------------------------------------------------


def test_an_article_is_published_corrected_and_withdrawn_at_one_address(house: House, folder: Path) -> None:
    first = make_version(house.commune, english=True)
    start("article", first)
    start("article", first)
    address = f"/news/{first.bulletin_id}/"
    page = get(address).content.decode()
    assert "Phong tỏa phường Quang Trung" in page
    assert "Đã sửa" not in page
    english = get(f"{address}en/")
    assert "Stay at home." in english.content.decode()
    assert english["Content-Language"] == "en"
    with later(30):
        second = make_version(
            house.commune, bulletin=first.bulletin, title="Phong tỏa một phần", body="Chỉ tổ 4."
        )
        start("article", second)
        start("article", first)  # asked once more, too late
    page = get(address).content.decode()
    assert "<h1>Phong tỏa một phần</h1>" in page
    assert "Đã sửa lúc 12:30 10/01/2022" in page
    assert "không còn đúng" in page
    assert Article.objects.get().revision == 2
    with later(60):
        cancel("article", first)  # what it no longer says cannot be withdrawn
        assert "Đã gỡ" not in get(address).content.decode()
        cancel("article", second)
        cancel("article", second)
    page = get(address).content.decode()
    assert "Bài này đã gỡ lúc 13:00 10/01/2022" in page
    assert "Chỉ tổ 4" not in page
    assert get(address).status_code == 200
    assert "đã gỡ" in get("/news/").content.decode()
    assert "[Đã gỡ]" in get("/news/atom.xml").content.decode()
    state = channels.get("article").state(second)  # type: ignore[union-attr]
    assert state is not None
    assert str(state.label) == "Đã gỡ"
    assert str(channels.get("article").state(first).label) == "Đã có bản mới thay"  # type: ignore[union-attr]


def test_reading_costs_one_file_and_answers_conditional_requests(
    house: House, django_assert_num_queries: Any
) -> None:
    version = make_version(house.commune)
    start("article", version)
    address = f"/news/{version.bulletin_id}/"
    with django_assert_num_queries(0):
        first = get(address)
    assert "sessionid" not in first.cookies
    assert "Cookie" not in first.get("Vary", "")
    assert get(address, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 304
    assert get(address, HTTP_IF_MODIFIED_SINCE=first["Last-Modified"]).status_code == 304
    with later(1):
        start("article", make_version(house.commune, bulletin=version.bulletin, title="Mới"))
    assert get(address, HTTP_IF_NONE_MATCH=first["ETag"]).status_code == 200
    assert get(address, HTTP_IF_MODIFIED_SINCE=first["Last-Modified"]).status_code == 200
    assert Client().head(address).status_code == 200
    assert Client().post(address).status_code == 405


def test_a_lost_folder_is_written_again_from_the_database(house: House, folder: Path) -> None:
    version = make_version(house.commune)
    start("article", version)
    start("cap", version)
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    public_files.folder().rename(folder.with_name("lost"))
    identifier = CapMessage.objects.get().identifier
    for address in (
        f"/news/{version.bulletin_id}/",
        "/news/atom.xml",
        f"/alerts/{identifier}.cap.xml",
        "/alerts/atom.xml",
        "/alerts/rss.xml",
    ):
        # Whoever asks first, and in whatever language, gets what everybody gets.
        assert get(address, HTTP_ACCEPT_LANGUAGE="en").status_code == 200, address
    after = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}
    assert after == before


def test_nothing_is_public_before_it_is_certain(house: House, folder: Path) -> None:
    """What the dispatcher rolls back was never published: the next try may say it under the same identifier."""
    version = make_version(house.commune)
    with TestCase.captureOnCommitCallbacks(execute=True), transaction.atomic():
        for code in ("article", "cap"):
            channels.get(code).start(version)  # type: ignore[union-attr]
        transaction.set_rollback(True)
    assert list(folder.rglob("*.xml")) == []
    with later(5):
        start("cap", version)
        start("article", version)
    assert documents(version)[0].sent == NOON + timedelta(minutes=5)
    assert public_files.write_due() == 0


def test_what_a_dying_process_did_not_write_is_written_by_the_next(house: House, folder: Path) -> None:
    version = make_version(house.commune)
    for code in ("article", "cap"):
        channels.get(code).start(version)  # type: ignore[union-attr]
    assert not folder.exists()  # the transaction has not ended: as if the process had died then
    assert public_files.write_due() == 2
    assert public_files.write_due() == 0
    assert (folder / "news" / str(version.bulletin_id) / "index.html").exists()
    assert (folder / "alerts" / "atom.xml").exists()


@pytest.mark.parametrize(
    "address",
    [
        "/news/999999/",
        "/news/99999999999999999999/",
        "/alerts/none.cap.xml",
        "/alerts/..%2F..%2Fetc%2Fpasswd.cap.xml",
        "/alerts/%00.cap.xml",
        "/alerts/audio/../../x.mp3",
        "/alerts/audio/" + "a" * 64 + ".mp3",
    ],
)
def test_addresses_of_nothing_say_so(house: House, address: str) -> None:
    assert get(address).status_code == 404


def test_hostile_texts_stay_texts(house: House) -> None:
    nasty = "</title><script>alert(1)</script> & {{ 7*7 }} \x0b]]>"
    version = make_version(house.commune, title=nasty[:160], body=nasty)
    start("article", version)
    page = get(f"/news/{version.bulletin_id}/").content.decode()
    assert "<script>" not in page
    ET.fromstring(get("/news/atom.xml").content)


# Alerts -------------------------------------------------------------------------------------------


def documents(version: BulletinVersion) -> list[cap.Alert]:
    rows = CapMessage.objects.filter(bulletin=version.bulletin).order_by("number")
    for row in rows:
        answer = get(f"/alerts/{row.identifier}.cap.xml")
        assert answer["Content-Type"] == "application/cap+xml"
        assert answer.content.decode() == row.document
        assert valid(answer.content)
    return [reading.read(row.document.encode()) for row in rows]


def test_a_chain_of_alert_update_and_cancel_is_valid_and_names_all_before(house: House) -> None:
    commune = make_unit(
        "Lê Hồng Phong", house.province, code="13286", since=date(2020, 1, 1), boundary=SQUARE
    )
    first = make_version(commune, english=True, urgency="Immediate", severity="Severe")
    start("cap", first)
    start("cap", first)
    with later(30):
        second = make_version(commune, bulletin=first.bulletin, english=True)
        start("cap", second)
        cancel("cap", first)  # an Update took its place: there is nothing to cancel
    with later(60):
        cancel("cap", second)
        cancel("cap", second)
    one, two, three = documents(first)
    assert [alert.message_type for alert in (one, two, three)] == ["Alert", "Update", "Cancel"]
    assert [ref.identifier for ref in three.references] == [one.identifier, two.identifier]
    assert {info.language for info in one.infos} == {"vi-VN", "en"}
    assert "+07:00" in CapMessage.objects.first().document  # type: ignore[union-attr]
    (area,) = one.infos[0].areas
    assert area.geocodes == (("VN-DVHC:2020-01-01", "13286"),)
    assert len(area.polygons) == 1
    assert one.infos[0].urgency == "Immediate"
    assert one.infos[0].web == f"https://hanam.gov.vn/news/{first.bulletin_id}/"
    assert three.infos[0].headline == "Đã hủy: Phong tỏa phường Quang Trung"
    with later(90):
        third = make_version(commune, bulletin=first.bulletin)
        start("cap", third)
    assert documents(first)[-1].message_type == "Alert"  # a cancelled chain is not taken up again
    state = channels.get("cap").state(second)  # type: ignore[union-attr]
    assert state is not None
    assert str(state.label) == "Đã hủy"


def test_feeds_list_every_alert_with_the_right_media_types(house: House) -> None:
    version = make_version(house.commune)
    start("cap", version)
    atom, rss = get("/alerts/atom.xml"), get("/alerts/rss.xml")
    assert (atom["Content-Type"], rss["Content-Type"]) == ("application/atom+xml", "application/rss+xml")
    entry = ET.fromstring(atom.content).find(f"{ATOM}entry")
    assert entry is not None
    links = {link.get("type"): link.get("href") for link in entry.findall(f"{ATOM}link")}
    identifier = CapMessage.objects.get().identifier
    assert links["application/cap+xml"] == f"https://hanam.gov.vn/alerts/{identifier}.cap.xml"
    assert links["text/html"] == f"https://hanam.gov.vn/news/{version.bulletin_id}/"
    assert get("/alerts/atom.xml", HTTP_IF_NONE_MATCH=atom["ETag"]).status_code == 304
    assert "Phong tỏa phường Quang Trung" in get("/alerts/").content.decode()


def test_a_demonstration_warns_nobody(house: House, settings: Any) -> None:
    settings.KHIEN_DEMO = True
    version = make_version(house.commune)
    start("cap", version)
    assert documents(version)[0].status == "Test"
    assert "[Thử]" in get("/alerts/").content.decode()


def test_a_bulletin_that_has_run_out_is_not_announced(house: House) -> None:
    version = make_version(house.commune, hours=1)
    with later(61), pytest.raises(Invalid) as problem:
        start("cap", version)
    assert problem.value.field == "expires_at"
    assert not CapMessage.objects.exists()


def test_staff_see_what_is_published_in_their_units(house: House) -> None:
    version = make_version(house.commune)
    for code in ("article", "cap"):
        start(code, version)
    here, elsewhere = Client(), Client()
    for client, unit in ((here, house.commune), (elsewhere, make_unit("Xã Khác", house.province))):
        account = make_account(Role.COMMUNICATION_OFFICER, unit)
        client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    for name in ("articles", "alerts"):
        assert version.title in here.get(f"/broadcasts/{name}/").content.decode()
        assert version.title not in elsewhere.get(f"/broadcasts/{name}/").content.decode()
