"""Links (`interface.CarrierLink`) over the gateway that this installation has chosen."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connections

from khien.gateways.sms.interface import Answer, CarrierLink, Lane, Outcome, OutgoingSms, Receipt, SmsGateway
from khien.gateways.sms.smpp import coding, pdu, store
from khien.gateways.sms.smpp.gateway import SmppSettings, outcome_of
from khien.gateways.sms.smpp.pool import Parcel, Pool

logger = logging.getLogger(__name__)

_INTERNATIONAL, _ISDN, _RECEIPT_WANTED = 1, 1, 1


class SmppLink:
    """A pool of SMPP binds in the sender's own loop. Receipts and replies are kept before they are acknowledged."""

    def __init__(self, name: str, settings: SmppSettings) -> None:
        self.name, self.settings = name, settings
        self.window, self.binds = settings.bind.window, settings.binds
        self._pool: Pool | None = None
        self._keeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{name}-inbox")
        self._references = itertools.count(random.randrange(256))  # noqa: S311 - no secret
        self._coded: tuple[str, list[coding.Part]] = ("", [])

    async def open(self) -> None:
        """See `CarrierLink.open`."""
        settings = self.settings
        self._pool = Pool(
            settings.bind, binds=settings.binds, receive=self._receive, patience_s=settings.patience_s
        )
        await self._pool.start()

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        """See `CarrierLink.submit`."""
        if self._pool is None:
            raise RuntimeError(f"the link {self.name} is not open")
        parcels: list[Parcel] = []
        places: list[int] = []
        outcomes = [Outcome(message.client_id, Answer.REJECTED, code="cannot_encode") for message in messages]
        for place, message in enumerate(messages):
            try:
                parcels.append(self._parcel(message, lane))
            except pdu.CannotEncode as fault:
                logger.warning("SMS not sent: %s", fault)
            else:
                places.append(place)
        sent = []
        for place, parts in zip(places, await self._pool.submit(parcels), strict=True):
            client_id = messages[place].client_id
            outcome = outcomes[place] = outcome_of(client_id, parts, self.settings.receipt_ids)
            if len(parts) > 1 and outcome.answer is Answer.ACCEPTED:
                sent.append(
                    store.SentParts(client_id, outcome.message_id, tuple(part.message_id for part in parts))
                )
        if sent:
            await asyncio.get_running_loop().run_in_executor(self._keeper, self._remember, sent)
        return outcomes

    async def close(self, drain_s: float) -> None:
        """See `CarrierLink.close`."""
        if self._pool is not None:
            await self._pool.stop(drain_s)
        await asyncio.get_running_loop().run_in_executor(self._keeper, connections.close_all)
        self._keeper.shutdown()

    def _parcel(self, message: OutgoingSms, lane: Lane) -> Parcel:
        settings = self.settings
        text, parts = self._coded
        if text != message.text or len(parts) != 1:
            parts = coding.parts_of(message.text, next(self._references) & 0xFF, settings.alphabet)
            self._coded = (message.text, parts)
        return Parcel(
            tuple(
                pdu.Message(
                    source=settings.sender,
                    source_ton=settings.sender_ton,
                    source_npi=settings.sender_npi,
                    destination=message.number.removeprefix("+"),
                    destination_ton=_INTERNATIONAL,
                    destination_npi=_ISDN,
                    short_message=part.octets,
                    data_coding=part.data_coding,
                    esm_class=coding.UDHI if part.long else 0,
                    registered_delivery=_RECEIPT_WANTED,
                )
                for part in parts
            ),
            lane,
        )

    def _remember(self, sent: Sequence[store.SentParts]) -> None:
        close_old_connections()
        store.remember_parts(sent)

    async def _receive(self, messages: Sequence[pdu.Message]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._keeper, self._keep, messages)

    def _keep(self, messages: Sequence[pdu.Message]) -> None:
        close_old_connections()
        store.keep(messages, self.settings.alphabet, self.settings.receipt_ids)


class GatewayLink:
    """Any `SmsGateway`, asked in threads: `binds` of them, one message at a time from each `window`."""

    def __init__(self, name: str, gateway: SmsGateway, *, window: int = 50, binds: int = 2) -> None:
        self.name, self.window, self.binds = name, window, binds
        self._gateway = gateway
        self._threads = ThreadPoolExecutor(max_workers=binds, thread_name_prefix=name)

    async def open(self) -> None:
        """See `CarrierLink.open`: there is nothing to connect."""

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        """See `CarrierLink.submit`."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, self._submit, list(messages)
            )
        except Exception as fault:
            logger.error("no word of what became of %d messages: %s", len(messages), type(fault).__name__)
            return [Outcome(message.client_id, Answer.UNKNOWN, code="no_outcome") for message in messages]

    async def close(self, drain_s: float) -> None:
        """See `CarrierLink.close`: what has been handed over is waited for by its own time limits."""
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)

    def _submit(self, messages: Sequence[OutgoingSms]) -> list[Outcome]:
        close_old_connections()
        return self._gateway.submit(messages)


def receipts(limit: int) -> list[Receipt]:
    """Receipts that wait to be fetched, whichever link they came over; each is handed out once, within the caller's
    transaction."""
    from django.conf import settings

    from khien.gateways.sms import sending

    # Not by the SMPP gateway of this process, which would make binds of its own.
    if settings.KHIEN_SMS_GATEWAY == "smpp":
        return store.hand_out(limit)
    return sending.gateway().receipts(limit)


def chosen_link() -> CarrierLink:
    """The link over the gateway of `KHIEN_SMS_GATEWAY`. Raises `GatewayNotSet`."""
    from django.conf import settings

    from khien.gateways.sms import sending

    if settings.KHIEN_SMS_GATEWAY == "smpp":
        from khien.gateways.sms.smpp import chosen

        return SmppLink("smpp", chosen.from_settings())
    gateway = sending.gateway()
    return GatewayLink(gateway.name, gateway)
