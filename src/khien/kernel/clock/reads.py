from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from django.conf import settings

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")

_frozen: ContextVar[datetime | None] = ContextVar("khien_frozen_now", default=None)
# The setting changes only when a demo starts or stops, so one look a second is enough.
_SETTING_AGE_S = 1.0
_setting: tuple[float, tuple[datetime, datetime, float] | None] = (-1e9, None)


def now() -> datetime:
    """Business time now, aware UTC."""
    frozen = _frozen.get()
    if frozen is not None:
        return frozen
    real = datetime.now(UTC)
    setting = _read_setting() if settings.KHIEN_DEMO else None
    if setting is None:
        return real
    anchor_real, anchor_business, speed = setting
    return anchor_business + speed * (real - anchor_real)


def local(moment: datetime) -> datetime:
    """The same moment on a Vietnamese wall clock."""
    return moment.astimezone(ZONE)


def today() -> date:
    """The business day in Viet Nam."""
    return local(now()).date()


def start_of_day(day: date) -> datetime:
    """Midnight in Viet Nam at the start of `day`, aware UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


@contextmanager
def frozen_at(moment: datetime) -> Iterator[None]:
    """Inside the block, now is `moment` (for tests and for loading history under its own time)."""
    token = _frozen.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _frozen.reset(token)


def _read_setting() -> tuple[datetime, datetime, float] | None:
    global _setting
    read_at, value = _setting
    if time.monotonic() - read_at > _SETTING_AGE_S:
        from khien.kernel.clock.models import ClockSetting

        row = ClockSetting.objects.filter(pk=1).values_list("anchor_real", "anchor_business", "speed").first()
        value = row
        _setting = (time.monotonic(), value)
    return value


__all__ = ["ZONE", "frozen_at", "local", "now", "start_of_day", "today"]
