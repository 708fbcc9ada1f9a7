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
    END_UNIT,
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
from khien.engine.compiled.memory import i32_at, i64_at, u8_at, u16_at, u32_at, u64_at

DAY = 86_400
ZONE = 25_200
OPEN = np.int64(-(2**63))

# What one found encounter takes: see `encounters_of`.
TARGET, START, END = range(3)


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
            ends = u16_at(segment[BLOCK_END_AT], (segment[ROWS] + BLOCK - 1) // BLOCK)
            start = segment[DAY_START]
            # In the packed form: rows below `until` came before `high`.
            until = np.uint64(min(max(high - start, 0), DAY)) << np.uint64(START_SHIFT)
            floor = low - start
            row = np.int64(first[slot])
            stop = np.int64(first[slot + 1])
            while row < stop:
                border = min((row | (BLOCK - 1)) + 1, stop)
                if END_UNIT * np.int64(ends[row // BLOCK]) <= min(floor, SURELY):
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
                    slots = u32_at(segment[BLOCK_PLACE_AT], (segment[ROWS] + PLACE_BLOCK - 1) // PLACE_BLOCK)
                    first = u32_at(segment[PLACE_FIRST_AT], segment[PLACES] + 1)
                    slot = np.int64(slots[row // PLACE_BLOCK])
                    while np.int64(first[slot + 1]) <= row:
                        slot += 1
                    found[0, number] = spell
                    found[1, number] = np.int64(u32_at(segment[PLACE_ID_AT], segment[PLACES])[slot])
                    found[2, number], found[3, number] = enter, leave
                number += 1
    return number


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
def _note(out, number, target, start, end):
    """One encounter, if there is room: times in seconds since the origin."""
    if number < out.shape[1]:
        out[TARGET, number] = target
        out[START, number] = start
        out[END, number] = end


@nb.njit(cache=True, nogil=True)
def encounters_together(
    table, day_first, first_day, far, now, origin, who, place, start, stop, together, hits, out, number
):
    """Everybody with whom a stay [start, stop) at a place shares at least `together` > 0 seconds: noted in `out`.

    Returns how many have been noted (or could not be, for want of room), and the most rows of one place and day that
    may be hits at once: what `hits` must hold.
    """
    most = 0
    last = len(day_first) - 2
    begin = day_number(start) - first_day
    if 0 <= begin - 1 <= last:
        for s in range(day_first[begin - 1], day_first[begin]):
            segment = table[s]
            over = segment[OVER]
            if over == 0:
                continue
            ids = u32_at(segment[OVER_PLACE_AT], over)
            at = slot_of(ids, place)
            while at < over and np.int64(ids[at]) == place:
                person = np.int64(u32_at(segment[OVER_PERSON_AT], over)[at])
                enter = segment[DAY_START] + np.int64(i32_at(segment[OVER_ENTER_AT], over)[at])
                leave = np.int64(i32_at(segment[OVER_LEAVE_AT], over)[at])
                leave = max(enter, now) if leave == NEVER else segment[DAY_START] + leave
                since, until = max(start, enter), min(stop, leave)
                if (
                    until - since >= together
                    and person != who
                    and not is_dead(segment, u32_at(segment[OVER_ROW_AT], over)[at])
                ):
                    _note(out, number, person, since - origin, until - origin)
                    number += 1
                at += 1
    if far.shape[1]:
        midnight = (first_day + begin - 1) * DAY - ZONE
        at = slot_of(far[0], place)
        while at < far.shape[1] and far[0, at] == place:
            enter, leave = far[2, at], far[3, at]
            if leave == OPEN:
                leave = max(enter, now)
            since, until = max(start, enter), min(stop, leave)
            if enter < midnight and until - since >= together and far[1, at] != who:
                _note(out, number, far[1, at], since - origin, until - origin)
                number += 1
            at += 1
    for day in range(max(begin, 0), min(day_number(stop - 1) - first_day, last) + 1):
        for s in range(day_first[day], day_first[day + 1]):
            segment = table[s]
            places = segment[PLACES]
            ids = u32_at(segment[PLACE_ID_AT], places)
            slot = slot_of(ids, place)
            if slot == places or np.int64(ids[slot]) != place:
                continue
            bounds = u32_at(segment[PLACE_FIRST_AT], places + 1)
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            row, end = np.uint64(bounds[slot]), np.uint64(bounds[slot + 1])
            most = max(most, np.int64(end - row) + BLOCK)
            if np.int64(end - row) + BLOCK > len(hits):
                continue
            has_dead = segment[DEAD_AT] != 0
            day_start = segment[DAY_START]
            low, high = start - day_start, stop - day_start
            if high < together:
                continue
            # In the packed form: rows from `until` on came too late to share enough.
            until_packed = np.uint64(min(high - together + 1, DAY)) << np.uint64(START_SHIFT)
            needed = min(low + together, SURELY)
            ends = u16_at(segment[BLOCK_END_AT], (segment[ROWS] + BLOCK - 1) // BLOCK)
            found = np.uint64(0)
            while row < end:
                border = min((row | np.uint64(BLOCK - 1)) + np.uint64(1), end)
                if END_UNIT * np.int64(ends[row >> np.uint64(3)]) < needed:
                    row = border
                    continue
                if rows[row] >= until_packed:
                    break
                while row < border:
                    packed = rows[row]
                    enter = np.int64(packed >> np.uint64(START_SHIFT))
                    length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
                    # A length that is held elsewhere is at least this, and looked up below.
                    shared = min(enter + length, high) - max(enter, low)
                    hits[found] = row
                    found += np.uint64((shared >= together) | (length == LONGER))
                    row += np.uint64(1)
            if number + np.int64(found) > out.shape[1]:
                number += np.int64(found)
                continue
            to = np.uint64(number)
            first_moment, last_moment = start - origin, stop - origin
            shift = day_start - origin
            for k in range(found):
                at = hits[k]
                packed = rows[at]
                person = packed & np.uint64(PERSON_MASK)
                enter = shift + np.int64(packed >> np.uint64(START_SHIFT))
                length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
                leave = enter + length
                counts = np.int64(person) != who
                if length == LONGER:
                    leave = leave_of(segment, at, packed, now) - origin
                    counts &= min(last_moment, leave) - max(first_moment, enter) >= together
                if has_dead:
                    counts &= not is_dead(segment, at)
                out[TARGET, to] = person
                out[START, to] = max(first_moment, enter)
                out[END, to] = min(last_moment, leave)
                to += np.uint64(counts)
            number = np.int64(to)
    return number, most


@nb.njit(cache=True, nogil=True)
def encounters_of(
    table,
    day_first,
    first_day,
    far,
    now,
    origin,
    person,
    begin,
    end,
    together,
    after,
    backward,
    stays,
    beside,
    hits,
    groups,
    out,
):
    """Every encounter of some spells, in the order of the spells' stays and of who was there.

    `out` (3, n) int32 takes target, start, end (seconds since the origin); `groups` (4, n) int64 says of which spell
    and at which place they were, whether of the kind *after*, and where in `out` the group ends. Returns how many
    encounters there are, the stays of the spells (there are at most twice as many groups), the most people beside one
    stay, and the most rows to look at in one go: what `out`, `stays` (4, n), `beside` (3, n) and `hits` must hold;
    what does not fit is lost, and the caller asks again with larger ones. And how many groups there are.
    """
    own = stays_of(table, now, person, begin, end, stays)
    if own > stays.shape[1] or 2 * own > groups.shape[1]:
        return 0, own, 0, 0, 0
    number, crowd, most, group = encounters_at(
        table, day_first, first_day, far, now, origin, person, begin, end, together, after, backward, stays, 0, own,
        beside, hits, groups, out,
    )  # fmt: skip
    return number, own, crowd, most, group


@nb.njit(cache=True, nogil=True)
def encounters_at(
    table,
    day_first,
    first_day,
    far,
    now,
    origin,
    person,
    begin,
    end,
    together,
    after,
    backward,
    stays,
    low,
    high,
    beside,
    hits,
    groups,
    out,
):
    """As `encounters_of`, of the stays `low` to `high` of those that are given; returns the same without the stays."""
    number = group = 0
    crowd = most = 0
    for i in range(low, high):
        spell, place, enter, leave = stays[0, i], stays[1, i], stays[2, i], stays[3, i]
        who, since_spell, until_spell = person[spell], begin[spell], end[spell]
        start, stop = max(enter, since_spell), min(leave, until_spell)
        before = number
        if together > 0:
            if stop - start >= together:
                number, rows = encounters_together(
                    table,
                    day_first,
                    first_day,
                    far,
                    now,
                    origin,
                    who,
                    place,
                    start,
                    stop,
                    together,
                    hits,
                    out,
                    number,
                )
                most = max(most, rows)
        else:
            met = present(table, day_first, first_day, far, now, place, start, max(stop, start + 1), beside)
            crowd = max(crowd, met)
            for k in range(min(met, beside.shape[1])):
                if beside[0, k] != who:
                    since = max(start, beside[1, k])
                    until = max(min(stop, beside[2, k]), since)
                    _note(out, number, beside[0, k], since - origin, until - origin)
                    number += 1
        if number > before:
            groups[0, group], groups[1, group], groups[2, group], groups[3, group] = spell, place, 0, number
            group += 1
        if after <= 0:
            continue
        before = number
        if backward:
            if enter < since_spell:
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
                    _note(out, number, beside[0, k], enter - origin, leave - origin)
                    number += 1
        elif leave <= until_spell:
            met = entered(table, day_first, first_day, now, place, leave, leave + after, beside)
            crowd = max(crowd, met)
            for k in range(min(met, beside.shape[1])):
                if beside[0, k] != who and (together > 0 or beside[1, k] != enter):
                    _note(out, number, beside[0, k], beside[1, k] - origin, beside[2, k] - origin)
                    number += 1
        if number > before:
            groups[0, group], groups[1, group], groups[2, group], groups[3, group] = spell, place, 1, number
            group += 1
    return number, crowd, most, group
