"""The address on a place's poster: any camera opens it, and a check of 8 characters tells ours from a forgery.

The check is over the place's code and the poster's serial, so a poster that was lost can be refused while the
next one of the same place is read. The address itself stays as short as it was: which serial it is, the server
finds by trying those that the place has had.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

from django.conf import settings

from khien.kernel import keys
from khien.kernel.places.models import Place
from khien.kernel.places.reads import by_code
from khien.rooms.checkpoints.models import Poster

CHECK_LENGTH = 8
UNNUMBERED = 0
"""The serial of posters that were printed before there were serials."""


@dataclass(frozen=True, slots=True)
class Known:
    """A poster of ours: its place, its serial, and whether it is "current", "replaced" or "lost"."""

    place: Place
    serial: int
    state: str


def address(code: str, serial: int = UNNUMBERED) -> str:
    """What the QR code of a place's poster says."""
    return f"{settings.KHIEN_URL}/checkpoints/at/{code}/?m={_check(code, serial, keys.current('place-mac'))}"


def read(code: str, check: str) -> Known | None:
    """The poster whose address says this, or None for a code or check that is not ours."""
    place = by_code(code)
    if place is None:
        return None
    rows = {row.serial: row for row in Poster.objects.filter(place=place)}
    serial = _serial_of(place.code, check, [*rows, UNNUMBERED])
    if serial is None:
        return None
    row = rows.get(serial)
    # Without a row an unnumbered poster is in use until the place has a numbered one.
    state = row.state if row is not None else "replaced" if rows else "current"
    return Known(place, serial, state)


def is_ours(code: str, check: str) -> bool:
    """Whether the check belongs to the code, under any key and serial that posters were printed with and that is
    not reported lost."""
    known = read(code, check)
    return known is not None and known.state != "lost"


def _serial_of(code: str, check: str, serials: list[int]) -> int | None:
    keys.current("place-mac")
    given = check.strip().upper().encode()
    for key_id in reversed(keys.all_ids("place-mac")):
        key = keys.get("place-mac", key_id)
        for serial in sorted(set(serials), reverse=True):
            if hmac.compare_digest(_check(code, serial, key).encode(), given):
                return serial
    return None


def _check(code: str, serial: int, key: keys.Key) -> str:
    said = code if serial == UNNUMBERED else f"{code}.{serial}"
    digest = hmac.new(key.secret, said.encode(), hashlib.sha256).digest()
    return base64.b32encode(digest).decode()[:CHECK_LENGTH]
