"""What the simulated phones show."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, QuerySet

from khien.gateways.sms.models import SimulatedMessage
from khien.kernel.people.phones import display


@dataclass(frozen=True, slots=True)
class PhoneFact:
    """A simulated phone; `handle` names it in addresses, so that no number stands in a log."""

    handle: str
    number: str
    messages: int
    last_at: datetime


def handle_of(number: str) -> str:
    return hashlib.sha256(number.encode()).hexdigest()[:16]


def phones(limit: int = 200) -> list[PhoneFact]:
    """The phones that have received something, latest first."""
    rows = (
        SimulatedMessage.objects.filter(arrived=True)
        .values("number")
        .annotate(messages=Count("pk"), last_at=Max("at"))
        .order_by("-last_at")[:limit]
    )
    return [
        PhoneFact(handle_of(row["number"]), display(row["number"]), row["messages"], row["last_at"])
        for row in rows
    ]


def inbox(number: str) -> QuerySet[SimulatedMessage]:
    """What one phone received, latest first."""
    return SimulatedMessage.objects.filter(number=number, arrived=True).order_by("-at", "-pk")


def number_of(handle: str) -> str | None:
    """The phone with this handle, if it has received anything."""
    numbers = SimulatedMessage.objects.filter(arrived=True).values_list("number", flat=True).distinct()
    return next((number for number in numbers.iterator() if handle_of(number) == handle), None)
