"""Stays as columns: the form in which presence is written in bulk and handed to the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

OPEN = int(np.iinfo(np.int64).max)
"""The `leave` of a stay that has not ended."""

DAY_US = 86_400_000_000
LOCAL_US = 7 * 3_600_000_000
"""Viet Nam has kept UTC+7 without summer time since 1975, so a Vietnamese day is arithmetic."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exact."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def to_moment(us: int) -> datetime:
    """The aware UTC datetime of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int(us))


def local_days(us: Int) -> Int:
    """The Vietnamese day of each moment, in days since 1970-01-01."""
    return np.floor_divide(us + LOCAL_US, DAY_US)


def to_day(number: int) -> date:
    """The date of days since 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=int(number))


def array_text(numbers: Int) -> str:
    """The text of a PostgreSQL array: written in one go, many times faster than element by element."""
    return "{" + ",".join(map(str, numbers.tolist())) + "}"


@dataclass(frozen=True, slots=True)
class Stays:
    """n stays as arrays of length n: times are microseconds since 1970 UTC, `leave` is `OPEN` while it lasts.

    `source_key` names what each is derived from; with the day of `enter` and the source it is unique.
    """

    person: Int
    place: Int
    enter: Int
    leave: Int
    exit_inferred: Bool
    entry_inferred: Bool
    source_key: Sequence[str]

    def __len__(self) -> int:
        return len(self.person)

    def where(self, mask: Bool) -> Stays:
        """Only the stays marked."""
        keys = np.asarray(self.source_key, dtype=object)[mask].tolist() if len(self.source_key) else []
        return Stays(
            self.person[mask],
            self.place[mask],
            self.enter[mask],
            self.leave[mask],
            self.exit_inferred[mask],
            self.entry_inferred[mask],
            keys,
        )


def columns(
    person: Sequence[int],
    place: Sequence[int],
    enter: Sequence[datetime],
    leave: Sequence[datetime | None],
    source_key: Sequence[str],
) -> Stays:
    """Stays from lists of plain values, nothing inferred (interviews, imports, tests)."""
    n = len(person)
    return Stays(
        np.asarray(person, np.int64),
        np.asarray(place, np.int64),
        np.asarray([to_us(moment) for moment in enter], np.int64),
        np.asarray([OPEN if moment is None else to_us(moment) for moment in leave], np.int64),
        np.zeros(n, np.bool_),
        np.zeros(n, np.bool_),
        list(source_key),
    )
