"""Acts of the room: requesting, collecting, recording, correcting, taking in batches."""

from khien.rooms.testing.verbs.intake import MAX_ROWS, dismiss_held, import_results, retry_held
from khien.rooms.testing.verbs.requests import cancel_request, request_contact_tests, request_sampling
from khien.rooms.testing.verbs.results import correct_result, record_result
from khien.rooms.testing.verbs.retention import forget_held, forget_results
from khien.rooms.testing.verbs.specimens import Taken, collect_specimen, collect_specimens

__all__ = [
    "MAX_ROWS",
    "Taken",
    "cancel_request",
    "collect_specimen",
    "collect_specimens",
    "correct_result",
    "dismiss_held",
    "forget_held",
    "forget_results",
    "import_results",
    "record_result",
    "request_contact_tests",
    "request_sampling",
    "retry_held",
]
