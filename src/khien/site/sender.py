"""The sender of campaigns: `python -m khien.site.sender`, or as a part of `khien up`.

Several at once share the work and the carriers' rates; each is known by a lock that ends with its connection.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal

logger = logging.getLogger("khien.sender")


async def send() -> None:
    """Send until SIGTERM or SIGINT; what is under way then gets its answers."""
    from khien.gateways.sms import links
    from khien.rooms.broadcasts.pump import Pump

    one = functools.cache(links.chosen_link)
    pump = Pump(lambda _code: one(), receipts=links.receipts)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, pump.stop)
    await pump.run()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "khien.site.settings")
    import django

    django.setup()
    asyncio.run(send())


if __name__ == "__main__":
    main()
