"""Vietnamese text: folding for search, keys for sorting, dates and counts for the screen.

The SQL functions `vn_fold(text)` and `vn_tri(text)` (migration 0001) give the same answers inside
PostgreSQL as `fold` and `trigrams` do here; a test compares them.
"""

from khien.kernel.language.fold import fold, trigrams
from khien.kernel.language.sorting import sort_key

__all__ = ["fold", "sort_key", "trigrams"]
