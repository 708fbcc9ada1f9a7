"""What the law and the score ask of the places where people met."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from khien.engine.spaces import Spaces
from khien.kernel.places import reads as places
from khien.kernel.places.models import Place
from khien.kernel.presence.pairs import is_pair

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Near:
    """Closed or open, and how large (m²), by place; and which places lie within which.

    A pair contact (`kernel.presence.pairs`) was within reach: its place is as large as that.
    """

    closed: dict[int, bool]
    area: dict[int, float]
    spaces: Spaces
    reach_m2: float

    @classmethod
    def of(cls, place: Int, reach_m2: float) -> Near:
        """Of the places and of all around them."""
        ids = {int(one) for one in np.unique(place[~is_pair(place)])}
        inside = places.inside(ids)
        rows = Place.objects.filter(pk__in=ids | {outer for _inner, outer in inside}).values_list(
            "pk", "kind__closed_space", "area_m2", "kind__typical_area_m2"
        )
        closed, area = {}, {}
        for pk, is_closed, own, typical in rows:
            closed[pk], area[pk] = is_closed, float(own or typical)
        return cls(closed, area, Spaces.of(inside), reach_m2)

    def columns(self, place: Int) -> tuple[Flags, Float]:
        """`closed` and `area_m2` for each place id of an array."""
        ids, slot = np.unique(place, return_inverse=True)
        pair = is_pair(ids)
        closed = np.array([self.closed.get(int(pk), True) for pk in ids], bool)
        area = np.array([self.area.get(int(pk), np.nan) for pk in ids], float)
        return closed[slot], np.where(pair, self.reach_m2, area)[slot]
