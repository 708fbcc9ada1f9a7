"""Contacts as they are found: arrays of meetings first, then one step for each person who will be listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import numpy as np

from khien.engine.spaces import Shared
from khien.kernel.presence.pairs import is_pair
from khien.rooms.tracing.finding.answer import FoundContact, Meeting
from khien.rooms.tracing.finding.nearness import Flags, Float, Int
from khien.rooms.tracing.models import Exposure

EVIDENCE_ROWS = 5
"""Meetings kept for each contact: legal ones first, then the longest. Totals count all of them."""


class Tally:
    """The contacts of one degree, with the hazard of all that is known of them."""

    def __init__(self, degree: int) -> None:
        self._degree = degree
        self.found: dict[int, FoundContact] = {}
        self.hazard: dict[int, float] = defaultdict(float)
        self.left_out = 0
        """How many people were met beside those who were kept."""

    def take(
        self,
        met: Shared,
        source: Int,
        clause: Int,
        hazard: Float,
        codes: Sequence[str],
        *,
        masks: Sequence[str] = ("",),
        mask: Int | None = None,
        hard: bool = True,
        keep: int | None = None,
        least: float = 0.0,
        always: Iterable[int] = (),
    ) -> None:
        """Fold meetings in. `source` is whom each was with, `clause` the position of its ground in `codes` (-1: none),
        `mask` its position in `masks`.

        Whoever has a legal ground is kept if that is `hard`, and whoever is in `always`; of the others `keep` at most,
        the greatest hazard first, and nobody whose hazard stays below `least`.
        """
        persons, slot = np.unique(met.person, return_inverse=True)
        size = len(persons)
        legal = clause >= 0
        is_legal = np.bincount(slot, weights=legal, minlength=size) > 0
        counts = legal | ~is_legal[slot]
        seconds = np.bincount(slot, weights=met.seconds * counts, minlength=size)
        number = np.bincount(slot, weights=counts, minlength=size).astype(int)
        longest = np.zeros(size)
        np.maximum.at(longest, slot, (met.end - met.start) * counts)
        first = np.full(size, np.iinfo(np.int64).max)
        np.minimum.at(first, slot[counts], met.start[counts])
        last = np.zeros(size, np.int64)
        np.maximum.at(last, slot[counts], met.end[counts])
        ground = np.full(size, len(codes), np.int64)
        np.minimum.at(ground, slot[legal], clause[legal])
        weight = np.bincount(slot, weights=hazard, minlength=size).astype(np.float64)
        kept = self._kept(persons, weight, is_legal & hard, keep, least, always)
        self.left_out += size - len(kept)
        # Evidence: legal meetings first, then the longest.
        rows_of_kept = np.flatnonzero(np.isin(slot, kept))
        order = rows_of_kept[
            np.lexsort(
                (
                    met.start[rows_of_kept],
                    (met.start - met.end)[rows_of_kept],
                    ~legal[rows_of_kept],
                    slot[rows_of_kept],
                )
            )
        ]
        begin = np.searchsorted(slot[order], np.append(kept, size))
        pair = is_pair(met.place)
        for at, place in enumerate(kept.tolist()):
            rows = order[begin[at] : begin[at + 1]][:EVIDENCE_ROWS].tolist()
            person_id = int(persons[place])
            self.hazard[person_id] += float(weight[place])
            self.found[person_id] = FoundContact(
                person_id=person_id,
                degree=self._degree,
                from_person_id=int(source[rows[0]]),
                clause=codes[ground[place]] if is_legal[place] else "",
                minutes=float(seconds[place]) / 60,
                longest=float(longest[place]) / 60,
                encounters=int(number[place]),
                first=moment(int(first[place])),
                last=moment(int(last[place])),
                meetings=[
                    Meeting(
                        Exposure.Kind.PAIR if pair[row] else Exposure.Kind.PRESENCE,
                        None if pair[row] else int(met.place[row]),
                        moment(int(met.start[row])),
                        moment(int(met.end[row])),
                        float(met.end[row] - met.start[row]) / 60,
                        codes[clause[row]] if clause[row] >= 0 else "",
                        masks[0 if mask is None else mask[row]],
                    )
                    for row in rows
                ],
            )

    def add(self, person_id: int, source: int, meeting: Meeting, hazard: float) -> None:
        """One meeting that no scan tells of: a household, an interview. Its clause is the meeting's."""
        contact = self.found.setdefault(person_id, FoundContact(person_id, self._degree, source))
        if meeting.clause and not contact.clause:
            # The meetings counted so far had no legal ground: from here on the legal ones count.
            contact.clause = meeting.clause
            contact.minutes = contact.longest = 0.0
            contact.encounters = 0
            contact.first, contact.last = meeting.start, meeting.end
        if meeting.clause or not contact.clause:
            contact.minutes += meeting.minutes
            contact.longest = max(contact.longest, meeting.minutes)
            contact.encounters += 1
            contact.first = min(contact.first, meeting.start)
            contact.last = max(contact.last, meeting.end)
        contact.meetings.insert(0, meeting)
        self.hazard[person_id] += hazard

    def contacts(self, texts: dict[str, str]) -> list[FoundContact]:
        """Everybody kept, by probability of infection over all their meetings; `texts` are the clauses' by code."""
        for person_id, contact in self.found.items():
            contact.score = -float(np.expm1(-self.hazard[person_id]))
            contact.clause_text = texts.get(contact.clause, "")
        return sorted(self.found.values(), key=lambda c: (-c.score, c.person_id))

    @staticmethod
    def _kept(
        persons: Int, weight: Float, wanted: Flags, keep: int | None, least: float, always: Iterable[int]
    ) -> Int:
        """Positions of the people who become contacts, ascending."""
        kept = wanted | np.isin(persons, list(always))
        further = np.flatnonzero(~kept & (weight >= least))
        if keep is not None and len(further) > keep:
            further = further[np.lexsort((persons[further], -weight[further]))[:keep]]
        kept[further] = True
        return np.flatnonzero(kept)


def moment(seconds: int) -> datetime:
    """Epoch seconds as a moment."""
    return datetime.fromtimestamp(seconds, UTC)
