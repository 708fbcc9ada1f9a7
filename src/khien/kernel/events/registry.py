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
_wanted: dict[str, dict[str, Any]] = {}


def declare(name: str, meaning: str) -> str:
    """Announce that events of this name exist, and what they mean (shown in `docs/events.md`)."""
    _declared[name] = meaning
    return name


def declared() -> dict[str, str]:
    """All event names with their meanings."""
    return dict(_declared)


def on(name: str, **payload: Any) -> Callable[[Handler], Handler]:
    """Subscribe a handler; its key is `module.function`, so a renamed handler is a new one.

    With `payload`, only to events whose payload has these values: `@on("result_recorded", value="positive")`.
    """

    def subscribe(handler: Handler) -> Handler:
        key = f"{handler.__module__}.{handler.__name__}"
        _handlers.setdefault(name, {})[key] = handler
        _wanted[key] = payload
        return handler

    return subscribe


def handlers_of(name: str) -> dict[str, Handler]:
    """The subscribers of an event by their keys."""
    return dict(_handlers.get(name, {}))


def who_wants(name: str, payload: dict[str, Any]) -> list[str]:
    """The keys of the handlers that are to be told of an event with this payload."""
    return [key for key in _handlers.get(name, {}) if _wanted[key].items() <= payload.items()]
