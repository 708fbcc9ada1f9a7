"""One filled-in form: whose it is, what holds by it, and that it is stored once."""

from __future__ import annotations

import uuid
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from khien.kernel import clock
from khien.kernel.errors import Conflict
from khien.kernel.events.verbs import deliver_pending
from khien.kernel.people.models import Person
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.staff import Role
from khien.kernel.staff.reads import NOBODY, actor_of_resident
from khien.kernel.standing import colours
from khien.kernel.standing.models import Standing
from khien.rooms.declarations import reads, verbs
from khien.rooms.declarations.models import Declaration, Form, Task
from khien.rooms.testing.models import SamplingRequest
from tests.factories import NOON, make_actor, make_person
from tests.rooms.declarations.conftest import SYSTEM, Ground


def declare(ground: Ground, actor=NOBODY, **more):
    channel = more.pop("channel", "public")
    client_id = more.pop("client_id", None) or uuid.uuid4()
    extra = {name: more.pop(name) for name in ("made_at", "person") if name in more}
    return verbs.declare(
        actor, form=ground.health, value=ground.answer(**more), client_id=client_id, channel=channel, **extra
    )


def colour(person_id: int | None) -> tuple[str, str]:
    card = colours.of([person_id or 0], clock.now())[person_id or 0]
    return card.colour, card.reason


def test_somebody_new_is_put_in_the_ledger_and_has_a_green_card_for_72_hours(ground: Ground) -> None:
    row = declare(ground).declaration
    assert row.match == "registered"
    assert row.person is not None
    assert (row.person.unit, row.person.source) == (ground.commune, "declaration")
    assert colour(row.person_id)[0] == "green"
    with clock.reads.frozen_at(NOON + timedelta(hours=72, seconds=1)):
        assert colour(row.person_id) == ("yellow", "Chưa khai báo y tế trong 72 giờ qua.")


def test_somebody_known_is_linked_by_phone_folded_name_and_birth_year(ground: Ground) -> None:
    known = make_person("Nguyễn Thị Hoa", ground.commune, birth_date=date(1986, 5, 1), phone="+84912345678")
    row = declare(ground, full_name="nguyen thi hoa").declaration
    assert (row.match, row.person) == ("linked", known)
    assert Person.objects.count() == 1


def test_a_number_links_when_the_name_or_the_birth_year_agrees_and_is_held_when_neither_does(
    ground: Ground,
) -> None:
    owner = register_person(
        SYSTEM,
        full_name="Trần Văn Bình",
        birth_year=1970,
        unit=ground.other,
        documents=[NewDocument("cccd", "035170000001")],
    )
    same = declare(ground, full_name="Trần Văn Bình", number="035170000001").declaration
    assert (same.match, same.person) == ("linked", owner)
    other = declare(ground, number="035170000001", phone="+84912345600").declaration
    assert (other.match, other.held_reason, other.person) == ("held", "number_of_another", None)
    assert not Standing.objects.filter(authority=f"declarations.declaration:{other.pk}").exists()


def test_a_number_that_nobody_saw_takes_no_place_in_the_ledger(ground: Ground) -> None:
    row = declare(ground, number="035186000009").declaration
    assert row.person is not None
    assert row.person.documents.count() == 0
    assert row.number_last4 == "0009"
    assert "035186000009" not in str(row.content)
    helped = declare(
        ground,
        make_actor(Role.CLERK, ground.commune),
        channel="helper",
        full_name="Lê Thị Tư",
        birth_year=1950,
        number="035150000009",
    ).declaration
    assert helped.person is not None
    assert [d.last4 for d in helped.person.documents.all()] == ["0009"]
    assert helped.entered_by is not None


def test_somebody_of_the_same_name_and_year_in_the_commune_is_for_an_officer_to_compare(
    ground: Ground,
) -> None:
    known = make_person("Nguyễn Thị Hoa", ground.commune, birth_date=date(1986, 5, 1), phone="+84900000001")
    row = declare(ground).declaration
    assert row.held_reason == "similar"
    assert [p.pk for p in reads.candidates(SYSTEM, row)] == [known.pk]
    officer = make_actor(Role.COMMUNE_OFFICER, ground.commune)
    verbs.link(officer, declaration=row, person=known)
    assert colour(known.pk)[0] == "green"
    with pytest.raises(Conflict):
        verbs.register(officer, declaration=row)


