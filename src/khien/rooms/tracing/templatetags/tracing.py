"""Filters of the room's templates."""

from __future__ import annotations

from datetime import timedelta

from django import template
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def span(length: timedelta) -> str:
    """A length of time in words, in the reader's language: `12 phút`, `3 giờ 05 phút`, `2 ngày 4 giờ`."""
    minutes = max(round(length.total_seconds() / 60), 0)
    if minutes < 60:
        return _("%(minutes)d phút") % {"minutes": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return _("%(hours)d giờ %(minutes)02d phút") % {"hours": hours, "minutes": minutes}
    days, hours = divmod(hours, 24)
    return _("%(days)d ngày %(hours)d giờ") % {"days": days, "hours": hours}


@register.filter
def minutes(value: float) -> str:
    """Minutes as people say them: `25 phút`, `10 giờ 30 phút`."""
    return span(timedelta(minutes=value))


@register.filter
def per_cent(value: float) -> str:
    """A share as per cent: small ones with a digit after the comma."""
    percent = 100 * value
    if 0 < percent < 0.1:
        return "<0,1 %"
    return f"{percent:.1f} %".replace(".", ",") if percent < 10 else f"{percent:.0f} %"


@register.filter
def times(value: float) -> str:
    """How many times as much, with as many digits as it deserves: `0,4`, `7,3`, `150`."""
    if value >= 10:
        digits = len(str(int(value))) - 2
        return f"{round(value, -digits):,.0f}".replace(",", ".")
    return f"{value:.1f}".replace(".", ",")


@register.filter
def of(table: dict[int, str], key: int) -> str:
    """The entry of a table, empty where there is none."""
    return table.get(key, "")
