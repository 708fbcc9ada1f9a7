"""The search behind a contact list: presence, households and interviews in; F1, F2 and sources out.

Reads only. The law's definition and the score are computed apart: the score ranks, and never removes
anybody whom a clause names.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from khien.kernel.errors import Invalid
from khien.kernel.presence import segments
from khien.rooms.tracing import rulebook
from khien.rooms.tracing.finding.answer import Finding, FoundContact, FoundSource, Meeting
from khien.rooms.tracing.finding.common import CommonPlace, CommonPlaces, common_places
from khien.rooms.tracing.finding.coverage import coverage, days_forgotten
from khien.rooms.tracing.finding.first import FirstDegree
from khien.rooms.tracing.finding.households import household_of, members
from khien.rooms.tracing.finding.own import Whereabouts
from khien.rooms.tracing.finding.registers import registered, registered_sources
from khien.rooms.tracing.finding.second import second_degree
from khien.rooms.tracing.finding.sources import possible_sources
from khien.rooms.tracing.models import Case

if TYPE_CHECKING:
    from khien.engine.snapshot import Known

__all__ = [
    "CommonPlace",
    "CommonPlaces",
    "Finding",
    "FoundContact",
    "FoundSource",
    "Meeting",
    "common_places",
    "find",
]


def find(case: Case, now: datetime) -> Finding:
    """Search the contacts and possible sources of a case as known at `now`.

    Raises `Invalid` for a case without onset and sample, `NotFound` when a rule of its day is missing.
    """
    return segments.asking(now, lambda known: _find(case, now, known))


def _find(case: Case, now: datetime, known: Known) -> Finding:
    began = time.perf_counter()
    rules = rulebook.of_case(case)
    window = rulebook.infectious_window(case)
    anchor = rulebook.anchor_of(case)
    if window is None or anchor is None:
        raise Invalid(
            _("Chưa biết ngày khởi phát hay ngày lấy mẫu của ca."),
            field="onset_on",
            way_out=_("Nhập ngày khởi phát (hoặc ngày lấy mẫu) rồi lập danh sách."),
        )
    start, until = window.start, max(min(window.end, now), window.start + timedelta(seconds=1))
    back_from, back_until = anchor - rules.max_incubation, anchor - rules.min_incubation
    where = Whereabouts.of(case, known, min(start, back_from), max(until, back_until), rules.risk.reach_m2)
    household = _household(case)
    told = list(case.hand_contacts.all())

    first = FirstDegree(case, rules, start, until)
    always = [*household, *(row.person_id for row in told)]
    first.meet_presence(where, told, always)
    first.meet_household(household)
    first.meet_interviewed(told)
    contacts, unknown = registered(first.contacts())
    legal = [c for c in contacts if c.clause]
    others = [c for c in contacts if not c.clause]
    second, second_found = second_degree(case, rules, where.snapshot, until, legal)
    second, strangers = registered(second)
    unknown |= strangers
    # A person once on the list stands there once: F1 by law, F2 by law, then exposures without legal ground.
    seconds = {c.person_id for c in second}
    listed = [*legal, *second, *(c for c in others[: rules.others_listed] if c.person_id not in seconds)]
    sources = possible_sources(where, rules, anchor, household)
    sources, strangers = registered_sources(sources)
    return Finding(
        window_from=start,
        window_until=until,
        rules=rules,
        contacts=listed,
        sources=sources,
        coverage={
            **coverage(where, start, until),
            "source_days_forgotten": days_forgotten(back_from, back_until),
            "unknown_people": len(unknown | strangers),
        },
        counts={
            "f1": len(legal),
            "f2": len(second),
            "f2_found": second_found,
            "other": len(listed) - len(legal) - len(second),
            "other_found": len(others) + first.left_out,
            "sources": len(sources),
        },
        took_ms=round((time.perf_counter() - began) * 1000),
    )


def _household(case: Case) -> list[int]:
    homes = set(household_of([case.person_id]).values())
    return [pk for pk in members(homes) if pk != case.person_id]
