"""The part of `khien up` that keeps the tracing engine ready: kernels compiled, segments written as presence changes.

`python -m khien.site.engine`, or as a part of `khien up`. Several at once do no harm: one of them writes.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import threading

import click
from django.db import close_old_connections

logger = logging.getLogger("khien.engine")

EVERY_S = 1.0
LONGEST_WAIT_S = 60.0


def run(stop: threading.Event) -> None:
    """Write new segments whenever it is time, until `stop` is set; what fails is tried again after a longer wait."""
    from khien.kernel.presence import segments

    failures = 0
    while not stop.is_set():
        close_old_connections()
        try:
            segments.keep_up()
            failures = 0
        except Exception as fault:  # a full disk or a database that restarts must not end the part
            failures += 1
            logger.error("segments failed=%s error=%s; %s", failures, _named(fault), _CONSEQUENCE)
            logger.debug("segments", exc_info=True)
        stop.wait(min(EVERY_S * 2 ** min(failures, 8), LONGEST_WAIT_S))


_CONSEQUENCE = "answers come from the segments of before and from the database; it is tried again"


def _named(fault: Exception) -> str:
    """What went wrong. The text of a database error may quote a row: of those the type is enough."""
    if isinstance(fault, OSError) and fault.errno is not None:
        return f"{errno.errorcode.get(fault.errno, fault.errno)} ({fault.strerror})"
    return type(fault).__name__


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    import django

    django.setup()
    from khien.engine.warming import warm

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    warm()
    run(stop)


@click.command()
def status() -> None:
    """How far the segments go, and those of the cluster's shards."""
    import django

    django.setup()
    from khien.kernel.presence import segments

    told = segments.status()
    click.echo(
        f"{told.stays:,} stays of {told.days} days in segments, written up to {told.written:,} of"
        f" {told.position:,}; damaged days: {told.damaged}"
    )
    from khien.engine.cluster.hosts import Unreachable

    try:
        for number, shard in enumerate(segments.shards()):
            click.echo(
                f"shard {number}: {shard.stays:,} stays, {shard.octets / 1e6:,.0f} MB, written up to"
                f" {shard.position:,}; damaged days: {len(shard.damaged)}"
            )
    except Unreachable as fault:
        raise click.ClickException(str(fault)) from fault


@click.command()
def rebuild() -> None:
    """Throw the segments away and make them anew from the database."""
    import django

    django.setup()
    from khien.kernel.presence import segments

    click.echo(f"{segments.rebuild():,} stays in segments")


if __name__ == "__main__":
    main()
