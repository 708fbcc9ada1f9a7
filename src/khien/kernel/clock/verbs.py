from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction

from khien.kernel.clock import reads
from khien.kernel.clock.models import ClockSetting


def anchor(business: datetime, speed: float) -> None:
    """From this moment on business time runs on from `business` at `speed` × real time (demo only).

    A demo anchors again at every start and, every few seconds, at the time it has reached, so that
    business time stands still while the demo is off.
    """
    with transaction.atomic():
        ClockSetting.objects.update_or_create(
            pk=1, defaults={"anchor_real": datetime.now(UTC), "anchor_business": business, "speed": speed}
        )
    reads._setting = (-1e9, None)
