"""One hop for everybody at once, place by place: those who may infect sorted by when they begin to, those who may be
infected by when they come, and one walk along both. What is known of a person: `infecting`.
"""

# mypy: ignore-errors

import numba as nb
import numpy as np

from khien.engine.compiled.infecting import NOBODY, PART, SOURCE, TARGET
from khien.engine.compiled.layout import (
    DAY_START,
    DEAD_AT,
    LONGER,
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
    START_SHIFT,
)
from khien.engine.compiled.meeting import (
    DAY,
    OPEN,
    ZONE,
    is_dead,
    leave_of,
    slot_of,
)
from khien.engine.compiled.memory import i32_at, u32_at, u64_at

_LOW = np.uint64(0xFFFFFFFF)
_FAR_OFF = np.int64(2**40)


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
            if rows_here + 1 > room:
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
        if rows_here + 1 > room or count[0] + count[2] == 0 or count[1] + count[3] == 0:
            continue
        n_source = _merge(stays, people, 0, count)
        n_target = _merge(stays, people, 1, count)
        if want_first:
            _earliest(stays, people, n_source, n_target, together, times)
        else:
            _latest(stays, people, n_source, n_target, together, times)
    return most


def _make_becoming(with_care):
    """One for days of plain rows, one that also asks whether a row is taken back or lasts for days."""

    @nb.njit(cache=True, nogil=True)
    def becoming(
        base, rows, a, b, shift, now, origin, together, state, infectious, late_stay, late_person, late
    ):
        """The sources of a place that become infectious during their stay: out of the order in which people came."""
        for row in range(np.uint64(a), np.uint64(b)):
            packed = rows[row]
            person = packed & np.uint64(PERSON_MASK)
            seen = state[person]
            if seen & PART == 0:
                continue
            time = infectious[person]
            since, until = np.int64(time >> np.uint64(32)), np.int64(time & _LOW)
            enter = np.int64(packed >> np.uint64(START_SHIFT)) + shift
            length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
            if with_care and length == LONGER:
                length = leave_of(base, row, packed, now) - origin - enter
            until = min(until, enter + length)
            holds = np.int64(seen & SOURCE) & np.int64(since > enter) & np.int64(until - since >= together)
            if with_care and is_dead(base, row):
                holds = np.int64(0)
            late_stay[late] = (np.uint64(since) << np.uint64(32)) | np.uint64(until)
            late_person[late] = person
            late += holds
        return late

    return becoming


def _make_forward(partly, with_care):
    """One for plain days, one where some are infectious part of the day, one that also asks as `_make_becoming` says:
    each question costs as much as the walk."""

    @nb.njit(cache=True, nogil=True)
    def forward(base, rows, a, b, shift, now, origin, together, state, infectious, late_stay, late, kind):
        """What each row of a place is (`kind`, 0 for nothing): 1, a target who met nobody on coming; 2, one who met
        somebody; and 4, a source. Returns how many sources and targets there are. Sums instead of branches to guess."""
        best = np.int64(-1)
        at = 0
        following = np.int64(late_stay[0] >> np.uint64(32)) if late else _FAR_OFF
        sources = targets = np.int64(0)
        for row in range(np.uint64(a), np.uint64(b)):
            packed = rows[row]
            person = packed & np.uint64(PERSON_MASK)
            seen = np.int64(state[person])
            enter = np.int64(packed >> np.uint64(START_SHIFT)) + shift
            length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
            if with_care and length == LONGER:
                length = leave_of(base, row, packed, now) - origin - enter
            lasts = np.int64(length >= together)
            if with_care and is_dead(base, row):
                lasts = np.int64(0)
            until = enter + length
            source = seen & lasts
            target = (seen >> 2) & lasts
            if partly and seen & 2:
                time = infectious[person]
                until = min(until, np.int64(time & _LOW))
                source &= np.int64(np.int64(time >> np.uint64(32)) <= enter) & np.int64(
                    until - enter >= together
                )
            while following <= enter:
                best = max(best, np.int64(late_stay[at] & _LOW))
                at += 1
                following = np.int64(late_stay[at] >> np.uint64(32)) if at < late else _FAR_OFF
            kind[row - np.uint64(a)] = target * (1 + np.int64(best >= enter + together)) + 4 * source
            best = max(best, until * source)
            sources += source
            targets += target
        return sources, targets

    return forward


_becoming, _becoming_with_care = _make_becoming(False), _make_becoming(True)
_forward, _forward_partly = _make_forward(False, False), _make_forward(True, False)
_forward_with_care = _make_forward(True, True)


