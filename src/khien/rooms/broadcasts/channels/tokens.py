"""Tokens of loudspeaker stations: they follow from a key outside the database, so that none is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from khien.kernel import keys
from khien.kernel.errors import Problem
from khien.rooms.broadcasts.models import Station


def token_of(station: Station) -> str:
    """The station's token, for whoever enters it there and for what we send to it."""
    key = keys.get("station", station.token_key)
    text = f"broadcasts.station:{station.pk}:{station.token_serial}"
    code = hmac.new(key.secret, text.encode(), hashlib.sha256).digest()[:24]
    return f"st{station.pk}.{base64.urlsafe_b64encode(code).decode()}"


def station_of(token: str) -> Station | None:
    """The active station with that token."""
    found = re.fullmatch(r"st(\d{1,18})\.[A-Za-z0-9_-]{32}", token)
    if found is None:
        return None
    station = Station.objects.select_related("unit").filter(pk=int(found[1]), is_active=True).first()
    if station is None or not station.token_serial:
        return None
    try:
        right = hmac.compare_digest(token_of(station), token)
    except Problem:
        return None
    return station if right else None
