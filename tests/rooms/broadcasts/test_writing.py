from __future__ import annotations

import unicodedata

import pytest

from khien.kernel.errors import Invalid, NotAllowed, NotFound
from khien.kernel.events.models import Event
from khien.kernel.people.models import Phone
from khien.kernel.staff.reads import actor_of_resident
from khien.rooms.broadcasts import reads, verbs
from khien.rooms.broadcasts.models import Broadcast, Recipient
from tests.factories import make_actor, make_person, make_unit
from tests.rooms.broadcasts.conftest import House


def test_each_person_gets_their_own_text(house: House) -> None:
    an, binh = house.people(2)
    broadcast = house.send(
        [an, binh],
        "{name}: xem tại {link}",
        values={an.pk: {"link": "http://a"}, binh.pk: {"link": "http://b"}},
        reference="tracing.case:41",
    )
    texts = set(broadcast.recipients.values_list("phone", "text", "state"))
    assert texts == {
        ("+84912340000", "Người 0: xem tại http://a", "queued"),
        ("+84912340001", "Người 1: xem tại http://b", "queued"),
    }
    assert broadcast.unit == house.commune


def test_a_missing_value_stops_everything_before_anything_is_sent(house: House) -> None:
    an, binh = house.people(2)
    for values in ({an.pk: {"link": "http://a"}}, {an.pk: {"link": "x"}, binh.pk: {"link": " "}}, None):
        with pytest.raises(Invalid) as refused:
            house.send([an, binh], "{name}: {link}", values=values)
        assert refused.value.code == "missing_value"
        assert "{link}" in str(refused.value)
    assert not Broadcast.objects.exists()


def test_braces_in_a_value_are_left_alone(house: House) -> None:
    (an,) = house.people(1)
    broadcast = house.send([an], "{note}", values={an.pk: {"note": "{name} và {x}"}})
    assert broadcast.recipients.get().text == "{name} và {x}"


@pytest.mark.parametrize("text", ["{", "Chào {ten", "Chào }", "{Tên}", "{a b}", "{}"])
def test_broken_placeholders_are_refused(house: House, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        house.send(house.people(1), text)
    assert refused.value.code == "bad_placeholder"


@pytest.mark.parametrize("text", ["", "   ", "x" * 1001])
def test_an_empty_or_endless_text_is_refused(house: House, text: str) -> None:
    with pytest.raises(Invalid):
        house.send(house.people(1), text)


def test_texts_are_stored_composed(house: House) -> None:
    broadcast = house.send(house.people(1), unicodedata.normalize("NFD", "Đề nghị ở tại nhà"))
    assert broadcast.recipients.get().text == "Đề nghị ở tại nhà"


def test_one_phone_gets_the_same_text_once_and_different_texts_each(house: House) -> None:
    an = make_person("An", house.commune, phone="+84912345678")
    binh = make_person("Bình", house.commune, phone="+84912345678")
    same = house.send([an, binh, an], "Cả nhà ở tại nhà")
    assert same.recipients.count() == 1
    assert {link.person_id for link in same.recipients.get().people.all()} == {an.pk, binh.pk}
    assert house.send([an, binh], "{name} ở tại nhà").recipients.count() == 2


def test_nobody_without_a_phone_is_forgotten(house: House) -> None:
    mute = make_person("Cường", house.commune)
    landline = make_person("Dung", house.commune, phone="+842263852222")
    second = make_person("Em", house.commune, phone="+842263852222")
    Phone.objects.create(person=second, number="+84912345678", is_main=False)
    broadcast = house.send([mute, landline, second])
    rows = {r.people.get().person_id: (r.state, r.code, r.phone) for r in broadcast.recipients.all()}
    assert rows == {
        mute.pk: ("suppressed", "no_phone", ""),
        landline.pk: ("suppressed", "phone_not_mobile", ""),
        second.pk: ("queued", "", "+84912345678"),
    }


def test_a_list_that_nobody_can_read_is_settled_at_once(house: House) -> None:
    broadcast = house.send([make_person("Cường", house.commune)], reference="tracing.case:7")
    payload = Event.objects.get(name="broadcast_settled").payload
    assert payload == {
        "broadcast": broadcast.pk,
        "reference": "tracing.case:7",
        "counts": {"suppressed": 1},
    }


def test_the_same_key_sends_once(house: House) -> None:
    people = house.people(1)
    first = house.send(people, once_key="quarantine.order:1:issued")
    assert house.send(people, once_key="quarantine.order:1:issued") == first
    assert Recipient.objects.count() == 1


def test_staff_write_to_people_of_their_units_only(house: House) -> None:
    stranger = make_person("Khách", make_unit("Châu Sơn"), phone="+84912345678")
    with pytest.raises(NotAllowed):
        verbs.send_to_people(house.officer, people=[stranger], text="Chào", purpose="test")
    with pytest.raises(NotAllowed):
        verbs.send_to_people(house.leader, people=house.people(1), text="Chào", purpose="test")
    with pytest.raises(Invalid):
        verbs.send_to_people(house.officer, people=[], text="Chào", purpose="test")


def test_templates_are_data_and_keep_their_placeholders(house: House) -> None:
    (an,) = house.people(1)
    broadcast = verbs.send_to_people(
        house.system,
        people=[an.pk],
        template="follow_up_reminder",
        values={an.pk: {"link": "http://127.0.0.1/f/x"}},
        purpose="follow_up",
    )
    assert broadcast.recipients.get().text.endswith("http://127.0.0.1/f/x")
    with pytest.raises(NotFound):
        verbs.send_to_people(house.system, people=[an], template="none", purpose="x")
    with pytest.raises(Invalid) as refused:
        verbs.change_template(house.officer, code="follow_up_reminder", text="Gửi {link} trước {hour}")
    assert "{hour}" in str(refused.value)
    assert verbs.change_template(house.officer, code="follow_up_reminder", text="Mời {name}: {link}").text


def test_messages_are_seen_by_those_who_see_the_person(house: House) -> None:
    an, binh = house.people(2)
    house.send([an, binh])
    assert [m.person_id for m in reads.messages_of(house.tracer, an.pk)] == [an.pk]
    assert [m.person_id for m in reads.messages_of(actor_of_resident(an.pk), an.pk)] == [an.pk]
    assert reads.messages_of(actor_of_resident(an.pk), binh.pk) == []
    assert reads.messages_of(house.leader, an.pk) == []
    broadcast = reads.broadcasts(house.leader).get()
    assert not reads.people_of(house.leader, broadcast).exists()
    other = make_actor("tracer", make_unit("Châu Sơn"))
    assert not reads.broadcasts(other).exists()
