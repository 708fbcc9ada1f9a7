"""From the stays of one day to its segment: sorted rows, the directories of places and people, what crosses midnight.

Numba code without annotations: the shapes are in `khien.engine.segment`.
"""

# mypy: ignore-errors
from __future__ import annotations

import numba as nb
import numpy as np

from khien.engine.compiled.layout import (
    BLOCK,
    END_UNIT,
    LAST_END_HELD,
    LONGER,
    NEVER,
    PERSON_BITS,
    PERSON_MASK,
    PLACE_BLOCK,
    START_SHIFT,
)


@nb.njit(cache=True, nogil=True)
def pack(person, enter, leave, day_start, open_stay):
    """One u64 a stay: seconds since midnight, length (or `LONGER`), person: ascending by enter."""
    rows = np.empty(len(person), np.uint64)
    for i in range(len(person)):
        length = np.int64(LONGER)
        if leave[i] != open_stay and leave[i] - enter[i] < LONGER:
            length = leave[i] - enter[i]
        rows[i] = (
            (np.uint64(enter[i] - day_start) << np.uint64(START_SHIFT))
            | (np.uint64(length) << np.uint64(PERSON_BITS))
            | np.uint64(person[i])
        )
    return rows


@nb.njit(cache=True, nogil=True)
def order_by_place(place, rows, leave):
    """The positions of stays in order of (place, row, leave): a radix sort by enter and place, ties by hand."""
    n = len(rows)
    order = np.arange(n).astype(np.uint32)
    other = np.empty(n, np.uint32)
    highest = np.uint32(0)
    for i in range(n):
        highest = max(highest, place[i])
    # 17 bits of enter in two passes, then as many of the place as there are.
    for step in range(2 + 3):
        if step < 2:
            bits, shift = (9, START_SHIFT) if step == 0 else (8, START_SHIFT + 9)
        else:
            bits, shift = 11, 11 * (step - 2)
            if step > 2 and highest >> np.uint32(shift) == 0:
                break
        count = np.zeros((1 << bits) + 1, np.int64)
        mask = np.uint64((1 << bits) - 1)
        for i in range(n):
            digit = rows[i] >> np.uint64(shift) if step < 2 else np.uint64(place[i]) >> np.uint64(shift)
            count[np.int64(digit & mask) + 1] += 1
        for d in range(1 << bits):
            count[d + 1] += count[d]
        for at in range(n):
            i = order[at]
            digit = rows[i] >> np.uint64(shift) if step < 2 else np.uint64(place[i]) >> np.uint64(shift)
            slot = np.int64(digit & mask)
            other[count[slot]] = i
            count[slot] += 1
        order, other = other, order
    # Equal enters at one place: by length and person, so that the same stays always give the same segment.
    for at in range(1, n):
        i = order[at]
        back = at
        while back > 0:
            j = order[back - 1]
            if place[j] != place[i] or rows[j] < rows[i] or (rows[j] == rows[i] and leave[j] <= leave[i]):
                break
            order[back] = j
            back -= 1
        order[back] = i
    return order


