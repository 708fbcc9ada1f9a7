"""The codes that a gate meets, as small records. Their texts never show whom they are about.

Only a pass, a certificate and a declaration are more than a claim, and those only once somebody has verified them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import ClassVar

REASONS = ("empty", "too_long", "card_incomplete", "keyboard", "unknown_code")


class CodeError(ValueError):
    """A text that is none of the codes known here; `reason` is one of `REASONS`.

    "card_incomplete": a card's code read in part. "keyboard": a signed code that a Vietnamese keyboard has changed.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class CardCode:
    """An identity document as its QR code or somebody's fingers say it.

    `kind` is "cccd", "cmnd", "insurance" or "passport". What could not be read is None or "", and named in `damaged`:
    the number alone is enough. `year_only` is a year of birth where the card has no day.
    """

    kind: str
    number: str = field(repr=False)
    full_name: str = field(default="", repr=False)
    birth_date: date | None = field(default=None, repr=False)
    sex: str = ""
    address: str = field(default="", repr=False)
    issued_on: date | None = None
    damaged: tuple[str, ...] = ()
    year_only: int | None = field(default=None, repr=False)

    @property
    def birth_year(self) -> int | None:
        return self.year_only if self.birth_date is None else self.birth_date.year


@dataclass(frozen=True, slots=True)
class NationalCode:
    """The national personal QR code (Decision 1405/QĐ-BTTTT, 11 September 2021, version 1.1).

    Its holder may have starred the number and the day of birth. A starred number is none: `number` is None then, and
    `number_kind` "". `declared_by_another` is the code's own word for a child or somebody without a phone.
    """

    number: str | None = field(repr=False)
    number_kind: str
    full_name: str = field(repr=False)
    birth_date: date | None = field(default=None, repr=False)
    year_only: int | None = field(default=None, repr=False)
    sex: str = ""
    starred: bool = False
    declared_by_another: bool = False
    address: ClassVar[str] = ""
    kind: ClassVar[str] = "national"

    @property
    def birth_year(self) -> int | None:
        return self.year_only if self.birth_date is None else self.birth_date.year

    @property
    def card(self) -> CardCode | None:
        """The same claim as a card of that number makes, or None without a number."""
        if self.number is None:
            return None
        return CardCode(
            self.number_kind,
            self.number,
            self.full_name,
            self.birth_date,
            self.sex,
            year_only=self.year_only,
        )


@dataclass(frozen=True, slots=True)
class PassCode:
    """Our own pass, not yet verified."""

    text: str = field(repr=False)
    kind: ClassVar[str] = "pass"


@dataclass(frozen=True, slots=True)
class CertificateCode:
    """A health certificate (HC1), not yet verified: until it is, nothing of it is shown."""

    text: str = field(repr=False)
    kind: ClassVar[str] = "hc1"


@dataclass(frozen=True, slots=True)
class DeclarationCode:
    """The code of a declaration, without its prefix: base32 letters that only the server can look up."""

    token: str = field(repr=False)
    kind: ClassVar[str] = "declaration"


@dataclass(frozen=True, slots=True)
class PosterCode:
    """The poster of a place, its check not yet verified."""

    place: str
    check: str
    kind: ClassVar[str] = "poster"


@dataclass(frozen=True, slots=True)
class OtherCode:
    """A code that is nobody's and that people show by mistake: `kind` ("vietqr", "web") says which."""

    kind: str


Code = CardCode | NationalCode | PassCode | CertificateCode | DeclarationCode | PosterCode | OtherCode
