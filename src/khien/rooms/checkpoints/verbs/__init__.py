"""Acts of the checkpoints: storing scans, deriving presence from them, issuing passes, settling what was held."""

from khien.rooms.checkpoints.verbs.derive import derive_anew, derive_due, link_scans
from khien.rooms.checkpoints.verbs.held import settle_held
from khien.rooms.checkpoints.verbs.loading import KnownScans, load_scans
from khien.rooms.checkpoints.verbs.passes import issue_pass, revoke_pass
from khien.rooms.checkpoints.verbs.scans import (
    BatchAnswer,
    ScanAnswer,
    Verdict,
    check_in,
    hold_from_revoked,
    store_scans,
)

__all__ = [
    "BatchAnswer",
    "KnownScans",
    "ScanAnswer",
    "Verdict",
    "check_in",
    "derive_anew",
    "derive_due",
    "hold_from_revoked",
    "issue_pass",
    "link_scans",
    "load_scans",
    "revoke_pass",
    "settle_held",
    "store_scans",
]
