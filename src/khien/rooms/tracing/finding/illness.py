"""When cases fell ill, as the engine's backward search takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from khien.engine.origins import Ill
from khien.kernel import clock
from khien.rooms.tracing.finding.own import in_seconds
from khien.rooms.tracing.models import Case

NOON = timedelta(hours=12)


def ill(cases: Sequence[Case]) -> Ill:
    """Cases by onset, which is known to the day, so that noon stands for it; else by sample, else by opening."""
    at = [
        in_seconds(clock.start_of_day(case.onset_on) + NOON)
        if case.onset_on is not None
        else in_seconds(case.sampled_at or case.opened_at)
        for case in cases
    ]
    person = np.array([case.person_id for case in cases], np.int64)
    return Ill(person, np.array(at, np.int64), np.array([case.onset_on is not None for case in cases], bool))
