from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from khien.kernel import prepared
from khien.kernel.errors import NotFound
from khien.kernel.units.models import AdminUnit, UnitSuccession


def scope_paths(unit_id: int) -> tuple[str, ...]:
    """The path of a unit and those of all units that it wholly took over: what a grant on it opens.

    A unit taken over in part stays with the tier above: nobody may see more than their own people.
    """
    return tuple(sorted(path for (path,) in prepared.run(_SCOPE_PATHS, [unit_id])))


_SCOPE_PATHS = """
WITH RECURSIVE opened (id) AS (
    SELECT %s::bigint
    UNION
    SELECT s.predecessor_id FROM units_unitsuccession s JOIN opened ON s.successor_id = opened.id WHERE s.share = 'full'
)
SELECT path FROM units_adminunit WHERE id IN (SELECT id FROM opened)
"""


def on(day: date) -> QuerySet[AdminUnit]:
    """The units that exist on a Vietnamese day."""
    return AdminUnit.objects.filter(during__contains=day)


def find(code: str, tier: int, day: date) -> AdminUnit:
    """The unit with this code and tier on a day. Raises `NotFound`: a code alone is never a key."""
    unit = on(day).filter(code=code, tier=tier).first()
    if unit is None:
        raise NotFound(
            _("Không có đơn vị mang mã %(code)s ngày %(day)s.")
            % {"code": code, "day": day.strftime("%d/%m/%Y")},
            field="unit",
            way_out=_("Kiểm tra mã và ngày: mã được dùng lại sau các lần sắp xếp."),
        )
    return unit


@dataclass(frozen=True, slots=True)
class Translation:
    """What a unit is called on another day: `unit` when there is one certain answer.

    `state` is "same" (it exists that day), "one" (one certain successor or predecessor), "several"
    (split, or only partly taken over) or "unmapped" (the sources do not say).
    """

    unit_id: int | None
    state: str


def translate(unit_ids: Iterable[int], day: date) -> dict[int, Translation]:
    """Each unit in the units of `day`, so that any history can be told in the units of its day or of today."""
    wanted = set(unit_ids)
    units = {unit.pk: unit for unit in AdminUnit.objects.filter(pk__in=wanted).only("id", "during")}
    answers: dict[int, Translation] = {}
    forward: list[int] = []
    backward: list[int] = []
    for pk, unit in units.items():
        begins, ends = unit.during.lower, unit.during.upper
        if (begins is None or begins <= day) and (ends is None or day < ends):
            answers[pk] = Translation(pk, "same")
        elif ends is not None and ends <= day:
            forward.append(pk)
        else:
            backward.append(pk)
    answers |= _certain(
        UnitSuccession.objects.filter(predecessor__in=forward, successor__during__contains=day).values_list(
            "predecessor_id", "successor_id", "share"
        )
    )
    answers |= _certain(
        UnitSuccession.objects.filter(successor__in=backward, predecessor__during__contains=day).values_list(
            "successor_id", "predecessor_id", "share"
        )
    )
    return {pk: answers.get(pk, Translation(None, "unmapped")) for pk in wanted}


def _certain(links: Iterable[tuple[int, int, str]]) -> dict[int, Translation]:
    others: dict[int, list[tuple[int, str]]] = {}
    for one, other, share in links:
        others.setdefault(one, []).append((other, share))
    return {
        one: Translation(found[0][0], "one")
        if len(found) == 1 and found[0][1] == UnitSuccession.Share.FULL
        else Translation(None, "several")
        for one, found in others.items()
    }
