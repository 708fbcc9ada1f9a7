"""Whom a text reaches: numbers of every shape, each phone once, nobody who said no, nobody out of reach."""

from __future__ import annotations

import hashlib
import threading
from datetime import timedelta

import pytest
from django.db import connection

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed, NotFound
from khien.kernel.people.models import Person, Phone
from khien.kernel.people.phones import to_e164
from khien.kernel.rules import retention
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role
from khien.kernel.standing import verbs as standing
from khien.rooms.broadcasts import selecting
from khien.rooms.broadcasts.models import (
    Audience,
    AudienceMember,
    Carrier,
    DeadNumber,
    OptOut,
    PortedNumber,
)
from khien.rooms.broadcasts.reads import audiences as reads
from khien.rooms.broadcasts.verbs import audiences as verbs
from tests.factories import NOON, make_account, make_actor, make_person, make_unit
from tests.rooms.broadcasts.conftest import House, furnished

SHAPES = [
    "0912345678",
    "+84912345678",
    "84912345678",
    "0084912345678",
    "+84 (0)912 345 678",
    "0912.345.678",
    "0912-345-678",
    "(0912) 345 678",
    "0912\u00a0345\u00a0678",
    "912345678",
    "0389999999",
    "0559999999",
    "0879999999",
    "",
    "   ",
    "091234567",
    "09123456789",
    "0912 345 67a",
    "0912345678; 0987654321",
    "０９１２３４５６７８",
    "++84912345678",
    "84+912345678",
    "01234567890",
    "0168 123 4567",
    "+841681234567",
    "024 3825 4512",
    "02438254512",
    "0242 3825 451",
    "+1 202 555 0123",
    "+856 20 5555 1234",
    "113",
    "1900 9095",
    "0000000000",
    "+84000000000",
    "+84012345678",
    "không có",
    "0912345678 (vợ)",
]


def frozen(
    house: House, *, register: str = "people", names: tuple[str, ...] = (), **more: object
) -> Audience:
    audience = verbs.create_audience(house.officer, register=register, units=[house.commune.pk], **more)
    return verbs.freeze_audience(house.officer, audience=audience, names=names)


def phones(audience: Audience) -> list[str]:
    rows = AudienceMember.objects.filter(audience_id=audience.pk).order_by("seq")
    return list(rows.values_list("phone", flat=True))


def spell(house: House, *numbers: str) -> list[Person]:
    """A person for each number, stored as it is written here."""
    return [make_person(f"Người {place}", house.commune, phone=n) for place, n in enumerate(numbers)]


def test_a_number_counts_exactly_when_it_can_receive_a_message(house: House) -> None:
    """SQL and `to_e164` read the same numbers; those of other countries have no carrier here."""
    for shape in SHAPES:
        person = make_person("Thử", house.commune)
        Phone.objects.create(person=person, number=shape[:16])
        chosen = selecting.selection("people", [house.commune.pk], {}, with_opted_out=False)
        ((n, left_out),) = selecting.rows_of(f"SELECT n, left_out FROM ({chosen.sql}) x", chosen.values)
        try:
            expected = to_e164(shape[:16])
        except Invalid:
            expected = None
        if expected is not None and not expected.startswith("+84"):
            assert left_out == "foreign"
            expected = None
        assert (f"+84{n}" if left_out is None else None) == expected, shape
        person.phones.all().delete()
        person.delete()


def test_each_reason_is_counted(house: House) -> None:
    spell(house, "0912000001", "0912000001", "0912000002", "0912000003", "01234567890", "+85620555512")
    spell(house, "02438254512", "09120", "+84951234567")
    make_person("Không số", house.commune)
    OptOut.objects.create(number="+84912000002", at=NOON, how="desk")
    DeadNumber.objects.create(number="+84912000003", code="1", at=NOON, until=NOON + timedelta(days=9))
    make_person("Gmobile", house.commune, phone="0991234567")
    Carrier.objects.filter(code="gmobile").update(is_active=False)
    audience = frozen(house)
    assert phones(audience) == ["+84912000001"]
    assert audience.count == 1
    assert audience.left_out == {
        "duplicate": 1,
        "opted_out": 1,
        "dead": 1,
        "old_number": 1,
        "foreign": 1,
        "not_mobile": 2,
        "malformed": 1,
        "no_phone": 1,
        "no_carrier": 1,
    }
    assert [row.key for row in reads.left_out_told(audience.left_out)][:3] == [
        "no_phone",
        "malformed",
        "old_number",
    ]


