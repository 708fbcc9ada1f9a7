"""People under order as a register for bulletins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.registries import Register, RegisterFilter, registers
from khien.rooms.quarantine.models import Order


def announce() -> None:
    """Called once by the app."""
    registers.add(
        "quarantine.under_order",
        Register(
            label=_("Người đang thi hành quyết định"),
            rows=rows,
            filters={
                "kind": RegisterFilter(_("Hình thức"), "choice", tuple(Order.Kind.choices)),
                "ends_within": RegisterFilter(_("Hết hạn trong mấy ngày tới"), "number", least=0, most=366),
            },
            placeholders={
                "name": _("Họ tên"),
                "order_number": _("Số quyết định"),
                "last_day": _("Ngày cuối"),
            },
            order=40,
        ),
    )


def rows(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Orders that hold now, in their unit, with the phones of their people."""
    now = clock.now()
    where = ["o.state = 'issued'", "o.starts_at <= %(now)s", "o.ends_at > %(now)s"]
    values: dict[str, Any] = {"now": now}
    if kind := filters.get("kind"):
        where.append("o.kind = %(kind)s")
        values["kind"] = kind
    if (days := filters.get("ends_within")) is not None:
        where.append("o.ends_at <= %(until)s")
        values["until"] = clock.start_of_day(clock.today() + timedelta(days=days + 1))
    return (
        "SELECT o.person_id, f.number AS phone, o.unit_id"  # noqa: S608 - own texts
        ", CASE WHEN f.is_main THEN 0 ELSE 1 END AS rank,"
        " p.full_name AS name, o.number AS order_number,"
        " to_char((o.ends_at - interval '1 second') AT TIME ZONE 'Asia/Ho_Chi_Minh', 'DD/MM/YYYY') AS last_day"
        " FROM quarantine_order o JOIN people_person p ON p.id = o.person_id"
        " LEFT JOIN people_phone f ON f.person_id = o.person_id"
        f" WHERE {' AND '.join(where)}",
        values,
    )
