"""What an identity provider is asked and what it may answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that has begun: where the browser goes, and what must be kept in its session until it is back.

    None of it is kept longer, and none of it is of use in another browser.
    """

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as the provider knows them: a document's kind and number. Hash the number and let it go: it may stand in
    no log, no address and no session."""

    kind: str
    number: str = field(repr=False)


class Refused(Exception):
    """The provider or our own checks say no; `reason` is a code such as "nonce" or "expired_token", never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Unreachable(Exception):
    """The provider does not answer, or not with what it must; nothing is known of the person."""


class IdentityProvider(Protocol):
    """One outside system that proves who somebody is."""

    @property
    def name(self) -> str:
        """What people call it, e.g. "VNeID"."""
        ...

    def begin(self, back: str) -> Begun:
        """Start a sign-in that comes back to the address `back`. Raises `Unreachable`."""
        ...

    def finish(self, back: str, *, code: str, issuer: str, nonce: str, verifier: str) -> Identity:
        """Exchange the code that came back for an identity. `issuer` is the answer's own parameter `iss`, may be empty.
        Raises `Refused`, `Unreachable`."""
        ...

    def leave(self, back: str) -> str | None:
        """Where the browser signs out of the provider too, if it can; it comes back to `back`."""
        ...
