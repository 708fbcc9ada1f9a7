"""One hop for everybody at once: who may have been infected at all, from when, and until when.

Per person: `source_from`, `source_to` (when infectious; none where not below), `first` and `last` (the earliest and
the latest possible infection so far). Seconds since `origin`, int32, so that they stay in the processor's caches.
A day is swept place by place: those who may infect sorted by when they begin to, those who may be infected by
when they come, and one walk along both.
"""

# mypy: ignore-errors
from __future__ import annotations

import numba as nb
import numpy as np

from khien.engine.compiled.layout import (
    DAY_START,
    DEAD_AT,
    LONGER,
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
    START_SHIFT,
)
from khien.engine.compiled.meeting import (
    DAY,
    OPEN,
    ZONE,
    is_dead,
    leave_of,
    present,
    slot_of,
    stays_of,
)
from khien.engine.compiled.memory import i32_at, lower, raise_to, u32_at, u64_at

NOBODY = np.int32(2**31 - 1)
NEVER_YET = np.int32(-(2**31))

SOURCE, PART, TARGET = np.uint8(1), np.uint8(2), np.uint8(4)

_LOW = np.uint64(0xFFFFFFFF)


@nb.njit(cache=True, nogil=True)
def states(source_from, source_to, first, last, is_case, begin, longest, want_first, enough, state):
    """What each person is on the day that starts at `begin`, whose stays all end by `longest`: a `SOURCE` (`PART` when
    not all the time), a `TARGET` whose `first` (or `last`, below `enough`) may still change. Returns how many
    there are of each."""
    sources = targets = 0
    for p in range(len(state)):
        now = np.uint8(0)
        if source_from[p] < source_to[p] and source_from[p] < longest and source_to[p] > begin:
            now |= SOURCE
            sources += 1
            if source_from[p] > begin or source_to[p] < longest:
                now |= PART
        if is_case[p] == 0:
            changes = first[p] > begin
            if not want_first:
                changes = first[p] != NOBODY and last[p] < longest and last[p] < enough
            if changes:
                now |= TARGET
                targets += 1
        state[p] = now
    return sources, targets


