"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import RetentionRule, retention
from khien.rooms.tracing import events, verbs


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.CASE_OPENED
    retention.add(
        "tracing.contacts",
        RetentionRule(_("Danh sách tiếp xúc của ca đã đóng"), "retention.contacts", verbs.forget_contacts),
    )
    retention.add(
        "tracing.held", RetentionRule(_("Dòng danh sách ca bị giữ"), "retention.held", verbs.forget_held)
    )
