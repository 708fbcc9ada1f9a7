"""Questions about carriers and single numbers."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, QuerySet

from khien.kernel import clock
from khien.kernel.people.phones import to_e164
from khien.rooms.broadcasts.models import (
    Carrier,
    CarrierPrefix,
    DeadNumber,
    HeldPorted,
    OptOut,
    PortedIntake,
    PortedNumber,
)


@dataclass(frozen=True, slots=True)
class NumberFacts:
    """What is known of a number: where its messages go, and why it gets none. `last` are its last three digits."""

    last: str
    carrier: Carrier | None
    ported: PortedNumber | None
    opted_out: OptOut | None
    dead: DeadNumber | None


def carriers() -> QuerySet[Carrier]:
    """All carriers with their ranges, those in use first. They name nobody."""
    return Carrier.objects.prefetch_related("prefixes").order_by("-is_active", "pk")


def route_of(number: str) -> Carrier | None:
    """The carrier of a number in E.164: where it was ported, or the longest range that it lies in."""
    moved = PortedNumber.objects.select_related("carrier").filter(number=number).first()
    if moved is not None:
        return moved.carrier
    heads = [number[:n] for n in range(4, 9)]
    ranges = CarrierPrefix.objects.select_related("carrier").filter(prefix__in=heads)
    longest = max(ranges, key=lambda row: len(row.prefix), default=None)
    return None if longest is None else longest.carrier


def code_of(number: str) -> str:
    """The code of the carrier in use that serves a number in E.164; "" when nobody knows one. The gateway asks."""
    carrier = route_of(number)
    return carrier.code if carrier is not None and carrier.is_active else ""


def facts_of(number: str) -> NumberFacts:
    """All that is known of a number as somebody types it. Raises `Invalid`."""
    found = to_e164(number, field="number")
    return NumberFacts(
        found[-3:],
        route_of(found),
        PortedNumber.objects.select_related("carrier").filter(number=found).first(),
        OptOut.objects.filter(number=found).first(),
        DeadNumber.objects.filter(number=found, until__gt=clock.today()).first(),
    )


def counts() -> dict[str, int]:
    """How many numbers are opted out, dead now, and ported."""
    return {
        "opted_out": OptOut.objects.count(),
        "dead": DeadNumber.objects.filter(until__gt=clock.today()).count(),
        "ported": PortedNumber.objects.count(),
    }


def opt_outs_by_way() -> list[tuple[str, int]]:
    """How many opted out by SMS, page and desk."""
    rows = OptOut.objects.values("how").annotate(n=Count("pk")).order_by("how")
    return [(row["how"], row["n"]) for row in rows]


def ported_intakes() -> QuerySet[PortedIntake]:
    """Files of ported numbers, latest first."""
    return PortedIntake.objects.order_by("-at", "-pk")


def held_ported() -> QuerySet[HeldPorted]:
    """Rows of such files that wait for somebody, latest file first."""
    return HeldPorted.objects.select_related("intake").order_by("-intake__at", "line")
