"""The commune that an address on a card names, when it names one for certain."""

from __future__ import annotations

import re
from datetime import date

from khien.kernel.language import fold
from khien.kernel.units import reads as units
from khien.kernel.units.models import AdminUnit, Tier

_KIND = re.compile(r"^(tinh|thanh pho|tp|quan|huyen|thi xa|tx|phuong|xa|thi tran|tt|p|x|q|h)[ .]+")


def commune_of(address: str, day: date) -> AdminUnit | None:
    """The one commune of `day` that the parts of the address name, or None: "Thôn 3, Xã Đinh Xá, Phủ Lý, Hà Nam"."""
    parts = [_KIND.sub("", fold(part)).strip() for part in address.split(",") if part.strip()]
    if len(parts) < 2:
        return None
    province = units.on(day).filter(tier=Tier.PROVINCE, name_folded=parts[-1]).first()
    if province is None:
        return None
    named = list(
        units.on(day)
        .filter(tier=Tier.COMMUNE, path__startswith=province.path, name_folded__in=parts[:-1])
        .select_related("parent")
    )
    if len(named) > 1:
        named = [unit for unit in named if unit.parent is not None and unit.parent.name_folded in parts]
    return named[0] if len(named) == 1 else None
