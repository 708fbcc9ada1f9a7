"""Who lives behind the same door, and what is assumed of a home, whose size nobody knows."""

from __future__ import annotations

from collections.abc import Iterable

from khien.kernel.people.models import Person
from khien.kernel.places.models import PlaceKind


def home_area_m2() -> float:
    """By the kind `home`; NaN without one."""
    typical = PlaceKind.objects.filter(code="home").values_list("typical_area_m2", flat=True).first()
    return float("nan") if typical is None else float(typical)


def household_of(person_ids: Iterable[int]) -> dict[int, int]:
    """Person → household, of those who have one."""
    rows = Person.objects.filter(pk__in=list(person_ids), household__isnull=False)
    return {pk: home for pk, home in rows.values_list("pk", "household_id") if home is not None}


def members(households: Iterable[int]) -> dict[int, int]:
    """Everybody who lives in some households: person → household."""
    rows = Person.objects.filter(household_id__in=list(households), merged_into__isnull=True).order_by("pk")
    return {pk: home for pk, home in rows.values_list("pk", "household_id") if home is not None}
