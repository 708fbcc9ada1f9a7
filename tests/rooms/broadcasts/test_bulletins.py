"""The author's work: what channels derive, what an edit keeps, templates, the test, the submission."""

from __future__ import annotations

import unicodedata

import pytest
from django.db import DatabaseError, transaction

from khien.gateways.sms.text import measure
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.staff import Role
from khien.rooms.broadcasts import composing, content, deriving, models
from khien.rooms.broadcasts.deriving import Slot, Text
from khien.rooms.broadcasts.models import BulletinVersion, ChannelText, Recipient
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs import audio, bulletins, templates
from tests.factories import make_account, make_actor
from tests.rooms.broadcasts.press import BODY, Engine, Press

ALL = ("sms", "article", "cap", "loudspeaker", "push", "carrier_order")
SMS = Slot("sms", "vi")


def said(version: BulletinVersion, channel: str, language: str = "vi") -> ChannelText:
    return version.texts.get(channel=channel, language=language)


def edit(press: Press, version: BulletinVersion, texts=None, **more) -> BulletinVersion:
    return bulletins.edit_bulletin(
        press.author,
        version=version,
        edits=more.pop("edits", version.edits),
        draft=press.draft(**{"channels": tuple(version.channels), **more}),
        texts=texts,
    )


def codes(press: Press, version: BulletinVersion) -> set[str]:
    return {one.code for one in reads.missing(press.author, version)}


def test_every_channel_gets_a_text_of_its_own_from_title_and_body(press: Press) -> None:
    version = press.write(channels=ALL, contact="Gọi 1900 9095")
    sms = said(version, "sms").text
    assert sms.startswith("Tiêm vắc-xin ngày 12/1. Ngày 12/1, trạm y tế")
    assert sms.endswith(f"/broadcasts/b{version.bulletin_id}/")
    assert measure(sms).parts <= 2
    assert said(version, "carrier_order").text == sms
    assert said(version, "article").text == f"{BODY}\n\nGọi 1900 9095"
    assert said(version, "cap").instruction == "Mang theo căn cước công dân. Ai đang sốt thì chưa đến tiêm."
    assert said(version, "loudspeaker").text.startswith("Tiêm vắc-xin ngày 12/1.\nNgày 12/1")
    assert len(said(version, "push").text) <= deriving.PUSH_LENGTH


@pytest.mark.parametrize("words", [1, 8, 60, 900])
def test_a_derived_sms_never_costs_more_than_two_parts_unless_the_title_does(words: int) -> None:
    body = " ".join(f"Câu số {n} của bản tin." for n in range(words))
    assert measure(deriving.short("Thông báo", body, "https://khien.example/broadcasts/b1/")).parts <= 2


def test_nothing_is_translated_by_machine(press: Press) -> None:
    version = press.write(channels=("article", "sms"), languages=("vi", "en"))
    assert said(version, "article", "en").text == ""
    assert not version.texts.filter(channel="sms", language="en").exists()
    assert "no_text" in codes(press, version)


def test_decomposed_letters_are_composed_before_anything_is_counted(press: Press) -> None:
    text = unicodedata.normalize("NFD", "Tiêm vắc-xin mũi ba ở trạm y tế")
    version = press.write(title=text, body=text)
    assert version.title == unicodedata.normalize("NFC", text)
    version = edit(press, version, {SMS: Text(text=text)}, title=text, body=text)
    assert said(version, "sms").text == unicodedata.normalize("NFC", text)
    assert reads.sms_view(said(version, "sms").text, plain=False).size == measure(text)


def test_emoji_make_it_ucs2_and_a_long_text_is_counted_in_parts(press: Press) -> None:
    version = edit(press, press.write(), {SMS: Text(text="Tiem ngay 12/1 😷")})
    assert reads.sms_view(said(version, "sms").text, plain=True).final_size.encoding == "UCS-2"
    version = edit(press, version, {SMS: Text(text="Tiêm ngày mai nhé. " * 60)})
    assert "invalid" in codes(press, version)
    assert "Tin dài quá 1000 ký tự" in str(reads.missing(press.author, version)[0].message)


