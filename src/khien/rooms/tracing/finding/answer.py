"""What a search answers with."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from khien.rooms.tracing.rulebook import Rulebook

_FAR_AHEAD = datetime.max.replace(tzinfo=UTC)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Meeting:
    """One meeting of a contact, as evidence."""

    kind: str
    place_id: int | None
    start: datetime
    end: datetime
    minutes: float
    clause: str
    mask: str = ""
    note: str = ""


@dataclass(slots=True)
class FoundContact:
    """Somebody on the list, with totals over the meetings that count."""

    person_id: int
    degree: int
    from_person_id: int
    clause: str = ""
    clause_text: str = ""
    score: float = 0.0
    minutes: float = 0.0
    longest: float = 0.0
    encounters: int = 0
    first: datetime = _FAR_AHEAD
    last: datetime = _LONG_AGO
    meetings: list[Meeting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FoundSource:
    """Somebody who was with the case while it may have been infected."""

    person_id: int
    source_case_id: int | None
    how: str
    minutes: float | None = None
    encounters: int | None = None
    first: datetime | None = None
    last: datetime | None = None
    place_id: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """The whole answer of one search."""

    window_from: datetime
    window_until: datetime
    rules: Rulebook
    contacts: list[FoundContact]
    sources: list[FoundSource]
    coverage: dict[str, int | None]
    counts: dict[str, int]
    took_ms: int
