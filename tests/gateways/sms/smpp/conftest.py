"""A carrier of npm `smpp` for a test, and what tests of the client need beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from khien.gateways.sms.interface import Lane
from khien.gateways.sms.smpp import coding, pdu
from khien.gateways.sms.smpp.pool import Parcel, Pool
from khien.gateways.sms.smpp.session import BindSettings
from tests.peers import Smsc, missing

MakeSmsc = Callable[..., Smsc]


@pytest.fixture
def smsc() -> Iterator[MakeSmsc]:
    """`smsc(delay_ms=5)`: a carrier that behaves so."""
    if why := missing("smpp"):
        pytest.skip(why)
    made: list[Smsc] = []

    def make(**manner: Any) -> Smsc:
        made.append(Smsc(**manner))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a carrier writes what it took."""
    return tmp_path / "smsc.jsonl"


class Inbox:
    """Keeps what comes in; `wait` holds back until it is released, `fail` raises so many times."""

    def __init__(self) -> None:
        self.kept: list[pdu.Message] = []
        self.batches: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail = 0

    async def __call__(self, messages: Sequence[pdu.Message]) -> None:
        await self.gate.wait()
        if self.fail:
            self.fail -= 1
            raise RuntimeError("the database is away")
        self.batches.append(len(messages))
        self.kept += messages


def settings(peer: Smsc, **more: Any) -> BindSettings:
    return BindSettings("127.0.0.1", peer.port, "khien", "secret", **{"window": 20, **more})


@asynccontextmanager
async def pool(
    peer: Smsc | BindSettings, *, receive: Inbox | None = None, stop_s: float = 5.0, **more: Any
) -> AsyncIterator[Pool]:
    """A pool that is bound; settings of the binds and of the pool in `more`."""
    own = {
        name: more.pop(name)
        for name in ("binds", "patience_s", "idle_s", "reconnect_s", "longest_wait_s")
        if name in more
    }
    bind = peer if isinstance(peer, BindSettings) else settings(peer, **more)
    made = Pool(bind, receive=receive, **{"reconnect_s": 0.05, "longest_wait_s": 0.5, **own})
    await made.start()
    try:
        yield made
    finally:
        await made.stop(stop_s)


def parcels(
    count: int, text: str = "Khai bao y te", lane: Lane = Lane.CAMPAIGN, first: int = 0
) -> list[Parcel]:
    """One text to `count` phones, 84900000000 and on."""
    return [
        Parcel(
            tuple(
                pdu.Message(
                    source="KHIEN",
                    destination=f"849{first + number:08d}",
                    short_message=part.octets,
                    data_coding=part.data_coding,
                    esm_class=coding.UDHI if part.long else 0,
                    registered_delivery=1,
                )
                for part in coding.parts_of(text, (first + number) & 0xFF)
            ),
            lane,
        )
        for number in range(count)
    ]


async def until(done: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `done` answers once it is true."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (answer := done()):
        assert asyncio.get_running_loop().time() < deadline, f"not in {seconds} s"
        await asyncio.sleep(0.01)
    return answer


def play(scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene to its end, at most a minute."""

    async def timed() -> None:
        async with asyncio.timeout(60):
            await scene()

    # In a thread of its own: a browser of another test may have left a running loop in this one.
    with ThreadPoolExecutor(1) as alone:
        alone.submit(asyncio.run, timed()).result()