def test_accents_go_only_with_the_authors_consent(press: Press) -> None:
    version = press.write()
    assert content.final(version, said(version, "sms")) == said(version, "sms").text
    version = edit(press, version, plain_sms=True)
    assert content.final(version, said(version, "sms")).startswith("Tiem vac-xin ngay 12/1.")
    assert "Tiêm" in said(version, "sms").text
    assert content.final(version, said(version, "article")).startswith("Ngày 12/1")


def test_a_text_of_ones_own_stays_when_the_body_changes_and_can_be_taken_back(press: Press) -> None:
    version = edit(press, press.write(), {SMS: Text(text="Tiêm ngày 12/1 tại trạm.")})
    version = edit(press, version, body="Đổi giờ: 14 giờ.")
    assert said(version, "sms").text == "Tiêm ngày 12/1 tại trạm."
    assert said(version, "article").text == "Đổi giờ: 14 giờ."
    version = edit(press, version, {SMS: None}, body="Đổi giờ: 14 giờ.")
    assert "Đổi giờ: 14 giờ." in said(version, "sms").text


def test_a_channel_left_out_for_a_while_keeps_what_was_written_for_it(press: Press) -> None:
    version = edit(press, press.write(), {SMS: Text(text="Bản riêng.")})
    version = edit(press, version, channels=("article",))
    assert [row.channel for row in content.texts_of(version)] == ["article"]
    version = edit(press, version, channels=("article", "sms"))
    assert said(version, "sms").text == "Bản riêng."


def test_two_windows_the_second_to_save_is_told_and_nothing_is_overwritten(press: Press) -> None:
    version = press.write()
    edit(press, version, title="Cửa sổ thứ nhất")
    with pytest.raises(bulletins.EditedElsewhere) as told:
        edit(press, version, title="Cửa sổ thứ hai")
    assert told.value.version.title == "Cửa sổ thứ nhất"
    version.refresh_from_db()
    assert (version.title, version.edits) == ("Cửa sổ thứ nhất", 1)


def test_saving_what_stands_there_changes_nothing(press: Press) -> None:
    version = press.write()
    assert edit(press, version).edits == 0


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"title": "  "}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"body": "a\0b"}, "body"),
        ({"category": "Plague"}, "category"),
        ({"languages": ("en",)}, "languages"),
        ({"channels": ("pigeon",)}, "channels"),
        ({"policy": "often"}, "policy"),
    ],
)
def test_what_cannot_be_kept_names_its_field(press: Press, more: dict, field: str) -> None:
    with pytest.raises(Invalid) as told:
        press.write(**more)
    assert told.value.field == field


def test_an_author_writes_only_for_units_of_their_own(press: Press) -> None:
    with pytest.raises(NotAllowed):
        bulletins.create_bulletin(press.author, unit=press.elsewhere, draft=press.draft())
    with pytest.raises(NotAllowed):
        bulletins.create_bulletin(
            make_actor(Role.LEADER, press.commune), unit=press.commune, draft=press.draft()
        )


# Templates


@pytest.fixture
def template(press: Press) -> models.BulletinTemplateVersion:
    return templates.write_bulletin_template(
        press.author,
        code="market",
        name="Tìm người đã đến chợ",
        title="Ai đến {noi} ngày {ngay}",
        body="Có ca bệnh ở {noi}.\n\nGọi {so}.",
        sms="{name}: da den {noi} thi goi {so}",
    )


VALUES = {"noi": "Chợ Bầu", "ngay": "9/1", "so": "1900 9095"}


def begin(press: Press, template, values: dict[str, str]) -> BulletinVersion:
    return bulletins.create_bulletin(
        press.author,
        unit=press.commune,
        draft=press.draft(title="", body=""),
        template=template,
        values=values,
    )


def test_a_template_is_filled_and_the_receivers_own_values_wait(press: Press, template) -> None:
    version = begin(press, template, VALUES)
    assert version.title == "Ai đến Chợ Bầu ngày 9/1"
    assert said(version, "sms").text == "{name}: da den Chợ Bầu thi goi 1900 9095"
    assert reads.placeholders(version) == {"name"}
    assert version.template_version == template


