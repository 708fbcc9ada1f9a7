"""One person, one ledger."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from django.apps import apps
from django.db import connection

from khien.kernel import keys
from khien.kernel.audit.models import AuditLine
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.people import identity, reads, verbs
from khien.kernel.people.models import DuplicateProposal, IdentityDocument, Merge, Person
from khien.kernel.people.references import person_references
from khien.kernel.people.verbs import NewDocument
from khien.kernel.staff import Actor, Role, system_actor
from khien.kernel.units.models import AdminUnit
from tests.factories import make_actor, make_person, make_province, make_unit

pytestmark = pytest.mark.django_db
SYSTEM = system_actor("test")


@pytest.fixture
def commune() -> AdminUnit:
    return make_province()[2]


@pytest.fixture
def officer(commune: AdminUnit) -> Actor:
    return make_actor(Role.COMMUNE_OFFICER, commune)


def register(
    commune: AdminUnit, name: str = "Trần Thị Hường", number: str = "035190000001", **more: object
) -> Person:
    return verbs.register_person(
        SYSTEM, full_name=name, unit=commune, documents=[NewDocument("cccd", number)], **more
    )


def test_a_person_is_found_by_any_number_and_by_name_without_accents(
    commune: AdminUnit, officer: Actor
) -> None:
    person = register(commune, phones=["0912 345 678"], birth_date=date(1990, 1, 15))
    verbs.add_document(SYSTEM, person=person, document=NewDocument("insurance", "HN 4 35 3521234567"))
    typed = ["035190000001", "0912345678", "+84912345678", "HN4353521234567", "3521234567"]
    assert [reads.search(officer, text).people for text in typed] == [[person]] * len(typed)
    typed = ["tran thi huong", "Trần Thị Hường", "huong tran", "huo", "tran thi huong 1990", "TRAN HUONG"]
    assert [reads.search(officer, text).people for text in typed] == [[person]] * len(typed)
    assert reads.search(officer, "tran thi huong 1991").people == []


def test_the_nearest_name_comes_first(commune: AdminUnit, officer: Actor) -> None:
    for name in ["Nguyễn Văn Ân", "Nguyễn Văn An", "Văn An Nguyễn", "Nguyễn Văn An Bình", "Lê Nguyễn Văn An"]:
        make_person(name, commune)
    found = [p.full_name for p in reads.search(officer, "Nguyễn Văn An").people]
    assert found == [
        "Nguyễn Văn An",
        "Nguyễn Văn Ân",
        "Nguyễn Văn An Bình",
        "Lê Nguyễn Văn An",
        "Văn An Nguyễn",
    ]


def test_nobody_outside_the_actors_units_is_found(commune: AdminUnit) -> None:
    person = register(commune)
    elsewhere = make_actor(Role.COMMUNE_OFFICER, make_unit("Xã khác", commune.parent))
    for text in ("035190000001", "tran thi huong"):
        assert reads.search(elsewhere, text).people == []
    with pytest.raises(NotFound):
        reads.get(elsewhere, person.public_id)
    leader = make_actor(Role.LEADER, commune)
    assert reads.search(leader, "tran thi huong").people == []
    assert list(Person.objects.seen_by(Actor(kind="resident", id=1, name="", person_id=person.pk))) == [
        person
    ]


def test_counts_are_capped(commune: AdminUnit, officer: Actor) -> None:
    Person.objects.bulk_create(
        [
            Person(
                full_name="Nguyễn Thị Hoa", unit=commune, birth_year=1990, created_at=commune_time()
            ).prepare()
            for _n in range(reads.COUNT_CAP + 5)
        ]
    )
    found = reads.search(officer, "nguyen thi")
    assert (len(found.people), found.count, found.capped) == (50, 1000, True)


def test_the_number_is_neither_readable_in_the_database_nor_guessable_without_the_key(
    commune: AdminUnit,
) -> None:
    register(commune)
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(d)::text FROM people_identitydocument d")
        (text,) = cursor.fetchone()
    assert "035190000001" not in text
    document = IdentityDocument.objects.get()
    assert identity.open_number(document) == "035190000001"
    assert document.last4 == "0001"


def test_opening_a_number_needs_a_purpose_and_leaves_a_line(commune: AdminUnit, officer: Actor) -> None:
    person = register(commune)
    document = person.documents.get()
    with pytest.raises(Invalid):
        reads.show_number(officer, document)
    assert reads.show_number(officer.for_purpose("đối chiếu hồ sơ"), document) == "035190000001"
    line = AuditLine.objects.get(act="people.show_number")
    assert (line.persons, line.purpose) == ([person.pk], "đối chiếu hồ sơ")
    assert "035190000001" not in str(AuditLine.objects.values_list())


def test_keys_rotate_without_losing_anybody(commune: AdminUnit, settings: object, tmp_path: Path) -> None:
    settings.KHIEN_KEYS = tmp_path  # type: ignore[attr-defined]
    person = register(commune)
    old = keys.current("identity-hash")
    keys.make("identity-hash")
    keys.make("identity-cipher")
    assert reads.find_by_number(SYSTEM, "035190000001") == [person]  # before re-keying
    assert verbs.rekey_documents(SYSTEM) == 1
    assert verbs.rekey_documents(SYSTEM) == 0
    (tmp_path / f"identity-hash.{old.id}.key").unlink()
    assert reads.find_by_number(SYSTEM, "035190000001") == [person]
    with pytest.raises(Conflict):
        register(commune, "Người khác")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"full_name": "  "}, "full_name"),
        ({"birth_date": date(2999, 1, 1)}, "birth_date"),
        ({"birth_year": 1700}, "birth_year"),
        ({"phones": ["12"]}, "phone"),
        ({"documents": [NewDocument("cccd", "12345")]}, "number"),
    ],
)
def test_bad_input_names_its_field_and_changes_nothing(
    commune: AdminUnit, change: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as caught:
        verbs.register_person(SYSTEM, **{"full_name": "An", "unit": commune, **change})
    assert caught.value.field == field
    assert caught.value.way_out
    assert "12345" not in str(caught.value)
    assert not Person.objects.exists()


def test_a_number_belongs_to_one_person(commune: AdminUnit) -> None:
    register(commune)
    with pytest.raises(Conflict) as caught:
        register(commune, "Lê Văn B")
    assert caught.value.code == "number_taken"
    assert Person.objects.count() == 1


def test_duplicates_are_proposed_merged_and_unmerged(commune: AdminUnit, officer: Actor) -> None:
    kept = register(commune, birth_date=date(1990, 1, 15), phones=["0912345678"])
    gone = register(
        commune, "Tran Thi Huong", "035190000002", birth_date=date(1990, 1, 15), phones=["0912345678"]
    )
    make_person("Trần Thị Hường", commune, birth_date=date(1950, 1, 1))
    assert verbs.propose_duplicates(officer, persons=[kept]) == 1
    assert verbs.propose_duplicates(officer, persons=[kept]) == 0
    proposal = DuplicateProposal.objects.get()
    assert {"name", "birth_date", "phone"} <= set(proposal.reasons)

    merged = verbs.merge(officer, kept=kept, gone=gone)
    assert {d.last4 for d in kept.documents.all()} == {"0001", "0002"}
    assert reads.find_by_number(officer, "035190000002") == [kept]
    assert reads.get(officer, gone.public_id) == kept
    assert [p.pk for p in reads.search(officer, "tran thi huong 1990").people] == [kept.pk]
    with pytest.raises(Conflict):
        verbs.merge(officer, kept=gone, gone=kept)

    verbs.unmerge(officer, merged=merged)
    verbs.unmerge(officer, merged=merged)
    assert reads.find_by_number(officer, "035190000002") == [gone]
    assert len(reads.search(officer, "tran thi huong 1990").people) == 2
    assert Merge.objects.get().undone_at is not None


def test_a_merge_moves_every_foreign_key_of_the_house() -> None:
    moved = {reference.key for reference in person_references()}
    expected = {
        f"{model._meta.label_lower}.{field.attname}"
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is Person and model not in (Person, Merge, DuplicateProposal)
    }
    assert expected <= moved
    assert "presence.presencerecord.person_id" in moved


def test_residence_has_dates_and_never_two_at_once(commune: AdminUnit) -> None:
    person = register(commune)
    other = make_unit("Lê Hồng Phong", commune.parent)
    verbs.move_residence(SYSTEM, person=person, unit=other, since=date(2999, 1, 1))
    verbs.move_residence(SYSTEM, person=person, unit=other, since=date(2998, 1, 1))
    assert person.residences.filter(during__contains=date(2998, 6, 1)).get().unit == other
    assert person.residences.filter(during__contains=date(2997, 6, 1)).get().unit == commune


def commune_time() -> object:
    from khien.kernel import clock

    return clock.now()
