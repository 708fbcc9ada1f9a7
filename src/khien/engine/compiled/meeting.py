"""Who was where with whom: the compiled twin of `khien.engine.encounter`, over the segments of many days.

`table` is the table of segments (`layout`), sorted by day, a day's base before its corrections; the segments
of day number `first_day + d` are `table[day_first[d]:day_first[d + 1]]`. `far` are the stays that last beyond the
midnight after their first (place ascending; place, person, enter, leave). Times are epoch seconds, int64.
"""

# mypy: ignore-errors
from __future__ import annotations

import numba as nb
import numpy as np

from khien.engine.compiled.layout import (
    BLOCK,
    BLOCK_END_AT,
    BLOCK_PLACE_AT,
    BUCKET_FIRST_AT,
    BUCKETS,
    DAY_START,
    DEAD_AT,
    ENTRY_AT,
    LAST_END,
    LONGER,
    LONGER_LEAVE_AT,
    LONGER_ROW_AT,
    LONGER_ROWS,
    NEVER,
    OVER,
    OVER_ENTER_AT,
    OVER_LEAVE_AT,
    OVER_PERSON_AT,
    OVER_PLACE_AT,
    OVER_ROW_AT,
    PERSON_BITS,
    PERSON_MASK,
    PLACE_FIRST_AT,
    PLACE_ID_AT,
    PLACES,
    ROWS,
    ROWS_AT,
    SHIFT,
    START_SHIFT,
)
from khien.engine.compiled.memory import i32_at, i64_at, u8_at, u32_at, u64_at

DAY = 86_400
ZONE = 25_200
OPEN = np.int64(-(2**63))

# What one found encounter takes: see `encounters_of`.
SPELL, TARGET, PLACE, START, END, OVERLAP, AFTER = range(7)


@nb.njit(inline="always")
def day_number(moment):
    return (moment + ZONE) // DAY


@nb.njit(cache=True, nogil=True)
def is_dead(segment, row):
    """Whether a later record has taken this one back."""
    if segment[DEAD_AT] == 0:
        return False
    return (u8_at(segment[DEAD_AT], segment[ROWS])[row >> 3] >> np.uint8(row & 7)) & np.uint8(1) != 0


@nb.njit(cache=True, nogil=True)
def leave_of(segment, row, packed, now):
    """When the stay ends; an open one at `now`, or as it begins if that is later."""
    enter = segment[DAY_START] + np.int64(packed >> np.uint64(START_SHIFT))
    length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
    if length != LONGER:
        return enter + length
    rows = u32_at(segment[LONGER_ROW_AT], segment[LONGER_ROWS])
    leave = i64_at(segment[LONGER_LEAVE_AT], segment[LONGER_ROWS])[np.searchsorted(rows, np.uint32(row))]
    return max(enter, now) if leave == OPEN else leave


