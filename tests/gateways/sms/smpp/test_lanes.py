from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from khien.gateways.sms.interface import Answer, Lane
from khien.gateways.sms.smpp import pdu
from khien.gateways.sms.smpp.lanes import Batch, Lanes, Outgoing, Result, TokenBucket
from tests.gateways.sms.smpp.conftest import play


@settings(deadline=None)
@given(st.floats(0.5, 300), st.lists(st.floats(0, 0.5), max_size=60))
def test_no_second_has_more_than_the_rate_and_what_was_saved_up(rate: float, steps: list[float]) -> None:
    bucket, now, taken = TokenBucket(rate), 100.0, []
    for step in steps:
        now += step
        while not bucket.take(now):
            taken.append(now)
    for moment in taken:
        within = sum(moment <= other < moment + 1 for other in taken)
        assert within <= rate + max(1.0, rate / 10) + 1e-6


@settings(deadline=None)
@given(st.floats(0.5, 5000))
def test_after_the_wait_that_was_named_there_is_one(rate: float) -> None:
    bucket, now = TokenBucket(rate), 5.0
    for _ in range(50):
        while wait := bucket.take(now):
            now += wait
    assert now - 5.0 <= 50 / rate + 1e-3


def test_without_a_limit_there_is_always_one() -> None:
    bucket = TokenBucket(0)
    assert [bucket.take(1.0) for _ in range(1000)] == [0.0] * 1000


async def _items(*lanes: Lane) -> tuple[Lanes, list[Outgoing], Batch]:
    batch, queue = Batch(len(lanes)), Lanes(begun_s=300.0)
    items = [
        Outgoing(pdu.Message(destination=str(place)), lane, 10.0, batch, place)
        for place, lane in enumerate(lanes)
    ]
    return queue, items, batch


def test_the_urgent_goes_first_and_the_last_places_are_not_for_campaigns() -> None:
    async def scene() -> None:
        queue, items, _batch = await _items(Lane.CAMPAIGN, Lane.CAMPAIGN, Lane.PROMPT, Lane.EMERGENCY)
        for item in items:
            queue.put(item)
        order = [queue.take(0.0, last_places=last) for last in (False, True, True, False, False)]
        assert [item and item.place for item in order] == [3, 2, None, 0, 1]

    play(scene)


def test_a_pause_keeps_what_waits_and_lets_a_message_that_is_half_sent_finish() -> None:
    async def scene() -> None:
        queue, items, batch = await _items(Lane.CAMPAIGN, Lane.CAMPAIGN, Lane.CAMPAIGN)
        items[0].rest = [items[1]]
        queue.put(items[0])
        queue.put(items[2])
        assert queue.take(0.0, last_places=False) is items[0]
        queue.paused = set(Lane)
        assert queue.take(0.0, last_places=False) is items[1]
        assert queue.take(0.0, last_places=False) is None
        # A part that the carrier sends back has more patience than a message that nobody has begun.
        queue.put_back(items[1])
        assert list(queue.expired(20.0)) == [items[2]]
        assert list(queue.expired(301.0)) == [items[1]]
        items[2].settle(Result(Answer.THROTTLED))
        assert not batch.done.done()

    play(scene)
