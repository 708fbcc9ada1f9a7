"""What the room puts into the registries of the house."""

from __future__ import annotations

from datetime import date

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import retention
from khien.kernel.registries.registry import RetentionRule
from khien.kernel.staff import system_actor
from khien.rooms.quarantine import (
    events,  # noqa: F401 - declares them
    verbs,
)


def announce() -> None:
    """Fill the registries; called once, when apps are ready."""
    retention.add(
        "quarantine.orders", RetentionRule(_("Quyết định cách ly đã hết"), "retention.orders", _forget)
    )


def _forget(before: date) -> int:
    return verbs.forget_orders(system_actor("retention"), before=before)
