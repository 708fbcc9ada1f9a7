"""One text in, one kind of code out."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from khien.kernel.codes import cards, keyboards, national, vietqr
from khien.kernel.codes.kinds import (
    CertificateCode,
    Code,
    CodeError,
    DeclarationCode,
    OtherCode,
    PassCode,
    PosterCode,
)

MAX_LENGTH = 2_000
_CERTIFICATE_LENGTH = 4_296  # letters of the largest QR code
_WEB = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)


def parse(text: str) -> Code:
    """What this text is. Raises `CodeError`."""
    if len(text) > (_CERTIFICATE_LENGTH if text.lstrip().startswith("HC1:") else MAX_LENGTH):
        raise CodeError("too_long")
    raw, text = text.strip(), cards.clean(text)
    if not text:
        raise CodeError("empty")
    return (
        _signed(text)
        or _address(text)
        or (OtherCode("vietqr") if vietqr.is_payment(raw) else None)
        or _card(text)
    )


def _signed(text: str) -> Code | None:
    """Our pass, a health certificate or a declaration: one changed letter is one too many."""
    prefix = keyboards.signed_prefix(text)
    if prefix is None:
        return None
    if prefix == "KB1:":
        token = re.sub(r"[ \-]", "", text[4:]).upper()
        if re.fullmatch(r"[A-Z2-7]{8,16}", token):
            return DeclarationCode(token)
        raise CodeError("unknown_code" if token.isascii() else "keyboard")
    if not text.startswith(prefix) or not text.isascii():
        raise CodeError("keyboard")
    return PassCode(text) if prefix in ("YT1:", "YT2:") else CertificateCode(text)


def _address(text: str) -> Code | None:
    """The poster of a place, or any other web address."""
    if "://" not in text and not _WEB.fullmatch(text):
        return None
    try:
        address = urlsplit(text)
        found = re.fullmatch(r"/checkpoints/at/([0-9A-Z]{8,12})/?", address.path)
        check = parse_qs(address.query).get("m", [""])[0]
    except ValueError as fault:
        raise CodeError("unknown_code") from fault
    if found is not None:
        return PosterCode(found.group(1), check[:16])
    if _WEB.fullmatch(text):
        return OtherCode("web")
    raise CodeError("unknown_code")


def _card(text: str) -> Code:
    try:
        found = national.read(text) or cards.read_card(text) or keyboards.read_damaged(text)
    except cards.CardIncomplete as fault:
        raise CodeError("card_incomplete") from fault
    if found is None:
        raise CodeError("unknown_code")
    return found
