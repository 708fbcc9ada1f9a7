"""What people write to us: read whatever it looks like, taken once, answered once, and never more than the asker may
know."""

from __future__ import annotations

import json
import unicodedata
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from khien.gateways.sms import sending
from khien.gateways.sms.models import SimulatedMessage, SmppReply
from khien.gateways.sms.smpp.gateway import lane_of
from khien.gateways.sms.smpp.lanes import Lane
from khien.gateways.sms.text import measure
from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.limits import Limit
from khien.kernel.registries import SmsArgument, SmsKeyword, sms_keywords
from khien.kernel.staff import Role
from khien.rooms.broadcasts import keywords
from khien.rooms.broadcasts.channels import jobs
from khien.rooms.broadcasts.models import Broadcast, InboundMessage, OptOut, Recipient
from khien.rooms.broadcasts.sender import send_broadcast
from khien.rooms.broadcasts.verbs import replies
from khien.rooms.testing import verbs as testing
from tests.factories import NOON, make_actor, make_person, make_unit
from tests.rooms.broadcasts.conftest import House

PHONE = "+84912340000"
PLENTY = Limit("sms_test", 1000, 1)
DOSSIERS = {("123456", "7890"): "Hồ sơ đang được xử lý, hẹn trả 15/01."}


def look_up(actor: object, number: str, arguments: dict[str, str]) -> str:
    """As a room of dossiers would: one answer for an unknown code and for a wrong secret."""
    return DOSSIERS.get((arguments["code"], arguments["secret"]), "Mã hồ sơ hoặc mã bí mật không đúng.")


@pytest.fixture
def dossiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A room that has announced its keyword without anybody's touching this one."""
    monkeypatch.setattr(sms_keywords, "_entries", dict(sms_keywords._entries))
    sms_keywords.add(
        "test.dossier",
        SmsKeyword(
            ("TC", "TRA CỨU"),
            (
                SmsArgument("code", 6, 6, label="mã hồ sơ"),
                SmsArgument("secret", 4, 4, label="mã bí mật", secret=True),
            ),
            look_up,
            "Tình trạng hồ sơ",
            PLENTY,
        ),
    )


def sms(text: str, id: str = "1", number: str = "84912340000") -> dict[str, str]:
    return {"id": id, "number": number, "text": text, "address": "8155"}


def take(house: House, *rows: Any) -> replies.InboundTally:
    return replies.take_inbound(house.system, messages=list(rows))


def sent_texts() -> list[str]:
    """What the simulated phones have, once all that is queued was sent."""
    for broadcast in Broadcast.objects.filter(settled_at__isnull=True):
        send_broadcast(broadcast.pk, sending.gateway())
    return list(SimulatedMessage.objects.order_by("pk").values_list("text", flat=True))


# Reading ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "TC 123456 7890",
        "tc 123456 7890",
        "Tc1234567890",
        "TC-123456-7890",
        "tra cứu 123456 7890",
        "TRA CUU: 123456, 7890",
        "TraCuu1234567890",
        "tc 123 456 78 90",
        unicodedata.normalize("NFD", "tra cứu 123456 7890"),
        "\u200ftc\u00a0123456\t7890\0",
        "ＴＣ　１２３４５６　７８９０",
    ],
)
def test_a_question_is_read_however_it_is_written(dossiers: None, text: str) -> None:
    read = keywords.read(text)
    assert (read.sort, read.arguments) == ("question", {"code": "123456", "secret": "7890"})
    assert "7890" not in read.kept


@pytest.mark.parametrize("text", ["TỪ CHỐI", "TUCHOI", "Tu Choi", "tu-choi.", "Từ chối nhận tin", "stop"])
def test_refusing_is_read_with_and_without_accents(text: str) -> None:
    assert keywords.read(text).key == "broadcasts.opt_out"


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        ("TU CHOI TIEM", "other"),
        ("Tu choi cach ly tai nha", "other"),
        ("DKNY", "other"),
        ("KQHOCTAP", "other"),
        ("TC", "malformed"),
        ("TC 12345", "malformed"),
        ("TC 123456 78901", "malformed"),
        ("TC abcdef ghij", "malformed"),
        ("tcb cho hoi", "other"),
        ("", "other"),
        ("🤒🤒", "other"),
        ("'; DROP TABLE broadcasts_optout; --", "other"),
        ("{answer} %s %(x)s {{ 7*7 }}", "other"),
        ("TC " + "1" * 500, "other"),
        ("مرحبا", "other"),
    ],
)
def test_what_is_no_question_is_left_to_a_person(dossiers: None, text: str, sort: str) -> None:
    assert keywords.read(text).sort == sort


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=600))
def test_no_text_breaks_the_reader(text: str) -> None:
    read = keywords.read(text)
    assert "\0" not in read.kept
    assert read.sort in ("question", "malformed", "other")