@pytest.mark.parametrize("lacking", ["noi", "ngay", "so"])
@pytest.mark.parametrize("blank", [None, "  "])
def test_a_missing_value_stops_it_before_anything_is_written(press, template, lacking, blank) -> None:
    values = {name: value for name, value in VALUES.items() if name != lacking}
    if blank is not None:
        values[lacking] = blank
    with pytest.raises(Invalid) as told:
        begin(press, template, values)
    assert (told.value.code, told.value.field) == ("missing_value", f"value-{lacking}")
    assert not BulletinVersion.objects.exists()


def test_a_loop_of_placeholders_is_refused_and_nothing_is_filled_twice(press: Press, template) -> None:
    with pytest.raises(Invalid) as told:
        begin(press, template, {**VALUES, "noi": "{so}", "so": "{noi}"})
    assert told.value.code == "braces_in_value"
    assert composing.fill("{a} {b}", {"a": "{b}", "b": "{a}"}) == "{b} {a}"


def test_each_wording_is_a_version_and_two_who_rewrite_it_are_told(press: Press, template) -> None:
    kept = {"code": "market", "name": "Chợ", "title": "Ai đến {noi}", "body": "Gọi {so}."}
    second = templates.write_bulletin_template(press.author, **kept, number=1)
    assert (second.number, template.template.versions.count()) == (2, 2)
    assert reads.template_version("market") == second
    with pytest.raises(Conflict):
        templates.write_bulletin_template(press.author, **{**kept, "body": "Khác"}, number=1)
    with pytest.raises(Invalid) as told:
        templates.write_bulletin_template(press.author, **{**kept, "body": "Gọi {Số}"}, number=2)
    assert told.value.field == "body"
    templates.retire_bulletin_template(press.author, code="market")
    assert "market" not in {row.template.code for row in reads.templates()}


def test_the_templates_that_ship_can_all_be_filled(press: Press) -> None:
    rows = reads.templates()
    assert len(rows) >= 3
    for row in rows:
        names = reads.template_names(row)
        title, body, sms = composing.fill_template(row, dict.fromkeys(names, "thử"))
        assert "{" not in title + body + sms


def test_a_gap_left_in_a_channel_for_everybody_is_an_error_before_sending(press: Press) -> None:
    version = edit(press, press.ready(), {Slot("article", "vi"): Text("Tiêm", "Chào {name}")})
    assert "missing_value" in codes(press, version)


# Test send


def test_a_test_goes_to_the_fixed_numbers_and_nobody_else(press: Press) -> None:
    version = press.choose(press.write())
    press.test(version)
    assert set(Recipient.objects.values_list("phone", flat=True)) == {"+84912345001", "+84912345002"}
    assert Recipient.objects.first().text == said(version, "sms").text
    done = reads.tested(version)
    assert (done.phones, done.taken, done.settled) == (2, 2, True)


def test_an_edit_voids_the_test_and_undoing_it_brings_it_back(press: Press) -> None:
    version = press.ready()
    assert codes(press, version) == set()
    version = edit(press, version, title="Tiêm vắc-xin ngày 13/1")
    assert codes(press, version) == {"not_tested"}
    version = edit(press, version)
    assert codes(press, version) == set()


def test_a_test_that_no_phone_got_is_no_test(press: Press) -> None:
    version = press.choose(press.write())
    sent = bulletins.send_test(press.author, version=version)
    assert codes(press, version) == {"not_tested"}
    sent.broadcast.recipients.update(state=Recipient.State.REJECTED)
    assert codes(press, version) == {"not_tested"}
    sent.broadcast.recipients.filter(phone="+84912345001").update(state=Recipient.State.ACCEPTED)
    assert codes(press, version) == set()


def test_without_a_test_number_it_says_who_adds_one(press: Press) -> None:
    models.TestNumber.objects.all().delete()
    with pytest.raises(Invalid) as told:
        bulletins.send_test(press.author, version=press.write())
    assert told.value.code == "no_test_numbers"


