"""The threads that the engine shares its work between; kernels hold no lock while they run."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache

THREADS = len(os.sched_getaffinity(0))


@cache
def pool() -> ThreadPoolExecutor:
    """One thread a core. Work in it must not wait for other work in it."""
    return ThreadPoolExecutor(THREADS, thread_name_prefix="khien-engine")


def _fresh() -> None:
    pool.cache_clear()


# A process that was forked has none of its parent's threads.
os.register_at_fork(after_in_child=_fresh)
