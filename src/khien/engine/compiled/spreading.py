"""One hop while few may infect: from each of them to whom they met. What is known of a person: `infecting`."""

# mypy: ignore-errors

import numba as nb
import numpy as np

from khien.engine.compiled.meeting import (
    encounters_together,
    stays_of,
)


@nb.njit(cache=True, nogil=True)
def spread(
    table,
    day_first,
    first_day,
    far,
    now,
    origin,
    together,
    people,
    begin,
    end,
    source_from,
    source_to,
    is_case,
    first,
    last,
    stays,
    hits,
    out,
):
    """A hop from the few who may infect, `people[begin:end]`: everybody they were with. Returns the stays of one
    person, the rows of one place and the encounters of one stay that there must be room for."""
    most = rows = met = 0
    one, low, high = np.empty(1, np.int64), np.empty(1, np.int64), np.empty(1, np.int64)
    for i in range(begin, end):
        person = people[i]
        one[0] = person
        low[0], high[0] = np.int64(source_from[person]) + origin, np.int64(source_to[person]) + origin
        own = stays_of(table, now, one, low, high, stays)
        most = max(most, own)
        for k in range(min(own, stays.shape[1])):
            start, stop = max(stays[2, k], low[0]), min(stays[3, k], high[0])
            if stop - start < together:
                continue
            number, wanted = encounters_together(
                table,
                day_first,
                first_day,
                far,
                now,
                origin,
                person,
                stays[1, k],
                start,
                stop,
                together,
                hits,
                out,
                0,
            )
            rows, met = max(rows, wanted), max(met, number)
            for j in range(np.uint64(min(number, out.shape[1]))):
                other = np.uint64(out[0, j])
                if is_case[other] == 0:
                    first[other] = min(first[other], out[1, j])
                    last[other] = max(last[other], out[2, j])
    return most, rows, met
