"""Questions about loudspeakers."""

from __future__ import annotations

from django.db.models import Count, Q, QuerySet

from khien.kernel.staff import Actor
from khien.rooms.broadcasts.channels import loudspeakers
from khien.rooms.broadcasts.models import BulletinVersion, Play, Station, StationReport
from khien.rooms.broadcasts.verbs.stations import OPEN


def stations(actor: Actor, *, sort: str = "") -> QuerySet[Station]:
    """Stations by unit with what is open, overdue and `is_silent`; `sort` "late" are those with something overdue or
    silent, "off" those out of use."""
    late = Q(plays__in=Play.objects.filter(loudspeakers.overdue()))
    rows = (
        Station.objects.seen_by(actor)
        .select_related("unit")
        .annotate(
            open_plays=Count("plays", filter=Q(plays__state__in=OPEN), distinct=True),
            late_plays=Count("plays", filter=late, distinct=True),
        )
        .order_by("unit__path", "name")
    )
    if sort == "late":
        return rows.filter(Q(late_plays__gt=0) | loudspeakers.silent())
    return rows.filter(is_active=sort != "off")


def silent_ids(actor: Actor) -> set[int]:
    """Stations that should ask by themselves and have not for a while."""
    rows = Station.objects.seen_by(actor).filter(loudspeakers.silent())
    return set(rows.values_list("pk", flat=True))


def plays_of(actor: Actor, station: Station) -> QuerySet[Play]:
    """What a station is to play and has played: open ones in their order, then the latest."""
    rows = Play.objects.seen_by(actor).select_related("version__bulletin__unit").filter(station=station)
    return rows.order_by("-due_at", "priority", "rank", "pk")


def plays_for(actor: Actor, version: BulletinVersion, *, state: str = "") -> QuerySet[Play]:
    """How a version stands at each station; `state` a state, or "late"."""
    rows = Play.objects.seen_by(actor).select_related("station__unit", "version").filter(version=version)
    if state == "late":
        rows = rows.filter(loudspeakers.overdue())
    elif state:
        rows = rows.filter(state=state)
    return rows.order_by("station__unit__path", "station__name")


def held_reports(actor: Actor, station: Station) -> QuerySet[StationReport]:
    """What a station said that cannot be so, latest first."""
    rows = StationReport.objects.seen_by(actor).filter(station=station).exclude(code="")
    return rows.select_related("play__version").order_by("-received_at", "-pk")


def late_ids(plays: QuerySet[Play]) -> set[int]:
    """Those of the plays of which nothing has been heard long after their time."""
    return set(plays.filter(loudspeakers.overdue()).values_list("pk", flat=True))
