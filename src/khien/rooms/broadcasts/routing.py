"""Which carrier a number belongs to, for the gateway."""

from __future__ import annotations

from khien.rooms.broadcasts.models import Carrier, CarrierPrefix, PortedNumber

_SHORTEST_PREFIX, _LONGEST_PREFIX = 3, 8


def carrier_code(number: str) -> str:
    """The code of the carrier of a number in E.164: where it was ported, else whose range it lies in; "" when nobody
    knows or the carrier is not in use."""
    moved = PortedNumber.objects.select_related("carrier").filter(number=number).first()
    carrier: Carrier | None = moved.carrier if moved else None
    if carrier is None:
        heads = [number[:length] for length in range(_SHORTEST_PREFIX, _LONGEST_PREFIX + 1)]
        ranges = CarrierPrefix.objects.select_related("carrier").filter(prefix__in=heads)
        longest = max(ranges, key=lambda row: len(row.prefix), default=None)
        carrier = longest.carrier if longest else None
    return carrier.code if carrier is not None and carrier.is_active else ""
