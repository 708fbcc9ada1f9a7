"""Acts of the room: the case file, its contacts, its source, line lists, forgetting."""

from khien.rooms.tracing.verbs.cases import (
    add_hand_contact,
    add_landmark,
    close_case,
    enter_symptoms,
    hold_result,
    mark_isolated,
    mark_step,
    open_case,
    remove_landmark,
    settle_held_result,
)
from khien.rooms.tracing.verbs.contacts import approve_contacts, list_contacts, reject_contact
from khien.rooms.tracing.verbs.linelists import import_line_list
from khien.rooms.tracing.verbs.pairlogs import import_pair_contacts
from khien.rooms.tracing.verbs.retention import forget_contacts, forget_held
from khien.rooms.tracing.verbs.sources import link_source, reject_source

__all__ = [
    "add_hand_contact",
    "add_landmark",
    "approve_contacts",
    "close_case",
    "enter_symptoms",
    "forget_contacts",
    "forget_held",
    "hold_result",
    "import_line_list",
    "import_pair_contacts",
    "link_source",
    "list_contacts",
    "mark_isolated",
    "mark_step",
    "open_case",
    "reject_contact",
    "reject_source",
    "remove_landmark",
    "settle_held_result",
]
