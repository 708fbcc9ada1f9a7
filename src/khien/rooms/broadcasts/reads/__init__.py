"""The room's questions; the first group is about messages to named people."""

from khien.rooms.broadcasts.reads.messages import (
    OPEN_STATES,
    StateCount,
    broadcasts,
    counts,
    messages_of,
    people_of,
    purpose_labels,
    purposes,
    state_counts,
    template,
    unmatched_receipts,
)

__all__ = [
    "OPEN_STATES",
    "StateCount",
    "broadcasts",
    "counts",
    "messages_of",
    "people_of",
    "purpose_labels",
    "purposes",
    "state_counts",
    "template",
    "unmatched_receipts",
]
