"""The channels of a bulletin: each is started when a version is approved and cancelled when it is withdrawn.

::

    channels.register(Channel.CAP, CapAlerts())        # in `announce`, once

A channel's three acts may be asked for again at any time and must then change nothing: `start` of a version that it has
started, `cancel` of one that it never started. It raises a `Problem` where it cannot; the others go on, and it is asked
again every minute until it can.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from khien.kernel.errors import Text
from khien.rooms.broadcasts.models import BulletinVersion
from khien.rooms.broadcasts.models import Channel as Name

__all__ = [
    "ORDER",
    "Channel",
    "ChannelState",
    "Count",
    "corrects",
    "get",
    "register",
    "registered",
    "started_in_order",
]

ORDER: tuple[str, ...] = (
    Name.ARTICLE,
    Name.CAP,
    Name.PUSH,
    Name.LOUDSPEAKER,
    Name.SMS,
    Name.CARRIER_ORDER,
)
"""How they are started: what costs nothing and what others refer to first."""


@dataclass(frozen=True, slots=True)
class Count:
    """A number that the page of a bulletin shows, e.g. Count(_("Đã đến máy"), 12_345)."""

    label: Text
    number: int


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How far a channel is: a word for it, counts, since when (aware UTC), and the page that says more."""

    label: Text
    counts: tuple[Count, ...] = field(default=())
    at: datetime | None = None
    url: str = ""


class Channel(Protocol):
    """One way on which an approved version goes out. Called outside of verbs, by the system."""

    def start(self, version: BulletinVersion) -> None:
        """Put the version out. Where an earlier version of the same bulletin went out on this channel, it has been
        cancelled before, unless the channel was registered with `corrects=True`: then `start` itself says that this
        one takes its place (an Update of CAP, a new text of the same article)."""
        ...

    def cancel(self, version: BulletinVersion) -> None:
        """Take it back as far as that can be done: stop what has not left, say that it no longer holds."""
        ...

    def state(self, version: BulletinVersion) -> ChannelState | None:
        """How far it is; None before it was started."""
        ...


_channels: dict[str, Channel] = {}
_correcting: set[str] = set()


def register(key: str, channel: Channel, *, corrects: bool = False) -> None:
    """Announce a channel under a value of `models.Channel`. Raises `LookupError` when the key is taken."""
    if key in _channels:
        raise LookupError(f"channel {key!r} is announced twice")
    _channels[key] = channel
    if corrects:
        _correcting.add(key)


def get(key: str) -> Channel | None:
    """The channel under that key, or None where this installation has none."""
    return _channels.get(key)


def corrects(key: str) -> bool:
    """Whether starting a newer version on it corrects the older one by itself."""
    return key in _correcting


def registered() -> list[str]:
    """The keys of those that there are, in the order in which they are started."""
    return [key for key in ORDER if key in _channels]


def started_in_order(keys: list[str]) -> list[str]:
    """The keys in the order in which they are started."""
    return [key for key in ORDER if key in keys]
