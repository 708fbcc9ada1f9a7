"""Questions about campaigns. All counts come from the chunks (a million messages are some 20,000 of them), never from
the results themselves."""

# ruff: noqa: S608 - statements are put together from pieces of this file alone
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from khien.kernel import clock
from khien.kernel.errors import NotFound
from khien.kernel.rules import reads as rules
from khien.kernel.staff import Actor
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Campaign, Carrier, SendingSwitch

RATE_S = 60
"""The rate is that of the last so many seconds."""

ACTIVE = (Campaign.State.CANARY, Campaign.State.RUNNING)

_SUMS = """
    COALESCE(sum(last - first + 1), 0), COALESCE(sum(accepted), 0), COALESCE(sum(delivered), 0),
    COALESCE(sum(undelivered), 0), COALESCE(sum(rejected), 0), COALESCE(sum(unknown), 0), COALESCE(sum(cancelled), 0),
    COALESCE(sum(last - first + 1 - accepted - delivered - undelivered - rejected - unknown)
        FILTER (WHERE state = 'claimed'), 0),
    COALESCE(sum(accepted + delivered + undelivered + rejected + unknown)
        FILTER (WHERE settled_at > %(edge)s), 0), min(settled_at)
"""


@dataclass(frozen=True, slots=True)
class Totals:
    """Members by what became of them. `accepted`: taken by the carrier and nothing heard since, which says nothing
    about the phone. `sending`: under way now. `rate`: answers a second within the last minute of real time."""

    total: int = 0
    accepted: int = 0
    delivered: int = 0
    undelivered: int = 0
    rejected: int = 0
    unknown: int = 0
    cancelled: int = 0
    sending: int = 0
    rate: float = 0.0

    @property
    def answered(self) -> int:
        return self.accepted + self.delivered + self.undelivered + self.rejected + self.unknown

    @property
    def queued(self) -> int:
        return self.total - self.answered - self.cancelled - self.sending

    def by_state(self) -> dict[str, int]:
        """For an event: what there is none of is left out."""
        names = ("accepted", "delivered", "undelivered", "rejected", "unknown", "cancelled")
        return {name: getattr(self, name) for name in names if getattr(self, name)}


@dataclass(frozen=True, slots=True)
class Part:
    """The totals of one carrier or one unit."""

    id: int
    name: str
    totals: Totals


@dataclass(frozen=True, slots=True)
class Canary:
    """How the first share stands: members answered and refused; `waiting`: chunks not tried yet or under way; `over`:
    every chunk is done with."""

    answered: int
    rejected: int
    waiting: int
    over: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """One campaign as its page shows it. `left_s`: seconds until the last carrier is through at its present rate, None
    when that cannot be told. `quiet_until`: nothing leaves before, because it is night. `errors`: refused members by
    the carrier's code, most first; `unclear`: unknown ones by ours."""

    campaign: Campaign
    totals: Totals
    carriers: list[Part]
    units: list[Part]
    errors: list[tuple[str, int]]
    unclear: list[tuple[str, int]]
    left_s: float | None
    quiet_until: datetime | None
    stopped: bool
    idle_carriers: list[str]


def campaigns(actor: Actor) -> QuerySet[Campaign]:
    """Campaigns, latest first."""
    rows: QuerySet[Campaign] = Campaign.objects.seen_by(actor).select_related("unit", "version__bulletin")
    return rows.order_by("-created_at", "-pk")


def totals(campaign_id: int) -> Totals:
    """The totals of a campaign (which the caller has narrowed)."""
    return many_totals([campaign_id]).get(campaign_id, Totals())


def many_totals(campaign_ids: Sequence[int]) -> dict[int, Totals]:
    """The totals of each campaign (which the caller has narrowed)."""
    return dict(_grouped("campaign_id", campaign_ids))


def progress(actor: Actor, campaign: Campaign) -> Progress:
    """How a campaign (which the caller has narrowed to `actor`) stands."""
    ids = [campaign.pk]
    carriers = dict(_grouped("carrier_id", ids))
    units = dict(_grouped("unit_id", ids))
    named = Carrier.objects.in_bulk(list(carriers))
    places = AdminUnit.objects.in_bulk(list(units))
    whole = totals(campaign.pk)
    return Progress(
        campaign=campaign,
        totals=whole,
        carriers=sorted(
            (Part(pk, named[pk].name if pk in named else "–", found) for pk, found in carriers.items()),
            key=lambda part: -part.totals.total,
        ),
        units=sorted(
            (Part(pk, places[pk].full_name if pk in places else "–", found) for pk, found in units.items()),
            key=lambda part: places[part.id].sort_key if part.id in places else "",
        ),
        errors=_errors(campaign.pk),
        unclear=_unclear(campaign.pk) if whole.unknown else [],
        left_s=_left_s(campaign, carriers, named),
        quiet_until=quiet_until(clock.now()) if _waits_for_morning(campaign) else None,
        stopped=is_stopped(),
        idle_carriers=[
            named[pk].name for pk, found in carriers.items() if found.queued and not named[pk].is_active
        ],
    )