@nb.njit(cache=True, nogil=True)
def directories(order, place, rows_in, enter, leave, day_start, open_stay):
    """Everything of a segment but the people's directory, from stays in their order."""
    n = len(order)
    rows = np.empty(n, np.uint64)
    block_end = np.zeros((n + BLOCK - 1) // BLOCK, np.uint16)
    block_place = np.zeros((n + PLACE_BLOCK - 1) // PLACE_BLOCK, np.uint32)
    places = 0
    longer = 0
    over = 0
    last_end = np.int64(day_start)
    midnight = day_start + 86_400
    for at in range(n):
        i = order[at]
        if at == 0 or place[i] != place[order[at - 1]]:
            places += 1
        if np.int64((rows_in[i] >> np.uint64(PERSON_BITS)) & np.uint64(LONGER)) == LONGER:
            longer += 1
        if leave[i] == open_stay or leave[i] > midnight:
            over += 1
    place_id = np.empty(places, np.uint32)
    place_first = np.empty(places + 1, np.uint32)
    longer_row = np.empty(longer, np.uint32)
    longer_leave = np.empty(longer, np.int64)
    over_place = np.empty(over, np.uint32)
    over_person = np.empty(over, np.uint32)
    over_enter = np.empty(over, np.int32)
    over_leave = np.empty(over, np.int32)
    over_row = np.empty(over, np.uint32)
    places = longer = over = 0
    for at in range(n):
        i = order[at]
        row = rows_in[i]
        rows[at] = row
        if at == 0 or place[i] != place[order[at - 1]]:
            place_id[places] = place[i]
            place_first[places] = at
            places += 1
        if at % PLACE_BLOCK == 0:
            block_place[at // PLACE_BLOCK] = places - 1
        is_open = leave[i] == open_stay
        end = np.int64(NEVER) if is_open else max(leave[i], enter[i] + 1) - day_start
        block_end[at // BLOCK] = max(
            block_end[at // BLOCK], np.uint16(min(-(-end // END_UNIT), LAST_END_HELD))
        )
        last_end = np.int64(2**62) if is_open else max(last_end, end + day_start)
        if np.int64((row >> np.uint64(PERSON_BITS)) & np.uint64(LONGER)) == LONGER:
            longer_row[longer] = at
            longer_leave[longer] = leave[i]
            longer += 1
        if is_open or leave[i] > midnight:
            over_place[over] = place[i]
            over_person[over] = np.uint32(row & np.uint64(PERSON_MASK))
            over_enter[over] = np.int32(enter[i] - day_start)
            over_leave[over] = np.int32(NEVER) if is_open else np.int32(min(leave[i] - day_start, NEVER - 1))
            over_row[over] = at
            over += 1
    place_first[places] = n
    return (
        rows,
        block_end,
        block_place,
        place_id,
        place_first,
        longer_row,
        longer_leave,
        over_place,
        over_person,
        over_enter,
        over_leave,
        over_row,
        last_end,
    )


@nb.njit(cache=True, nogil=True)
def people_directory(rows, shift):
    """Buckets of `1 << shift` people: where each begins, and its rows by person, the person's low bits on top."""
    n = len(rows)
    highest = np.int64(0)
    for i in range(n):
        highest = max(highest, np.int64(rows[i] & np.uint64(PERSON_MASK)))
    buckets = (highest >> shift) + 1
    first = np.zeros(buckets + 1, np.uint32)
    for i in range(n):
        first[(np.int64(rows[i] & np.uint64(PERSON_MASK)) >> shift) + 1] += np.uint32(1)
    for b in range(buckets):
        first[b + 1] += first[b]
    fill = first[:-1].copy()
    entry = np.empty(n, np.uint32)
    low = np.int64((1 << shift) - 1)
    for i in range(n):
        person = np.int64(rows[i] & np.uint64(PERSON_MASK))
        slot = fill[person >> shift]
        fill[person >> shift] += np.uint32(1)
        entry[slot] = np.uint32(((person & low) << (32 - shift)) | i)
    return first, entry


@nb.njit(cache=True, nogil=True)
def checksum(octets):
    """64 bits over some octets: any flipped bit, lost or exchanged word changes it. About as fast as memory is read.

    Eight lanes of (sum xor word) times an odd number: each step can be undone, so no single change is ever lost.
    """
    odd = np.uint64(0x9E3779B97F4A7C15)
    words = len(octets) // 8
    view = octets[: words * 8].view(np.uint64)
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    e, f, g, h = np.uint64(5), np.uint64(6), np.uint64(7), np.uint64(8)
    whole = np.uint64(words) & ~np.uint64(7)
    i = np.uint64(0)
    while i < whole:
        a = (a ^ view[i]) * odd
        b = (b ^ view[i + np.uint64(1)]) * odd
        c = (c ^ view[i + np.uint64(2)]) * odd
        d = (d ^ view[i + np.uint64(3)]) * odd
        e = (e ^ view[i + np.uint64(4)]) * odd
        f = (f ^ view[i + np.uint64(5)]) * odd
        g = (g ^ view[i + np.uint64(6)]) * odd
        h = (h ^ view[i + np.uint64(7)]) * odd
        i += np.uint64(8)
    total = np.uint64(len(octets))
    for lane in (a, b, c, d, e, f, g, h):
        total = (total ^ (lane ^ (lane >> np.uint64(32)))) * odd
    for k in range(whole, words):
        total = (total ^ view[k]) * odd
        total ^= total >> np.uint64(32)
    for k in range(words * 8, len(octets)):
        total = (total ^ np.uint64(octets[k])) * odd
    return total ^ (total >> np.uint64(32))