def test_test_numbers_are_kept_by_administrators(press: Press) -> None:
    administrator = make_actor(Role.ADMINISTRATOR, press.province)
    row = templates.add_test_number(administrator, number="0912 345 003", holder="Sở Y tế")
    assert row.number == "+84912345003"
    templates.remove_test_number(administrator, number=row.number)
    assert models.TestNumber.objects.count() == 2
    with pytest.raises(Invalid):
        templates.add_test_number(administrator, number="12", holder="Sở Y tế")
    with pytest.raises(NotAllowed):
        templates.add_test_number(press.author, number="0912 345 004", holder="Sở Y tế")


# Submission


def test_all_that_is_missing_is_said_at_once(press: Press) -> None:
    version = press.write(channels=("sms", "article", "loudspeaker"), body="")
    assert codes(press, version) == {"no_body", "no_audience", "not_tested", "no_audio"}
    with pytest.raises(reads.NotReady) as told:
        bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    assert len(told.value.missing) == 4
    version.refresh_from_db()
    assert version.state == "draft"


def test_a_bulletin_without_a_channel_or_past_its_end_is_not_ready(press: Press) -> None:
    assert codes(press, press.write(channels=())) == {"no_channels"}
    version = press.ready()
    BulletinVersion.objects.filter(pk=version.pk).update(expires_at="2022-01-01T00:00Z")
    version.refresh_from_db()
    assert "expired" in codes(press, version)


def test_submitting_freezes_text_and_receivers(press: Press) -> None:
    version = press.submitted(plain_sms=True)
    assert version.state == "submitted"
    assert len(version.content_hash) == 64
    assert said(version, "sms").text.startswith("Tiem vac-xin")
    assert content.hash_of(version) == version.content_hash
    assert reads.audience(version).frozen_at is not None
    with pytest.raises(Conflict):
        edit(press, version)
    with pytest.raises(Conflict):
        bulletins.send_test(press.author, version=version)
    for change in ({"title": "Khác"}, {"state": "draft"}, {"audience_id": None}, {"content_hash": "0" * 64}):
        with pytest.raises(DatabaseError), transaction.atomic():
            BulletinVersion.objects.filter(pk=version.pk).update(**change)


def test_an_audience_of_nobody_is_not_submitted(press: Press) -> None:
    version = press.choose(press.write(), press.audience(0))
    press.test(version)
    with pytest.raises(reads.NotReady) as told:
        bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    assert told.value.code == "nobody"
    version.refresh_from_db()
    assert (version.state, reads.audience(version).frozen_at) == ("draft", None)


@pytest.mark.parametrize("values", ["null", "{}", '{"name": "  "}'])
def test_a_receiver_without_a_value_stops_the_submission(press: Press, values: str) -> None:
    version = edit(press, press.write(), {SMS: Text(text="Chào {name}")})
    version = press.choose(version, press.audience(values=values))
    press.test(version)
    with pytest.raises(reads.NotReady) as told:
        bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    assert told.value.code == "missing_value"
    assert "3 người nhận" in str(told.value)


def test_with_every_value_it_is_submitted_and_tested_with_names_for_values(press: Press) -> None:
    version = edit(press, press.write(), {SMS: Text(text="Chào {full_name}")})
    version = press.choose(version, press.audience(values='{"full_name": "An {x}"}'))
    press.test(version)
    assert Recipient.objects.first().text == "Chào FULL NAME"
    version = bulletins.submit_bulletin(press.author, version=version, edits=version.edits)
    assert said(version, "sms").text == "Chào {full_name}"


def test_only_an_open_audience_within_the_bulletins_unit_is_chosen(press: Press) -> None:
    version = press.write()
    with pytest.raises(NotAllowed):
        press.choose(version, press.audience(unit=press.elsewhere))
    frozen = press.audience()
    press.freeze(press.author, frozen, set())
    with pytest.raises(Conflict):
        press.choose(version, frozen)


