"""What a field at a gate may read: passes, cards, certificates, posters, and what people show by mistake.

Pure functions. Only our own pass and health certificates are signed; everything else is a claim that fills a form.
Nothing here keeps or repeats an identity number in a text. `tests/vectors/codes.json` says what is read as what, for
this reader and for the one in the browser.
"""

from khien.kernel.codes.kinds import (
    REASONS,
    CardCode,
    CertificateCode,
    Code,
    CodeError,
    DeclarationCode,
    NationalCode,
    OtherCode,
    PassCode,
    PosterCode,
)
from khien.kernel.codes.reading import MAX_LENGTH, parse

__all__ = [
    "MAX_LENGTH",
    "REASONS",
    "CardCode",
    "CertificateCode",
    "Code",
    "CodeError",
    "DeclarationCode",
    "NationalCode",
    "OtherCode",
    "PassCode",
    "PosterCode",
    "parse",
]
