"""The text in the QR code of a chip identity card (CCCD), as far as the sampler's page needs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

_SEXES = {"Nam": "m", "Nữ": "f"}


@dataclass(frozen=True, slots=True)
class Card:
    """What stands on the card; `number` is for finding and registering only and is shown to nobody."""

    number: str
    full_name: str
    birth_date: date | None
    sex: str
    address: str


def read_card(text: str) -> Card | None:
    """The card that a scanner read: `number|old number|name|ddmmyyyy|sex|address|issued`; None when the text is
    no card. Fields after the name may be missing on early cards."""
    parts = [part.strip() for part in text.strip().split("|")]
    if len(parts) < 3 or not (len(parts[0]) == 12 and parts[0].isdigit()):
        return None
    parts += [""] * (7 - len(parts))
    try:
        born = datetime.strptime(parts[3], "%d%m%Y").date()
    except ValueError:
        born = None
    return Card(parts[0], parts[2], born, _SEXES.get(parts[4], ""), parts[5])
