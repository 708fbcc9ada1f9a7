"""What each device has sent: which of its numbers came, how its events were answered, what it used twice.

Called by the verbs of `scans`, inside their transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from khien.kernel import prepared

if TYPE_CHECKING:
    from khien.rooms.checkpoints.intake import Reading
    from khien.rooms.checkpoints.verbs.scans import ScanAnswer

_LOCK = 0x6B6873


_TURN = "SELECT seen * %s::int8multirange FROM checkpoints_devicetally WHERE device_id = %s FOR UPDATE"


def in_turn(
    sender: str,
    device_id: int | None,
    readings: Sequence[Reading],
    questions: Sequence[tuple[str, prepared.Values]],
) -> tuple[set[int], list[list[tuple[Any, ...]]]]:
    """One batch of a sender at a time: of two copies of a device, the second sees all that the first has stored.

    Returns those of the batch's numbers that the device has used before, and the rows of the questions, which are
    asked once it is this batch's turn.
    """
    if device_id is None:
        lock = ("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, sender])
        return set(), prepared.run_all([lock, *questions])[1:]
    numbers = ranges(r.seq for r in readings if r.seq is not None)
    for _try in range(2):
        turn, *rows = prepared.run_all([(_TURN, [numbers, device_id]), *questions])
        if turn:
            return {number for part in turn[0][0] for number in range(part.lower, part.upper)}, rows
        prepared.run(
            "INSERT INTO checkpoints_devicetally (device_id) VALUES (%s) ON CONFLICT DO NOTHING", [device_id]
        )
    raise AssertionError("a tally that was just made is gone")


def added(
    device_id: int,
    readings: Sequence[Reading],
    answers: Sequence[ScanAnswer],
    clashes: Sequence[Reading],
    reused: Sequence[Reading],
    now: datetime,
) -> tuple[str, prepared.Values]:
    """The statement that counts a batch. Every number counts as having come, whatever was answered: it is not
    missing."""
    outcomes = [answer.outcome for answer in answers]
    return (
        "UPDATE checkpoints_devicetally SET seen = seen + %(seen)s::int8multirange, stored = stored + %(stored)s,"
        " duplicate = duplicate + %(duplicate)s, held = held + %(held)s, seqs_reused = seqs_reused + %(seqs)s,"
        " ids_reused = ids_reused + %(ids)s, last_batch_at = %(now)s,"
        " clashed_at = CASE WHEN %(seqs)s + %(ids)s > 0 THEN %(now)s ELSE clashed_at END"
        " WHERE device_id = %(device)s",
        {
            "seen": ranges(r.seq for r in readings if r.seq is not None and r.id is not None),
            "stored": outcomes.count("stored"),
            "duplicate": outcomes.count("duplicate"),
            "held": outcomes.count("held"),
            "seqs": len(clashes),
            "ids": len(reused),
            "now": now,
            "device": device_id,
        },
    )


def ranges(numbers: Iterable[int]) -> str:
    """The text of an int8multirange that holds these numbers."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number <= found[-1][1]:
            found[-1][1] = max(found[-1][1], number + 1)
        else:
            found.append([number, number + 1])
    return "{" + ",".join(f"[{low},{high})" for low, high in found) + "}"
