"""What the room puts into the registries of the house."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from khien.kernel.people.models import Person
from khien.kernel.registries import (
    Holding,
    MenuEntry,
    PersonPanel,
    RetentionRule,
    SearchEntry,
    SearchHit,
    Tick,
    holdings,
    menu,
    person_panels,
    resident_menu,
    retention,
    search_entries,
    ticks,
)
from khien.kernel.staff import Actor, Role, system_actor
from khien.rooms.quarantine import (
    events,  # noqa: F401 - declares them
    jobs,
    reads,
    registers,
    verbs,
)

OFFICERS = frozenset({Role.COMMUNE_OFFICER, Role.TRACER})


def announce() -> None:
    """Fill the registries; called once, when apps are ready."""
    menu.add("quarantine.day", MenuEntry(_("Cách ly hôm nay"), "quarantine:day", OFFICERS, 40))
    menu.add("quarantine.orders", MenuEntry(_("Quyết định cách ly"), "quarantine:orders", OFFICERS, 41))
    resident_menu.add(
        "quarantine.mine", MenuEntry(_("Quyết định cách ly của tôi"), "quarantine:mine", frozenset(), 30)
    )
    person_panels.add("quarantine.orders", PersonPanel(_("Cách ly"), "quarantine/panel.html", _panel, 40))
    search_entries.add("quarantine.orders", SearchEntry(_("Quyết định cách ly"), _find, 40))
    ticks.add(
        "quarantine.day",
        Tick(jobs.keep_the_day, jobs.EVERY_S, "end orders that are over, make the follow-ups of the day"),
    )
    retention.add(
        "quarantine.orders", RetentionRule(_("Quyết định cách ly đã hết"), "retention.orders", _forget)
    )
    holdings.add(
        "quarantine.orders",
        Holding("quarantine.orders", "quarantine_order", "closed_at", "state IN ('ended', 'cancelled')"),
    )
    holdings.add(
        "quarantine.grounds",
        Holding("quarantine.orders", "quarantine_orderground", "recorded_at", "order_id IS NULL"),
    )
    registers.announce()


def _panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    if not actor.has(*OFFICERS):
        return None
    person = Person.objects.seen_by(actor).filter(pk=person_id).first()
    if person is None:
        return None
    rows = reads.orders_of_person(actor, person_id)
    return {
        "orders": [(order, reads.last_day(order)) for order in rows],
        "may_issue": True,
        "public_id": person.public_id,
    }


def _find(actor: Actor, text: str, limit: int) -> list[SearchHit]:
    """Orders by the beginning of their number: "17", "17/2022"."""
    wanted = text.strip()
    if not wanted[:1].isdigit() or not actor.has(*OFFICERS):
        return []
    return [
        SearchHit(
            label=str(order),
            detail=f"{order.person.full_name} · {order.get_kind_display()} · {order.get_state_display()}",
            url=reverse("quarantine:order", args=[order.pk]),
            rank=1.0 if str(order.number).split("/")[0] == wanted.split("/")[0] else 0.5,
        )
        for order in reads.orders_by_number(actor, wanted)[:limit]
    ]


def _forget(before: date) -> int:
    return verbs.forget_orders(system_actor("retention"), before=before)
