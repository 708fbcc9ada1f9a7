"""The pages of bulletins, as those who write, approve and read them meet them."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from khien.kernel.staff import Role
from khien.rooms.broadcasts import channels, models
from khien.rooms.broadcasts.models import ApprovalSeen, Bulletin, BulletinVersion
from khien.rooms.broadcasts.verbs import bulletins, dispatch
from tests.factories import make_account
from tests.rooms.broadcasts.press import PASSWORD, Engine, Press

ROOT = "/broadcasts/bulletins/"


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


@pytest.fixture
def author(press: Press) -> Client:
    return press.client(press.author_account)


@pytest.fixture
def leader(press: Press) -> Client:
    return press.client(press.leader)


def filled(version: BulletinVersion, **more: object) -> dict[str, object]:
    """What a browser would send of the desk as it stands."""
    data: dict[str, object] = {
        name: getattr(version, name)
        for name in ("title", "body", "contact", "category", "urgency", "severity", "certainty", "policy")
    }
    data |= {
        "edits": version.edits,
        "languages": version.languages,
        "channels": version.channels,
        "expires_at": "2022-01-13T12:00",
        "effective_at": "",
    }
    for row in version.texts.all():
        place = f"text-{row.channel}-{row.language}"
        data |= {
            f"{place}-title": row.title,
            f"{place}-text": row.text,
            f"{place}-instruction": row.instruction,
        }
    return {**data, **more}


def test_a_bulletin_is_begun_blank_from_a_template_or_in_the_short_form(press: Press, author: Client) -> None:
    page = text(author.get(f"{ROOT}new/"))
    assert "Phường Quang Trung" in page
    assert "Châu Sơn" not in page
    given = {"unit": press.commune.pk, "channels": ["sms"], "expires_at": "2022-01-13T12:00"}
    answer = author.post(f"{ROOT}new/", {**given, "title": "Tin mới", "body": "Nội dung"})
    assert answer.status_code == 302
    assert models.BulletinVersion.objects.get().title == "Tin mới"
    address = f"{ROOT}new/?template=vaccination_day"
    assert "{noi}" in text(author.get(address))
    values = {"value-ngay": "12/1", "value-gio": "7 giờ", "value-noi": "trạm y tế", "value-doi_tuong": ""}
    answer = author.post(address, {**given, **values})
    assert answer.status_code == 422
    assert "Chưa điền doi_tuong" in text(answer)
    assert 'value="trạm y tế"' in text(answer)
    assert author.post(address, {**given, **values, "value-doi_tuong": "người già"}).status_code == 302
    answer = author.post(f"{ROOT}new/?emergency=1", {**given, "title": "Gấp", "body": "Nội dung"})
    assert answer.status_code == 302
    urgent = BulletinVersion.objects.latest("pk")
    assert (urgent.is_emergency, urgent.urgency) == (True, "Immediate")


def test_the_desk_shows_every_channel_and_saves_all_at_once(press: Press, author: Client) -> None:
    version = press.write(channels=("sms", "article", "cap", "loudspeaker", "push"), contact="Gọi 1900 9095")
    address = f"{ROOT}{version.bulletin_id}/edit/"
    page = text(author.get(address))
    assert "một chín không không, chín không chín năm" in page
    assert "Tiem vac-xin ngay 12/1." in page
    assert "Còn thiếu để trình duyệt" in page
    answer = author.post(address, filled(version, **{"text-sms-vi-text": "Tiêm ngày 12/1"}), follow=True)
    assert "Đã lưu bản nháp" in text(answer)
    assert version.texts.get(channel="sms").text == "Tiêm ngày 12/1"
    version.refresh_from_db()
    answer = author.post(address, filled(version, **{"text-sms-vi-anew": "on"}), follow=True)
    assert version.texts.get(channel="sms").text != "Tiêm ngày 12/1"
    version.refresh_from_db()
    assert author.post(address, filled(version, title="")).status_code == 422


def test_two_windows_show_what_changed_and_lose_nothing_that_was_typed(press: Press, author: Client) -> None:
    version = press.write()
    first, second = filled(version, title="Cửa sổ một"), filled(version, body="Điều gõ ở cửa sổ hai")
    address = f"{ROOT}{version.bulletin_id}/edit/"
    assert author.post(address, first).status_code == 302
    answer = author.post(address, second)
    assert answer.status_code == 409
    page = text(answer)
    assert "Có người vừa lưu bản này" in page
    assert "<del>" in page
    assert "Điều gõ ở cửa sổ hai</textarea>" in page
    assert 'name="edits" value="1"' in page
    version.refresh_from_db()
    assert version.title == "Cửa sổ một"
    assert author.post(address, {**second, "edits": 1}).status_code == 302
    version.refresh_from_db()
    assert (version.title, version.body) == ("Tiêm vắc-xin ngày 12/1", "Điều gõ ở cửa sổ hai")


def test_from_test_to_submission_by_its_pages(press: Press, author: Client, monkeypatch) -> None:
    monkeypatch.setattr("khien.gateways.speech.speaking.engine", Engine)
    version = press.write(channels=("sms", "loudspeaker"))
    root = f"{ROOT}{version.bulletin_id}/"
    audience = press.audience()
    answer = author.post(f"{root}audience/", {"audience": audience.pk, "edits": 0}, follow=True)
    assert "Đã chọn người nhận" in text(answer)
    assert "Còn thiếu" in text(author.get(f"{root}submit/"))
    assert "Đã tạo âm thanh" in text(author.post(f"{root}sound/", {"speak": "1"}, follow=True))
    monkeypatch.setattr(
        "khien.gateways.speech.recordings.check", lambda sound: Engine().speak(sound.decode())
    )
    upload = SimpleUploadedFile("ghi.mp3", b"loi", content_type="audio/mpeg")
    assert "Đã nhận bản ghi" in text(author.post(f"{root}sound/", {"sound": upload}, follow=True))
    version.refresh_from_db()
    press.test(version)
    page = text(author.get(f"{root}submit/"))
    assert "tổng đài đã nhận 2" in page
    assert author.post(f"{root}submit/", {"edits": 0}).status_code == 409
    assert "Người khác sẽ duyệt" in text(author.post(f"{root}submit/", {"edits": 1}, follow=True))
    assert author.get(f"{root}edit/").status_code == 404


def test_the_approver_opens_listens_gives_the_password_and_approves(
    press: Press, author: Client, leader: Client, monkeypatch
) -> None:
    monkeypatch.setattr("khien.gateways.speech.speaking.engine", Engine)
    version = press.ready(channels=("sms", "loudspeaker"))
    author.post(f"{ROOT}{version.bulletin_id}/sound/", {"speak": "1"})
    version = bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    root = f"{ROOT}{version.bulletin_id}/"
    assert "Chờ bạn duyệt" in text(leader.get(ROOT))
    page = text(leader.get(f"{root}review/"))
    bound = {
        "content_hash": re.search(r'name="content_hash" value="(\w+)"', page)[1],
        "audience_hash": re.search(r'name="audience_hash" value="(\w+)"', page)[1],
        "password": PASSWORD,
        "has_listened": "on",
    }
    assert "Bạn chưa mở tin nhắn cuối" in text(leader.post(f"{root}review/", bound))
    assert not ApprovalSeen.objects.exists()
    # The author's own look is not an approver's.
    author.get(f"{root}final/")
    author.get(f"{root}1.mp3")
    assert not ApprovalSeen.objects.exists()
    assert "Tiêm vắc-xin ngày 12/1." in text(leader.get(f"{root}final/"))
    assert "Bạn chưa nghe bản phát thanh" in text(leader.post(f"{root}review/", bound))
    sound = leader.get(f"{root}1.mp3")
    assert sound["Content-Type"] == "audio/mpeg"
    wrong = leader.post(f"{root}review/", {**bound, "password": "sai"})
    assert wrong.status_code == 422
    assert "Mật khẩu không đúng" in text(wrong)
    assert "Đã duyệt" in text(leader.post(f"{root}review/", bound, follow=True))
    version.refresh_from_db()
    assert version.state == "approved"
    dispatch.dispatch_version(version)
    page = text(leader.get(root))
    assert "Đã phát" in page
    assert "Trạm: 3" in page


def test_the_author_is_offered_no_approval_and_gets_none(press: Press, author: Client) -> None:
    version = press.submitted()
    root = f"{ROOT}{version.bulletin_id}/"
    assert "/review/" not in text(author.get(root))
    assert author.get(f"{root}review/").status_code == 403
    assert author.post(f"{root}review/", {"password": PASSWORD}).status_code == 403


def test_a_refusal_is_read_by_the_author_who_makes_a_new_version(press, author, leader) -> None:
    version = press.submitted()
    root = f"{ROOT}{version.bulletin_id}/"
    assert "Chưa ghi lý do" in text(leader.post(f"{root}reject/", {"reason": ""}, follow=True))
    leader.post(f"{root}reject/", {"reason": "Sai ngày"})
    assert "Sai ngày" in text(author.get(root))
    assert "Lưu nháp" in text(author.post(f"{root}new-version/", follow=True))
    assert "Hai phiên bản giống nhau" in text(author.get(f"{root}1-2/"))
    assert "Sai ngày" in text(author.get(root))


def test_it_is_withdrawn_with_a_reason_on_every_channel(press: Press, author: Client) -> None:
    version = press.approved(channels=("article",))
    dispatch.dispatch_version(version)
    root = f"{ROOT}{version.bulletin_id}/"
    page = text(author.post(f"{root}withdraw/", {"reason": "Hoãn tiêm"}, follow=True))
    assert "Hoãn tiêm" in page
    assert "đã dừng" in page
    assert press.heard[-1] == ("cancel", "article", 1)


def test_an_emergency_is_looked_back_on_by_its_page(press: Press, leader: Client) -> None:
    version = press.submitted(is_emergency=True, channels=("article",))
    press.approve(version, press.leader)
    press.approve(version, press.second)
    third = press.client(press.third)
    address = f"{ROOT}{version.bulletin_id}/1/after-review/"
    assert "cần xem lại" in text(third.get(ROOT))
    assert leader.post(address, {"was_right": "yes", "finding": "Đúng"}).status_code == 403
    assert third.post(address, {"was_right": "yes"}).status_code == 422
    page = text(third.post(address, {"was_right": "yes", "finding": "Đúng lúc"}, follow=True))
    assert "Đúng lúc" in page


def test_the_log_says_who_did_what_and_can_be_taken_along(press: Press, author: Client) -> None:
    version = press.approved()
    page = text(author.get(f"{ROOT}{version.bulletin_id}/log/"))
    for act in (
        "create_bulletin",
        "choose_audience",
        "send_test",
        "submit_bulletin",
        "note_seen",
        "approve_bulletin",
    ):
        assert f"broadcasts.{act}" in page
    table = author.get(f"{ROOT}{version.bulletin_id}/log/?csv=1")
    assert table["Content-Type"].startswith("text/csv")
    lines = table.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("id,at,recorded_at,act")
    assert len(lines) == 8
    assert "+8491" not in table.content.decode()


def test_the_short_address_leads_to_the_article_while_it_is_out(press: Press) -> None:
    version = press.approved(channels=("article",))
    address = f"/broadcasts/b{version.bulletin_id}/"
    assert Client().get(address)["Location"] == f"/noted/{version.pk}/"
    bulletins.withdraw_bulletin(press.author, version=version, reason="Hoãn")
    assert Client().get(address).status_code == 404


def test_templates_and_test_numbers_are_kept_by_their_pages(press: Press, author: Client) -> None:
    assert "Lịch tiêm chủng" in text(author.get(f"{ROOT}templates/"))
    given = {
        "code": "cho",
        "name": "Chợ",
        "title": "Ai đến {noi}",
        "body": "Gọi ngay",
        "sms": "",
        "number": 0,
    }
    assert author.post(f"{ROOT}templates/new/", {**given, "body": "{"}).status_code == 422
    assert author.post(f"{ROOT}templates/new/", given).status_code == 302
    assert (
        author.post(f"{ROOT}templates/cho/", {**given, "number": 1, "title": "Ai ở {noi}"}).status_code == 302
    )
    assert "Ai đến {noi}" in text(author.get(f"{ROOT}templates/cho/"))
    assert author.post(f"{ROOT}templates/cho/", {**given, "number": 1}).status_code == 409
    author.post(f"{ROOT}templates/cho/", {"retire": "1"})
    assert "template=cho" not in text(author.get(f"{ROOT}new/"))
    assert author.get(f"{ROOT}test-numbers/").status_code == 403
    administrator = press.client(make_account(Role.ADMINISTRATOR, press.province))
    answer = administrator.post(f"{ROOT}test-numbers/", {"add": "1", "number": "12", "holder": "Sở"})
    assert answer.status_code == 422
    answer = administrator.post(f"{ROOT}test-numbers/", {"add": "1", "number": "0912345009", "holder": "Sở"})
    assert answer.status_code == 302
    administrator.post(f"{ROOT}test-numbers/", {"remove": "+84912345009"})
    assert models.TestNumber.objects.count() == 2


def test_bulletins_of_other_units_are_not_to_be_found(press: Press) -> None:
    version = press.write(title="Tin riêng của phường")
    stranger = press.client(make_account(Role.COMMUNICATION_OFFICER, press.elsewhere))
    assert "Tin riêng của phường" not in text(stranger.get(ROOT))
    for page in ("", "edit/", "submit/", "final/", "log/", "1-1/", "1.mp3"):
        assert stranger.get(f"{ROOT}{version.bulletin_id}/{page}").status_code == 404
    auditor = press.client(make_account(Role.AUDITOR, press.province))
    assert "Tin riêng của phường" in text(auditor.get(f"{ROOT}{version.bulletin_id}/"))
    assert auditor.post(f"{ROOT}{version.bulletin_id}/withdraw/", {"reason": "x"}).status_code == 403
    assert Bulletin.objects.count() == 1


def test_an_installation_without_a_channel_does_not_offer_it(
    press: Press, author: Client, monkeypatch
) -> None:
    monkeypatch.setattr(channels, "_channels", {"sms": channels.get("sms")})
    page = text(author.get(f"{ROOT}new/"))
    assert 'value="sms"' in page
    assert 'value="cap"' not in page


def test_receivers_are_counted_when_asked_for_not_on_every_look(
    press: Press, author: Client, monkeypatch
) -> None:
    asked = []
    monkeypatch.setattr(
        "khien.rooms.broadcasts.reads.bulletins.estimate", lambda version: asked.append(version.pk)
    )
    version = press.ready()
    root = f"{ROOT}{version.bulletin_id}/"
    assert "Đếm người nhận" in text(author.get(f"{root}edit/"))
    author.get(root)
    assert asked == []
    author.get(f"{root}edit/?costs=1")
    assert version.pk in asked
