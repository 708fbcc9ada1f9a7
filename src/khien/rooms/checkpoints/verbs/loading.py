"""Loading a history of scans at once: a register taken over, or the synthetic province."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from khien.kernel import partitions
from khien.kernel.acts import record, verb
from khien.kernel.bulk import Column, copy_columns
from khien.kernel.places.reads import stay_rules
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import Bool, Int, local_days, to_day
from khien.kernel.staff import Actor
from khien.rooms.checkpoints.derivation import ENTRY, EXIT, LONGEST_US, Scans, derive
from khien.rooms.checkpoints.models import Direction, Method, Scan, ScanId
from khien.rooms.checkpoints.verbs.scans import sender_of

LOADED = "loaded"
"""Stands for the payload's hash: what was loaded came without one."""


@dataclass(frozen=True, slots=True)
class KnownScans:
    """n scans of people and places that the ledger knows; times in microseconds since 1970 UTC, ids of dtype V16."""

    client_id: NDArray[np.void]
    person: Int
    place: Int
    leaving: Bool
    at: Int
    received: Int


@verb()
def load_scans(actor: Actor, *, portions: Iterable[KnownScans], first: int, last: int) -> int:
    """Store scans whose ids are new and the stays they tell of; returns how many stays were written.

    For an empty history only: ids are not compared, nobody under order is announced. Stays are derived person by
    person, so a portion holds all scans of some people, and memory stays level. `first` and `last` are the
    earliest and the latest moment of any scan or receipt (microseconds since 1970 UTC).
    """
    sender = sender_of(actor)
    scans = stays = 0
    received_on = _days(first, last)
    began_on = _days(first - LONGEST_US, last)
    with (
        partitions.filling(Scan._meta.db_table, map(to_day, received_on.tolist())) as copy,
        presence.loading(began_on, source=PresenceRecord.Source.SCAN) as load,
    ):
        for part in portions:
            _copy_ids(sender, part)
            copy(_columns(sender, part))
            scans += len(part.at)
            stays += load(derive(_told(sender, part), stay_rules(np.unique(part.place).tolist())))
    record(actor, "checkpoints.scan", loaded=scans, stays=stays)
    return stays


def _copy_ids(sender: str, part: KnownScans) -> None:
    # In the order of the index, which is then written once from left to right.
    ordered = part.client_id[np.argsort(part.client_id.view("S16"))]
    copy_columns(
        ScanId._meta.db_table,
        {
            "sender": _all(sender, part),
            "id": ordered,
            "day": local_days(part.received).astype("datetime64[D]"),
            "payload_hash": _all(LOADED, part),
        },
    )


def _columns(sender: str, part: KnownScans) -> dict[str, Column]:
    """The rows of `checkpoints_scan`; number and flags have defaults."""
    at = part.at.astype("datetime64[us]")
    return {
        "day": local_days(part.received).astype("datetime64[D]"),
        "sender": _all(sender, part),
        "client_id": part.client_id,
        "place_id": part.place,
        "person_id": part.person,
        "subject_kind": _all("person", part),
        "subject": part.person.astype("S"),
        "direction": np.where(part.leaving, Direction.OUT.encode(), Direction.IN.encode()),
        "method": _all(Method.CAMERA, part),
        "at": at,
        "at_said": at,
        "received_at": part.received.astype("datetime64[us]"),
    }


def _told(sender: str, part: KnownScans) -> Scans:
    digits = np.frombuffer(part.client_id.tobytes().hex().encode(), "S32")
    return Scans(
        part.person,
        part.place,
        part.at,
        np.where(part.leaving, EXIT, ENTRY).astype(np.int8),
        np.char.add(f"{sender}:".encode(), digits).astype("S57"),
    )


def _all(text: str, part: KnownScans) -> Column:
    return np.broadcast_to(np.bytes_(text.encode()), len(part.at))


def _days(first: int, last: int) -> Int:
    """The Vietnamese days that two moments enclose."""
    low, high = local_days(np.array([first, last])).tolist()
    return np.arange(low, high + 1)
