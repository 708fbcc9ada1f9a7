"""Working days: Monday to Friday less the public holidays of the rule `calendar.holidays`."""

from __future__ import annotations

from datetime import date, timedelta

from khien.kernel.rules import reads as rules


def is_working_day(day: date) -> bool:
    """Whether offices are open on a Vietnamese day. Raises `NotFound` when the holidays of its year are unknown."""
    return day.weekday() < 5 and day.isoformat() not in rules.on("calendar.holidays", day).value["days"]


def add_working_days(start: date, days: int) -> date:
    """The day on which a period of `days` working days ends, counted from the day after `start`."""
    if days < 0:
        raise ValueError("days must not be negative")
    day = start
    left = days
    while left:
        day += timedelta(days=1)
        left -= is_working_day(day)
    return day
