"""Who goes first: what waits to be sent, in three lanes, and how fast one bind may send."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from khien.gateways.sms.interface import Answer, Lane


class Result(NamedTuple):
    """What came of one submission; as `interface.Outcome`, for one part."""

    answer: Answer
    message_id: str = ""
    code: str = ""
    retry_after_s: float | None = None


class Batch:
    """Results of several submissions, gathered until the last has come."""

    __slots__ = ("_left", "_results", "done")

    def __init__(self, size: int) -> None:
        self._results: list[Result | None] = [None] * size
        self._left = size
        self.done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._finish()

    def settle(self, place: int, result: Result) -> None:
        if self._results[place] is None:
            self._results[place] = result
            self._left -= 1
            if not self._left:
                self._finish()

    def _finish(self) -> None:
        if self._left == 0 and not self.done.done():
            self.done.set_result([result for result in self._results if result is not None])


class Outgoing:
    """One part on its way: `body` is a whole `submit_sm` but for its header. `give_up_at` (loop time) is when it goes
    back unsent. The first of a long message has the others as its `rest`: they wait behind it, and once it has been
    sent they follow before anything else."""

    __slots__ = ("batch", "begun", "body", "give_up_at", "lane", "place", "rest", "sent_at")

    def __init__(self, body: bytes, lane: Lane, give_up_at: float, batch: Batch, place: int) -> None:
        self.body, self.lane, self.give_up_at = body, lane, give_up_at
        self.batch, self.place, self.sent_at = batch, place, 0.0
        self.rest: Sequence[Outgoing] = ()
        self.begun = False

    def settle(self, result: Result) -> None:
        """Say what came of it; what was to follow it and was not sent either shares its lot."""
        self.batch.settle(self.place, result)
        for item in self.rest:
            item.settle(result)


class Lanes:
    """First in, first out within a lane; a lane waits while a lower one has something. A paused lane gives nothing but
    the rest of messages that are half sent."""

    def __init__(self, begun_s: float = 300.0) -> None:
        self._queues: tuple[deque[Outgoing], ...] = tuple(deque() for _ in Lane)
        self._begun: deque[Outgoing] = deque()
        self._begun_s = begun_s
        self.paused: set[Lane] = set()

    def put(self, item: Outgoing) -> None:
        self._queues[item.lane].append(item)

    def put_back(self, item: Outgoing) -> None:
        """In front again: it was not taken by the carrier."""
        (self._begun if item.begun else self._queues[item.lane]).appendleft(item)

    def take(self, now: float, last_places: bool) -> Outgoing | None:
        """The next to send. `last_places`: only those few places are free that a campaign may not fill."""
        if self._begun and not (last_places and self._begun[0].lane is Lane.CAMPAIGN):
            return self._begun.popleft()
        emergency, prompt, campaign = self._queues
        if emergency and Lane.EMERGENCY not in self.paused:
            item = emergency.popleft()
        elif prompt and Lane.PROMPT not in self.paused:
            item = prompt.popleft()
        elif campaign and not last_places and Lane.CAMPAIGN not in self.paused:
            item = campaign.popleft()
        else:
            return None
        if item.rest:
            self._begin(item, now)
        return item

    def waiting(self) -> dict[Lane, int]:
        """Messages by lane; a long one counts once until it is begun."""
        counts = {lane: len(queue) for lane, queue in zip(Lane, self._queues, strict=True)}
        for item in self._begun:
            counts[item.lane] += 1
        return counts

    def __len__(self) -> int:
        return len(self._begun) + sum(map(len, self._queues))

    def expired(self, now: float) -> Iterator[Outgoing]:
        """Take out what has waited too long. Within a lane all wait about equally long, so the front tells."""
        for queue in (*self._queues, self._begun):
            while queue and queue[0].give_up_at <= now:
                yield queue.popleft()

    def empty(self) -> Iterator[Outgoing]:
        """Take out everything."""
        for queue in (*self._queues, self._begun):
            while queue:
                yield queue.popleft()

    def _begin(self, first: Outgoing, now: float) -> None:
        """Half a message is worse than a late one: the parts of one that is begun have more patience."""
        rest, first.rest = first.rest, ()
        for item in (first, *rest):
            item.begun, item.give_up_at = True, max(item.give_up_at, now + self._begun_s)
        self._begun.extend(rest)


class TokenBucket:
    """At most `rate` a second (0: no limit), with a tenth of a second saved up at most. Times are seconds of the
    caller's clock."""

    __slots__ = ("_at", "_most", "_rate", "_tokens")

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate / 10)
        self._tokens, self._at = 1.0, 0.0

    def take(self, now: float) -> float:
        """Take one; 0.0 when there was one, else the seconds until there will be."""
        if self._rate <= 0:
            return 0.0
        self._tokens = min(self._most, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        # Sums of floats fall short by a hair: without this, a wait of 1e-17 s would be asked for again and again.
        if self._tokens >= 1.0 - 1e-9:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self._rate

    def give_back(self) -> None:
        """The token just taken was not used."""
        if self._rate > 0:
            self._tokens = min(self._most, self._tokens + 1.0)
