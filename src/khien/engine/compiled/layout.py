"""How a stay is packed, and where the kernels find what of a segment."""

from __future__ import annotations

ENTER_BITS, DURATION_BITS, PERSON_BITS = 17, 17, 30
START_SHIFT = DURATION_BITS + PERSON_BITS
PERSON_MASK = (1 << PERSON_BITS) - 1
LONGER = (1 << DURATION_BITS) - 1
"""The length of a stay that does not fit (36 hours or more, or open): its leave lies in a list of its own."""

BLOCK = 8
"""Rows that share one latest end, so that a search may step over them."""

END_UNIT = 4
"""The latest end of a block is held in units of so many seconds since midnight, rounded up; what is greater than
`LAST_END_HELD` is held as that."""

LAST_END_HELD = 65_535
SURELY = 200_000
"""Seconds since midnight that are held without being cut: no search asks for more."""

PLACE_BLOCK = 32
"""Rows of which the first says its place."""

NEVER = 2**31 - 1
"""As an end in seconds since midnight: the stay is open."""

MAX_PERSON = PERSON_MASK
MAX_PLACE = 2**32 - 2

# Columns of the table of segments: int64, one row a segment; those ending in _at are addresses.
(
    DAY_START,
    ROWS,
    ROWS_AT,
    PLACES,
    PLACE_ID_AT,
    PLACE_FIRST_AT,
    BLOCK_END_AT,
    BLOCK_PLACE_AT,
    SHIFT,
    BUCKETS,
    BUCKET_FIRST_AT,
    ENTRY_AT,
    LONGER_ROWS,
    LONGER_ROW_AT,
    LONGER_LEAVE_AT,
    OVER,
    OVER_PLACE_AT,
    OVER_PERSON_AT,
    OVER_ENTER_AT,
    OVER_LEAVE_AT,
    OVER_ROW_AT,
    DEAD_AT,
    LAST_END,
    COLUMNS,
) = range(24)
