"""Moments as whole seconds since 1970-01-01T00:00Z: the only time inside the engine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "Asia/Ho_Chi_Minh")
"""The zone of times written without one. Viet Nam has kept UTC+07:00 without daylight saving since June
1975, so a fixed offset is exact and no time zone database is needed."""

Moment = int | datetime
"""Epoch seconds, or an aware datetime."""


def seconds(moment: Moment) -> int:
    """Epoch seconds of `moment`; fractions of a second are cut off. A naive datetime is a ValueError."""
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment.isoformat()} has no time zone: give an aware datetime")
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return int(moment)


def parse(text: str) -> int:
    """Epoch seconds of an ISO 8601 text; without an offset it is Vietnamese time, without hours midnight.

    Raises ValueError when the text is no such time.
    """
    moment = datetime.fromisoformat(text.strip())
    return seconds(moment if moment.tzinfo else moment.replace(tzinfo=VIETNAM))


def local(moment: int) -> datetime:
    """The aware Vietnamese datetime of epoch seconds."""
    return datetime.fromtimestamp(moment, VIETNAM)