def test_two_phones_of_one_person_both_count_and_two_people_on_one_phone_once(house: House) -> None:
    an, binh = spell(house, "0912000001", "0912000002")
    Phone.objects.create(person=an, number="+84912000003", is_main=False)
    Phone.objects.create(person=binh, number="+84912000001", is_main=False)
    audience = frozen(house, names=("name",))
    assert sorted(phones(audience)) == ["+84912000001", "+84912000002", "+84912000003"]
    shared = AudienceMember.objects.get(audience_id=audience.pk, phone="+84912000001")
    assert shared.person_id == an.pk, "whose main phone it is"
    assert shared.values == {"name": "Người 0"}
    assert audience.left_out == {"duplicate": 1}
    main = frozen(house, filters={"main_only": "on"})
    assert sorted(phones(main)) == ["+84912000001", "+84912000002"]


def test_an_emergency_reaches_those_who_opted_out_but_no_dead_number(house: House) -> None:
    spell(house, "0912000001", "0912000002")
    OptOut.objects.create(number="+84912000001", at=NOON, how="sms")
    DeadNumber.objects.create(number="+84912000002", code="1", at=NOON, until=NOON + timedelta(days=1))
    assert phones(frozen(house, with_opted_out=True)) == ["+84912000001"]
    with clock.reads.frozen_at(NOON + timedelta(days=1)):
        assert phones(frozen(house, with_opted_out=True)) == ["+84912000001", "+84912000002"] or phones(
            frozen(house, with_opted_out=True)
        ) == ["+84912000002", "+84912000001"]


def test_the_route_is_the_longest_range_unless_the_number_was_ported(house: House) -> None:
    spell(house, "0912000001", "0998000001", "0993000001", "0912000009")
    PortedNumber.objects.create(number="+84912000009", carrier=Carrier.objects.get(code="viettel"))
    audience = frozen(house)
    rows = AudienceMember.objects.filter(audience_id=audience.pk).select_related("carrier")
    assert {row.phone: row.carrier.code for row in rows} == {
        "+84912000001": "vinaphone",
        "+84998000001": "itel",
        "+84993000001": "gmobile",
        "+84912000009": "viettel",
    }


def test_members_of_one_carrier_in_one_unit_are_a_range(house: House) -> None:
    other = make_unit("Châu Sơn", house.commune.parent)
    for n in range(40):
        make_person(f"N{n}", other if n % 3 else house.commune, phone=f"+849{n % 2 + 1}{n:07d}")
    officer = make_actor(Role.COMMUNICATION_OFFICER, house.province)
    audience = verbs.freeze_audience(
        officer, audience=verbs.create_audience(officer, register="people", units=[house.province.pk])
    )
    rows = list(AudienceMember.objects.filter(audience_id=audience.pk).order_by("seq"))
    assert [row.seq for row in rows] == list(range(1, 41))
    groups = [(row.carrier_id, row.unit_id) for row in rows]
    assert groups == sorted(groups)
    assert [row.phone for row in rows] != sorted(row.phone for row in rows)


def test_the_hash_says_who_they_are(house: House) -> None:
    spell(house, "0912000001", "0912000002", "0982000002")
    first, second = frozen(house), frozen(house)
    told = "".join(f"{phone}\n" for phone in phones(first))
    assert first.hash == second.hash == hashlib.sha256(told.encode()).hexdigest()
    OptOut.objects.create(number="+84912000001", at=NOON, how="desk")
    assert frozen(house).hash != first.hash
    first.refresh_from_db()
    assert first.hash == second.hash, "what is frozen stays"


