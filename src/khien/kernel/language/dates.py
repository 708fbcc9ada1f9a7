"""Dates, times and counts as Vietnamese readers write them."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

_ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
_WEEKDAYS = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật")


def short(day: date) -> str:
    """`10/01/2022`."""
    return day.strftime("%d/%m/%Y")


def official(day: date) -> str:
    """`ngày 10 tháng 01 năm 2022`, as on decisions (day and months 1, 2 with two digits)."""
    month = f"{day.month:02d}" if day.month < 3 else str(day.month)
    return f"ngày {day.day:02d} tháng {month} năm {day.year}"


def weekday(day: date) -> str:
    """`Thứ Hai` … `Chủ nhật`."""
    return _WEEKDAYS[day.weekday()]


def moment(when: datetime) -> str:
    """`07:05 ngày 10/01/2022` on a Vietnamese wall clock."""
    return when.astimezone(_ZONE).strftime("%H:%M ngày %d/%m/%Y")


def span(seconds: float) -> str:
    """A length of time in words: `45 giây`, `12 phút`, `3 giờ 05 phút`, `2 ngày 4 giờ`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} giây"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} phút"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} giờ {minutes:02d} phút"
    days, hours = divmod(hours, 24)
    return f"{days} ngày {hours} giờ"


def count(number: int, *, cap: int | None = None) -> str:
    """`12.345`; with a cap, anything above it is `1.000+`."""
    if cap is not None and number > cap:
        return f"{cap:,}+".replace(",", ".")
    return f"{number:,}".replace(",", ".")
