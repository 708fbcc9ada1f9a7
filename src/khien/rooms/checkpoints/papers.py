"""What the room prints: posters of places and paper passes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from khien.kernel import clock
from khien.kernel.documents import pdf, qr
from khien.kernel.places.models import Place
from khien.rooms.checkpoints import passes, posters
from khien.rooms.checkpoints.models import PassCard
from khien.rooms.checkpoints.verbs.passes import text_of

POSTER_MM = 152
"""The printed code itself; the order of Hà Nội in 2021 asked for 15 cm at least, printers shrink a little."""

_FOLDER = Path(__file__).with_name("documents")


def poster(place: Place) -> bytes:
    """The A4 poster of a place as PDF; its QR code is 15 cm wide, the quiet zone of 4 modules comes on top."""
    text = posters.address(place.code)
    modules = qr.modules(text, error="m")
    return pdf.render(
        _FOLDER / "poster.typ",
        {
            "name": place.name,
            "kind": place.kind.name,
            "unit": place.unit.full_name,
            "code": place.code,
            "host": urlsplit(settings.KHIEN_URL).netloc,
            "qr": qr.svg(text, error="m"),
            "side_mm": POSTER_MM * (modules + 8) / modules,
        },
    )


def paper_card(card: PassCard) -> bytes:
    """The paper pass as PDF (A6); its QR code is 8 cm wide."""
    person = card.person
    return pdf.render(
        _FOLDER / "card.typ",
        {
            "name": passes.mask_name(person.full_name),
            "birth_year": person.birth_year,
            "issued": clock.local(card.issued_at).date(),
            "expires": clock.local(card.expires_at).date(),
            "qr": qr.svg(text_of(card), error="m"),
        },
    )
