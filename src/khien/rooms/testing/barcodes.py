"""Barcodes of tubes, as a hand scanner or a hurried person types them."""

from __future__ import annotations

import re
import unicodedata

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid

_SHAPE = re.compile(r"[0-9A-Z][0-9A-Z-]{3,31}")


def normalise(text: str) -> str:
    """Upper case without spaces. Raises `Invalid` (code `bad_barcode`); what was scanned is not repeated,
    because it may have been an identity card.

    >>> normalise(" hn-0012 345 ")
    'HN-0012345'
    """
    barcode = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).upper()
    if not barcode:
        raise _bad(_("Chưa có mã ống."), _("Quét hoặc nhập mã in trên ống."))
    if "|" in barcode:
        raise _bad(
            _("Đây là mã trên thẻ căn cước, không phải mã ống."),
            _("Quét mã trên ống vào ô này, quét thẻ vào ô người được lấy mẫu."),
        )
    if not _SHAPE.fullmatch(barcode):
        raise _bad(
            _("Mã ống không đúng dạng."),
            _("Mã ống có 4 đến 32 ký tự, chỉ gồm chữ không dấu, chữ số và dấu gạch ngang."),
        )
    return barcode


def _bad(message: str, way_out: str) -> Invalid:
    return Invalid(message, field="barcode", code="bad_barcode", way_out=way_out)
