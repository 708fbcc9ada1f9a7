"""Acts of the checkpoints: storing scans, deriving presence from them, issuing passes, settling what was held."""

from khien.rooms.checkpoints.verbs.card_lists import (
    LineAnswer,
    ListAnswer,
    dismiss_card_row,
    forget_card_lists,
    order_cards_of_list,
)
from khien.rooms.checkpoints.verbs.checkins import check_in_by_poster
from khien.rooms.checkpoints.verbs.coverage import (
    count_coverage,
    forget_coverage,
    write_to_silent_places,
)
from khien.rooms.checkpoints.verbs.derive import derive_anew, derive_due, link_scans
from khien.rooms.checkpoints.verbs.gate import build_bundle, drop_typed, link_typed
from khien.rooms.checkpoints.verbs.held import settle_held
from khien.rooms.checkpoints.verbs.loading import KnownScans, load_scans
from khien.rooms.checkpoints.verbs.passes import issue_pass, revoke_pass
from khien.rooms.checkpoints.verbs.printing import (
    close_run,
    forget_prints,
    order_cards,
    order_posters,
    print_part,
    print_poster,
    replace_poster,
    report_poster,
    resume_printing,
    stop_printing,
)
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
    "LineAnswer",
    "ListAnswer",
    "ScanAnswer",
    "Verdict",
    "build_bundle",
    "check_in",
    "check_in_by_poster",
    "close_run",
    "count_coverage",
    "derive_anew",
    "derive_due",
    "dismiss_card_row",
    "drop_typed",
    "forget_card_lists",
    "forget_coverage",
    "forget_prints",
    "hold_from_revoked",
    "issue_pass",
    "link_scans",
    "link_typed",
    "load_scans",
    "order_cards",
    "order_cards_of_list",
    "order_posters",
    "print_part",
    "print_poster",
    "replace_poster",
    "report_poster",
    "resume_printing",
    "revoke_pass",
    "settle_held",
    "stop_printing",
    "store_scans",
    "write_to_silent_places",
]