@nb.njit(cache=True, nogil=True)
def sweep(
    table,
    day_first,
    first_day,
    far,
    now,
    day,
    places,
    low,
    high,
    origin,
    together,
    state,
    source_from,
    source_to,
    want_first,
    times,
    stays,
    people,
):
    """Sweep `places[low:high]` (ascending) on a day; `times` (first or last) are improved for its targets.

    `stays` (4, n) uint64 and `people` (4, n) uint32 are room to work in: for sources and targets, and for those of
    each that come out of order; returns the most rows that one place had: what they must hold (what does not fit is
    lost, and the caller asks again).
    """
    # The days after the last one have nobody who came, and may still have somebody who stayed.
    last_index = len(day_first) - 1
    begin, end = day_first[min(day, last_index)], day_first[min(day + 1, last_index)]
    before, before_end = day_first[min(max(day - 1, 0), last_index)], day_first[min(day, last_index)]
    segments = end - begin
    slots = np.empty(max(segments, 1), np.int64)
    overs = np.empty(max(before_end - before, 1), np.int64)
    most = 0
    room = stays.shape[1]
    count = np.zeros(4, np.int64)
    source_stay, source_person = stays[0], people[0]
    target_stay, target_person = stays[1], people[1]
    if low >= high:
        return most
    for k in range(segments):
        segment = table[begin + k]
        slots[k] = slot_of(u32_at(segment[PLACE_ID_AT], segment[PLACES]), np.int64(places[low]))
    for k in range(before_end - before):
        segment = table[before + k]
        overs[k] = slot_of(u32_at(segment[OVER_PLACE_AT], segment[OVER]), np.int64(places[low]))
    far_at = slot_of(far[0], np.int64(places[low])) if far.shape[1] else 0
    midnight = (first_day + day) * DAY - ZONE
    for i in range(low, high):
        place = np.int64(places[i])
        count[:] = 0
        rows_here = 0
        # Who stayed over from the days before.
        for k in range(before_end - before):
            segment = table[before + k]
            over = segment[OVER]
            ids = u32_at(segment[OVER_PLACE_AT], over)
            while overs[k] < over and np.int64(ids[overs[k]]) < place:
                overs[k] += 1
            at = overs[k]
            while at < over and np.int64(ids[at]) == place:
                person = np.int64(u32_at(segment[OVER_PERSON_AT], over)[at])
                seen = state[person]
                if seen and not is_dead(segment, u32_at(segment[OVER_ROW_AT], over)[at]):
                    enter = segment[DAY_START] + np.int64(i32_at(segment[OVER_ENTER_AT], over)[at])
                    leave = np.int64(i32_at(segment[OVER_LEAVE_AT], over)[at])
                    leave = max(enter, now) if leave == NEVER else segment[DAY_START] + leave
                    if leave > midnight:
                        rows_here += 1
                        _take(
                            person, seen, enter - origin, leave - origin, together, source_from, source_to,
                            stays, people, count,
                        )  # fmt: skip
                at += 1
            overs[k] = at
        while far_at < far.shape[1] and far[0, far_at] < place:
            far_at += 1
        while far_at < far.shape[1] and far[0, far_at] == place:
            person, enter, leave = far[1, far_at], far[2, far_at], far[3, far_at]
            if leave == OPEN:
                leave = max(enter, now)
            if enter < midnight - DAY and leave > midnight and state[person]:
                rows_here += 1
                _take(
                    person, state[person], enter - origin, leave - origin, together, source_from, source_to,
                    stays, people, count,
                )  # fmt: skip
            far_at += 1
        # Who came on the day.
        for k in range(segments):
            segment = table[begin + k]
            ids = u32_at(segment[PLACE_ID_AT], segment[PLACES])
            while slots[k] < segment[PLACES] and np.int64(ids[slots[k]]) < place:
                slots[k] += 1
            if slots[k] == segment[PLACES] or np.int64(ids[slots[k]]) != place:
                continue
            bounds = u32_at(segment[PLACE_FIRST_AT], segment[PLACES] + 1)
            a, b = np.int64(bounds[slots[k]]), np.int64(bounds[slots[k] + 1])
            slots[k] += 1
            rows = u64_at(segment[ROWS_AT], segment[ROWS])
            shift = np.uint64(segment[DAY_START] - origin)
            rows_here += b - a
            if rows_here >= room:
                continue
            # Corrections lie beside what they correct, and in an order of their own.
            with_care = segment[DEAD_AT] != 0 or k > 0
            n_source, n_target = count[0], count[1]
            for row in range(a, b):
                packed = rows[row]
                person = packed & np.uint64(PERSON_MASK)
                seen = state[person]
                length = (packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER)
                if seen & PART or length == LONGER or with_care:
                    if seen == 0 or is_dead(segment, row):
                        continue
                    enter = np.int64(packed >> np.uint64(START_SHIFT)) + np.int64(shift)
                    leave = leave_of(segment, row, packed, now) - origin
                    count[0], count[1] = n_source, n_target
                    _take(
                        np.int64(person), seen, enter, leave, together, source_from, source_to,
                        stays, people, count,
                    )  # fmt: skip
                    n_source, n_target = count[0], count[1]
                    continue
                # Written in any case and counted where it holds: no branch to guess wrong.
                since = (packed >> np.uint64(START_SHIFT)) + shift
                stay = (since << np.uint64(32)) | (since + length)
                lasts = np.uint8(np.int64(length) >= together)
                source_stay[n_source] = stay
                source_person[n_source] = person
                n_source += np.int64(seen & lasts)
                target_stay[n_target] = stay
                target_person[n_target] = person
                n_target += np.int64((seen >> np.uint8(2)) & lasts)
            count[0], count[1] = n_source, n_target
        most = max(most, rows_here + 1)
        if rows_here >= room or count[0] + count[2] == 0 or count[1] + count[3] == 0:
            continue
        n_source = _merge(stays, people, 0, count)
        n_target = _merge(stays, people, 1, count)
        if want_first:
            _earliest(stays, people, n_source, n_target, together, times)
        else:
            _latest(stays, people, n_source, n_target, together, times)
    return most


