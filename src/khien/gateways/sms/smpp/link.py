"""The SMPP client as a `CarrierLink`: a pool of binds in the sender's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connections

from khien.gateways.sms.interface import Answer, Lane, Outcome, OutgoingSms
from khien.gateways.sms.smpp import pdu, store
from khien.gateways.sms.smpp.gateway import Shipping, SmppSettings
from khien.gateways.sms.smpp.pool import Pool, PoolStatus


class SmppLink:
    """See `CarrierLink`, and `gateway.Smpp` for what each answer means. Receipts and replies that come over its binds
    are kept in their tables, by one thread with a connection to the database of its own."""

    def __init__(self, name: str, settings: SmppSettings) -> None:
        self.name, self.settings = name, settings
        self.window, self.binds = settings.bind.window, settings.binds
        self._shipping = Shipping(settings)
        self._pool: Pool | None = None
        self._keeper: ThreadPoolExecutor | None = None

    async def open(self) -> None:
        if self._pool is not None:
            return
        self._keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sms-{self.name}")
        self._pool = Pool(
            self.settings.bind,
            binds=self.binds,
            receive=self._receive,
            patience_s=self.settings.patience_s,
        )
        await self._pool.start()

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        if self._pool is None:
            return [Outcome(each.client_id, Answer.THROTTLED, code="stopped") for each in messages]
        shipment = self._shipping.prepare(messages, lane)
        outcomes, sent = self._shipping.conclude(shipment, await self._pool.submit(shipment.parcels))
        if sent:
            await asyncio.get_running_loop().run_in_executor(self._keeper, _remember, sent)
        return outcomes

    async def close(self, drain_s: float) -> None:
        pool, keeper, self._pool = self._pool, self._keeper, None
        if pool is None or keeper is None:
            return
        await pool.stop(drain_s)
        await asyncio.get_running_loop().run_in_executor(keeper, connections.close_all)
        keeper.shutdown(wait=False)

    def status(self) -> PoolStatus | None:
        """How the binds stand; None while it is closed."""
        return self._pool.status() if self._pool is not None else None

    async def _receive(self, messages: Sequence[pdu.Message]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._keeper, self._keep, messages)

    def _keep(self, messages: Sequence[pdu.Message]) -> None:
        close_old_connections()
        settings = self.settings
        store.keep(messages, settings.alphabet, settings.receipt_ids, settings.mark)


def _remember(sent: Sequence[store.SentParts]) -> None:
    close_old_connections()
    store.remember_parts(sent)
