"""The real units of the country, of both eras."""

from __future__ import annotations

from collections import Counter
from datetime import date

import pytest
from django.db import connection

from khien.kernel.errors import NotFound
from khien.kernel.staff import system_actor
from khien.kernel.units import reads, verbs
from khien.kernel.units.models import AdminUnit, Tier, UnitSuccession
from tests.factories import make_unit

BEFORE, AFTER = date(2022, 1, 10), date(2026, 1, 10)


@pytest.fixture(scope="module")
def _country(django_db_setup: None, django_db_blocker: object) -> object:
    """The whole country is loaded once for this file and removed afterwards."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        verbs.load_country(system_actor("test"))
        yield
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE units_adminunit, audit_auditline CASCADE")


@pytest.mark.django_db
@pytest.mark.usefixtures("_country")
class TestCountry:
    def test_counts_are_those_of_the_source(self) -> None:
        counts = {day: Counter(reads.on(day).values_list("tier", flat=True)) for day in (BEFORE, AFTER)}
        assert counts[BEFORE] == {Tier.COUNTRY: 1, Tier.PROVINCE: 63, Tier.DISTRICT: 705, Tier.COMMUNE: 10598}
        assert counts[AFTER] == {Tier.COUNTRY: 1, Tier.PROVINCE: 34, Tier.COMMUNE: 3321}

    def test_loading_twice_changes_nothing(self) -> None:
        before = AdminUnit.objects.count()
        assert verbs.load_country(system_actor("test")).units == 0
        assert AdminUnit.objects.count() == before

    def test_ha_nam_has_six_districts_and_109_communes_98_of_them_with_a_point(self) -> None:
        province = reads.find("35", Tier.PROVINCE, BEFORE)
        inside = AdminUnit.objects.filter(path__startswith=province.path)
        assert inside.filter(tier=Tier.DISTRICT).count() == 6
        communes = inside.filter(tier=Tier.COMMUNE)
        assert communes.count() == 109
        assert communes.filter(latitude__isnull=False).count() == 98

    def test_a_code_means_another_unit_on_another_day(self) -> None:
        old = reads.find("13285", Tier.COMMUNE, BEFORE)
        new = reads.find("13285", Tier.COMMUNE, AFTER)
        assert (old.full_name, new.full_name) == ("Phường Quang Trung", "Phường Phủ Lý")
        with pytest.raises(NotFound):
            reads.find("35", Tier.PROVINCE, AFTER)  # Hà Nam is no more

    def test_history_in_the_units_of_today_says_when_it_is_not_certain(self) -> None:
        province = reads.find("35", Tier.PROVINCE, BEFORE)
        communes = AdminUnit.objects.filter(path__startswith=province.path, tier=Tier.COMMUNE)
        answers = reads.translate(communes.values_list("pk", flat=True), AFTER)
        assert Counter(answer.state for answer in answers.values()) == {
            "one": 93,
            "several": 5,
            "unmapped": 11,
        }
        one = {answer.unit_id for answer in answers.values() if answer.state == "one"}
        assert AdminUnit.objects.filter(pk__in=one, boundary__isnull=False).count() == len(one)

    def test_every_path_leads_from_the_country_to_the_unit(self) -> None:
        paths = dict(AdminUnit.objects.values_list("pk", "path"))
        parents = dict(AdminUnit.objects.values_list("pk", "parent_id"))
        for pk, path in paths.items():
            assert path == f"{paths.get(parents[pk], '')}{pk}."


@pytest.mark.django_db
def test_a_grant_on_a_merged_unit_opens_what_it_wholly_took_over_and_no_more() -> None:
    whole, part = make_unit("Trọn"), make_unit("Một phần")
    successor = make_unit("Mới")
    UnitSuccession.objects.create(predecessor=whole, successor=successor, share="full", on=AFTER, source="t")
    UnitSuccession.objects.create(
        predecessor=part, successor=successor, share="partial", on=AFTER, source="t"
    )
    assert set(reads.scope_paths(successor.pk)) == {successor.path, whole.path}
