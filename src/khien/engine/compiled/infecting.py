"""What a search knows of each person on a day, for the kernels that go one hop further for everybody at once.

Per person: `source_from`, `source_to` (when infectious; none where not below), `first` and `last` (the earliest and
the latest possible infection so far). Seconds since `origin`, int32, so that they stay in the processor's caches.
"""

# mypy: ignore-errors

import numba as nb
import numpy as np

NOBODY = np.int32(2**31 - 1)
NEVER_YET = np.int32(-(2**31))

SOURCE, PART, TARGET = np.uint8(1), np.uint8(2), np.uint8(4)


@nb.njit(cache=True, nogil=True)
def states(
    source_from,
    source_to,
    fresh_from,
    fresh_to,
    first,
    last,
    is_case,
    begin,
    longest,
    want_first,
    enough,
    state,
):
    """What each person is on the day that starts at `begin`, whose stays all end by `longest`: a `SOURCE` when their
    infectious time has become longer and this day lies in what was added (`PART` when they are not infectious all the
    time), a `TARGET` whose `first` (or `last`, below `enough`) may still change. Returns how many there are of each."""
    sources = parts = targets = 0
    for p in range(len(state)):
        source = (fresh_from[p] < longest) & (fresh_to[p] > begin)
        part = source & ((source_from[p] > begin) | (source_to[p] < longest))
        changes = first[p] > begin
        if not want_first:
            changes = (first[p] != NOBODY) & (last[p] < longest) & (last[p] < enough)
        changes &= is_case[p] == 0
        state[p] = np.uint8(source) | (np.uint8(part) << np.uint8(1)) | (np.uint8(changes) << np.uint8(2))
        sources += source
        parts += part
        targets += changes
    return sources, parts, targets