@nb.njit(inline="always")
def _take(person, seen, enter, leave, together, source_from, source_to, stays, people, count):
    """Put one stay among the sources and the targets, where it belongs: at the end, or with those out of order."""
    if count[0] + count[2] + 1 >= stays.shape[1] or leave - enter < together:
        return
    if seen & SOURCE:
        since = max(enter, np.int64(source_from[person]))
        until = min(leave, np.int64(source_to[person]))
        if until - since >= together:
            _put(stays, people, count, 0, since == enter, since, until, person)
    if seen & TARGET:
        _put(stays, people, count, 1, True, enter, leave, person)


@nb.njit(inline="always")
def _put(stays, people, count, which, may_be_last, since, until, person):
    stay = (np.uint64(since) << np.uint64(32)) | np.uint64(until)
    n = count[which]
    if not may_be_last or (n and stays[which, n - 1] > stay):
        which += 2
        n = count[which]
    stays[which, n] = stay
    people[which, n] = person
    count[which] = n + 1


@nb.njit(cache=True, nogil=True)
def _merge(stays, people, which, count):
    """All of the sources (or targets) in order: those that came out of order are sorted, and put between."""
    n, late = count[which], count[which + 2]
    if late == 0:
        return n
    held, who = stays[which + 2], people[which + 2]
    if late < 24:
        for i in range(1, late):
            stay, person = held[i], who[i]
            k = i
            while k > 0 and held[k - 1] > stay:
                held[k], who[k] = held[k - 1], who[k - 1]
                k -= 1
            held[k], who[k] = stay, person
    else:
        order = np.argsort(held[:late])
        held[:late] = held[:late][order]
        who[:late] = who[:late][order]
    to = n + late
    while late:
        to -= 1
        if n and stays[which, n - 1] > held[late - 1]:
            n -= 1
            stays[which, to], people[which, to] = stays[which, n], people[which, n]
        else:
            late -= 1
            stays[which, to], people[which, to] = held[late], who[late]
    return count[which] + count[which + 2]


@nb.njit(cache=True, nogil=True)
def _earliest(stays, people, n_source, n_target, together, first):
    """The targets of one place against its sources: the earliest moment at which each met one for long enough.

    It is the target's coming, when somebody was there already and stays long enough; else the next coming of a
    source that leaves time enough. (Whoever is both meets themselves no earlier than they became a source.)
    """
    passed = 0
    best = np.int64(-1)
    following = np.int64(stays[0, 0] >> np.uint64(32))
    for k in range(n_target):
        stay = stays[1, k]
        enter, leave = np.int64(stay >> np.uint64(32)), np.int64(stay & _LOW)
        while following <= enter:
            best = max(best, np.int64(stays[0, passed] & _LOW))
            passed += 1
            following = np.int64(stays[0, passed] >> np.uint64(32)) if passed < n_source else np.int64(2**40)
        if best >= enter + together:
            moment = enter
        elif following + together <= leave:
            moment = following
        else:
            continue
        person = np.int64(people[1, k])
        if moment < first[person]:
            lower(first, person, np.int32(moment))


