from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class EventFact:
    """What a handler is told: ids only, no names and no identity numbers."""

    id: int
    name: str
    at: datetime
    payload: dict[str, Any]


Handler = Callable[[EventFact], None]

_declared: dict[str, str] = {}
_handlers: dict[str, dict[str, Handler]] = {}


def declare(name: str, meaning: str) -> str:
    """Announce that events of this name exist, and what they mean (shown in `docs/events.md`)."""
    _declared[name] = meaning
    return name


def declared() -> dict[str, str]:
    """All event names with their meanings."""
    return dict(_declared)


def on(name: str) -> Callable[[Handler], Handler]:
    """Subscribe a handler; its key is `module.function`, so a renamed handler is a new one."""

    def subscribe(handler: Handler) -> Handler:
        _handlers.setdefault(name, {})[f"{handler.__module__}.{handler.__name__}"] = handler
        return handler

    return subscribe


def handlers_of(name: str) -> dict[str, Handler]:
    """The subscribers of an event by their keys."""
    return dict(_handlers.get(name, {}))
