"""A bulletin whose version has been approved, as the channels get it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from khien.kernel import clock
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts.models import Bulletin, BulletinVersion, ChannelText

BODY = "Từ 0h ngày 20/9, ai ở đâu ở yên đó.\n\nHỏi: 1900 9095."


def make_version(
    unit: AdminUnit,
    *,
    bulletin: Bulletin | None = None,
    title: str = "Phong tỏa phường Quang Trung",
    body: str = BODY,
    hours: float = 48,
    channels: tuple[str, ...] = ("article", "cap", "loudspeaker", "push"),
    english: bool = False,
    **more: Any,
) -> BulletinVersion:
    """An approved version; a newer one of `bulletin` takes the place of the last."""
    now = clock.now()
    bulletin = bulletin or Bulletin.objects.create(unit=unit, created_at=now, created_by=1)
    bulletin.versions.exclude(state="replaced").update(state="replaced")
    version = BulletinVersion.objects.create(
        bulletin=bulletin,
        number=bulletin.versions.count() + 1,
        state="approved",
        title=title,
        body=body,
        contact="Đường dây nóng 0226 1022",
        expires_at=now + timedelta(hours=hours),
        languages=["vi", "en"] if english else ["vi"],
        channels=list(channels),
        content_hash="a" * 64,
        submitted_at=now,
        submitted_by=1,
        **more,
    )
    if english:
        for channel in ("article", "cap", "push"):
            ChannelText.objects.create(
                version=version,
                channel=channel,
                language="en",
                title="Lockdown of Quang Trung",
                text="Stay at home.",
            )
    return version