def test_every_keyword_of_the_house_has_its_own_spelling() -> None:
    spelt = [(spelling, key) for key, _keyword, spelling in keywords._spellings()]
    assert len({spelling for spelling, _key in spelt}) == len(spelt)
    assert {"broadcasts.opt_out", "testing.result", "declarations.code"} <= {key for _spelling, key in spelt}


# Answers ------------------------------------------------------------------------------------------


def test_an_answer_leaves_once_without_accents_in_the_lane_of_those_who_wait(
    house: House, dossiers: None
) -> None:
    assert take(house, sms("tc 123456 7890")).count("stored") == 1
    assert take(house, sms("tc 123456 7890")).count("duplicate") == 1
    assert sent_texts() == ["Ho so dang duoc xu ly, hen tra 15/01."]
    assert lane_of(Broadcast.objects.get().purpose) is Lane.PROMPT
    row = InboundMessage.objects.get()
    assert (row.state, row.keyword, row.number, row.answer) == ("auto", "test.dossier", PHONE, "")
    everything = json.dumps(list(AuditLine.objects.values_list("details", flat=True)))
    assert "7890" not in row.text
    assert "912340000" not in everything


def test_an_unknown_code_and_a_wrong_secret_get_the_same_answer(house: House, dossiers: None) -> None:
    take(house, sms("TC 123456 0000", "1"), sms("TC 999999 7890", "2", "84912340001"))
    first, second = sent_texts()
    assert first == second


def test_one_batch_may_hold_several_questions_of_one_phone(house: House, dossiers: None) -> None:
    take(house, sms("TC 123456 7890", "1"), sms("TC 123456 7891", "2"), sms("TC 123456 7890", "3"))
    assert len(sent_texts()) == 2  # the same answer to the same phone goes once
    assert Recipient.objects.count() == 2


def test_a_question_written_wrongly_is_told_how(house: House, dossiers: None) -> None:
    take(house, sms("TC 12"))
    assert sent_texts() == ["Tin chua dung mau. Soan: TC <ma ho so> <ma bi mat>"]


def test_a_result_is_told_to_the_phone_of_the_person_only(house: House) -> None:
    person = make_person("Nguyễn Bí Mật", house.commune, phone=PHONE)
    tube = testing.collect_specimen(
        house.system, barcode="T-0001", person=person, sampled_at=NOON - timedelta(hours=8)
    )
    take(house, sms("KQ T0001", "1"))
    testing.record_result(house.system, specimen=tube, value="negative")
    take(house, sms("kq t-0001", "2"))
    take(house, sms("KQ T0001", "3", "84912349999"), sms("KQ X0001", "4", "84912349998"))
    waiting, negative, strangers, unknown = sent_texts()
    assert "chua co ket qua" in waiting
    assert negative == "Ket qua mau ngay 10/01/2022: Am tinh."
    assert strangers == unknown
    assert not any("Mat" in text or "Nguyen" in text for text in (waiting, negative, strangers))
    reads = AuditLine.objects.filter(act="testing.sms_result")
    assert [line.persons for line in reads] == [[person.pk], [person.pk]]


def test_refusing_and_coming_back(house: House) -> None:
    take(house, sms("Từ chối", "1"), sms("TUCHOI", "2"))
    assert OptOut.objects.get().number == PHONE
    take(house, sms("dk", "3"))
    assert not OptOut.objects.exists()
    assert all(measure(text).encoding == "GSM-7" and len(text) <= 160 for text in sent_texts())


def test_help_fits_into_one_message(house: House, dossiers: None) -> None:
    take(house, sms("hướng dẫn"))
    (text,) = sent_texts()
    assert len(text) <= 160
    assert "KB <ma to khai>" in text


