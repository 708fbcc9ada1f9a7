"""Where rooms announce what others may use without knowing them: desk widgets, search entries, retention …

Each registry is filled in the room's `AppConfig.ready()` and read by the desk, the site or the ticker.
"""

from khien.kernel.registries.registry import (
    DeskWidget,
    MeetingsSeen,
    MenuEntry,
    PersonPanel,
    Registry,
    RetentionRule,
    SearchEntry,
    SearchHit,
    Tick,
    desk_widgets,
    meetings_seen,
    menu,
    person_panels,
    resident_menu,
    retention,
    search_entries,
    ticks,
)

__all__ = [
    "DeskWidget",
    "MeetingsSeen",
    "MenuEntry",
    "PersonPanel",
    "Registry",
    "RetentionRule",
    "SearchEntry",
    "SearchHit",
    "Tick",
    "desk_widgets",
    "meetings_seen",
    "menu",
    "person_panels",
    "resident_menu",
    "retention",
    "search_entries",
    "ticks",
]
