"""Questions about messages, within what the actor may see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, QuerySet

from khien.kernel.staff import Actor
from khien.rooms.broadcasts.models import (
    Broadcast,
    MessageTemplate,
    Recipient,
    RecipientPerson,
    UnmatchedReceipt,
)

OPEN_STATES = (Recipient.State.QUEUED, Recipient.State.SUBMITTING)


@dataclass(frozen=True, slots=True)
class StateCount:
    """How many rows of a broadcast are in a state."""

    state: str
    label: str
    count: int


def broadcasts(
    actor: Actor, *, purpose: str = "", state: str = "", reference: str = ""
) -> QuerySet[Broadcast]:
    """Broadcasts, latest first; `state` "open" or "settled"."""
    rows = Broadcast.objects.seen_by(actor).select_related("unit")
    if purpose:
        rows = rows.filter(purpose=purpose)
    if reference:
        rows = rows.filter(reference=reference)
    if state in ("open", "settled"):
        rows = rows.filter(settled_at__isnull=state == "open")
    return rows.order_by("-created_at", "-pk")


def purposes(actor: Actor) -> list[str]:
    """The purposes that occur."""
    return sorted(set(Broadcast.objects.seen_by(actor).values_list("purpose", flat=True)))


def purpose_labels() -> dict[str, str]:
    """What to call the purposes that are codes of templates."""
    return dict(MessageTemplate.objects.values_list("code", "purpose"))


def counts(broadcast_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Rows by state for each broadcast (which the caller has narrowed)."""
    found: dict[int, dict[str, int]] = {pk: {} for pk in broadcast_ids}
    rows = (
        Recipient.objects.filter(broadcast__in=list(found))
        .values("broadcast", "state")
        .annotate(n=Count("pk"))
    )
    for row in rows:
        found[row["broadcast"]][row["state"]] = row["n"]
    return found


def state_counts(broadcast: Broadcast) -> list[StateCount]:
    """All states in their order, zeros included."""
    found = counts([broadcast.pk])[broadcast.pk]
    return [StateCount(state.value, str(state.label), found.get(state, 0)) for state in Recipient.State]


def people_of(actor: Actor, broadcast: Broadcast, *, state: str = "") -> QuerySet[RecipientPerson]:
    """Whom a broadcast was meant for, as far as the actor may see them."""
    rows = (
        RecipientPerson.objects.seen_by(actor)
        .select_related("recipient", "person__unit")
        .filter(recipient__broadcast=broadcast)
    )
    if state:
        rows = rows.filter(recipient__state=state)
    return rows.order_by("person__name_sort", "pk")


def messages_of(actor: Actor, person_id: int) -> list[RecipientPerson]:
    """A person's messages, latest first."""
    rows = (
        RecipientPerson.objects.seen_by(actor)
        .select_related("recipient__broadcast")
        .filter(person_id=person_id)
        .order_by("-recipient__broadcast__created_at", "-pk")
    )
    return list(rows)


def unmatched_receipts() -> QuerySet[UnmatchedReceipt]:
    """Receipts that wait for their message, latest first. They name nobody."""
    return UnmatchedReceipt.objects.order_by("-received_at", "-pk")


def template(code: str) -> MessageTemplate | None:
    """The text kept under a name."""
    return MessageTemplate.objects.filter(code=code).first()
