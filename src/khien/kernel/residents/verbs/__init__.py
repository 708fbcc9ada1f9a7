"""Acts at the residents' door."""

from khien.kernel.residents.verbs.codes import (
    Asked,
    ClaimedCode,
    claim_code,
    forget_codes,
    note_outcome,
    request_code,
    use_code,
)
from khien.kernel.residents.verbs.entering import enter
from khien.kernel.residents.verbs.helping import begin_help, end_help, forget_help

__all__ = [
    "Asked",
    "ClaimedCode",
    "begin_help",
    "claim_code",
    "end_help",
    "enter",
    "forget_codes",
    "forget_help",
    "note_outcome",
    "request_code",
    "use_code",
]
