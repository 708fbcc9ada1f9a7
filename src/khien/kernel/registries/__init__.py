"""Where rooms announce what others may use without knowing them: desk widgets, search entries, retention …

Each registry is filled in the room's `AppConfig.ready()` and read by the desk, the site or the ticker.
"""

from khien.kernel.registries.registry import (
    DeskWidget,
    HelpTask,
    Holding,
    MenuEntry,
    PersonPanel,
    Registry,
    RetentionCheck,
    RetentionRule,
    SearchEntry,
    SearchHit,
    Tick,
    desk_widgets,
    help_tasks,
    holdings,
    menu,
    person_panels,
    resident_menu,
    retention,
    retention_checks,
    search_entries,
    ticks,
)

__all__ = [
    "DeskWidget",
    "HelpTask",
    "Holding",
    "MenuEntry",
    "PersonPanel",
    "Registry",
    "RetentionCheck",
    "RetentionRule",
    "SearchEntry",
    "SearchHit",
    "Tick",
    "desk_widgets",
    "help_tasks",
    "holdings",
    "menu",
    "person_panels",
    "resident_menu",
    "retention",
    "retention_checks",
    "search_entries",
    "ticks",
]
