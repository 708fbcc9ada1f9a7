"""Questions about what people have written to us."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from khien.kernel.people.models import Phone
from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import InboundMessage

WAITING = (InboundMessage.State.OPEN, InboundMessage.State.HELD)


def inbound(
    actor: Actor, *, state: str = "", keyword: str = "", unit_path: str = "", text: str = ""
) -> QuerySet[InboundMessage]:
    """Texts, the oldest that waits first, else the latest first. `state` "" is what waits for somebody, "all" is all;
    `text` is part of the text or the number's last digits."""
    rows = InboundMessage.objects.seen_by(actor).select_related("unit")
    if state in InboundMessage.State.values:
        rows = rows.filter(state=state)
    elif state != "all":
        rows = rows.filter(state__in=WAITING)
    if keyword:
        rows = rows.filter(keyword=keyword)
    if unit_path:
        rows = rows.filter(unit__path__startswith=unit_path)
    if text:
        digits = text.replace(" ", "")
        by_number = digits.isdigit() and len(digits) >= 3
        rows = (
            rows.filter(number__endswith=digits.lstrip("0"))
            if by_number
            else rows.filter(text__icontains=text)
        )
    if state == "" or state in WAITING:
        return rows.order_by("received_at", "pk")
    return rows.order_by("-received_at", "-pk")


def waiting_count(actor: Actor) -> int:
    """How many wait for somebody."""
    return InboundMessage.objects.seen_by(actor).filter(state__in=WAITING).count()


def people_behind(rows: Iterable[InboundMessage]) -> list[int]:
    """Whose numbers a list shows, for its audit line."""
    numbers = {row.number for row in rows}
    return sorted(set(Phone.objects.filter(number__in=numbers).values_list("person_id", flat=True)))
