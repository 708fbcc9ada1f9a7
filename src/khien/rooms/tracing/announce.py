"""What the room tells the rest of the house when it starts."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from khien.kernel.registries import (
    Holding,
    MenuEntry,
    PersonPanel,
    RetentionRule,
    SearchEntry,
    SearchHit,
    holdings,
    meetings_seen,
    menu,
    person_panels,
    retention,
    search_entries,
)
from khien.kernel.staff import Actor, Role
from khien.rooms.tracing import events, reads, verbs
from khien.rooms.tracing.models import TRACERS


def announce() -> None:
    """Fill the registries; called once by the app."""
    assert events.CASE_OPENED
    roles = frozenset({Role.TRACER, Role.COMMUNE_OFFICER})
    meetings_seen.add("tracing", reads.meetings_seen)
    menu.add("tracing.cases", MenuEntry(_("Ca bệnh"), "tracing:cases", roles, 30))
    menu.add("tracing.outbreaks", MenuEntry(_("Ổ dịch"), "tracing:outbreaks", roles, 31))
    person_panels.add(
        "tracing.person", PersonPanel(_("Truy vết"), "tracing/panel.html", reads.person_panel, 20)
    )
    search_entries.add("tracing.cases", SearchEntry(_("Ca bệnh"), find_cases, 20))
    retention.add(
        "tracing.contacts",
        RetentionRule(_("Danh sách tiếp xúc của ca đã đóng"), "retention.contacts", verbs.forget_contacts),
    )
    retention.add(
        "tracing.held", RetentionRule(_("Dòng danh sách ca bị giữ"), "retention.held", verbs.forget_held)
    )
    closed = "case_id IN (SELECT id FROM tracing_case WHERE status = 'closed' AND closed_at < %(edge)s)"
    with_contacts = "EXISTS (SELECT 1 FROM tracing_tracedcontact c WHERE c.case_id = tracing_case.id)"
    holdings.add(
        "tracing.contacts",
        Holding("tracing.contacts", "tracing_case", "closed_at", f"status = 'closed' AND {with_contacts}"),
    )
    holdings.add("tracing.lists", Holding("tracing.contacts", "tracing_contactlist", "listed_at", closed))
    for held, batches in (
        ("tracing_heldline", "tracing_linelistimport"),
        ("tracing_heldpair", "tracing_pairlogimport"),
    ):
        holdings.add(
            held.replace("_", "."),
            Holding(
                "tracing.held",
                batches,
                "at",
                f"EXISTS (SELECT 1 FROM {held} h WHERE h.intake_id = {batches}.id)",  # noqa: S608 - own names
            ),
        )
    holdings.add(
        "tracing.heldresult",
        Holding("tracing.held", "tracing_heldresult", "held_at", "settled_at IS NOT NULL"),
    )


def find_cases(actor: Actor, text: str, limit: int) -> list[SearchHit]:
    """Cases by number or by words of the person's name, for the one search."""
    if not actor.has(*TRACERS):
        return []
    return [
        SearchHit(
            label=f"{case.label} · {case.person.full_name}",
            detail=f"{case.get_status_display()} · {case.unit.full_name}",
            url=reverse("tracing:case", args=[case.pk]),
            rank=1.0,
        )
        for case in reads.cases(actor, reads.CaseFilter(text=text))[:limit]
    ]
