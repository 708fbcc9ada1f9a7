"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import retention
from khien.kernel.registries.registry import RetentionRule
from khien.rooms.testing import events, verbs


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.RESULT_RECORDED
    retention.add(
        "testing.results", RetentionRule(_("Kết quả xét nghiệm"), "retention.results", verbs.forget_results)
    )
    retention.add(
        "testing.held", RetentionRule(_("Dòng kết quả bị giữ"), "retention.held", verbs.forget_held)
    )
