"""The worker: runs the jobs of the queue. `python -m khien.site.worker`, or as a part of `khien up`."""

from __future__ import annotations

import asyncio
import logging
import os

from khien.engine.warming import warm_soon
from khien.site import environment, sweeper

logger = logging.getLogger("khien.worker")


async def work() -> None:
    """Run jobs until SIGTERM or SIGINT; jobs that run then have some seconds to end."""
    from procrastinate.contrib.django import app

    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(
                name=f"khien-{os.getpid()}",
                concurrency=environment.get("KHIEN_WORKER_JOBS").number(),
                fetch_job_polling_interval=2.0,
                update_heartbeat_interval=sweeper.HEARTBEAT_S,
                stalled_worker_timeout=sweeper.STALLED_S,
                shutdown_graceful_timeout=8.0,
                delete_jobs="successful",
            )


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    import django

    django.setup()
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    warm_soon(2.0)
    asyncio.run(work())


if __name__ == "__main__":
    main()