@nb.njit(cache=True, nogil=True)
def _backward(base, rows, a, b, shift, now, origin, together, late_stay, late, kind, first):
    following = np.int64(NOBODY)
    at = late - 1
    last_late = np.int64(late_stay[at] >> np.uint64(32)) if late else np.int64(-1)
    row = np.uint64(b)
    while row > np.uint64(a):
        row -= np.uint64(1)
        packed = rows[row]
        person = packed & np.uint64(PERSON_MASK)
        enter = np.int64(packed >> np.uint64(START_SHIFT)) + shift
        length = np.int64((packed >> np.uint64(PERSON_BITS)) & np.uint64(LONGER))
        if length == LONGER:
            length = leave_of(base, row, packed, now) - origin - enter
        while last_late > enter:
            following = min(following, last_late)
            at -= 1
            last_late = np.int64(late_stay[at] >> np.uint64(32)) if at >= 0 else np.int64(-1)
        told = np.int64(kind[row - np.uint64(a)])
        on_coming = (told >> 1) & 1
        later = (told & 1) & np.int64(following + together <= enter + length)
        moment = NOBODY - on_coming * (NOBODY - enter) - later * (NOBODY - following)
        first[person] = min(first[person], np.int32(moment))
        following -= (told >> 2) * (following - enter)
    return following


@nb.njit(cache=True, nogil=True)
def sweep_first(
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
    infectious,
    partly,
    first,
    stays,
    people,
    kind,
):
    """As `sweep` for the earliest times, on a day of one segment: two walks along the rows of a place as they lie.

    Forward, the latest end of a source so far says whether a target met one on coming; backward, the next coming of a
    source says whether they met one later. Sources that become infectious during a stay (`partly`: there are any)
    and those from the days before are put in order beside.
    """
    last_index = len(day_first) - 1
    begin = day_first[min(day, last_index)]
    before, before_end = day_first[min(max(day - 1, 0), last_index)], begin
    base = table[begin]
    ids = u32_at(base[PLACE_ID_AT], base[PLACES])
    bounds = u32_at(base[PLACE_FIRST_AT], base[PLACES] + 1)
    rows = u64_at(base[ROWS_AT], base[ROWS])
    shift = base[DAY_START] - origin
    has_dead = base[DEAD_AT] != 0
    overs = np.empty(max(before_end - before, 1), np.int64)
    most = 0
    room = stays.shape[1]
    late_stay, late_person = stays[2], people[2]
    if low >= high:
        return most
    slot = slot_of(ids, np.int64(places[low]))
    for k in range(before_end - before):
        segment = table[before + k]
        overs[k] = slot_of(u32_at(segment[OVER_PLACE_AT], segment[OVER]), np.int64(places[low]))
    far_at = slot_of(far[0], np.int64(places[low])) if far.shape[1] else 0
    midnight = (first_day + day) * DAY - ZONE
    for i in range(low, high):
        place = np.int64(places[i])
        late = n_target = 0
        for k in range(before_end - before):
            segment = table[before + k]
            over = segment[OVER]
            over_ids = u32_at(segment[OVER_PLACE_AT], over)
            at = overs[k]
            while at < over and np.int64(over_ids[at]) < place:
                at += 1
            while at < over and np.int64(over_ids[at]) == place:
                person = np.int64(u32_at(segment[OVER_PERSON_AT], over)[at])
                seen = state[person]
                if seen and not is_dead(segment, u32_at(segment[OVER_ROW_AT], over)[at]):
                    enter = segment[DAY_START] + np.int64(i32_at(segment[OVER_ENTER_AT], over)[at])
                    leave = np.int64(i32_at(segment[OVER_LEAVE_AT], over)[at])
                    leave = max(enter, now) if leave == NEVER else segment[DAY_START] + leave
                    if leave > midnight:
                        late, n_target = _stayed(
                            person, seen, enter - origin, leave - origin, together, source_from, source_to,
                            stays, people, late, n_target,
                        )  # fmt: skip
                at += 1
            overs[k] = at
        while far_at < far.shape[1] and far[0, far_at] <= place:
            person, enter, leave = far[1, far_at], far[2, far_at], far[3, far_at]
            if leave == OPEN:
                leave = max(enter, now)
            if far[0, far_at] == place and enter < midnight - DAY and leave > midnight and state[person]:
                late, n_target = _stayed(
                    person, state[person], enter - origin, leave - origin, together, source_from, source_to,
                    stays, people, late, n_target,
                )  # fmt: skip
            far_at += 1
        a = b = np.int64(0)
        if slot < base[PLACES] and np.int64(ids[slot]) == place:
            a, b = np.int64(bounds[slot]), np.int64(bounds[slot + 1])
            slot += 1
        most = max(most, b - a + late + n_target + 1)
        if b - a + late + n_target + 1 > room:
            continue
        with_care = has_dead or base[LONGER_ROWS] > 0
        if partly and with_care:
            late = _becoming_with_care(
                base,
                rows,
                a,
                b,
                shift,
                now,
                origin,
                together,
                state,
                infectious,
                late_stay,
                late_person,
                late,
            )
        elif partly:
            late = _becoming(
                base,
                rows,
                a,
                b,
                shift,
                now,
                origin,
                together,
                state,
                infectious,
                late_stay,
                late_person,
                late,
            )
        if late > 1:
            _order(late_stay, late_person, late)
        if with_care:
            sources, targets = _forward_with_care(
                base, rows, a, b, shift, now, origin, together, state, infectious, late_stay, late, kind
            )
        elif partly:
            sources, targets = _forward_partly(
                base, rows, a, b, shift, now, origin, together, state, infectious, late_stay, late, kind
            )
        else:
            sources, targets = _forward(
                base, rows, a, b, shift, now, origin, together, state, infectious, late_stay, late, kind
            )
        if sources + late == 0 or targets + n_target == 0:
            continue
        following = _backward(base, rows, a, b, shift, now, origin, together, late_stay, late, kind, first)
        # Who stayed over and may be infected: all of the day's own sources come after them.
        for k in range(n_target):
            enter, leave = np.int64(stays[3, k] >> np.uint64(32)), np.int64(stays[3, k] & _LOW)
            best, following_late = np.int64(-1), following
            for at in range(late):
                since = np.int64(late_stay[at] >> np.uint64(32))
                if since <= enter:
                    best = max(best, np.int64(late_stay[at] & _LOW))
                else:
                    following_late = min(following_late, since)
                    break
            told = np.int64(NOBODY)
            if best >= enter + together:
                told = enter
            elif following_late + together <= leave:
                told = following_late
            person = np.int64(people[3, k])
            first[person] = min(first[person], np.int32(told))
    return most


