"""The ticker: one process that runs, again and again, what the kernel's registry `ticks` holds.

`python -m khien.site.ticker`, or as a part of `khien up`. Several at once do no harm: ticks are idempotent.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping

from django.db import close_old_connections

from khien.kernel.registries import Tick

logger = logging.getLogger("khien.ticker")

LONGEST_WAIT_S = 60.0


def run(ticks: Mapping[str, Tick], stop: threading.Event, now: Callable[[], float] = time.monotonic) -> None:
    """Run each tick every `every_s` seconds until `stop` is set.

    A tick that fails is logged by its name and tried again later, each time after a longer wait; the others
    go on.
    """
    due = dict.fromkeys(ticks, now())
    failures = dict.fromkeys(ticks, 0)
    while not stop.is_set():
        close_old_connections()
        for name, tick in ticks.items():
            if stop.is_set() or now() < due[name]:
                continue
            try:
                tick.run()
            except Exception as fault:  # whatever one tick raises must not stop the others
                failures[name] += 1
                # The text of a database error may quote a row: the type and the place are enough.
                logger.error("tick=%s failed=%s error=%s", name, failures[name], type(fault).__name__)
                logger.debug("tick=%s", name, exc_info=True)
            else:
                failures[name] = 0
            wait = tick.every_s * 2 ** min(failures[name], 8)
            due[name] = now() + (
                min(wait, max(LONGEST_WAIT_S, tick.every_s)) if failures[name] else tick.every_s
            )
        close_old_connections()
        stop.wait(min(1.0, max(0.01, min(due.values(), default=now() + 1.0) - now())))


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    import django

    django.setup()
    from khien.kernel.registries import ticks

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(dict(ticks.items()), stop)


if __name__ == "__main__":
    main()
