"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import (
    Holding,
    holdings,
    menu,
    person_panels,
    resident_menu,
    retention,
    search_entries,
)
from khien.kernel.registries.registry import MenuEntry, PersonPanel, RetentionRule, SearchEntry, SearchHit
from khien.kernel.staff import Actor, Role
from khien.rooms.testing import events, questions, reads, registers, verbs
from khien.rooms.testing.models import WORKERS
from khien.rooms.testing.verbs.requests import ASKERS
from khien.rooms.testing.verbs.specimens import COLLECTORS


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.RESULT_RECORDED
    menu.add("testing.sampling", MenuEntry(_("Lấy mẫu"), "testing:sampling", frozenset(COLLECTORS), 30))
    menu.add("testing.requests", MenuEntry(_("Cần lấy mẫu"), "testing:requests", frozenset(ASKERS), 31))
    menu.add(
        "testing.laboratory",
        MenuEntry(_("Phòng xét nghiệm"), "testing:laboratory", frozenset({Role.LABORATORY}), 32),
    )
    menu.add("testing.specimens", MenuEntry(_("Mẫu xét nghiệm"), "testing:specimens", WORKERS, 33))
    resident_menu.add("testing.my", MenuEntry(_("Kết quả xét nghiệm của tôi"), "testing:my", frozenset(), 20))
    person_panels.add("testing.tests", PersonPanel(_("Xét nghiệm"), "testing/panel.html", _panel, 30))
    search_entries.add("testing.specimens", SearchEntry(_("Ống mẫu"), _find, 40))
    retention.add(
        "testing.results", RetentionRule(_("Kết quả xét nghiệm"), "retention.results", verbs.forget_results)
    )
    retention.add(
        "testing.held", RetentionRule(_("Dòng kết quả bị giữ"), "retention.held", verbs.forget_held)
    )
    holdings.add("testing.specimens", Holding("testing.results", "testing_specimen", "sampled_at"))
    holdings.add(
        "testing.requests",
        Holding("testing.results", "testing_samplingrequest", "settled_at", "state <> 'open'"),
    )
    holdings.add("testing.batches", Holding("testing.held", "testing_intake", "at"))
    registers.announce()
    questions.announce()


def _panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    if not actor.has(*WORKERS):
        return None
    return {
        "testing_specimens": reads.specimens_of(actor, person_id),
        "testing_requests": reads.requests_of(actor, person_id),
    }


def _find(actor: Actor, text: str, limit: int) -> list[SearchHit]:
    """Tubes whose barcode begins so; the person's name is on the page behind, whose reading is recorded."""
    wanted = text.strip().upper()
    if len(wanted) < 4 or not actor.has(*WORKERS):
        return []
    return [
        SearchHit(
            label=specimen.barcode,
            detail=str(specimen.unit),
            url=reverse("testing:specimen", args=[specimen.barcode]),
            rank=1.0 if specimen.barcode == wanted else 0.5,
        )
        for specimen in reads.specimens(actor, text=wanted)[:limit]
    ]
