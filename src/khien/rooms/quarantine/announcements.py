"""What the room puts into the registries of the house."""

from __future__ import annotations

from khien.rooms.quarantine import events  # noqa: F401 - declares them


def announce() -> None:
    """Called once, when apps are ready."""
