"""People who are to be sampled as a register for bulletins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.registries import Register, RegisterFilter, registers
from khien.rooms.testing.models import SamplingRequest


def announce() -> None:
    """Called once by the app."""
    registers.add(
        "testing.booked",
        Register(
            label=_("Người có lịch lấy mẫu"),
            rows=rows,
            filters={
                "days": RegisterFilter(
                    _("Đến hạn trong mấy ngày tới"),
                    "number",
                    least=0,
                    most=366,
                    help=_("0 là hôm nay và quá hạn."),
                ),
                "reason": RegisterFilter(_("Lý do"), "choice", tuple(SamplingRequest.Reason.choices)),
            },
            placeholders={"name": _("Họ tên"), "due_on": _("Ngày hẹn")},
            order=30,
        ),
    )


def rows(filters: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Open requests with the phones of their people; of several the one that is due first counts."""
    where, values = ["r.state = 'open'"], dict[str, Any]()
    if (days := filters.get("days")) is not None:
        where.append("r.due_on <= %(until)s")
        values["until"] = clock.today() + timedelta(days=days)
    if reason := filters.get("reason"):
        where.append("r.reason = %(reason)s")
        values["reason"] = reason
    return (
        "SELECT r.person_id, f.number AS phone, r.unit_id,"  # noqa: S608 - own texts
        " 2 * (r.due_on - date '2000-01-01') + CASE WHEN f.is_main THEN 0 ELSE 1 END AS rank,"
        " p.full_name AS name, to_char(r.due_on, 'DD/MM/YYYY') AS due_on"
        " FROM testing_samplingrequest r JOIN people_person p ON p.id = r.person_id"
        " LEFT JOIN people_phone f ON f.person_id = r.person_id"
        f" WHERE {' AND '.join(where)}",
        values,
    )
