"""Cards and events for tests. The numbers belong to nobody."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from tests.factories import NOON

NUMBER = "035090123456"
CCCD = f"{NUMBER}|012345678|Nguyễn Văn An|15011990|Nam|Tổ 1, Phường Quang Trung, Phủ Lý, Hà Nam|15042021"


def cccd(number: str = NUMBER, name: str = "Nguyễn Văn An", born: str = "15011990") -> str:
    return f"{number}||{name}|{born}|Nam|Tổ 1, Phường Quang Trung, Phủ Lý, Hà Nam|15042021"


def event(place: Any, code: str = CCCD, at: datetime = NOON, **more: Any) -> dict[str, Any]:
    made = {"id": str(uuid4()), "place": place, "at": at.isoformat(), "direction": "in", "code": code}
    return {**made, **more}
