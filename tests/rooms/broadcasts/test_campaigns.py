"""A campaign from its making to its end, by the verbs that people and senders use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

import pytest

from khien.gateways.sms.interface import Answer, Delivery, Outcome, Receipt
from khien.gateways.sms.sending import send_now
from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.events.models import Event
from khien.kernel.rules.models import Rule, RuleKey
from khien.kernel.staff import Role
from khien.rooms.broadcasts import jobs, pump, verbs
from khien.rooms.broadcasts.models import (
    Audience,
    AudienceMember,
    Campaign,
    CampaignResult,
    Chunk,
    DeadNumber,
    Recipient,
    UnmatchedReceipt,
)
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs import campaigns, chunks, switch
from khien.rooms.broadcasts.verbs.chunks import Claimed, Room, Settled
from tests.factories import NOON, make_actor, make_unit
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.factories import make_audience, make_campaign, make_carrier, number

SENDER = 7
"""A number whose lock nobody holds: to others this sender is dead."""


def claim(house: House, campaign: Campaign, members: int = 10_000, most: int = 10_000) -> list[Claimed]:
    carriers = tuple(campaign.chunks.values_list("carrier", flat=True).distinct())
    return chunks.advance_chunks(
        house.system, sender=SENDER, rooms=[Room(carriers, members, most)], due=chunks.due_campaigns()
    )


def settle(
    house: House, claimed: Iterable[Claimed], answer: Callable[[Claimed, int], Answer | Outcome] | Answer
) -> None:
    def outcome(chunk: Claimed, seq: int) -> Outcome:
        said = answer(chunk, seq) if callable(answer) else answer
        if isinstance(said, Outcome):
            return said
        message_id = f"m{seq}" if said is Answer.ACCEPTED else ""
        code = "" if said is Answer.ACCEPTED else f"code_{said}"
        return Outcome(chunk.client_id(seq), said, message_id, code)

    chunks.advance_chunks(
        house.system,
        sender=SENDER,
        settled=[Settled(one, [outcome(one, seq) for seq in one.seqs]) for one in claimed],
    )


def results(campaign: Campaign) -> dict[int, str]:
    rows = CampaignResult.objects.filter(campaign_id=campaign.pk)
    return dict(rows.order_by("seq").values_list("seq", "state"))


def counts(campaign: Campaign) -> dict[str, int]:
    """From the chunks; and they must say what the results say."""
    totals = reads.totals(campaign.pk)
    found: dict[str, int] = {}
    for state in results(campaign).values():
        found[state] = found.get(state, 0) + 1
    assert {k: v for k, v in totals.by_state().items() if k != "cancelled"} == found
    return totals.by_state()


def due(campaign: Campaign) -> None:
    campaign.chunks.update(retry_at=None)


def test_chunks_hold_every_member_once_by_carrier_and_unit(house: House) -> None:
    other = make_unit("Lê Hồng Phong", code="13286")
    carriers = [make_carrier(), make_carrier()]
    campaign = make_campaign(
        house.province, 1_234, carriers=carriers, units=[house.commune, other], canary_share=0.01
    )
    rows = list(campaign.chunks.order_by("first"))
    members = [seq for row in rows for seq in range(row.first, row.last + 1)]
    assert members == list(range(1, 1_235))
    assert max(row.last - row.first + 1 for row in rows) == 50
    assert {(row.carrier_id, row.unit_id) for row in rows} == {
        (carrier.pk, unit.pk) for carrier in carriers for unit in (house.commune, other)
    }
    assert sorted(row.carrier_id for row in rows if row.is_canary) == sorted(c.pk for c in carriers)
    ranks = [row.rank for row in rows if row.carrier == carriers[0]]
    assert sorted(ranks) == list(range(1, len(ranks) + 1))
    assert ranks != sorted(ranks)


def test_what_cannot_be_sent_is_refused_before_anything_is_made(house: House) -> None:
    def refused(code: str = "", **more: object) -> None:
        with pytest.raises(Invalid) as problem:
            campaigns.create_campaign(house.officer, **{"text": "Xin chao"} | more)
        assert not code or problem.value.code == code

    refused(audience=make_audience(house.commune, 0))
    refused("missing_value", audience=make_audience(house.commune, 3), text="Ma {ma}")
    refused("missing_value", audience=make_audience(house.commune, 3, values={"ma": "  "}), text="Ma {ma}")
    plain = make_carrier(takes_accents=False)
    refused(audience=make_audience(house.commune, 3, carriers=[plain]), text="Khai báo y tế")
    open_audience = make_audience(house.commune, 3)
    Audience.objects.filter(pk=open_audience.pk).update(frozen_at=None)
    open_audience.refresh_from_db()
    with pytest.raises(Conflict):
        campaigns.create_campaign(house.officer, audience=open_audience, text="Xin chao")
    with pytest.raises(NotAllowed):
        campaigns.create_campaign(
            make_actor(Role.COMMUNICATION_OFFICER, make_unit("Khác")),
            audience=make_audience(house.commune, 3),
            text="Xin chao",
        )
    assert not Campaign.objects.exists()


def test_a_campaign_is_claimed_settled_and_finished_once(house: House) -> None:
    campaign = make_campaign(house.commune, 120, values={"ma": "X1"}, text="Ma cua ban la {ma}")
    claimed = claim(house, campaign)
    assert sum(len(chunk.seqs) for chunk in claimed) == 120
    assert {text for chunk in claimed for text in chunk.texts} == {"Ma cua ban la X1"}
    assert claim(house, campaign) == []
    settle(house, claimed, lambda _chunk, seq: Answer.REJECTED if seq % 10 == 0 else Answer.ACCEPTED)
    assert counts(campaign) == {"accepted": 108, "rejected": 12}
    assert reads.progress(house.officer, campaign).errors == [("code_rejected", 12)]
    pump.tend(house.system)
    pump.tend(house.system)
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED
    (event,) = Event.objects.filter(name="campaign_finished")
    assert event.payload == {
        "campaign": campaign.pk,
        "version": None,
        "state": "finished",
        "counts": {"accepted": 108, "rejected": 12},
    }


def test_a_number_that_its_carrier_calls_none_is_left_out_of_what_comes(house: House) -> None:
    campaign = make_campaign(house.commune, 20)
    claimed = claim(house, campaign)
    gone = claimed[0].seqs[0]
    settle(house, claimed, lambda _chunk, _seq: Answer.REJECTED)
    CampaignResult.objects.filter(campaign_id=campaign.pk, seq=gone).update(code=campaigns.NO_SUCH_NUMBER)
    pump.tend(house.system)
    phone = AudienceMember.objects.get(audience_id=campaign.audience_id, seq=gone).phone
    assert list(DeadNumber.objects.values_list("number", "code")) == [(phone, campaigns.NO_SUCH_NUMBER)]


def test_a_sender_claims_no_more_than_it_has_room_for(house: House) -> None:
    campaign = make_campaign(house.commune, 500)
    assert sum(len(chunk.seqs) for chunk in claim(house, campaign, members=120)) == 100
    small = claim(house, campaign, members=20, most=20)
    assert [len(chunk.seqs) for chunk in small] == [20]
    settle(house, small, Answer.ACCEPTED)
    members = [seq for row in campaign.chunks.order_by("first") for seq in range(row.first, row.last + 1)]
    assert members == list(range(1, 501))
    while claimed := claim(house, campaign, members=20, most=20):
        settle(house, claimed, Answer.ACCEPTED)
    assert counts(campaign) == {"accepted": 400}


@pytest.mark.parametrize(("refused", "state"), [(0.02, "running"), (0.5, "paused")])
def test_the_canary_goes_first_and_is_judged(house: House, refused: float, state: str) -> None:
    campaign = make_campaign(house.commune, 1_000, canary_share=0.1)
    claimed = claim(house, campaign)
    assert sum(len(chunk.seqs) for chunk in claimed) == 100
    pump.tend(house.system)
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.CANARY
    every = round(1 / refused)
    settle(house, claimed, lambda _c, seq: Answer.REJECTED if seq % every == 0 else Answer.ACCEPTED)
    pump.tend(house.system)
    campaign.refresh_from_db()
    assert campaign.state == state
    assert bool(campaign.paused_because) == (state == "paused")
    if state == "paused":
        assert claim(house, campaign) == []
        campaigns.resume_campaign(house.leader, campaign=campaign)
    assert sum(len(chunk.seqs) for chunk in claim(house, campaign)) == 900


def test_put_off_members_wait_and_are_sent_later_and_no_other_twice(house: House) -> None:
    campaign = make_campaign(house.commune, 50)
    sent: list[int] = []

    def answer(_chunk: Claimed, seq: int) -> Answer:
        if seq % 2 and seq not in put_off:
            put_off.add(seq)
            return Answer.THROTTLED
        sent.append(seq)
        return Answer.ACCEPTED

    put_off: set[int] = set()
    settle(house, claim(house, campaign), answer)
    assert counts(campaign) == {"accepted": 25}
    assert claim(house, campaign) == []
    pump.tend(house.system)
    due(campaign)
    again = claim(house, campaign)
    assert sorted(seq for chunk in again for seq in chunk.seqs) == sorted(put_off)
    settle(house, again, answer)
    assert sorted(sent) == list(range(1, 51))
    assert counts(campaign) == {"accepted": 50}


def test_pause_resume_and_cancel(house: House) -> None:
    campaign = make_campaign(house.commune, 200)
    first = claim(house, campaign, members=50)
    campaigns.pause_campaign(house.leader, campaign=campaign, because="Sai giờ")
    assert claim(house, campaign) == []
    campaigns.resume_campaign(house.officer, campaign=campaign)
    second = claim(house, campaign, members=50)
    assert campaigns.cancel_campaign(house.officer, campaign=campaign) == 100
    assert claim(house, campaign) == []
    settle(house, first, Answer.ACCEPTED)
    settle(house, second, lambda _c, seq: Answer.THROTTLED if seq % 2 else Answer.ACCEPTED)
    pump.tend(house.system)
    assert counts(campaign) == {"accepted": 75, "cancelled": 125}
    campaign.refresh_from_db()
    assert (campaign.state, campaign.ended_at) == (Campaign.State.CANCELLED, NOON)
    with pytest.raises(Conflict):
        campaigns.resume_campaign(house.officer, campaign=campaign)
    with pytest.raises(NotAllowed):
        campaigns.pause_campaign(house.tracer, campaign=campaign)


def test_a_campaign_waits_for_its_hour_and_what_is_left_after_it_expires(house: House) -> None:
    campaign = make_campaign(
        house.commune,
        100,
        not_before=NOON + timedelta(hours=1),
        not_after=NOON + timedelta(hours=2),
        begin=False,
    )
    pump.tend(house.system)
    assert claim(house, campaign) == []
    with clock.reads.frozen_at(NOON + timedelta(hours=1)):
        pump.tend(house.system)
        settle(house, claim(house, campaign, members=50), Answer.ACCEPTED)
    with clock.reads.frozen_at(NOON + timedelta(hours=2)):
        assert claim(house, campaign) == []
        pump.tend(house.system)
    assert counts(campaign) == {"accepted": 50, "cancelled": 50}
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.FINISHED


def test_nothing_leaves_at_night_but_emergencies_and_what_may(house: House) -> None:
    key, _made = RuleKey.objects.get_or_create(
        key="broadcasts.quiet_hours", defaults={"meaning": "Giờ yên tĩnh"}
    )
    if not Rule.objects.filter(key=key).exists():
        Rule.objects.create(
            key=key, during=(NOON.date() - timedelta(days=900), None), value={"from": 22, "until": 7}
        )
    usual = make_campaign(house.commune, 10, at_night=False)
    allowed = make_campaign(house.commune, 10, at_night=True)
    urgent = make_campaign(house.commune, 10, at_night=False, lane=Campaign.Lane.EMERGENCY)
    for hour, at_night in ((21, False), (22, True), (6, True), (7, False)):
        moment = clock.start_of_day(NOON.date()) + timedelta(hours=hour)
        with clock.reads.frozen_at(moment):
            until = reads.quiet_until(moment)
            assert bool(until) == at_night
            assert not until or (clock.local(until).hour, until > moment) == (7, True)
            assert [reads.is_due(c, moment, at_night) for c in (usual, allowed, urgent)] == [
                not at_night,
                True,
                True,
            ]
    with clock.reads.frozen_at(clock.start_of_day(NOON.date()) + timedelta(hours=23)):
        assert claim(house, usual) == []
        assert sum(len(chunk.seqs) for chunk in claim(house, urgent)) == 10


def test_the_emergency_goes_before_what_was_there(house: House) -> None:
    carrier = make_carrier()
    usual = make_campaign(house.commune, 50, carriers=[carrier])
    urgent = make_campaign(house.commune, 50, carriers=[carrier], lane=Campaign.Lane.EMERGENCY, first=100)
    assert [chunk.campaign for chunk in claim(house, usual, members=50)] == [urgent.pk]


def test_a_dead_senders_members_are_unknown_and_never_sent_again(house: House) -> None:
    campaign = make_campaign(house.commune, 150)
    dead = claim(house, campaign, members=100)
    settle(house, dead[:1], lambda _c, seq: Answer.THROTTLED if seq % 2 else Answer.ACCEPTED)
    assert chunks.mark_orphans(house.system, mine=[SENDER]) == 0
    assert chunks.mark_orphans(house.system) == 50
    assert chunks.mark_orphans(house.system) == 0
    assert counts(campaign) == {"accepted": 25, "unknown": 50}
    due(campaign)
    lost = set(dead[1].seqs)
    assert not lost & {seq for chunk in claim(house, campaign) for seq in chunk.seqs}
    assert reads.progress(house.leader, campaign).unclear == [("interrupted", 50)]


def test_an_answer_that_comes_after_all_is_believed(house: House) -> None:
    """A sender that was thought dead lives on: what it learned replaces "unknown" and is counted once."""
    campaign = make_campaign(house.commune, 50)
    slow = claim(house, campaign)
    chunks.mark_orphans(house.system)
    settle(house, slow, Answer.ACCEPTED)
    assert counts(campaign) == {"accepted": 50}


def test_at_least_once_sends_the_unknown_once_more_and_no_more(house: House) -> None:
    campaign = make_campaign(house.commune, 50, policy="at_least_once")
    claim(house, campaign)
    chunks.mark_orphans(house.system)
    assert claim(house, campaign) == []  # receipts have a minute
    verbs.take_receipts(
        house.system,
        receipts=[Receipt("r1", Delivery.DELIVERED, NOON, client_id=f"khien-c{campaign.pk}-m1")],
    )
    due(campaign)
    (again,) = claim(house, campaign)
    assert sorted(again.seqs) == list(range(2, 51))
    settle(
        house,
        [again],
        lambda _c, seq: {2: Answer.UNKNOWN, 3: Answer.THROTTLED}.get(seq, Answer.ACCEPTED),
    )
    due(campaign)
    (third,) = claim(house, campaign)
    assert list(third.seqs) == [3]
    chunks.mark_orphans(house.system)
    due(campaign)
    assert claim(house, campaign) == []
    assert counts(campaign) == {"accepted": 47, "delivered": 1, "unknown": 2}
    attempts = dict(CampaignResult.objects.filter(campaign_id=campaign.pk).values_list("seq", "attempts"))
    assert (attempts[1], attempts[2], attempts[3], attempts[4]) == (1, 2, 2, 2)


def test_a_person_may_have_the_unknown_sent_again(house: House) -> None:
    campaign = make_campaign(house.commune, 50)
    settle(house, claim(house, campaign), lambda _c, seq: Answer.UNKNOWN if seq <= 5 else Answer.ACCEPTED)
    pump.tend(house.system)
    assert claim(house, campaign) == []
    assert campaigns.resend_unknown(house.officer, campaign=campaign) == 5
    (again,) = claim(house, campaign)
    assert sorted(again.seqs) == [1, 2, 3, 4, 5]
    settle(house, [again], Answer.ACCEPTED)
    assert counts(campaign) == {"accepted": 50}
    pump.tend(house.system)
    assert Event.objects.filter(name="campaign_finished").count() == 2
    with pytest.raises(Conflict):
        campaigns.resend_unknown(house.officer, campaign=campaign)


def test_receipts_of_campaigns_and_messages_come_by_one_function(house: House) -> None:
    campaign = make_campaign(house.commune, 60)
    settle(
        house,
        claim(house, campaign),
        lambda _c, seq: Answer.UNKNOWN if seq in (7, 8, 9) else Answer.ACCEPTED,
    )
    broadcast = house.send(house.people(1))
    Recipient.objects.update(state=Recipient.State.ACCEPTED, message_id="b1")
    phone = dict(_phones(campaign))
    receipts = [
        Receipt("m1", Delivery.UNDELIVERED, NOON),
        Receipt("m1", Delivery.UNDELIVERED, NOON),
        Receipt("m1", Delivery.DELIVERED, NOON),
        Receipt("m2", Delivery.EXPIRED, NOON),
        Receipt("x7", Delivery.DELIVERED, NOON, client_id=f"khien-c{campaign.pk}-m7"),
        Receipt("x8", Delivery.DELIVERED, NOON, number=phone[8].removeprefix("+")),
        Receipt("x3", Delivery.DELIVERED, NOON, number=phone[3].removeprefix("+")),
        Receipt("b1", Delivery.DELIVERED, NOON),
        Receipt("nobody", Delivery.DELIVERED, NOON),
    ]
    tally = verbs.take_receipts(house.system, receipts=receipts)
    assert (tally.received, tally.stored, tally.duplicate, tally.held) == (9, 6, 1, 2)
    assert counts(campaign) == {"accepted": 55, "delivered": 3, "undelivered": 1, "unknown": 1}
    assert CampaignResult.objects.get(campaign_id=campaign.pk, seq=8).code == "by_number"
    assert CampaignResult.objects.get(campaign_id=campaign.pk, seq=2).code == "expired"
    assert broadcast.recipients.get().state == Recipient.State.DELIVERED
    assert verbs.take_receipts(house.system, receipts=receipts).stored == 0
    assert UnmatchedReceipt.objects.count() == 2


def test_a_receipt_by_number_settles_nothing_where_two_messages_may_be_meant(house: House) -> None:
    first = make_campaign(house.commune, 1)
    second = make_campaign(house.commune, 1)
    for campaign in (first, second):
        settle(house, claim(house, campaign), Answer.UNKNOWN)
    receipt = Receipt("x", Delivery.DELIVERED, NOON, number=number(0))
    assert verbs.take_receipts(house.system, receipts=[receipt]).held == 1
    assert counts(first) == counts(second) == {"unknown": 1}


def test_receipts_that_overtake_their_answers_wait_for_them(house: House) -> None:
    campaign = make_campaign(house.commune, 10)
    claimed = claim(house, campaign)
    receipts = [
        Receipt("m1", Delivery.DELIVERED, NOON),
        Receipt("m2", Delivery.EXPIRED, NOON),
        Receipt("x3", Delivery.DELIVERED, NOON, client_id=f"khien-c{campaign.pk}-m3"),
    ]
    assert verbs.take_receipts(house.system, receipts=receipts).held == 3
    settle(house, claimed, lambda _c, seq: Answer.UNKNOWN if seq == 3 else Answer.ACCEPTED)
    assert counts(campaign) == {"accepted": 7, "delivered": 2, "undelivered": 1}
    assert not UnmatchedReceipt.objects.exists()


def test_receipts_written_at_the_same_moment_as_their_answers_find_them_later(house: House) -> None:
    campaign = make_campaign(house.commune, 10)
    settle(house, claim(house, campaign), Answer.ACCEPTED)
    UnmatchedReceipt.objects.create(
        message_id="m4", delivery=Delivery.DELIVERED, at=NOON, received_at=clock.now()
    )
    jobs.sweep(timestamp=0)
    assert counts(campaign) == {"accepted": 9, "delivered": 1}
    assert not UnmatchedReceipt.objects.exists()


def test_a_dead_senders_receipts_are_not_forgotten(house: House) -> None:
    campaign = make_campaign(house.commune, 10)
    claim(house, campaign)
    receipt = Receipt("x1", Delivery.DELIVERED, NOON, client_id=f"khien-c{campaign.pk}-m1")
    verbs.take_receipts(house.system, receipts=[receipt])
    chunks.mark_orphans(house.system)
    assert counts(campaign) == {"delivered": 1, "unknown": 9}


def test_the_switch_stops_everything(house: House) -> None:
    campaign = make_campaign(house.commune, 50)
    broadcast = house.send(house.people(1))
    with pytest.raises(NotAllowed):
        switch.stop_all(house.officer, because="thử")  # of one commune
    with pytest.raises(Invalid):
        switch.stop_all(house.leader, because=" ")
    switch.stop_all(house.leader, because="Tin sai")
    assert claim(house, campaign) == []
    jobs.send_waiting()
    assert broadcast.recipients.get().state == Recipient.State.QUEUED
    assert send_now("0912345678", "Ma 123", "one_time_code").code == "stopped"
    switch.allow_all(house.leader)
    jobs.send_waiting()
    assert broadcast.recipients.get().state != Recipient.State.QUEUED
    assert send_now("0912345678", "Ma 123", "one_time_code").answer is not Answer.THROTTLED
    assert len(claim(house, campaign)) == 1


def test_progress_says_how_long_it_will_take(house: House) -> None:
    carrier = make_carrier(rate=10)
    campaign = make_campaign(house.commune, 600, carriers=[carrier])
    assert reads.progress(house.leader, campaign).left_s == pytest.approx(60)
    settle(house, claim(house, campaign, members=100), Answer.ACCEPTED)
    seen = reads.progress(house.leader, campaign)
    assert (seen.totals.answered, seen.totals.queued, seen.totals.total) == (100, 500, 600)
    assert seen.totals.rate > 1
    assert [(part.name, part.totals.accepted) for part in seen.units] == [(house.commune.full_name, 100)]


def _phones(campaign: Campaign) -> Sequence[tuple[int, str]]:
    from khien.rooms.broadcasts.models import AudienceMember

    return list(AudienceMember.objects.filter(audience_id=campaign.audience_id).values_list("seq", "phone"))


def test_no_chunk_is_left_open(house: House) -> None:
    campaign = make_campaign(house.commune, 60)
    settle(house, claim(house, campaign), Answer.ACCEPTED)
    assert set(campaign.chunks.values_list("state", flat=True)) == {Chunk.State.SETTLED}


def test_old_campaigns_are_forgotten_with_their_results(house: House) -> None:
    campaign = make_campaign(house.commune, 10)
    settle(house, claim(house, campaign), Answer.ACCEPTED)
    verbs.forget_messages(NOON.date())
    assert len(results(campaign)) == 10
    verbs.forget_messages(NOON.date() + timedelta(days=1))
    assert not Campaign.objects.exists()
    assert not CampaignResult.objects.exists()
