"""One hop where few may still be infected: each of them looks who was infectious around them. What is known of a
person: `infecting`.
"""

# mypy: ignore-errors

import numba as nb
import numpy as np

from khien.engine.compiled.infecting import NOBODY, PART, SOURCE, TARGET
from khien.engine.compiled.layout import (
    BLOCK,
    BLOCK_END_AT,
    BLOCK_PLACE_AT,
    BUCKET_FIRST_AT,
    BUCKETS,
    DAY_START,
    END_UNIT,
    ENTRY_AT,
    NEVER,
    OVER,
    OVER_ENTER_AT,
    OVER_LEAVE_AT,
    OVER_PERSON_AT,
    OVER_PLACE_AT,
    OVER_ROW_AT,
    PERSON_MASK,
    PLACE_BLOCK,
    PLACE_FIRST_AT,
    PLACE_ID_AT,
    PLACES,
    ROWS,
    ROWS_AT,
    SHIFT,
    START_SHIFT,
    SURELY,
)
from khien.engine.compiled.meeting import (
    DAY,
    OPEN,
    ZONE,
    entered,
    is_dead,
    leave_of,
    present,
)
from khien.engine.compiled.memory import i32_at, u16_at, u32_at, u64_at


@nb.njit(cache=True, nogil=True)
def look_around(
    table,
    day_first,
    first_day,
    far,
    now,
    day,
    origin,
    together,
    targets,
    low,
    high,
    state,
    source_from,
    source_to,
    first,
    beside,
):
    """The other way round, for the few `targets[low:high]` who are left: whom they met first in the stays that they
    began on a day. Returns the people beside one stay that there must be room for, and how many stays there were."""
    crowd = looked = 0
    pieces = day_first[day + 1] - day_first[day]
    for i in range(low, high):
        person = targets[i]
        for s in range(day_first[day], day_first[day + 1]):
            segment = table[s]
            shift = segment[SHIFT]
            bucket = person >> shift
            if bucket >= segment[BUCKETS]:
                continue
            firsts = u32_at(segment[BUCKET_FIRST_AT], segment[BUCKETS] + 1)
            entries = u32_at(segment[ENTRY_AT], segment[ROWS])
            low_bits = np.uint32(person & ((1 << shift) - 1))
            mask = np.uint32((1 << (32 - shift)) - 1)
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            slots = u32_at(segment[BLOCK_PLACE_AT], (segment[ROWS] + PLACE_BLOCK - 1) // PLACE_BLOCK)
            bounds = u32_at(segment[PLACE_FIRST_AT], segment[PLACES] + 1)
            ends = u16_at(segment[BLOCK_END_AT], (segment[ROWS] + BLOCK - 1) // BLOCK)
            for at in range(np.int64(firsts[bucket]), np.int64(firsts[bucket + 1])):
                entry = entries[at]
                if shift and entry >> np.uint32(32 - shift) != low_bits:
                    continue
                row = np.int64(entry & mask)
                if is_dead(segment, row):
                    continue
                enter = segment[DAY_START] + np.int64(rows[row] >> np.uint64(START_SHIFT)) - origin
                leave = leave_of(segment, row, rows[row], now) - origin
                if leave - enter < together or enter >= first[person]:
                    continue
                looked += 1
                slot = np.int64(slots[row // PLACE_BLOCK])
                while np.int64(bounds[slot + 1]) <= row:
                    slot += 1
                moment = np.int64(NOBODY)
                if pieces == 1:
                    moment = _met_in_rows(
                        segment, rows, ends, np.int64(bounds[slot]), np.int64(bounds[slot + 1]), row, person, enter,
                        leave, origin, now, together, state, source_from, source_to,
                    )  # fmt: skip
                if moment > enter:
                    place = np.int64(u32_at(segment[PLACE_ID_AT], segment[PLACES])[slot])
                    if pieces == 1:
                        # Who came on the day has been seen: those who stayed over are left.
                        until = (first_day + day) * DAY - ZONE
                        met = present(table, day_first, first_day, far, now, place, until, until + 1, beside)
                    else:
                        met = present(
                            table,
                            day_first,
                            first_day,
                            far,
                            now,
                            place,
                            enter + origin,
                            leave + origin,
                            beside,
                        )
                    crowd = max(crowd, met)
                    moment = min(
                        moment,
                        _met_beside(
                            beside, met, person, enter, leave, origin, together, state, source_from, source_to
                        ),
                    )
                    if pieces == 1:
                        # An encounter may begin after midnight with somebody who came then.
                        following = (first_day + day + 1) * DAY - ZONE
                        if leave + origin > following and moment + origin > following:
                            met = entered(
                                table, day_first, first_day, now, place, following, leave + origin, beside
                            )
                            crowd = max(crowd, met)
                            moment = min(
                                moment,
                                _met_beside(
                                    beside,
                                    met,
                                    person,
                                    enter,
                                    leave,
                                    origin,
                                    together,
                                    state,
                                    source_from,
                                    source_to,
                                ),
                            )
                if moment < first[person]:
                    first[person] = moment
    return crowd, looked


@nb.njit(inline="always")
def _met_in_rows(
    segment,
    rows,
    ends,
    begin,
    end,
    row,
    person,
    enter,
    leave,
    origin,
    now,
    together,
    state,
    source_from,
    source_to,
):
    """The earliest moment at which a stay met a source among the rows of its place on its day: those who were there
    already first, the nearest before the others, and no further once nothing earlier can come."""
    best = np.int64(NOBODY)
    day_start = segment[DAY_START]
    at = row
    while at > begin:
        at -= 1
        # Blocks whose people had all left are stepped over.
        if (at & (BLOCK - 1)) == BLOCK - 1:
            needed = min(enter + together - day_start + origin, SURELY)
            while at - BLOCK >= begin and END_UNIT * np.int64(ends[at // BLOCK]) < needed:
                at -= BLOCK
        other = rows[at] & np.uint64(PERSON_MASK)
        if state[other] & SOURCE:
            moment = _met(
                segment, rows, at, np.int64(other), person, enter, leave, origin, now, together, state, source_from,
                source_to,
            )  # fmt: skip
            if moment == enter:
                return moment
            best = min(best, moment)
    at = row + 1
    while at < end:
        since = day_start + np.int64(rows[at] >> np.uint64(START_SHIFT)) - origin
        if since + together > leave or since >= best:
            break
        other = rows[at] & np.uint64(PERSON_MASK)
        if state[other] & SOURCE:
            best = min(
                best,
                _met(
                    segment, rows, at, np.int64(other), person, enter, leave, origin, now, together, state, source_from,
                    source_to,
                ),
            )  # fmt: skip
        at += 1
    return best


@nb.njit(inline="always")
def _met(
    segment, rows, at, other, person, enter, leave, origin, now, together, state, source_from, source_to
):
    since = segment[DAY_START] + np.int64(rows[at] >> np.uint64(START_SHIFT)) - origin
    until = leave_of(segment, at, rows[at], now) - origin
    if state[other] & PART:
        since = max(since, np.int64(source_from[other]))
        until = min(until, np.int64(source_to[other]))
    since = max(since, enter)
    if min(until, leave) - since < together or other == person or is_dead(segment, at):
        return np.int64(NOBODY)
    return since


@nb.njit(inline="always")
def _met_beside(beside, met, person, enter, leave, origin, together, state, source_from, source_to):
    best = np.int64(NOBODY)
    for j in range(min(met, beside.shape[1])):
        other = beside[0, j]
        if other == person or state[other] & SOURCE == 0:
            continue
        since = max(enter, beside[1, j] - origin, np.int64(source_from[other]))
        until = min(leave, beside[2, j] - origin, np.int64(source_to[other]))
        if until - since >= together:
            best = min(best, since)
    return best


@nb.njit(cache=True, nogil=True)
def look_around_over(
    table,
    day_first,
    first_day,
    far,
    now,
    day,
    origin,
    together,
    state,
    source_from,
    source_to,
    first,
    beside,
):
    """The same for those who stayed over from the days before: everybody in those lists who is a target."""
    crowd = 0
    last_index = len(day_first) - 1
    midnight = (first_day + day) * DAY - ZONE
    for s in range(day_first[min(max(day - 1, 0), last_index)], day_first[min(day, last_index)]):
        segment = table[s]
        over = segment[OVER]
        people = u32_at(segment[OVER_PERSON_AT], over)
        for at in range(over):
            person = np.int64(people[at])
            if state[person] & TARGET and not is_dead(segment, u32_at(segment[OVER_ROW_AT], over)[at]):
                enter = segment[DAY_START] + np.int64(i32_at(segment[OVER_ENTER_AT], over)[at])
                leave = np.int64(i32_at(segment[OVER_LEAVE_AT], over)[at])
                leave = max(enter, now) if leave == NEVER else segment[DAY_START] + leave
                place = np.int64(u32_at(segment[OVER_PLACE_AT], over)[at])
                met = present(
                    table, day_first, first_day, far, now, place, enter, max(leave, enter + 1), beside
                )
                crowd = max(crowd, met)
                moment = _met_beside(
                    beside,
                    met,
                    person,
                    enter - origin,
                    leave - origin,
                    origin,
                    together,
                    state,
                    source_from,
                    source_to,
                )
                first[person] = min(first[person], np.int32(moment))
    for at in range(far.shape[1]):
        person = far[1, at]
        if state[person] & TARGET and far[2, at] < midnight - DAY:
            leave = max(far[2, at], now) if far[3, at] == OPEN else far[3, at]
            met = present(
                table,
                day_first,
                first_day,
                far,
                now,
                far[0, at],
                far[2, at],
                max(leave, far[2, at] + 1),
                beside,
            )
            crowd = max(crowd, met)
            moment = _met_beside(
                beside,
                met,
                person,
                far[2, at] - origin,
                leave - origin,
                origin,
                together,
                state,
                source_from,
                source_to,
            )
            first[person] = min(first[person], np.int32(moment))
    return crowd
