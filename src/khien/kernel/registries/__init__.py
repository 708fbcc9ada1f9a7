"""Where rooms announce what others may use without knowing them: desk widgets, search entries, retention …

Each registry is filled in the room's `AppConfig.ready()` and read by the desk, the site or a job.
"""

from khien.kernel.registries.registry import (
    Registry,
    desk_widgets,
    menu,
    person_panels,
    retention,
    search_entries,
)

__all__ = ["Registry", "desk_widgets", "menu", "person_panels", "retention", "search_entries"]