def test_symptoms_make_a_task_a_yellow_card_and_a_sample_until_an_officer_settles_it(ground: Ground) -> None:
    row = declare(ground, has_symptoms=True, symptoms=["fever"]).declaration
    task = Task.objects.get()
    assert (task.unit, task.reasons, task.state) == (ground.commune, ["symptoms"], "open")
    assert colour(row.person_id) == ("yellow", "Khai có triệu chứng: cán bộ y tế sẽ gọi.")
    deliver_pending()
    asked = SamplingRequest.objects.get()
    assert (asked.person_id, asked.reason, asked.unit) == (row.person_id, "symptoms", ground.commune)
    with clock.reads.frozen_at(NOON + timedelta(hours=2)):
        # A later declaration without symptoms does not talk the task away.
        declare(ground)
        assert colour(row.person_id)[0] == "yellow"
        verbs.settle(
            make_actor(Role.COMMUNE_OFFICER, ground.commune),
            task=task,
            outcome="well",
            note="Chỉ mệt vì thức khuya.",
        )
        assert colour(row.person_id)[0] == "green"
    deliver_pending()


def test_an_officer_of_another_commune_settles_nothing(ground: Ground) -> None:
    declare(ground, has_symptoms=True, symptoms=["cough"])
    from khien.kernel.errors import NotAllowed

    with pytest.raises(NotAllowed):
        verbs.settle(make_actor(Role.COMMUNE_OFFICER, ground.other), task=Task.objects.get(), outcome="well")


def test_a_red_place_of_the_last_14_days_makes_the_card_orange(ground: Ground) -> None:
    officer = make_actor(Role.COMMUNICATION_OFFICER, ground.province)
    verbs.declare_risk(
        officer,
        unit=ground.other,
        level="red",
        start=date(2022, 1, 3),
        end=date(2022, 1, 6),
        decision="12/QĐ-UBND",
    )
    been = [{"unit": ground.other.pk, "from": "2022-01-04"}]
    row = declare(ground, been_elsewhere=True, visited=been).declaration
    assert row.attention == ["red_place"]
    assert colour(row.person_id) == ("orange", "Đến từ vùng đỏ: cán bộ y tế sẽ gọi.")
    with clock.reads.frozen_at(NOON + timedelta(days=12)):
        later = declare(ground, been_elsewhere=True, visited=been, full_name="Vũ Thị Lan").declaration
        assert later.attention == []


def test_a_family_of_four_with_one_declarer_has_four_codes_and_four_cards(ground: Ground) -> None:
    row = declare(
        ground,
        companions=[
            {"full_name": "Phạm Văn Cường", "birth_year": 1984, "has_symptoms": False},
            {"full_name": "Phạm Thị Mai", "birth_year": 2012, "has_symptoms": True, "symptoms": ["cough"]},
            {"full_name": "Phạm Văn Nam", "birth_year": 2016, "has_symptoms": False},
        ],
    )
    everybody = [row.declaration, *row.companions]
    assert len({one.code for one in everybody}) == 4
    assert [colour(one.person_id)[0] for one in everybody] == ["green", "green", "yellow", "green"]
    assert {one.parent_id for one in row.companions} == {row.declaration.pk}
    assert {one.helper_name for one in row.companions} == {"Nguyễn Thị Hoa"}


def test_a_movement_with_three_destinations_and_a_companion(ground: Ground) -> None:
    going = [{"unit": ground.commune.pk, "from": f"2022-01-1{n}", "address": f"Nơi {n}"} for n in range(3)]
    row = verbs.declare(
        NOBODY,
        form=ground.movement,
        value=ground.journey(
            destinations=going,
            plate="90B-123.45",
            companions=[{"full_name": "Phạm Văn Cường", "birth_year": 1984, "has_symptoms": False}],
        ),
        client_id=uuid.uuid4(),
        channel="public",
    )
    assert [len(one.content["destinations"]) for one in [row.declaration, *row.companions]] == [3, 3]
    assert colour(row.companions[0].person_id)[0] == "green"