@nb.njit(inline="always")
def _stayed(person, seen, enter, leave, together, source_from, source_to, stays, people, late, n_target):
    """Somebody who came on a day before: among the sources out of order, and the targets looked at by themselves."""
    # What does not fit makes the caller ask again: with these the place has more than there is room for.
    if leave - enter < together or max(late, n_target) >= stays.shape[1]:
        return late, n_target
    if seen & SOURCE:
        since = max(enter, np.int64(source_from[person]))
        until = min(leave, np.int64(source_to[person]))
        if until - since >= together:
            stays[2, late], people[2, late] = (np.uint64(since) << np.uint64(32)) | np.uint64(until), person
            late += 1
    if seen & TARGET:
        stays[3, n_target], people[3, n_target] = (
            (np.uint64(enter) << np.uint64(32)) | np.uint64(leave),
            person,
        )
        n_target += 1
    return late, n_target


@nb.njit(inline="always")
def _take(person, seen, enter, leave, together, source_from, source_to, stays, people, count):
    """Put one stay among the sources and the targets, where it belongs: at the end, or with those out of order."""
    taken = max(count[0] + count[2], count[1] + count[3])
    if taken >= stays.shape[1] or leave - enter < together:
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
def _order(held, who, n):
    """Stays ascending by when they begin, with whose they are."""
    if n < 24:
        for i in range(1, n):
            stay, person = held[i], who[i]
            k = i
            while k > 0 and held[k - 1] > stay:
                held[k], who[k] = held[k - 1], who[k - 1]
                k -= 1
            held[k], who[k] = stay, person
    else:
        order = np.argsort(held[:n])
        held[:n] = held[:n][order]
        who[:n] = who[:n][order]


@nb.njit(cache=True, nogil=True)
def _merge(stays, people, which, count):
    """All of the sources (or targets) in order: those that came out of order are sorted, and put between."""
    n, late = count[which], count[which + 2]
    if late == 0:
        return n
    held, who = stays[which + 2], people[which + 2]
    _order(held, who, late)
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
            following = np.int64(stays[0, passed] >> np.uint64(32)) if passed < n_source else _FAR_OFF
        if best >= enter + together:
            moment = enter
        elif following + together <= leave:
            moment = following
        else:
            continue
        person = np.int64(people[1, k])
        if moment < first[person]:
            first[person] = moment


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
                last[np.int64(person)] = until