def canary(campaign_id: int) -> Canary:
    """How the first share of a campaign stands."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT COALESCE(sum(accepted + rejected + unknown + delivered + undelivered), 0),"
            " COALESCE(sum(rejected), 0),"
            " count(*) FILTER (WHERE state = 'claimed' OR (state = 'queued' AND attempts = 0)),"
            " count(*) FILTER (WHERE state IN ('queued', 'claimed')) = 0"
            " FROM broadcasts_chunk WHERE campaign_id = %s AND is_canary",
            [campaign_id],
        )
        return Canary(*cursor.fetchone())


def open_campaigns() -> list[Campaign]:
    """Those that have not ended, emergencies first: what a sender looks after."""
    rows = Campaign.objects.filter(ended_at__isnull=True)
    return sorted(rows, key=lambda row: (row.lane != Campaign.Lane.EMERGENCY, row.pk))


def is_stopped() -> bool:
    """Whether the switch for everything is thrown."""
    return SendingSwitch.objects.filter(pk=1, is_stopped=True).exists()


def switch() -> SendingSwitch:
    """The switch as it stands."""
    return SendingSwitch.objects.filter(pk=1).first() or SendingSwitch()


def quiet_until(now: datetime) -> datetime | None:
    """When the quiet hours in which `now` (aware) falls end; None by day. Rule `broadcasts.quiet_hours`: local hours
    `from` and `until`; where a day has none, no hour is quiet."""
    local = clock.local(now)
    hours = _quiet_hours(local.date())
    if hours is None:
        return None
    begins, ends = hours
    night = begins <= local.hour or local.hour < ends if begins > ends else begins <= local.hour < ends
    if not night:
        return None
    morning = local.replace(hour=ends, minute=0, second=0, microsecond=0)
    return morning if morning > local else morning + timedelta(days=1)


def _quiet_hours(day: date) -> tuple[int, int] | None:
    try:
        value = rules.on("broadcasts.quiet_hours", day).value
    except NotFound:
        return None
    return int(value["from"]), int(value["until"])


def is_due(campaign: Campaign, now: datetime, quiet: bool) -> bool:
    """Whether chunks of it may be claimed now, as far as its own row and the hour say."""
    if campaign.state not in ACTIVE or (campaign.not_after and campaign.not_after <= now):
        return False
    return not (quiet and _waits_for_morning(campaign))


def _waits_for_morning(campaign: Campaign) -> bool:
    return not campaign.at_night and campaign.lane != Campaign.Lane.EMERGENCY and campaign.ended_at is None


def _grouped(column: str, campaign_ids: Sequence[int]) -> list[tuple[int, Totals]]:
    now = datetime.now(UTC)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column}, {_SUMS} FROM broadcasts_chunk WHERE campaign_id = ANY(%(ids)s) GROUP BY {column}",
            {"ids": list(campaign_ids), "edge": now - timedelta(seconds=RATE_S)},
        )
        rows = cursor.fetchall()
    return [(row[0], _totals(row[1:], now)) for row in rows]


def _totals(row: Sequence[Any], now: datetime) -> Totals:
    total, accepted, delivered, undelivered, rejected, unknown, cancelled, sending, recent, first = row
    seconds = min(RATE_S, max(1.0, (now - first).total_seconds())) if first else RATE_S
    return Totals(
        total,
        accepted,
        delivered,
        undelivered,
        rejected,
        unknown,
        cancelled,
        sending,
        recent / seconds,
    )


def _errors(campaign_id: int) -> list[tuple[str, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key, sum(value::int) FROM broadcasts_chunk, jsonb_each_text(codes)"
            " WHERE campaign_id = %s AND codes IS NOT NULL GROUP BY key ORDER BY 2 DESC, 1",
            [campaign_id],
        )
        return [(code, int(count)) for code, count in cursor.fetchall()]


def _unclear(campaign_id: int) -> list[tuple[str, int]]:
    """By the small index of what is unknown."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, count(*) FROM broadcasts_campaignresult WHERE campaign_id = %s AND state = 'unknown'"
            " GROUP BY code ORDER BY 2 DESC, 1",
            [campaign_id],
        )
        return [(code, int(count)) for code, count in cursor.fetchall()]


def _left_s(campaign: Campaign, parts: dict[int, Totals], carriers: dict[int, Carrier]) -> float | None:
    """By the rate of the last minute, before the first answers by the contract."""
    if campaign.state not in ACTIVE:
        return None
    longest = 0.0
    for pk, part in parts.items():
        if part.queued <= 0:
            continue
        contracted = carriers[pk].rate / max(1, campaign.parts) if pk in carriers else 0.0
        rate = part.rate or contracted
        if not rate:
            return None
        longest = max(longest, part.queued / rate)
    return longest