def test_the_same_form_sent_again_is_one_declaration(ground: Ground) -> None:
    client_id = uuid.uuid4()
    first = declare(ground, client_id=client_id)
    again = declare(ground, client_id=client_id)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.declaration.code == first.declaration.code
    assert Declaration.objects.count() == 1
    with pytest.raises(Conflict) as fault:
        declare(ground, client_id=client_id, full_name="Người Khác")
    assert fault.value.code == "id_reused"


def test_a_clock_that_is_wrong_makes_no_declaration_valid_for_longer(ground: Ground) -> None:
    ahead = declare(ground, made_at=NOON + timedelta(days=300)).declaration
    assert ahead.declared_at == NOON
    old = declare(ground, made_at=NOON - timedelta(days=300), full_name="Vũ Thị Lan").declaration
    assert old.declared_at == NOON - timedelta(days=7)
    assert colour(old.person_id)[0] == "yellow"


def test_family_signed_in_is_recorded_as_who_declared(ground: Ground) -> None:
    daughter = make_person("Trần Thị Con", ground.commune, birth_date=date(1990, 1, 1))
    row = declare(
        ground,
        actor_of_resident(daughter.pk),
        channel="family",
        filled_by="other",
        helper_name="Trần Thị Con",
        helper_phone="+84912345671",
    ).declaration
    assert row.declared_by == daughter
    assert row.person != daughter


def test_a_version_in_use_does_not_change(ground: Ground) -> None:
    form = ground.health
    assert form.frozen_at is None
    Form.objects.filter(pk=form.pk).update(source="sửa trước khi dùng")
    declare(ground)
    form.refresh_from_db()
    assert form.frozen_at == NOON
    with pytest.raises(IntegrityError), transaction.atomic():
        Form.objects.filter(pk=form.pk).update(document="{}")
    Form.objects.filter(pk=form.pk).update(to_confirm=False)


def test_what_is_past_its_retention_goes_with_what_it_stated(ground: Ground) -> None:
    row = declare(
        ground, companions=[{"full_name": "Phạm Văn Cường", "birth_year": 1984, "has_symptoms": False}]
    ).declaration
    declare(ground, has_symptoms=True, symptoms=["fever"], full_name="Vũ Thị Lan")
    assert verbs.forget_declarations(date(2022, 1, 10)) == 0
    assert verbs.forget_declarations(date(2022, 1, 11)) == 3
    assert not Standing.objects.filter(kind__startswith="decla").exists()
    assert Person.objects.filter(pk=row.person_id).exists()


def test_many_are_loaded_at_once_and_again_changes_nothing(ground: Ground) -> None:
    people = [make_person(f"Người {n}", ground.commune) for n in range(5)]
    plain = {
        "filled_by": "self",
        "been_elsewhere": False,
        "has_symptoms": False,
        "contact": False,
        "consent": True,
    }
    lines = [
        verbs.Known(
            client_id=uuid.uuid5(uuid.NAMESPACE_OID, str(person.pk)),
            person=person,
            phone="+84912345678",
            at=NOON - timedelta(hours=n),
            content=plain | ({"has_symptoms": True, "symptoms": ["cough"]} if n == 4 else {}),
        )
        for n, person in enumerate(people)
    ]
    assert verbs.load_declarations(SYSTEM, form=ground.health, lines=lines) == 5
    assert verbs.load_declarations(SYSTEM, form=ground.health, lines=lines) == 0
    assert [colour(person.pk)[0] for person in people] == ["green"] * 4 + ["yellow"]
    row = Declaration.objects.get(person=people[0])
    assert ground.health.spec.problems(row.content) == []
    deliver_pending()
    assert SamplingRequest.objects.get().person == people[4]
    assert Declaration.objects.count() == 5
