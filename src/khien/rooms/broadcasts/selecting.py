"""The SQL that finds an audience: a register's rows in some units, each with its carrier or the reason for its absence.

Numbers are read here as `kernel.people.phones.to_e164` reads them (a test holds the two together), but in one statement
for a million rows. A number is Vietnamese and mobile when its range has a carrier or it stands among the ported ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Q

from khien.kernel import clock
from khien.kernel.registries import Register, registers
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import CarrierPrefix, LeftOut

UNIT = "unit"
"""A placeholder that every register has: the name of the unit."""

_WRITTEN = r"""regexp_replace(
          translate(coalesce(phone, ''), '０１２３４５６７８９', '0123456789'), '[\s.\-()/\u00a0\u2010-\u2015]', '', 'g'
        )"""
# Most are stored as E.164 already; only the others are looked at closely.
_EXACT = r"CASE WHEN phone ~ '^\+84[1-9][0-9]{8}$' THEN phone END"
_NUMBER = r"""CASE
    WHEN exact IS NOT NULL THEN exact
    WHEN written ~ '^(\+84|84|0084|0)0?[1-9][0-9]{8}$' THEN '+84' || right(written, 9)
    WHEN written ~ '^[3-9][0-9]{8}$' THEN '+84' || written
  END"""
_UNREADABLE = rf"""CASE
    WHEN written = '' THEN '{LeftOut.NO_PHONE}'
    WHEN written ~ '^(\+84|84|0084|0)0?(12[0-9]|16[2-9]|18[68]|199)[0-9]{{7}}$' THEN '{LeftOut.OLD_NUMBER}'
    WHEN written ~ '^(\+84|84|0084|0)0?2[0-9]{{8,9}}$' THEN '{LeftOut.NOT_MOBILE}'
    WHEN written ~ '^(\+|00)[1-9][0-9]{{6,14}}$' AND written !~ '^(\+|00)84' THEN '{LeftOut.FOREIGN}'
    ELSE '{LeftOut.MALFORMED}'
  END"""


@dataclass(frozen=True, slots=True)
class Selection:
    """A SELECT with its parameters. Columns: `n` (the national number as a whole number), `carrier_id`, `person_id`,
    `unit_id`, `left_out` (NULL for those who get the message, otherwise one of `LeftOut`), and the values of
    the placeholders as `v_<name>`."""

    sql: str
    values: dict[str, Any]
    names: tuple[str, ...]


def units_within(unit_ids: Collection[int]) -> list[int]:
    """The ids of these units, of all that they wholly took over, and of everything inside."""
    paths = {path for pk in unit_ids for path in units.scope_paths(pk)}
    if not paths:
        return []
    inside = reduce(or_, (Q(path__startswith=path) for path in paths))
    return list(AdminUnit.objects.filter(inside).values_list("pk", flat=True))


def placeholders_of(register: Register) -> dict[str, Any]:
    """The placeholders that a register's people have a value for, with their labels."""
    from django.utils.translation import gettext as _

    return {**register.placeholders, UNIT: _("Tên đơn vị hành chính")}


def selection(
    register_key: str,
    unit_ids: Collection[int],
    filters: Mapping[str, Any],
    *,
    with_opted_out: bool,
    names: Collection[str] = (),
) -> Selection:
    """Everybody whom the register names in the units, each phone once; `filters` are already checked.

    Raises `LookupError` for a register or placeholder that does not exist.
    """
    register = registers.get(register_key)
    wanted = sorted(set(names))
    if unknown := set(wanted) - set(register.placeholders) - {UNIT}:
        raise LookupError(", ".join(sorted(unknown)))
    rows, values = register.rows(filters)
    own = [name for name in wanted if name != UNIT]
    taken = "".join(f", {name} AS v_{name}" for name in own)
    passed = "".join(f", v_{name}" for name in own)
    told = passed + (", v_unit" if UNIT in wanted else "")
    ranges, carrier = _routes()
    unit = ", concat_ws(' ', nullif(u.kind, ''), u.name) AS v_unit" if UNIT in wanted else ""
    unit_join = "\n  LEFT JOIN units_adminunit u ON u.id = unit_id" if unit else ""
    opted_out = "" if with_opted_out else f"WHEN o.number IS NOT NULL THEN '{LeftOut.OPTED_OUT}'"
    # OFFSET 0 keeps the planner from repeating what a step has computed wherever the next one names it.
    sql = f"""
SELECT n, carrier_id, person_id, unit_id{told},
  CASE WHEN why IS NULL AND row_number() OVER (
    PARTITION BY CASE WHEN why IS NULL THEN n END ORDER BY rank, person_id, unit_id
  ) > 1 THEN '{LeftOut.DUPLICATE}' ELSE why END AS left_out
FROM (
  SELECT substr(found.number, 4)::int AS n, c.id AS carrier_id, person_id, unit_id, rank{passed}{unit},
    CASE
      WHEN found.number IS NULL THEN {_UNREADABLE}
      WHEN c.id IS NULL THEN '{LeftOut.NOT_MOBILE}'
      WHEN NOT c.is_active THEN '{LeftOut.NO_CARRIER}'
      {opted_out}
      WHEN d.number IS NOT NULL THEN '{LeftOut.DEAD}'
    END AS why
  FROM (
    SELECT *, {_NUMBER} AS number
    FROM (
      SELECT *, CASE WHEN exact IS NULL THEN {_WRITTEN} END AS written
      FROM (
        SELECT person_id, unit_id, rank, phone, {_EXACT} AS exact{taken}
        FROM ({rows}) AS register WHERE unit_id = ANY(%(in_units)s) OFFSET 0
      ) AS r OFFSET 0
    ) AS s OFFSET 0
  ) AS found
  LEFT JOIN broadcasts_portednumber moved ON moved.number = found.number{ranges}
  LEFT JOIN broadcasts_carrier c ON c.id = {carrier}
  LEFT JOIN broadcasts_optout o ON o.number = found.number
  LEFT JOIN broadcasts_deadnumber d ON d.number = found.number AND d.until > %(in_today)s{unit_join}
  OFFSET 0
) AS judged"""  # noqa: S608 - own texts
    return Selection(
        sql,
        {**values, "in_units": units_within(unit_ids), "in_today": clock.today()},
        tuple(wanted),
    )


def _routes() -> tuple[str, str]:
    """The joins that find a number's range, and the carrier: ported before the longest range."""
    lengths = sorted({len(prefix) for prefix in CarrierPrefix.objects.values_list("prefix", flat=True)})
    joins = "".join(
        f"\n  LEFT JOIN broadcasts_carrierprefix p{n} ON p{n}.prefix = left(found.number, {n})"
        for n in lengths
    )
    found = ["moved.carrier_id", *(f"p{n}.carrier_id" for n in reversed(lengths))]
    return joins, f"coalesce({', '.join(found)})"


def rows_of(sql: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What a statement gives."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()
