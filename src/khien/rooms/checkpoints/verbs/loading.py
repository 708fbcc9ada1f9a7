"""Loading a history of scans at once: a register taken over, or the synthetic province."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from khien.kernel import partitions
from khien.kernel.acts import record, verb
from khien.kernel.bulk import copy_rows
from khien.kernel.places.reads import stay_rules
from khien.kernel.presence import verbs as presence
from khien.kernel.presence.models import PresenceRecord
from khien.kernel.presence.stays import Bool, Int, local_days, to_day, to_moment
from khien.kernel.staff import Actor
from khien.rooms.checkpoints.derivation import ENTRY, EXIT, Scans, derive
from khien.rooms.checkpoints.models import Direction, Method, Scan, ScanId
from khien.rooms.checkpoints.verbs.scans import sender_of

LOADED = "loaded"
"""Stands for the payload's hash: what was loaded came without one."""


@dataclass(frozen=True, slots=True)
class KnownScans:
    """n scans of people and places that the ledger knows; times in microseconds since 1970 UTC."""

    client_id: Sequence[UUID]
    person: Int
    place: Int
    leaving: Bool
    at: Int
    received: Int


@verb()
def load_scans(actor: Actor, *, scans: KnownScans) -> int:
    """Store scans whose ids are new and the stays they tell of; returns how many stays were written.

    For an empty history only: ids are not compared, nobody under order is announced.
    """
    sender = sender_of(actor)
    days = local_days(scans.received)
    partitions.ensure(Scan._meta.db_table, [to_day(day) for day in np.unique(days).tolist()])
    moments = [to_moment(us) for us in scans.at.tolist()]
    received = [to_moment(us) for us in scans.received.tolist()]
    on = [to_day(day) for day in days.tolist()]
    copy_rows(
        ScanId,
        ("sender", "id", "day", "payload_hash"),
        ((sender, pk, day, LOADED) for pk, day in zip(scans.client_id, on, strict=True)),
    )
    copy_rows(
        Scan,
        (
            "day sender client_id place_id person_id subject_kind subject direction method at at_said"
            " received_at flags"
        ).split(),
        (
            (
                on[n],
                sender,
                scans.client_id[n],
                int(scans.place[n]),
                int(scans.person[n]),
                "person",
                str(scans.person[n]),
                Direction.OUT if scans.leaving[n] else Direction.IN,
                Method.CAMERA,
                moments[n],
                moments[n],
                received[n],
                [],
            )
            for n in range(len(moments))
        ),
    )
    keys: NDArray[np.bytes_] = np.array([f"{sender}:{pk.hex}".encode() for pk in scans.client_id], "S57")
    told = Scans(
        scans.person, scans.place, scans.at, np.where(scans.leaving, EXIT, ENTRY).astype(np.int8), keys
    )
    stays = presence.store(
        derive(told, stay_rules(np.unique(scans.place).tolist())), source=PresenceRecord.Source.SCAN
    )
    record(actor, "checkpoints.scan", loaded=len(moments), stays=stays)
    return stays
