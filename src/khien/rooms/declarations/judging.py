"""What a declaration means by the rule of its day: how long it is valid, and whether an officer must look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange

from khien.kernel import clock
from khien.kernel.forms.spec import Spec, holds
from khien.kernel.rules import reads as rules
from khien.kernel.standing.colours import GRAVEST_FIRST
from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations.models import RiskArea


@dataclass(frozen=True, slots=True)
class Judgement:
    """`reasons` are codes of the rule; `colour` and `sentence` of the gravest; `sample` when the rule asks for one."""

    valid_hours: int
    reasons: tuple[str, ...] = ()
    colour: str = ""
    sentence: str = ""
    sample: bool = False


def judged(kind: str, spec: Spec, content: Mapping[str, Any], at: datetime) -> Judgement:
    """Judge an answer by the rule `declarations.<kind>` of the day on which it was given."""
    rule = rules.on(f"declarations.{kind}", clock.local(at).date()).value
    found = [one for one in rule.get("attention", ()) if _applies(one, spec, content, at)]
    if not found:
        return Judgement(int(rule["valid_hours"]))
    gravest = min(found, key=lambda one: GRAVEST_FIRST.index(one["colour"]))
    return Judgement(
        int(rule["valid_hours"]),
        tuple(one["code"] for one in found),
        gravest["colour"],
        gravest["sentence"],
        any(one.get("sample", False) for one in found),
    )


def _applies(one: Mapping[str, Any], spec: Spec, content: Mapping[str, Any], at: datetime) -> bool:
    if "when" in one and not holds({name: tuple(values) for name, values in one["when"].items()}, content):
        return False
    if "units" in one:
        units = {unit for path in one["units"] for unit in spec.values_at(content, path)}
        return bool(at_risk(units, one["levels"], at, days=int(one["days"])))
    return True


def at_risk(unit_ids: Iterable[int], levels: Iterable[str], at: datetime, *, days: int) -> set[int]:
    """Those of the units that lie in an area of one of the levels on some day of the `days` up to `at`."""
    day = clock.local(at).date()
    units = {unit.pk: unit for unit in AdminUnit.objects.filter(pk__in=set(unit_ids)).only("path")}
    if not units:
        return set()
    above = {int(part) for unit in units.values() for part in unit.path.split(".") if part}
    risky = set(
        RiskArea.objects.filter(
            unit_id__in=above,
            level__in=list(levels),
            during__overlap=DateRange(day - timedelta(days=days), day, "[]"),
        ).values_list("unit_id", flat=True)
    )
    return {pk for pk, unit in units.items() if risky & {int(part) for part in unit.path.split(".") if part}}
