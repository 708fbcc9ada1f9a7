"""Finding places: by code, by name with or without accents; what derivation needs to know of their kinds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from khien.kernel.errors import NotFound
from khien.kernel.language import fold
from khien.kernel.places.models import Place, PlaceKind
from khien.kernel.staff import Actor


def kinds() -> QuerySet[PlaceKind]:
    """All kinds, by Vietnamese name."""
    return PlaceKind.objects.order_by("name")


def get(actor: Actor, place_id: int) -> Place:
    """The place that the actor may see. Raises `NotFound`."""
    place = Place.objects.seen_by(actor).select_related("kind", "unit", "parent").filter(pk=place_id).first()
    if place is None:
        raise NotFound()
    return place


def by_code(code: str) -> Place | None:
    """The place with this poster code. A poster hangs in public, so no scope: who calls shows only the name."""
    return Place.objects.select_related("kind", "unit").filter(code=code.strip().upper()).first()


def listed(actor: Actor, *, text: str = "", kind: str = "", closed: bool = False) -> QuerySet[Place]:
    """The places in scope, filtered by words of the name, address or code, and by kind; open ones unless `closed`."""
    found = Place.objects.seen_by(actor).select_related("kind", "unit", "parent")
    found = found.filter(closed_at__isnull=not closed)
    if kind:
        found = found.filter(kind_id=kind)
    for word in fold(text).split():
        found = found.filter(Q(name_folded__contains=word) | Q(code__iexact=word))
    return found.order_by("name_folded", "id")


@dataclass(frozen=True, slots=True)
class StayRule:
    """How long people stay by default at a place (minutes), and whether they only pass."""

    default_stay_min: int
    is_checkpoint: bool


def stay_rules(place_ids: Iterable[int]) -> dict[int, StayRule]:
    """The stay rule of each place, by its kind."""
    return {
        pk: StayRule(minutes, passing)
        for pk, minutes, passing in Place.objects.filter(pk__in=set(place_ids)).values_list(
            "pk", "kind__default_stay_min", "kind__is_checkpoint"
        )
    }
