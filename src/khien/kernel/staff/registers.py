"""Staff with a phone in their account as a register for bulletins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.registries import Register, RegisterFilter, registers
from khien.kernel.staff.roles import Role


def announce() -> None:
    """Called once by the app."""
    registers.add(
        "staff",
        Register(
            label=_("Cán bộ"),
            rows=rows,
            filters={"role": RegisterFilter(_("Vai trò"), "choice", tuple(Role.choices))},
            placeholders={"name": _("Họ tên")},
            order=50,
        ),
    )


def rows(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Active accounts by the unit of each grant that holds now."""
    values: dict[str, Any] = {"now": clock.now()}
    where = "a.is_active AND g.during @> %(now)s::timestamptz"
    if role := filters.get("role"):
        where += " AND g.role = %(role)s"
        values["role"] = role
    return (
        "SELECT NULL::bigint AS person_id, a.phone, g.unit_id, 0 AS rank, a.full_name AS name"  # noqa: S608 - own texts
        f" FROM staff_account a JOIN staff_rolegrant g ON g.account_id = a.id WHERE {where}",
        values,
    )
