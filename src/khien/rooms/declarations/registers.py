"""Declarants as a register for bulletins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.registries import Register, RegisterFilter, registers
from khien.rooms.declarations.models import Kind

DAYS = 14


def announce() -> None:
    """Called once by the app."""
    registers.add(
        "declarations.declarants",
        Register(
            label=_("Người đã khai báo"),
            rows=rows,
            filters={
                "days": RegisterFilter(
                    _("Khai trong mấy ngày qua"), "number", least=1, most=366, help=_("Để trống là 14 ngày.")
                ),
                "kind": RegisterFilter(_("Loại tờ khai"), "choice", tuple(Kind.choices)),
                "valid": RegisterFilter(_("Chỉ tờ khai còn hiệu lực"), "flag"),
                "attention": RegisterFilter(_("Chỉ tờ khai cần xem"), "flag"),
            },
            placeholders={"name": _("Họ tên"), "declared_on": _("Ngày khai")},
            order=20,
        ),
    )


def rows(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Each declaration with its phone, in the commune of the stay; the latest of a phone counts."""
    now = clock.now()
    where = ["d.received_at >= %(since)s"]
    values: dict[str, Any] = {"since": now - timedelta(days=filters.get("days") or DAYS)}
    if kind := filters.get("kind"):
        where.append("d.kind = %(kind)s")
        values["kind"] = kind
    if filters.get("valid"):
        where.append("d.valid_until > %(now)s")
        values["now"] = now
    if filters.get("attention"):
        where.append("cardinality(d.attention) > 0")
    return (
        "SELECT d.person_id, d.phone, d.unit_id,"  # noqa: S608 - own texts
        " -extract(epoch FROM d.declared_at)::bigint AS rank, d.full_name AS name,"
        " to_char(d.declared_at AT TIME ZONE 'Asia/Ho_Chi_Minh', 'DD/MM/YYYY') AS declared_on"
        f" FROM declarations_declaration d WHERE {' AND '.join(where)}",
        values,
    )
