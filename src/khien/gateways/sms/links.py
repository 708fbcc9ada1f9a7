"""Links to gateways that take one message at a time: over HTTP, or the simulator."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import httpx
from django.db import close_old_connections, connections

from khien.gateways.sms.http import HttpGateway
from khien.gateways.sms.interface import Answer, CarrierLink, Lane, Outcome, OutgoingSms
from khien.gateways.sms.simulator import Simulator

logger = logging.getLogger(__name__)

_Waiting = tuple[OutgoingSms, "asyncio.Future[Outcome]"]


class OneByOne:
    """A `CarrierLink` with `window` messages under way at once; the lower lane goes first."""

    def __init__(self, name: str, window: int) -> None:
        self.name, self.window, self.binds = name, window, 1
        self._queues: tuple[deque[_Waiting], ...] = tuple(deque() for _ in Lane)
        self._more = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False

    async def open(self) -> None:
        if not self._open:
            self._open = True
            await self.begin()
            self._tasks = [asyncio.create_task(self._work()) for _ in range(self.window)]

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        if not self._open:
            return [_stopped(each) for each in messages]
        loop = asyncio.get_running_loop()
        waiting: list[_Waiting] = [(each, loop.create_future()) for each in messages]
        self._queues[lane].extend(waiting)
        async with self._more:
            self._more.notify(len(waiting))
        return list(await asyncio.gather(*(future for _message, future in waiting)))

    async def close(self, drain_s: float) -> None:
        if not self._open:
            return
        self._open = False
        for queue in self._queues:
            while queue:
                message, future = queue.popleft()
                if not future.done():
                    future.set_result(_stopped(message))
        async with self._more:
            self._more.notify_all()
        _done, late = await asyncio.wait(self._tasks, timeout=drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.end()

    async def begin(self) -> None:
        """Make what `send` needs."""

    async def send(self, message: OutgoingSms) -> Outcome:
        raise NotImplementedError

    async def end(self) -> None:
        """Give back what `begin` made."""

    async def _work(self) -> None:
        while True:
            while (waiting := next((queue for queue in self._queues if queue), None)) is None:
                if not self._open:
                    return
                async with self._more:
                    await self._more.wait()
            message, future = waiting.popleft()
            # Whoever waits learns of it in any case: when we are cancelled, nobody knows whether it was taken.
            told = Outcome(message.client_id, Answer.UNKNOWN, code="no_answer")
            try:
                told = await self.send(message)
            except Exception:
                logger.exception("SMS link %s: no word of what became of a message", self.name)
            finally:
                if not future.done():
                    future.set_result(told)


class HttpLink(OneByOne):
    """To a gateway over HTTP, on connections that are kept."""

    def __init__(self, name: str, gateway: HttpGateway) -> None:
        super().__init__(name, gateway.window)
        self.gateway = gateway
        self._client: httpx.AsyncClient | None = None

    async def begin(self) -> None:
        self._client = httpx.AsyncClient(**self.gateway.limits())

    async def send(self, message: OutgoingSms) -> Outcome:
        assert self._client is not None
        return await self.gateway.send(self._client, message)

    async def end(self) -> None:
        if self._client is not None:
            await self._client.aclose()


class SimulatorLink(OneByOne):
    """To the simulator's table, in a thread with a connection of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name, window=20)
        self._thread: ThreadPoolExecutor | None = None

    async def begin(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sms-{self.name}")

    async def send(self, message: OutgoingSms) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _simulate, message)

    async def end(self) -> None:
        if self._thread is not None:
            await asyncio.get_running_loop().run_in_executor(self._thread, connections.close_all)
            self._thread.shutdown(wait=False)


class Shared:
    """Several carriers by one gateway: whichever loop uses it has one link, opened by the first and closed by the last,
    so that the gateway meets no more connections than it allows."""

    _in_use: WeakKeyDictionary[asyncio.AbstractEventLoop, _Common] = WeakKeyDictionary()

    def __init__(self, name: str, make: Callable[[], CarrierLink]) -> None:
        self.name, self._make = name, make
        self._common: _Common | None = None
        sample = make()
        self.window, self.binds = sample.window, sample.binds

    async def open(self) -> None:
        if self._common is not None:
            return
        loop = asyncio.get_running_loop()
        common = self._in_use.get(loop)
        if common is None:
            common = self._in_use[loop] = _Common(self._make())
        self._common = common
        common.users += 1
        await common.link.open()

    async def submit(self, messages: Sequence[OutgoingSms], lane: Lane) -> list[Outcome]:
        if self._common is None:
            return [_stopped(each) for each in messages]
        return await self._common.link.submit(messages, lane)

    async def close(self, drain_s: float) -> None:
        common, self._common = self._common, None
        if common is None:
            return
        common.users -= 1
        if not common.users:
            self._in_use.pop(asyncio.get_running_loop(), None)
            await common.link.close(drain_s)


@dataclass(slots=True)
class _Common:
    link: CarrierLink
    users: int = 0


def _simulate(message: OutgoingSms) -> Outcome:
    close_old_connections()
    return Simulator().submit([message])[0]


def _stopped(message: OutgoingSms) -> Outcome:
    return Outcome(message.client_id, Answer.THROTTLED, code="stopped")