@nb.njit(cache=True, nogil=True)
def _latest(stays, people, n_source, n_target, together, last):
    """The same for the latest moment at which a target was still with a source, other than themselves."""
    passed = 0
    best, second = np.int64(-1), np.int64(-1)
    who = np.uint32(0xFFFFFFFF)
    for k in range(n_target):
        stay, person = stays[1, k], people[1, k]
        enter, leave = np.int64(stay >> np.uint64(32)), np.int64(stay & _LOW)
        while passed < n_source and np.int64(stays[0, passed] >> np.uint64(32)) <= enter:
            until = np.int64(stays[0, passed] & _LOW)
            if people[0, passed] == who:
                best = max(best, until)
            elif until > best:
                best, second, who = until, best, people[0, passed]
            elif until > second:
                second = until
            passed += 1
        until = second if who == person else best
        at = passed
        while until < leave and at < n_source:
            since = np.int64(stays[0, at] >> np.uint64(32))
            if since + together > leave:
                break
            if people[0, at] != person:
                until = max(until, np.int64(stays[0, at] & _LOW))
            at += 1
        if until >= enter + together:
            until = min(until, leave)
            if until > last[np.int64(person)]:
                raise_to(last, np.int64(person), np.int32(until))


@nb.njit(cache=True, nogil=True)
def look_around(
    table,
    day_first,
    first_day,
    far,
    now,
    origin,
    together,
    targets,
    low,
    high,
    begin,
    end,
    source_from,
    source_to,
    want_first,
    times,
    stays,
    beside,
):
    """The other way round, for the few `targets[low:high]` who are left: whom they were with on a day [begin, end).

    Returns the stays of one person and the people beside one stay that there must be room for, and all stays.
    """
    most = crowd = looked = 0
    one, since_day, until_day = np.empty(1, np.int64), np.empty(1, np.int64), np.empty(1, np.int64)
    since_day[0], until_day[0] = begin, end
    for i in range(low, high):
        person = targets[i]
        one[0] = person
        own = stays_of(table, now, one, since_day, until_day, stays)
        most = max(most, own)
        for k in range(min(own, stays.shape[1])):
            enter, leave = stays[2, k], stays[3, k]
            if leave - enter < together:
                continue
            looked += 1
            met = present(table, day_first, first_day, far, now, stays[1, k], enter, leave, beside)
            crowd = max(crowd, met)
            for j in range(min(met, beside.shape[1])):
                other = beside[0, j]
                if other == person or source_from[other] >= source_to[other]:
                    continue
                since = max(enter, beside[1, j], np.int64(source_from[other]) + origin)
                until = min(leave, beside[2, j], np.int64(source_to[other]) + origin)
                if until - since < together:
                    continue
                if want_first:
                    times[person] = min(times[person], np.int32(since - origin))
                    if since == enter:
                        break
                else:
                    times[person] = max(times[person], np.int32(until - origin))
    return most, crowd, looked


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
    source_from,
    source_to,
    is_case,
    first,
    last,
    stays,
    beside,
):
    """A hop from the few who may infect: everybody they were with."""
    most = crowd = 0
    one, low, high = np.empty(1, np.int64), np.empty(1, np.int64), np.empty(1, np.int64)
    for i in range(len(people)):
        person = people[i]
        one[0] = person
        low[0], high[0] = np.int64(source_from[person]) + origin, np.int64(source_to[person]) + origin
        own = stays_of(table, now, one, low, high, stays)
        most = max(most, own)
        for k in range(min(own, stays.shape[1])):
            start, stop = max(stays[2, k], low[0]), min(stays[3, k], high[0])
            if stop - start < together:
                continue
            met = present(table, day_first, first_day, far, now, stays[1, k], start, stop, beside)
            crowd = max(crowd, met)
            for j in range(min(met, beside.shape[1])):
                other = beside[0, j]
                if other == person or is_case[other]:
                    continue
                since, until = max(start, beside[1, j]), min(stop, beside[2, j])
                if until - since >= together:
                    first[other] = min(first[other], np.int32(since - origin))
                    last[other] = max(last[other], np.int32(until - origin))
    return most, crowd, len(people)
