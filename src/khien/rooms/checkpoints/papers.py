"""What the room prints: posters of places and paper passes, one or many to a PDF."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from khien.kernel import clock
from khien.kernel.documents import pdf, qr
from khien.kernel.places.models import Place
from khien.rooms.checkpoints import passes, posters
from khien.rooms.checkpoints.models import PassCard, Poster
from khien.rooms.checkpoints.verbs.passes import text_of

POSTER_MM = 152
"""The printed code itself; the order of Hà Nội in 2021 asked for 15 cm at least, printers shrink a little."""
CARD_MM = 51
"""The code on a card of the sheet: 5 cm, and what a printer shrinks."""
CARDS_A_PAGE = 8

_FOLDER = Path(__file__).with_name("documents")


def poster(place: Place, row: Poster | None = None) -> bytes:
    """The A4 poster of a place as PDF, of that serial (None: unnumbered)."""
    return poster_pages([place], {} if row is None else {place.pk: row})


def poster_pages(places: Sequence[Place], rows: Mapping[int, Poster]) -> bytes:
    """One A4 page for each place (with its kind and unit loaded); `rows` gives the poster by place id. The QR code
    is 15 cm wide, the quiet zone of 4 modules comes on top."""
    codes = [qr.svg(posters.address(place.code, _serial(rows.get(place.pk))), error="m") for place in places]
    side_mm = max(_side(POSTER_MM, code) for code in codes)
    return pdf.render(
        _FOLDER / "poster.typ",
        {
            "host": urlsplit(settings.KHIEN_URL).netloc,
            "side_mm": side_mm,
            "posters": [
                {
                    "name": place.name,
                    "kind": place.kind.name,
                    "unit": place.unit.full_name,
                    "code": place.code,
                    "serial": _serial(rows.get(place.pk)),
                    "printed": _day(rows.get(place.pk)),
                    "qr": code,
                }
                for place, code in zip(places, codes, strict=True)
            ],
        },
    )


def paper_card(card: PassCard) -> bytes:
    """The paper pass alone as PDF (A6); its QR code is 8 cm wide."""
    return pdf.render(_FOLDER / "card.typ", {"cards": [_card(card)]})


def card_sheets(cards: Sequence[PassCard]) -> bytes:
    """Paper passes (with person and unit loaded) on A4, eight to a page to be cut; each code is 5 cm wide."""
    return pdf.render(_FOLDER / "cards.typ", {"cards": [_card(card) for card in cards]})


def _card(card: PassCard) -> dict[str, Any]:
    person, code = card.person, qr.svg(text_of(card), error="m")
    return {
        "name": passes.mask_name(person.full_name),
        "birth_year": person.birth_year,
        "commune": person.unit.full_name if person.unit is not None else "",
        "issued": clock.local(card.issued_at).date(),
        "expires": clock.local(card.expires_at).date(),
        "qr": code,
        "side_mm": _side(CARD_MM, code),
    }


def _side(code_mm: float, svg: str) -> float:
    """The side of a picture with its quiet zone of 4 modules, where the code itself is to measure `code_mm`."""
    seen = re.search(r'viewBox="0 0 (\d+) ', svg)
    assert seen is not None
    modules = int(seen[1])
    return code_mm * modules / (modules - 8)


def _serial(row: Poster | None) -> int:
    return posters.UNNUMBERED if row is None else row.serial


def _day(row: Poster | None) -> date | None:
    return None if row is None else clock.local(row.made_at).date()