def test_nobody_is_an_error_that_says_why_and_leaves_nothing_behind(house: House) -> None:
    audience = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    with pytest.raises(Invalid, match="không có ai: nguồn này không có người nào") as wrong:
        verbs.freeze_audience(house.officer, audience=audience)
    assert wrong.value.code == "nobody"
    spell(house, "0912000001")
    OptOut.objects.create(number="+84912000001", at=NOON, how="desk")
    with pytest.raises(Invalid, match="đã từ chối nhận tin: 1"):
        verbs.freeze_audience(house.officer, audience=audience)
    audience.refresh_from_db()
    assert audience.frozen_at is None
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [verbs.partition_of(audience.pk)])
        assert cursor.fetchone() == (None,)


def test_frozen_twice_is_unchanged_and_cannot_be_described_anew(house: House) -> None:
    spell(house, "0912000001")
    audience = frozen(house)
    spell(house, "0912000002")
    again = verbs.freeze_audience(house.officer, audience=audience)
    assert (again.hash, again.count) == (audience.hash, 1)
    with pytest.raises(Conflict, match="đã chốt"):
        verbs.change_audience(house.officer, audience=audience, register="people", units=[house.commune.pk])
    renewed = verbs.renew_audience(house.officer, audience=audience)
    assert verbs.freeze_audience(house.officer, audience=renewed).count == 2


