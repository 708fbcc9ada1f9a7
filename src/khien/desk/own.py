"""What a resident may know of their own data: where they were, how that is known, and until when it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from khien.kernel import clock
from khien.kernel.places.models import Place
from khien.kernel.presence import reads as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.registries import retention
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor

MOST = 1000


@dataclass(frozen=True, slots=True)
class OwnStay:
    """One stay in words: `entered` and `left` say how each end is known; `left_at` is None while it lasts. From the
    Vietnamese day `gone_on` on the line no longer exists."""

    place: str
    where: str
    day: date
    enter: datetime
    leave: datetime | None
    entered: str
    left: str
    gone_on: date


@dataclass(frozen=True, slots=True)
class OwnStays:
    """Stays newest first, `days` they are kept, by which decision, and whether there are more than shown."""

    rows: list[OwnStay]
    days: int
    decision: str
    more: bool


def stays(actor: Actor) -> OwnStays:
    """The stays of the resident (or of whom the actor helps at a desk) for as long as they are kept."""
    assert actor.person_id is not None
    today = clock.today()
    rule = rules.on(retention.get("presence").rule_key, today)
    days = int(rule.value["days"])
    start = clock.start_of_day(today - timedelta(days=days))
    end = clock.start_of_day(today + timedelta(days=1))
    found = [
        row
        for row in presence.of_person(actor, actor.person_id, start, end, limit=MOST + 1)
        if row.day >= today - timedelta(days=days)
    ]
    places = Place.objects.select_related("unit").in_bulk({row.place_id for row in found})
    return OwnStays(
        [_told(row, places.get(row.place_id), days) for row in found[:MOST]],
        days,
        rule.decision,
        len(found) > MOST,
    )


def _told(row: PresenceRecord, place: Place | None, days: int) -> OwnStay:
    scanned = {
        PresenceRecord.Source.SCAN: _("quét mã"),
        PresenceRecord.Source.DECLARED: _("bạn khai báo"),
        PresenceRecord.Source.INTERVIEW: _("bạn kể với cán bộ truy vết"),
        PresenceRecord.Source.BLUETOOTH: _("thiết bị ở gần nhau"),
        PresenceRecord.Source.IMPORT: _("nhập từ danh sách"),
    }.get(PresenceRecord.Source(row.source), row.source)
    guessed = _("ước tính, không có lượt quét")
    if row.leave is None:
        left = ""
    elif row.exit_inferred:
        left = guessed
    else:
        left = scanned
    return OwnStay(
        place=place.name if place is not None else _("Địa điểm không còn trong danh sách"),
        where=str(place.unit) if place is not None else "",
        day=row.day,
        enter=row.enter,
        leave=row.leave,
        entered=guessed if row.entry_inferred else scanned,
        left=left,
        gone_on=row.day + timedelta(days=days + 1),
    )


@dataclass(frozen=True, slots=True)
class KeptRule:
    """How long one sort of data is kept, and by whose decision."""

    title: str | Promise
    days: int
    decision: str
    to_confirm: bool


def kept_how_long() -> list[KeptRule]:
    """Every sort of data with its rule of today, the shortest-lived first."""
    today = clock.today()
    found = []
    for entry in retention:
        rule = rules.on(entry.rule_key, today)
        found.append(KeptRule(entry.title, int(rule.value["days"]), rule.decision, rule.to_confirm))
    return sorted(found, key=lambda row: row.days)


def days_kept(key: str) -> int:
    """How many days the rows of a retention rule are kept today."""
    return int(rules.on(retention.get(key).rule_key, clock.today()).value["days"])
