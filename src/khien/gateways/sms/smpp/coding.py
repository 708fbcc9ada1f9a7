"""Texts to the octets of short messages and back. Source: 3GPP TS 23.038 (alphabets), 23.040 9.2.3.24.1 (parts)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.text import GSM_BASIC, GSM_EXTENDED, Encoding, normalise, split

DefaultAlphabet = Literal["gsm-7", "latin-1", "ascii", "ucs-2"]
"""What a carrier understands by `data_coding` 0. Whatever it cannot hold goes as UCS-2."""
DEFAULT_ALPHABETS: tuple[DefaultAlphabet, ...] = get_args(DefaultAlphabet)

DEFAULT, IA5, LATIN_1, UCS_2 = 0x00, 0x01, 0x03, 0x08
UDHI = 0x40
"""The bit of `esm_class` that says: a user data header stands in front of the text."""

_TO_GSM = str.maketrans(
    {letter: chr(code) for code, letter in enumerate(GSM_BASIC) if letter != "\x1b"}
    | {letter: "\x1b" + chr(code) for letter, code in GSM_EXTENDED.items()}
)
_FROM_GSM = {code: GSM_BASIC[code] if code < 128 else "\ufffd" for code in range(256)}
_FROM_EXTENSION = {code: letter for letter, code in GSM_EXTENDED.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a text in octets; with a header (`long`) when it is one of several."""

    octets: bytes
    data_coding: int
    long: bool


@dataclass(frozen=True, slots=True)
class Concatenation:
    """Which part of which long message this is, counted from 1."""

    reference: int
    parts: int
    part: int


def parts_of(text: str, reference: int, alphabet: DefaultAlphabet = "gsm-7") -> list[Part]:
    """The parts of a text (as `text.measure` counts them) with 8-bit concatenation headers (00 03) when there are
    several; `reference` (0 to 255) should differ between messages to one phone. Raises `CannotEncode` for more than
    255 parts or half of a surrogate pair."""
    encoding, pieces = split(text)
    if len(pieces) > 255:
        raise pdu.CannotEncode(f"the text has {len(pieces)} parts, at most 255")
    data_coding, encode = _encoder(encoding, text, alphabet)
    try:
        octets = [encode(piece) for piece in pieces]
    except UnicodeEncodeError as fault:
        raise pdu.CannotEncode("the text has half of a character") from fault
    if len(octets) == 1:
        return [Part(octets[0], data_coding, long=False)]
    head = bytes((5, 0, 3, reference & 0xFF, len(octets)))
    return [
        Part(head + bytes((number,)) + piece, data_coding, long=True)
        for number, piece in enumerate(octets, start=1)
    ]


def to_gsm7(text: str) -> bytes:
    """One septet an octet, as SMPP carries them, for a text of that alphabet (`encoding_of`)."""
    return text.translate(_TO_GSM).encode("latin-1")


def from_gsm7(octets: bytes) -> str:
    """The text of unpacked septets; what is no septet reads as U+FFFD, an unknown extension as its basic letter."""
    if 0x1B not in octets:
        return octets.decode("latin-1").translate(_FROM_GSM)
    letters = []
    escaped = False
    for octet in octets:
        if escaped:
            letters.append(_FROM_EXTENSION.get(octet) or _FROM_GSM[octet])
            escaped = False
        elif octet == 0x1B:
            escaped = True
        else:
            letters.append(_FROM_GSM[octet])
    return "".join(letters)


def text_of(message: pdu.Message, alphabet: DefaultAlphabet = "gsm-7") -> tuple[str, Concatenation | None]:
    """The text that came in, without its header, and which part of a long one it is. Never raises: what cannot be read
    shows as U+FFFD."""
    octets = message.short_message or message.tlv(pdu.TAG_MESSAGE_PAYLOAD) or b""
    concatenation = None
    if message.esm_class & UDHI and octets:
        header, octets = octets[1 : 1 + octets[0]], octets[1 + octets[0] :]
        concatenation = _concatenation(header)
    return _decoded(octets, message.data_coding, alphabet), concatenation


def _encoder(encoding: Encoding, text: str, alphabet: DefaultAlphabet) -> tuple[int, Callable[[str], bytes]]:
    if encoding == "GSM-7" and alphabet != "ucs-2":
        if alphabet == "gsm-7":
            return DEFAULT, to_gsm7
        try:
            normalise(text).encode(alphabet)
        except UnicodeEncodeError:
            pass
        else:
            return DEFAULT, lambda piece: piece.encode(alphabet)
    return UCS_2, lambda piece: piece.encode("utf-16-be")


def _decoded(octets: bytes, data_coding: int, alphabet: DefaultAlphabet) -> str:
    if data_coding == UCS_2 or (data_coding == DEFAULT and alphabet == "ucs-2"):
        return octets.decode("utf-16-be", "replace")
    if data_coding == IA5:
        return octets.decode("ascii", "replace")
    if data_coding == LATIN_1 or (data_coding == DEFAULT and alphabet == "latin-1"):
        return octets.decode("latin-1")
    if data_coding == DEFAULT and alphabet == "ascii":
        return octets.decode("ascii", "replace")
    if data_coding in {0x02, 0x04, 0x14}:
        return octets.hex()
    return from_gsm7(octets)


def _concatenation(header: bytes) -> Concatenation | None:
    """The 8-bit (00) or 16-bit (08) element among those of a header."""
    at = 0
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if (kind, length, len(value)) in {(0x00, 3, 3), (0x08, 4, 4)}:
            parts, part = value[-2:]
            if 1 <= part <= parts:
                return Concatenation(int.from_bytes(value[:-2], "big"), parts, part)
        at += 2 + length
    return None