def test_only_units_that_the_actor_covers(house: House) -> None:
    elsewhere = make_unit("Châu Sơn", house.commune.parent)
    with pytest.raises(NotAllowed, match="Châu Sơn"):
        verbs.create_audience(house.officer, register="people", units=[house.commune.pk, elsewhere.pk])
    with pytest.raises(NotAllowed):
        reads.preview(house.officer, register="people", units=[house.province.pk], filters={})
    with pytest.raises(NotAllowed):
        verbs.create_audience(house.leader, register="people", units=[house.commune.pk])
    spell(house, "0912000001")
    audience = frozen(house)
    stranger = make_actor(Role.COMMUNICATION_OFFICER, elsewhere)
    with pytest.raises(NotFound):
        verbs.freeze_audience(stranger, audience=audience)
    with pytest.raises(NotFound):
        reads.audience(stranger, audience.pk)
    assert reads.audience(house.leader, audience.pk) == audience
    assert (
        verbs.create_audience(
            house.system, register="people", units=[elsewhere.pk, house.commune.pk]
        ).unit.name
        == "Phủ Lý"
    )


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"age_from": "mười"}, "age_from"),
        ({"age_from": "-1"}, "age_from"),
        ({"age_from": "1e3"}, "age_from"),
        ({"age_to": "999"}, "age_to"),
        ({"age_from": "60", "age_to": "18"}, "age_to"),
        ({"sex": "x' OR 1=1 --"}, "sex"),
        ({"shoe_size": "41"}, "filters"),
    ],
)
def test_a_filter_that_means_nothing_is_named(house: House, given: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as wrong:
        verbs.create_audience(house.officer, register="people", units=[house.commune.pk], filters=given)
    assert wrong.value.field == field
    assert wrong.value.way_out


def test_a_register_or_unit_that_is_not_there(house: House) -> None:
    for wrong, more in (
        (Invalid, {"register": "nobody", "units": [house.commune.pk]}),
        (Invalid, {"register": "people", "units": []}),
        (NotFound, {"register": "people", "units": [10**9]}),
    ):
        with pytest.raises(wrong):
            verbs.create_audience(house.officer, **more)


def test_people_are_narrowed_by_age_sex_nationality_and_declaration(house: House) -> None:
    old = make_person("Cụ", house.commune, phone="0912000001", birth_date=None, birth_year=1940, sex="f")
    make_person("Bé", house.commune, phone="0912000002", birth_date=None, birth_year=2015, sex="m")
    make_person(
        "Khách", house.commune, phone="0912000003", birth_date=None, birth_year=None, nationality="KR"
    )
    standing.impose(
        old.pk,
        "declared",
        start=NOON,
        end=NOON + timedelta(days=3),
        colour="green",
        reason="Đã khai báo y tế.",
        authority=old,
    )
    for filters, expected in (
        ({"age_from": "60"}, ["1"]),
        ({"age_to": "10"}, ["2"]),
        ({"age_from": "5", "age_to": "90"}, ["1", "2"]),
        ({"sex": "m"}, ["2"]),
        ({"nationality": "foreign"}, ["3"]),
        ({"declared": "yes"}, ["1"]),
        ({"declared": "no"}, ["2", "3"]),
    ):
        assert sorted(phone[-1] for phone in phones(frozen(house, filters=filters))) == expected, filters


def test_staff_are_reached_by_the_unit_and_role_of_their_grants(house: House) -> None:
    for place, (role, unit) in enumerate(
        ((Role.TRACER, house.commune), (Role.GUARD, house.commune), (Role.GUARD, make_unit("Xa")))
    ):
        account = make_account(role, unit)
        account.phone = f"091200000{place}"
        account.save()
    assert len(phones(frozen(house, register="staff"))) == 2
    only = frozen(house, register="staff", filters={"role": "guard"}, names=("name", "unit"))
    member = AudienceMember.objects.get(audience_id=only.pk)
    assert (member.phone, member.person_id) == ("+84912000001", None)
    assert member.values == {"name": "Cán bộ Thử", "unit": "Phường Quang Trung"}


def test_merged_people_and_other_communes_are_not_meant(house: House) -> None:
    kept, gone = spell(house, "0912000001", "0912000002")
    Person.objects.filter(pk=gone.pk).update(merged_into=kept)
    make_person("Xa", make_unit("Châu Sơn", house.commune.parent), phone="0912000003")
    assert phones(frozen(house)) == ["+84912000001"]


def test_missing_values_are_counted_before_anything_is_sent(house: House) -> None:
    spell(house, "0912000001")
    make_person("Ngày sinh", house.commune, phone="0912000002", birth_date=None, birth_year=None)
    draft = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    assert reads.missing_values(draft, {"name", "birth_year", "shoe"}) == {"birth_year": 1, "shoe": 2}
    audience = verbs.freeze_audience(house.officer, audience=draft, names={"name", "birth_year", "unit"})
    assert reads.missing_values(audience, {"name", "birth_year", "unit"}) == {"birth_year": 1}
    assert reads.missing_values(audience, {"last_day"}) == {"last_day": 2}
    assert reads.missing_values(audience, ()) == {}
    with pytest.raises(Invalid, match=r"\{shoe\}") as wrong:
        frozen(house, names=("shoe",))
    assert wrong.value.code == "missing_value"


def test_only_asked_values_are_kept(house: House) -> None:
    spell(house, "0912000001")
    assert AudienceMember.objects.get(audience_id=frozen(house).pk).values is None


def test_the_preview_counts_what_freezing_gives(house: House) -> None:
    spell(house, "0912000001", "0912000001", "0982000002", "sai")
    found = reads.preview(
        house.officer, register="people", units=[house.commune.pk], filters={"age_from": "1"}, names={"name"}
    )
    audience = frozen(house)
    assert (found.count, found.named, found.missing) == (audience.count, 4, {})
    assert {row.key: row.count for row in found.left_out} == audience.left_out
    assert {row.key: row.count for row in found.carriers} == {"vinaphone": 1, "viettel": 1}
    after = reads.preview_of(audience)
    assert (after.count, after.named, after.left_out) == (2, 4, found.left_out)
    assert {row.key for row in after.carriers} == {"vinaphone", "viettel"}


def test_a_description_is_counted_once_a_minute_and_anew_when_it_changes(house: House) -> None:
    spell(house, "0912000001")
    draft = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    assert reads.estimate(draft, "Chào").people == reads.preview_of(draft).count == 1
    spell(house, "0912000002")
    assert reads.estimate(draft, "Chào").people == 1
    verbs.change_audience(
        house.officer, audience=draft, register="people", units=[house.commune.pk], filters={"age_from": "1"}
    )
    draft.refresh_from_db()
    assert reads.estimate(draft, "Chào").people == reads.preview_of(draft).count == 2
    assert verbs.freeze_audience(house.officer, audience=draft).count == 2


def test_the_estimate_by_carrier(house: House) -> None:
    spell(house, "0912000001", "0912000002", "0982000001")
    Carrier.objects.filter(code="vinaphone").update(price=300, rate=2, daily_cap=3)
    Carrier.objects.filter(code="viettel").update(price=250, rate=0, takes_accents=False)
    text = "Từ 20 giờ hôm nay người dân phường Quang Trung ở nhà, chờ thông báo tiếp theo của phường nhé"
    audience = frozen(house)
    told = reads.estimate(audience, text)
    vina, viettel = told.carriers
    assert (vina.people, vina.parts, vina.dong, vina.seconds) == (2, 4, 1200, 2.0)
    assert (viettel.people, viettel.parts, viettel.dong, viettel.seconds) == (1, 2, 500, 0.0)
    assert (told.people, told.parts, told.dong, told.seconds, told.most_parts) == (3, 6, 1700, 2.0, 2)
    assert vina.over_cap
    assert told.over_cap
    assert viettel.refuses
    plain = reads.estimate(audience, text, plain=True)
    assert (plain.parts, plain.over_cap, plain.refused, plain.unpriced) == (3, False, False, False)
    draft = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    assert reads.estimate(draft, text) == told


def test_parts_are_counted_with_each_members_own_values(house: House) -> None:
    make_person("An", house.commune, phone="0912000001")
    make_person("Nguyễn Thị Hoàng Kim Ngân", house.commune, phone="0912000002")
    text = "Kinh gui {name}: " + "a" * 140
    draft = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    audience = verbs.freeze_audience(
        house.officer,
        audience=verbs.create_audience(house.officer, register="people", units=[house.commune.pk]),
        names={"name"},
    )
    for row in (draft, audience):
        told = reads.estimate(row, text)
        # "An": 157 letters of GSM-7, one part; the other name is accented: 180 units of UCS-2, three.
        assert (told.parts, told.most_parts) == (4, 3)
        plain = reads.estimate(row, text, plain=True)
        assert (plain.parts, plain.most_parts) == (3, 2)


def test_what_a_carrier_took_today_counts_against_its_cap(house: House) -> None:
    from khien.rooms.broadcasts.models import Campaign, Chunk

    spell(house, "0912000001", "0912000002")
    carrier = Carrier.objects.get(code="vinaphone")
    Carrier.objects.filter(pk=carrier.pk).update(daily_cap=10)
    audience = frozen(house)
    campaign = Campaign.objects.create(
        unit=house.commune, audience=audience, text="x", parts=3, created_at=NOON, started_at=NOON
    )
    Chunk.objects.create(
        campaign=campaign,
        carrier=carrier,
        unit_id=house.commune.pk,
        first=1,
        last=3,
        rank=1,
        accepted=2,
        unknown=1,
    )
    (row,) = reads.estimate(frozen(house), "Chào").carriers
    assert (row.room, row.over_cap) == (1, True)


def test_members_are_forgotten_and_the_count_stays(house: House) -> None:
    rules.load_seed(house.system)
    spell(house, "0912000001")
    audience = frozen(house)
    draft = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
    with clock.reads.frozen_at(NOON + timedelta(days=179)):
        retention.forget(house.system)
        assert phones(audience) == ["+84912000001"]
    with clock.reads.frozen_at(NOON + timedelta(days=182)):
        before = {flaw.where for flaw in retention.prove()}
        assert {"broadcasts.audiences", "broadcasts.audience_members"} <= before
        gone = retention.forget(house.system)
        assert gone["broadcasts.audiences"] == 1
        assert not {flaw.where for flaw in retention.prove()} & {
            "broadcasts.audiences",
            "broadcasts.audience_members",
        }
    assert phones(audience) == []
    audience.refresh_from_db()
    assert (audience.count, len(audience.hash)) == (1, 64)
    assert not Audience.objects.filter(pk=draft.pk).exists()


@pytest.mark.django_db(transaction=True)
def test_two_who_freeze_at_once_make_one_list() -> None:
    with clock.reads.frozen_at(NOON):
        house = furnished()
        spell(house, "0912000001", "0982000001")
        audience = verbs.create_audience(house.officer, register="people", units=[house.commune.pk])
        results: list[object] = []
        start = threading.Barrier(2)

        def work() -> None:
            try:
                start.wait(10)
                with clock.reads.frozen_at(NOON):
                    results.append(verbs.freeze_audience(house.officer, audience=audience).hash)
            except Exception as fault:
                results.append(fault)
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _n in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(results) == 2
        assert results[0] == results[1]
        assert len(phones(audience)) == 2
        verbs.forget_audiences((NOON + timedelta(days=1)).date())