def test_those_who_opted_out_are_reached_by_emergencies_alone(press: Press) -> None:
    version = press.choose(press.write(), press.audience(with_opted_out=True))
    assert "opted_out" in codes(press, version)
    version = press.submitted(is_emergency=True)
    assert reads.audience(version).with_opted_out


def test_what_it_costs_beyond_a_cap_stops_it(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = type("Row", (), {"name": "Viettel"})()
    row = type("Row", (), {"carrier": carrier, "over_cap": True, "refuses": False, "people": 3})()
    total = type("Row", (), {"carriers": [row], "people": 3})()
    version = press.ready()
    monkeypatch.setattr(reads, "estimate", lambda version: total)
    assert codes(press, version) == {"over_cap"}
    row.over_cap, row.refuses = False, True
    assert codes(press, version) == {"accents_refused"}
    total.people = 0
    assert codes(press, version) == {"nobody"}


# Sound


def test_a_script_is_spoken_once_and_belongs_to_its_words(press: Press, monkeypatch) -> None:
    monkeypatch.setattr("khien.gateways.speech.speaking.engine", Engine)
    version = press.write(channels=("loudspeaker",))
    assert codes(press, version) == {"no_audio"}
    first = audio.speak_script(press.author, version=version)
    assert audio.speak_script(press.author, version=version).pk == first.pk
    assert codes(press, version) == set()
    version = edit(press, version, body="Lời khác.")
    assert codes(press, version) == {"no_audio"}
    audio.drop_audio(press.author, version=version)
    assert reads.audio(version) is None


def test_a_recording_is_part_of_what_was_tested(press: Press, monkeypatch) -> None:
    monkeypatch.setattr(
        "khien.gateways.speech.recordings.check", lambda sound: Engine().speak(sound.decode())
    )
    version = press.ready(channels=("sms", "loudspeaker"))
    audio.keep_recording(press.author, version=version, sound=b"mot")
    assert codes(press, version) == {"not_tested"}
    press.test(version)
    assert codes(press, version) == set()
    audio.keep_recording(press.author, version=version, sound=b"hai")
    assert codes(press, version) == {"not_tested"}


# Versions


def test_a_new_version_has_all_of_the_old_one_and_its_own_audience(press: Press) -> None:
    old = press.submitted()
    new = bulletins.new_version(press.author, version=old)
    old.refresh_from_db()
    assert (old.state, new.state, new.number) == ("replaced", "draft", 2)
    assert said(new, "article").text == said(old, "article").text
    assert reads.audience(new).frozen_at is None
    assert reads.audience(new).pk != old.audience_id
    assert press.author.id in new.editors
    with pytest.raises(Conflict):
        bulletins.new_version(press.author, version=old)


def test_the_differences_are_said_word_by_word(press: Press) -> None:
    old = press.submitted()
    new = edit(press, bulletins.new_version(press.author, version=old), title="Tiêm vắc-xin ngày 13/1")
    old.refresh_from_db()
    found = {
        str(change.label): change.pieces
        for change in content.changes(content.listed(old), content.listed(new))
    }
    assert [(piece.sort, piece.text) for piece in found["Tiêu đề"]] == [
        ("same", "Tiêm vắc-xin ngày "),
        ("gone", "12/1"),
        ("new", "13/1"),
    ]
    assert "Bài trên cổng thông tin · vi" not in found


def test_a_draft_is_put_away_with_a_reason(press: Press) -> None:
    version = press.write()
    with pytest.raises(Invalid):
        bulletins.withdraw_bulletin(press.author, version=version, reason=" ")
    version = bulletins.withdraw_bulletin(press.author, version=version, reason="Không cần nữa")
    assert version.state == "withdrawn"


def test_another_author_may_go_on_but_is_remembered(press: Press) -> None:
    other = press.actor(make_account(Role.COMMUNICATION_OFFICER, press.province))
    version = press.write()
    version = bulletins.edit_bulletin(other, version=version, edits=0, draft=press.draft(title="Sửa"))
    assert version.editors == [press.author.id, other.id]