def test_a_room_that_fails_or_says_too_much_keeps_nobody_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sms_keywords, "_entries", dict(sms_keywords._entries))

    def broken(actor: object, number: str, arguments: dict[str, str]) -> str:
        Broadcast.objects.create(purpose="half", text="", created_at=clock.now())
        raise RuntimeError(number)

    for key, word, answer in (
        ("test.broken", "HONG", broken),
        ("test.long", "DAI", lambda *_: "a" * 161),
        ("test.odd", "LA", lambda *_: "🤒"),
    ):
        sms_keywords.add(key, SmsKeyword((word,), (), answer, "", PLENTY))
    tally = take(house, sms("HONG", "1"), sms("DAI", "2"), sms("LA", "3"), sms("DK", "4"))
    assert tally.count("stored") == 4
    assert list(InboundMessage.objects.order_by("pk").values_list("state", "code")) == [
        ("open", "answer_failed"),
        ("open", "answer_failed"),
        ("open", "answer_failed"),
        ("auto", ""),
    ]
    assert not Broadcast.objects.filter(purpose="half").exists()
    assert len(sent_texts()) == 1


# Bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("", "phone_empty"),
        ("8155", "phone_length"),
        ("VIETTEL", "phone_letters"),
        ("+84123", "phone_length"),
        ("01234567890", "phone_before_2018"),
        ("+8424 3826 2222", "phone_not_mobile"),
        ("84" + "9" * 60, "phone_length"),
        ("0912'; --", "phone_letters"),
        ("+999 12345678", "phone_country"),
        ("\ud800", "phone_letters"),
    ],
)
def test_numbers_that_cannot_be_answered_are_held_and_nothing_is_sent(
    house: House, number: str, code: str
) -> None:
    tally = take(house, sms("TU CHOI", number=number), sms("xin chào", "2"))
    assert [(row.state, row.code) for row in tally.rows] == [("held", code), ("stored", "")]
    held = InboundMessage.objects.get(state="held")
    assert held.code == code
    assert held.note
    assert sent_texts() == []


def test_rows_of_every_wrong_shape_are_held_once_and_keep_no_other_out(house: House) -> None:
    wrong = [
        None,
        7,
        [],
        "TU CHOI",
        {},
        {"number": "84912340000", "text": "không có mã"},
        {"id": "x" * 81, "number": "84912340000", "text": "a"},
        {"id": "9", "number": ["84912340000"], "text": "a"},
        {"id": "9", "number": "84912340000", "text": {"a": 1}},
        {"id": "9", "number": "84912340000", "text": "a", "at": "hôm qua"},
        {"id": "9", "number": "84912340000", "text": "a", "at": "2022-13-45T99:00:00Z"},
    ]
    tally = take(house, *wrong, sms("xin chào", "ok"))
    assert (tally.received, tally.count("held"), tally.count("stored")) == (12, 11, 1)
    assert all(row.code and row.message for row in tally.rows[:-1])
    again = take(house, *wrong, sms("xin chào", "ok"))
    assert again.count("duplicate") == 12
    assert InboundMessage.objects.count() == 12


def test_a_time_from_another_age_is_replaced_by_ours(house: House) -> None:
    take(
        house,
        {**sms("a", "1"), "at": "1970-01-01T00:00:00Z"},
        {**sms("a", "2"), "at": "2099-01-01T00:00:00Z"},
    )
    take(house, {**sms("a", "3"), "at": "2022-01-10T04:30:00"})
    moments = InboundMessage.objects.order_by("pk").values_list("at", flat=True)
    assert list(moments) == [NOON, NOON, NOON - timedelta(minutes=30)]


def test_a_flood_of_one_number_gets_a_few_answers_and_one_word_why(house: House) -> None:
    tally = take(house, *(sms("hướng dẫn", str(n)) for n in range(200)))
    assert tally.count("stored") == 200
    states = list(InboundMessage.objects.values_list("state", flat=True))
    assert (states.count("auto"), states.count("limited")) == (6, 194)
    texts = sent_texts()
    assert len(texts) == 2  # the same help once, and "too often"
    assert "nhieu lan" in texts[1]


def test_a_flood_of_many_numbers_costs_no_more_than_agreed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "FROM_ALL", Limit("sms_answers_all_test", 20, 3600))
    rows = [sms("TRO GIUP", str(n), f"8491234{n:04d}") for n in range(300)]
    take(house, *rows)
    assert InboundMessage.objects.filter(state="auto").count() == 20
    left = InboundMessage.objects.filter(state="open", code="flood")
    assert left.count() == 280  # shown to somebody, not lost
    assert len(sent_texts()) == 20


