"""Finding places: by code, by name with or without accents; what derivation needs to know of their kinds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.db.models import Q, QuerySet
from numpy.typing import NDArray

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
class StayRules:
    """How people stay at n places, as arrays of length n in order of place id.

    `default_min` is the usual stay in minutes; at a `passing` place people pass and do not stay; `root` is the
    place that contains this one, or the place itself: a class is part of its school.
    """

    place: NDArray[np.int64]
    default_min: NDArray[np.int64]
    passing: NDArray[np.bool_]
    root: NDArray[np.int64]


def stay_rules(place_ids: Iterable[int]) -> StayRules:
    """The stay rule of each place, by its kind."""
    rows = list(
        Place.objects.filter(pk__in=set(place_ids))
        .order_by("pk")
        .values_list("pk", "kind__default_stay_min", "kind__is_checkpoint", "parent_id")
    )
    return StayRules(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.bool_),
        np.array([row[3] or row[0] for row in rows], np.int64),
    )


_INSIDE = """
WITH RECURSIVE around (inner_id, outer_id) AS (
    SELECT id, parent_id FROM places_place WHERE id = ANY(%(ids)s) AND parent_id IS NOT NULL
    UNION SELECT a.inner_id, p.parent_id FROM around a JOIN places_place p ON p.id = a.outer_id
        WHERE p.parent_id IS NOT NULL
), within (inner_id, outer_id) AS (
    SELECT id, parent_id FROM places_place WHERE parent_id = ANY(%(ids)s)
    UNION SELECT p.id, w.outer_id FROM within w JOIN places_place p ON p.parent_id = w.inner_id
)
SELECT inner_id, outer_id FROM around UNION SELECT inner_id, outer_id FROM within
"""


def inside(place_ids: Iterable[int]) -> set[tuple[int, int]]:
    """Which places lie within which, at any depth: (inner, outer) of everything around and within the given ones."""
    with connection.cursor() as cursor:
        cursor.execute(_INSIDE, {"ids": list(place_ids)})
        return set(cursor.fetchall())
