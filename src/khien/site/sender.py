"""The sender of campaigns: `python -m khien.site.sender`, or as a part of `khien up`.

Several at once share the work and the carriers' rates; each is known by a lock that ends with its connection.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from khien.gateways.sms.interface import CarrierLink, Receipt


@functools.cache
def only_link() -> CarrierLink:
    """Where no file names the carriers, one link for all of them: what it can take is counted once."""
    from khien.gateways.sms import carriers

    return carriers.link("")


def link_of(code: str) -> CarrierLink:
    """The way to a carrier. Raises `GatewayNotSet`."""
    from khien.gateways.sms import carriers

    return carriers.link(code) if carriers.configured() else only_link()


def receipts(limit: int) -> Sequence[Receipt]:
    """What has come in over the links; other gateways push theirs. Asking the gateway itself would make it bind from
    this process a second time."""
    from django.conf import settings

    from khien.gateways.sms import carriers
    from khien.gateways.sms.simulator import Simulator
    from khien.gateways.sms.smpp import store

    if settings.KHIEN_SMS_GATEWAY == "simulator" and not carriers.configured():
        return Simulator().receipts(limit)
    return store.hand_out(limit)


async def send() -> None:
    """Send until SIGTERM or SIGINT; what is under way then gets its answers."""
    from khien.rooms.broadcasts.pump import Pump

    pump = Pump(link_of, receipts=receipts)
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