# Doors --------------------------------------------------------------------------------------------


def push(body: Any, token: str = "geheim", **more: Any) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post(
        "/api/v1/broadcasts/inbound",
        content,
        content_type="application/json",
        HTTP_AUTHORIZATION=f"Bearer {token}",
        **more,
    )


def test_the_http_door_wants_its_token_and_says_row_by_row(house: House, settings: Any) -> None:
    settings.KHIEN_SMS_TOKEN = "geheim"
    assert push({"messages": [sms("a")]}, token="falsch").status_code == 401
    answer = push({"messages": [sms("TU CHOI", "1"), sms("TU CHOI", "1"), 7]})
    told = answer.json()
    assert (told["received"], told["stored"], told["duplicate"], told["held"]) == (3, 1, 1, 1)
    assert [row["state"] for row in told["rows"]] == ["stored", "duplicate", "held"]
    assert OptOut.objects.count() == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"messages": [{"id": "1", "number": "8491',
        b'{"messages": []}',
        b"[]",
        b'{"messages": {"id": 1}}',
        b"\xff\xfe",
        json.dumps({"messages": [1] * 1001}).encode(),
    ],
)
def test_a_truncated_push_is_refused_whole_and_may_come_again(
    house: House, settings: Any, body: bytes
) -> None:
    settings.KHIEN_SMS_TOKEN = "geheim"
    answer = push(body)
    assert answer.status_code in (400, 422)
    assert answer.json()["way_out"]
    assert not InboundMessage.objects.exists()


def test_what_came_over_smpp_is_taken_once(house: House) -> None:
    for text, part, parts in (("TU CH", 1, 2), ("OI", 2, 2), ("xin hỏi", 1, 1), ("nửa đầu", 1, 2)):
        SmppReply.objects.create(
            number="84912340000",
            address="8155",
            text=text,
            reference=None if parts == 1 else 7 if text != "nửa đầu" else 8,
            parts=parts,
            part=part,
            received_at=NOON,
        )
    assert jobs.fetch_replies() == 2
    assert jobs.fetch_replies() == 0
    assert OptOut.objects.get().number == PHONE
    assert InboundMessage.objects.get(state="open").text == "xin hỏi"
    assert SmppReply.objects.filter(taken_at=None).count() == 1  # its other half may still come


# Triage -------------------------------------------------------------------------------------------


def test_an_officer_sees_and_answers_those_of_the_own_commune(house: House) -> None:
    elsewhere = make_unit("Xã Khác", house.commune.parent)
    make_person("Ở Đây", house.commune, phone=PHONE)
    make_person("Ở Kia", elsewhere, phone="+84912340001")
    take(house, sms("xin hỏi", "1"), sms("xin hỏi", "2", "84912340001"), sms("xin hỏi", "3", "84912340002"))
    here, there, nowhere = InboundMessage.objects.order_by("pk")
    assert (here.unit, there.unit, nowhere.unit) == (house.commune, elsewhere, house.province)
    ids = [here.pk, there.pk, nowhere.pk]
    assert replies.answer_inbound(house.officer, messages=ids, text="Gọi 0226 1022 nhé") == 1
    assert sent_texts() == ["Goi 0226 1022 nhe"]
    here.refresh_from_db()
    assert (here.state, here.answer, here.settled_by) == ("answered", "Goi 0226 1022 nhe", house.officer.id)
    with pytest.raises(Conflict):
        replies.answer_inbound(house.officer, messages=ids, text="lần hai")
    with pytest.raises(NotAllowed):
        replies.close_inbound(make_actor(Role.LEADER, house.province), messages=ids)
    everybody = make_actor(Role.COMMUNICATION_OFFICER, house.province)
    assert replies.close_inbound(everybody, messages=ids, note="đã gọi") == 2


@pytest.mark.parametrize("text", ["", "  ", "a" * 161, "[" * 81, "Chào 🤒", "Привет"])
def test_an_answer_that_does_not_fit_says_why(house: House, text: str) -> None:
    take(house, sms("xin hỏi"))
    with pytest.raises(Invalid) as problem:
        replies.answer_inbound(house.officer, messages=[1], text=text)
    assert problem.value.field == "text"
    assert problem.value.way_out
