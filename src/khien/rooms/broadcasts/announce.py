"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import Holding, holdings, menu, person_panels, retention
from khien.kernel.registries.registry import MenuEntry, PersonPanel, RetentionRule
from khien.kernel.staff import Actor, Role
from khien.rooms.broadcasts import events, questions, reads, verbs
from khien.rooms.broadcasts.channels import announcing as channels
from khien.rooms.broadcasts.models import SENDERS, Broadcast


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.BROADCAST_SETTLED
    menu.add("broadcasts.index", MenuEntry(_("Tin nhắn"), "broadcasts:index", Broadcast.scope_roles, 60))
    menu.add(
        "broadcasts.templates",
        MenuEntry(
            _("Mẫu tin"),
            "broadcasts:templates",
            frozenset({Role.COMMUNICATION_OFFICER, Role.ADMINISTRATOR}),
            61,
        ),
    )
    person_panels.add(
        "broadcasts.messages", PersonPanel(_("Tin nhắn đã gửi"), "broadcasts/panel.html", _panel, 60)
    )
    retention.add(
        "broadcasts.messages", RetentionRule(_("Tin nhắn"), "retention.messages", verbs.forget_messages)
    )
    holdings.add("broadcasts.messages", Holding("broadcasts.messages", "broadcasts_broadcast", "created_at"))
    holdings.add(
        "broadcasts.receipts", Holding("broadcasts.messages", "broadcasts_unmatchedreceipt", "received_at")
    )
    questions.announce()
    channels.announce()


def _panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    if not actor.has(*SENDERS):
        return None
    return {"sent_messages": reads.messages_of(actor, person_id)}