@nb.njit(inline="always")
def slot_of(ids, place):
    """Position of the first id not below the place."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) >> 1
        if np.int64(ids[middle]) < place:
            low = middle + 1
        else:
            high = middle
    return low


@nb.njit(cache=True, nogil=True)
def present(table, day_first, first_day, far, now, place, low, high, found):
    """Everybody at a place who shares a moment with [low, high), an instant lasting a second: who, enter, leave.

    `found` (3, n) int64 is filled; returns how many there are, also beyond what fits.
    """
    number = 0
    room = found.shape[1]
    last = len(day_first) - 2
    begin = day_number(low) - first_day
    # Who came before the first day's midnight: on the day before it, or earlier.
    if 0 <= begin - 1 <= last:
        for s in range(day_first[begin - 1], day_first[begin]):
            segment = table[s]
            over = segment[OVER]
            if over == 0:
                continue
            ids = u32_at(segment[OVER_PLACE_AT], over)
            people = u32_at(segment[OVER_PERSON_AT], over)
            enters = i32_at(segment[OVER_ENTER_AT], over)
            leaves = i32_at(segment[OVER_LEAVE_AT], over)
            rows = u32_at(segment[OVER_ROW_AT], over)
            at = slot_of(ids, place)
            while at < over and np.int64(ids[at]) == place:
                enter = segment[DAY_START] + np.int64(enters[at])
                leave = segment[DAY_START] + np.int64(leaves[at])
                if leaves[at] == NEVER:
                    leave = max(enter, now)
                if enter < high and max(leave, enter + 1) > low and not is_dead(segment, rows[at]):
                    if number < room:
                        found[0, number], found[1, number], found[2, number] = people[at], enter, leave
                    number += 1
                at += 1
    if far.shape[1]:
        midnight = (first_day + begin - 1) * DAY - ZONE
        at = slot_of(far[0], place)
        while at < far.shape[1] and far[0, at] == place:
            enter, leave = far[2, at], far[3, at]
            if leave == OPEN:
                leave = max(enter, now)
            if enter < midnight and enter < high and max(leave, enter + 1) > low:
                if number < room:
                    found[0, number], found[1, number], found[2, number] = far[1, at], enter, leave
                number += 1
            at += 1
    # Who came on the days themselves.
    for day in range(max(begin, 0), min(day_number(high - 1) - first_day, last) + 1):
        for s in range(day_first[day], day_first[day + 1]):
            segment = table[s]
            places = segment[PLACES]
            ids = u32_at(segment[PLACE_ID_AT], places)
            slot = slot_of(ids, place)
            if slot == places or np.int64(ids[slot]) != place:
                continue
            first = u32_at(segment[PLACE_FIRST_AT], places + 1)
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            ends = i32_at(segment[BLOCK_END_AT], (segment[ROWS] + BLOCK - 1) // BLOCK)
            start = segment[DAY_START]
            # In the packed form: rows below `until` came before `high`.
            until = np.uint64(min(max(high - start, 0), DAY)) << np.uint64(START_SHIFT)
            floor = low - start
            row = np.int64(first[slot])
            stop = np.int64(first[slot + 1])
            while row < stop:
                border = min((row | (BLOCK - 1)) + 1, stop)
                if np.int64(ends[row >> 5]) <= floor:
                    row = border
                    continue
                while row < border:
                    packed = rows[row]
                    if packed >= until:
                        row = stop
                        break
                    enter = np.int64(packed >> np.uint64(START_SHIFT))
                    length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
                    if length == LONGER or enter + max(length, 1) > floor:
                        enter += start
                        leave = enter + length
                        if length == LONGER:
                            leave = leave_of(segment, row, packed, now)
                        if max(leave, enter + 1) > low and not is_dead(segment, row):
                            if number < room:
                                found[0, number] = np.int64(packed & np.uint64(PERSON_MASK))
                                found[1, number], found[2, number] = enter, leave
                            number += 1
                    row += 1
    return number


@nb.njit(cache=True, nogil=True)
def entered(table, day_first, first_day, now, place, low, high, found):
    """Everybody who came to a place within [low, high): as `present`."""
    number = 0
    room = found.shape[1]
    for day in range(
        max(day_number(low) - first_day, 0), min(day_number(high - 1) - first_day, len(day_first) - 2) + 1
    ):
        for s in range(day_first[day], day_first[day + 1]):
            segment = table[s]
            places = segment[PLACES]
            ids = u32_at(segment[PLACE_ID_AT], places)
            slot = slot_of(ids, place)
            if slot == places or np.int64(ids[slot]) != place:
                continue
            first = u32_at(segment[PLACE_FIRST_AT], places + 1)
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            start = segment[DAY_START]
            since = np.uint64(min(max(low - start, 0), DAY)) << np.uint64(START_SHIFT)
            until = np.uint64(min(max(high - start, 0), DAY)) << np.uint64(START_SHIFT)
            a, b = np.int64(first[slot]), np.int64(first[slot + 1])
            while a < b:
                middle = (a + b) >> 1
                if rows[middle] < since:
                    a = middle + 1
                else:
                    b = middle
            row = a
            while row < np.int64(first[slot + 1]) and rows[row] < until:
                if not is_dead(segment, row):
                    if number < room:
                        found[0, number] = np.int64(rows[row] & np.uint64(PERSON_MASK))
                        found[1, number] = start + np.int64(rows[row] >> np.uint64(START_SHIFT))
                        found[2, number] = leave_of(segment, row, rows[row], now)
                    number += 1
                row += 1
    return number


@nb.njit(cache=True, nogil=True)
def stays_of(table, now, person, begin, end, found):
    """The stays of people that touch their spells: (spell, place, enter, leave), by spell and day.

    `found` (4, n) int64 is filled; returns how many there are, also beyond what fits.
    """
    number = 0
    room = found.shape[1]
    for spell in range(len(person)):
        who, low, high = person[spell], begin[spell], end[spell]
        if low >= high:
            continue
        for s in range(table.shape[0]):
            segment = table[s]
            if segment[DAY_START] >= high or segment[LAST_END] <= low:
                continue
            shift = segment[SHIFT]
            bucket = who >> shift
            if bucket >= segment[BUCKETS]:
                continue
            firsts = u32_at(segment[BUCKET_FIRST_AT], segment[BUCKETS] + 1)
            entries = u32_at(segment[ENTRY_AT], segment[ROWS])
            low_bits = np.uint32(who & ((1 << shift) - 1))
            mask = np.uint32((1 << (32 - shift)) - 1)
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            for at in range(np.int64(firsts[bucket]), np.int64(firsts[bucket + 1])):
                entry = entries[at]
                if shift and entry >> np.uint32(32 - shift) != low_bits:
                    continue
                row = np.int64(entry & mask)
                packed = rows[row]
                enter = segment[DAY_START] + np.int64(packed >> np.uint64(START_SHIFT))
                leave = leave_of(segment, row, packed, now)
                if enter >= high or max(leave, enter + 1) <= low or is_dead(segment, row):
                    continue
                if number < room:
                    slots = u32_at(segment[BLOCK_PLACE_AT], (segment[ROWS] + BLOCK - 1) // BLOCK)
                    first = u32_at(segment[PLACE_FIRST_AT], segment[PLACES] + 1)
                    slot = np.int64(slots[row // BLOCK])
                    while np.int64(first[slot + 1]) <= row:
                        slot += 1
                    found[0, number] = spell
                    found[1, number] = np.int64(u32_at(segment[PLACE_ID_AT], segment[PLACES])[slot])
                    found[2, number], found[3, number] = enter, leave
                number += 1
    return number


@nb.njit(cache=True, nogil=True)
def average_present(table, day_first, first_day, far, now, place, begin, end, beside, people):
    """How many people are at each place over [begin, end) on average, into `people`; returns the most rows that one
    question had: what `beside` must hold (it asks again with a larger one, else)."""
    crowd = 0
    for i in range(len(place)):
        low, high = begin[i], end[i]
        met = present(table, day_first, first_day, far, now, place[i], low, high, beside)
        crowd = max(crowd, met)
        total = 0
        for k in range(min(met, beside.shape[1])):
            total += min(max(beside[2, k], beside[1, k] + 1), high) - max(beside[1, k], low)
        people[i] = total / (high - low)
    return crowd


@nb.njit(cache=True, nogil=True)
def present_at(table, day_first, first_day, far, now, place, begin, end, beside, out):
    """Everybody present for each question: `out` (4, n) takes question, person, enter, leave. Returns how many there
    are, and the most of one question."""
    number = 0
    crowd = 0
    for i in range(len(place)):
        met = present(table, day_first, first_day, far, now, place[i], begin[i], end[i], beside)
        crowd = max(crowd, met)
        for k in range(min(met, beside.shape[1])):
            if number < out.shape[1]:
                out[0, number] = i
                out[1, number], out[2, number], out[3, number] = beside[0, k], beside[1, k], beside[2, k]
            number += 1
    return number, crowd


@nb.njit(inline="always")
def _emit(out, number, spell, target, place, start, end, overlap, after):
    if number < out.shape[1]:
        out[SPELL, number] = spell
        out[TARGET, number] = target
        out[PLACE, number] = place
        out[START, number] = start
        out[END, number] = end
        out[OVERLAP, number] = overlap
        out[AFTER, number] = after


@nb.njit(cache=True, nogil=True)
def encounters_of(
    table, day_first, first_day, far, now, person, begin, end, together, after, backward, stays, beside, out
):
    """Every encounter of some spells, in the order of the spells' stays and of who was there.

    `out` (7, n) int64 takes spell, target, place, start, end, overlap, after. Returns how many encounters there are,
    the stays of the spells, and the most people beside one stay: what `out`, `stays` (4, n) and `beside`
    (3, n) must hold; what does not fit is lost, and the caller asks again with larger ones.
    """
    own = stays_of(table, now, person, begin, end, stays)
    number = 0
    crowd = 0
    if own > stays.shape[1]:
        return number, own, crowd
    for i in range(own):
        spell, place, enter, leave = stays[0, i], stays[1, i], stays[2, i], stays[3, i]
        who, low, high = person[spell], begin[spell], end[spell]
        start, stop = max(enter, low), min(leave, high)
        met = present(table, day_first, first_day, far, now, place, start, max(stop, start + 1), beside)
        crowd = max(crowd, met)
        for k in range(min(met, beside.shape[1])):
            if beside[0, k] == who:
                continue
            since = max(start, beside[1, k])
            until = max(min(stop, beside[2, k]), since)
            if until - since >= together:
                _emit(out, number, spell, beside[0, k], place, since, until, until - since, 0)
                number += 1
        if after <= 0:
            continue
        if backward:
            if enter < low:
                continue
            met = present(table, day_first, first_day, far, now, place, enter - after, enter + 1, beside)
            crowd = max(crowd, met)
            for k in range(min(met, beside.shape[1])):
                left = beside[2, k]
                if (
                    beside[0, k] != who
                    and enter - after < left <= enter
                    and (together > 0 or beside[1, k] != enter)
                ):
                    _emit(out, number, spell, beside[0, k], place, enter, leave, 0, 1)
                    number += 1
        elif leave <= high:
            met = entered(table, day_first, first_day, now, place, leave, leave + after, beside)
            crowd = max(crowd, met)
            for k in range(min(met, beside.shape[1])):
                if beside[0, k] != who and (together > 0 or beside[1, k] != enter):
                    _emit(out, number, spell, beside[0, k], place, beside[1, k], beside[2, k], 0, 1)
                    number += 1
    return number, own, crowd
