"""Making the kernels ready, so that nobody waits for a compiler: from the cache on disk in about a second, or compiled
in about a minute where there is no cache yet.

numba keeps what it has compiled beside its source, or where `NUMBA_CACHE_DIR` says. Where neither can be written, it
is compiled anew in each process, into a folder of its own.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np


def warm() -> None:
    """Run every kernel once on a handful of stays."""
    have_a_cache()
    from khien.engine.encounter import Thresholds, spells_of
    from khien.engine.live import Changes, Live, Stays, days_of
    from khien.engine.origins import Ill, Incubation, place_hours
    from khien.engine.presence import OPEN
    from khien.engine.reaching import Costs, Search
    from khien.engine.search import Plan, backward, forward
    from khien.engine.segment import DAY_S, ZONE_S
    from khien.engine.store import Manifest, State

    midnight = 18_995 * DAY_S - ZONE_S
    hours = 3600
    person = np.arange(12, dtype=np.int64) % 6
    enter = midnight + np.arange(12, dtype=np.int64) * 7 * hours
    leave = enter + 30 * hours
    leave[5] = OPEN
    stays = Stays(person, np.ones(12, np.int64), enter, leave)
    live = Live(State(Manifest(), days_of(stays)))
    live.apply(Changes(1, stays.where(slice(3, 4)), stays.where(slice(0, 1))))
    now = midnight + 5 * DAY_S
    snapshot = live.snapshot(now)
    window = (midnight, now)
    for least in (0, 15):
        forward(snapshot, [1, 2], window, hops=2, min_minutes=least, after_minutes=30)
        backward(
            snapshot,
            [1],
            now,
            min_incubation_days=0,
            max_incubation_days=5,
            min_minutes=least,
            after_minutes=30,
        )
    place_hours(snapshot, Ill.of([1, 2], [now, now]), Incubation())
    spells = spells_of(snapshot, [1], window)
    snapshot.found(spells, Thresholds.of_minutes(0, 0), stays=snapshot.stays_in(spells))
    for plan in (Plan.of(3, 0, 0.5, 15, 0), Plan.of(3, 0, None, 15, 0)):
        for costs in (Costs(stay=0, stay_row=0), Costs(stay=1e30, look=0), Costs(stay=1e30, look=1e30)):
            Search(snapshot, spells, plan, now, costs=costs).run()


def have_a_cache() -> None:
    """Give numba a folder that it may write, before it is first used."""
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    beside = Path(__file__).parent / "compiled" / "__pycache__"
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    if not any(os.access(_existing(folder), os.W_OK) for folder in (beside, home / "numba")):
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="khien-numba-")


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def warm_soon(after_s: float = 5.0) -> None:
    """Warm up in the background of this process, once it has had time to answer its first questions."""
    import threading

    timer = threading.Timer(after_s, warm)
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    warm()
