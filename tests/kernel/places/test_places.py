"""Places: codes that say nothing, kinds as data, scope, and closing instead of deleting."""

from __future__ import annotations

import pytest

from khien.kernel.errors import Invalid, NotAllowed, NotFound
from khien.kernel.places import reads, verbs
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.staff import Role, system_actor
from tests.factories import make_actor, make_province, make_unit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kinds() -> None:
    verbs.load_kinds(system_actor("test"))


def test_the_shipped_kinds_load_once_and_leave_the_provinces_own_alone() -> None:
    PlaceKind.objects.filter(code="market").update(default_stay_min=55)
    assert verbs.load_kinds(system_actor("test")) == 0
    assert PlaceKind.objects.get(code="market").default_stay_min == 55
    assert PlaceKind.objects.get(code="road_checkpoint").is_checkpoint


def test_a_place_gets_a_random_code_and_is_found_without_accents() -> None:
    _province, _district, commune = make_province()
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    made = [verbs.create_place(officer, name="Chợ Bầu", kind="market", unit=commune) for _ in range(20)]
    assert len({p.code for p in made}) == 20
    assert all(len(p.code) == 10 and set(p.code) <= set(verbs.CODE_ALPHABET) for p in made)
    assert reads.listed(officer, text="cho bau").count() == 20
    assert reads.listed(officer, text="cho bau", kind="school").count() == 0
    assert reads.by_code(made[0].code.lower()) == made[0]


def test_an_officer_keeps_only_the_places_of_their_own_commune() -> None:
    _province, district, commune = make_province()
    other = make_unit("Lê Hồng Phong", district)
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    elsewhere = verbs.create_place(
        make_actor(Role.ADMINISTRATOR, district), name="Trường A", kind="school", unit=other
    )
    with pytest.raises(NotAllowed):
        verbs.create_place(officer, name="Chợ", kind="market", unit=other)
    with pytest.raises(NotAllowed):
        verbs.close_place(officer, place=elsewhere)
    with pytest.raises(NotFound):
        reads.get(officer, elsewhere.pk)


def test_a_place_is_closed_and_opened_again_never_deleted() -> None:
    _province, _district, commune = make_province()
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    place = verbs.create_place(officer, name="Quán A", kind="restaurant", unit=commune)
    code = place.code
    assert verbs.close_place(officer, place=place).closed_at is not None
    assert list(reads.listed(officer)) == []
    assert list(reads.listed(officer, closed=True)) == [place]
    assert verbs.reopen_place(officer, place=Place.objects.get(pk=place.pk)).code == code


def test_bad_input_names_the_field() -> None:
    _province, _district, commune = make_province()
    officer = make_actor(Role.COMMUNE_OFFICER, commune)
    for field, more in [("name", {"name": "  "}), ("kind", {"kind": "moon"}), ("area_m2", {"area_m2": -1.0})]:
        with pytest.raises(Invalid) as fault:
            verbs.create_place(officer, **{"name": "A", "kind": "shop", "unit": commune, **more})
        assert fault.value.field == field
    assert not Place.objects.exists()
