"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import retention
from khien.kernel.registries.registry import RetentionRule
from khien.rooms.broadcasts import events, verbs


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.BROADCAST_SETTLED
    retention.add(
        "broadcasts.messages", RetentionRule(_("Tin nhắn"), "retention.messages", verbs.forget_messages)
    )
