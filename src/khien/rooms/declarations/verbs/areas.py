"""Areas at risk: which units, at which level, from when, by whose decision."""

from __future__ import annotations

from datetime import date

from django.db.backends.postgresql.psycopg_any import DateRange
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.declarations.models import AREA_KEEPERS, RiskArea

_PROVINCE_PARTS = 2


@verb(*AREA_KEEPERS)
def declare_risk(
    actor: Actor,
    *,
    unit: AdminUnit,
    level: str,
    start: date,
    decision: str,
    end: date | None = None,
    note: str = "",
) -> RiskArea:
    """Put a unit at a level from `start` on (until and without `end`); what was said of it before ends that day.

    An officer of a whole province may also enter units outside it, where people come from.
    """
    _may(actor, unit)
    if level not in RiskArea.Level.values:
        raise Invalid(_("Chưa chọn mức nguy cơ."), field="level", way_out=_("Chọn đỏ, cam hoặc vàng."))
    if not decision.strip():
        raise Invalid(_("Thiếu số văn bản."), field="decision", way_out=_("Ghi số văn bản công bố."))
    if end is not None and end <= start:
        raise Invalid(_("Ngày hết trước ngày đầu."), field="end", way_out=_("Chọn ngày hết muộn hơn."))
    for row in RiskArea.objects.select_for_update().filter(
        unit=unit, during__overlap=DateRange(start, end, "[)")
    ):
        begins = row.during.lower
        if begins >= start:
            if (row.level, begins, row.decision) == (level, start, decision.strip()):
                unchanged()
                return row
            raise Conflict(
                _("Đã có mức của đơn vị này từ ngày %(day)s.") % {"day": begins.strftime("%d/%m/%Y")},
                field="start",
                way_out=_("Chọn ngày muộn hơn, hoặc kết thúc mức cũ trước."),
            )
        row.during = (begins, start)
        row.ended_by, row.end_decision = actor.id, decision.strip()
        row.save(update_fields=["during", "ended_by", "end_decision"])
    made = RiskArea.objects.create(
        unit=unit,
        level=level,
        during=(start, end),
        decision=decision.strip(),
        note=note.strip(),
        entered_at=clock.now(),
        entered_by=actor.id,
    )
    record(actor, made, unit=unit.pk, level=level, start=start.isoformat())
    return made


@verb(*AREA_KEEPERS)
def end_risk(actor: Actor, *, area: RiskArea, end: date, decision: str) -> RiskArea:
    """A unit is no longer at risk from `end` on."""
    row = RiskArea.objects.select_for_update(of=("self",)).select_related("unit").get(pk=area.pk)
    _may(actor, row.unit)
    if not decision.strip():
        raise Invalid(_("Thiếu số văn bản."), field="decision", way_out=_("Ghi số văn bản kết thúc."))
    if row.during.upper == end:
        unchanged()
        return row
    if end <= row.during.lower:
        raise Invalid(
            _("Ngày hết trước ngày đầu."), field="end", way_out=_("Chọn ngày sau ngày bắt đầu của mức này.")
        )
    row.during = (row.during.lower, end)
    row.ended_by, row.end_decision = actor.id, decision.strip()
    row.save(update_fields=["during", "ended_by", "end_decision"])
    record(actor, row, unit=row.unit_id, end=end.isoformat())
    return row


def _may(actor: Actor, unit: AdminUnit) -> None:
    mine = actor.paths(*AREA_KEEPERS)
    wide = [path for path in mine if path.count(".") <= _PROVINCE_PARTS]
    if wide and not any(path.startswith(unit.path) for path in wide):
        return
    actor.must_cover(unit, *AREA_KEEPERS)
