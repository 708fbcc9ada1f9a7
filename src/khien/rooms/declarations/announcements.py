"""What the room tells the house about itself."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from khien.kernel import clock
from khien.kernel.registries import (
    CodeOwner,
    DeskWidget,
    HelpTask,
    Holding,
    MenuEntry,
    PersonPanel,
    RetentionRule,
    SearchEntry,
    SearchHit,
    code_owners,
    desk_widgets,
    help_tasks,
    holdings,
    menu,
    person_panels,
    resident_menu,
    retention,
    search_entries,
)
from khien.kernel.staff import Actor, Role
from khien.rooms.declarations import (
    codes,
    events,  # noqa: F401 - declares them
    questions,
    reads,
    registers,
    verbs,
)
from khien.rooms.declarations.models import AREA_KEEPERS, HELPERS, OFFICERS


def announce() -> None:
    """Fill the registries; called once, when apps are ready."""
    menu.add("declarations.inbox", MenuEntry(_("Tờ khai cần xem"), "declarations:inbox", OFFICERS, 24))
    menu.add("declarations.list", MenuEntry(_("Tờ khai"), "declarations:list", OFFICERS, 25))
    menu.add(
        "declarations.enter", MenuEntry(_("Khai giúp, nhập tờ khai"), "declarations:sheets", HELPERS, 26)
    )
    menu.add(
        "declarations.code",
        MenuEntry(_("Tra mã tờ khai"), "declarations:code", frozenset({Role.GUARD}), 27),
    )
    menu.add("declarations.areas", MenuEntry(_("Vùng nguy cơ"), "declarations:areas", AREA_KEEPERS, 28))
    resident_menu.add(
        "declarations.mine", MenuEntry(_("Khai báo y tế, di chuyển"), "declarations:mine", frozenset(), 15)
    )
    desk_widgets.add(
        "declarations.today",
        DeskWidget(
            _("Khai báo hôm nay"),
            "declarations/widget.html",
            _widget,
            frozenset({*OFFICERS, Role.LEADER}),
            25,
        ),
    )
    person_panels.add("declarations.person", PersonPanel(_("Tờ khai"), "declarations/panel.html", _panel, 25))
    search_entries.add("declarations.codes", SearchEntry(_("Tờ khai"), _find, 35))
    code_owners.add(codes.PREFIX, CodeOwner(reads.person_of_code))
    retention.add(
        "declarations.declarations",
        RetentionRule(_("Tờ khai"), "retention.declarations", verbs.forget_declarations),
    )
    retention.add(
        "declarations.held", RetentionRule(_("Bảng khai và dòng bị giữ"), "retention.held", verbs.forget_held)
    )
    holdings.add(
        "declarations.declarations",
        Holding("declarations.declarations", "declarations_declaration", "received_at", "parent_id IS NULL"),
    )
    holdings.add("declarations.sheets", Holding("declarations.held", "declarations_intake", "at"))
    help_tasks.add(
        "declaration",
        HelpTask(
            _("Khai báo y tế"),
            "declarations:index",
            frozenset(f"declarations:{page}" for page in ("index", "new", "done", "again", "code", "mine")),
            frozenset({Role.COMMUNE_OFFICER, Role.CLERK}),
            20,
        ),
    )
    registers.announce()
    questions.announce()


def _widget(actor: Actor) -> dict[str, Any]:
    return {
        "declarations_today": reads.today_count(actor),
        "declarations_tasks": reads.open_task_count(actor) if actor.has(*OFFICERS) else None,
    }


def _panel(actor: Actor, person_id: int) -> dict[str, Any] | None:
    if not actor.has(*OFFICERS):
        return None
    now = clock.now()
    rows = reads.of_person(actor, person_id)
    return {"declarations": [(row, codes.shown(row.code), row.valid_until > now) for row in rows]}


def _find(actor: Actor, text: str, limit: int) -> list[SearchHit]:
    """A declaration by its code; whose it is stands on the page behind, whose reading is recorded."""
    code = codes.parsed(text)
    if code is None or not actor.has(*OFFICERS):
        return []
    return [
        SearchHit(
            label=codes.shown(row.code),
            detail=f"{row.get_kind_display()} · {row.unit}",
            url=reverse("declarations:declaration", args=[row.pk]),
            rank=1.0,
        )
        for row in reads.declarations(actor, text=code)[:limit]
    ]
