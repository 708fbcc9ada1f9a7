"""The sender as it runs, against an independent SMSC: killed, paused, stopped; and a code that must not wait."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings

from khien.gateways.sms.interface import Answer
from khien.gateways.sms.sending import send_now
from khien.gateways.sms.smpp import chosen
from khien.kernel.staff import system_actor
from khien.rooms.broadcasts.models import AudienceMember, Campaign, CampaignResult
from khien.rooms.broadcasts.reads import campaigns as reads
from khien.rooms.broadcasts.verbs import campaigns
from tests.factories import make_province
from tests.peers import Smsc, missing
from tests.rooms.broadcasts.factories import make_campaign, make_carrier
from tests.rooms.broadcasts.sending import start_sender
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(missing("smpp")), reason=missing("smpp") or "-")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "smsc.log"


@pytest.fixture
def smsc() -> Iterator[Callable[..., Smsc]]:
    peers: list[Smsc] = []

    def make(**manner: object) -> Smsc:
        peers.append(Smsc(**manner))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()


@pytest.fixture
def children() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Senders that must not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for child in started:
        child.kill()
        child.wait()


def lines(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def seen(journal: Path) -> Counter[str]:
    """How often each number was sent to, by the SMSC's own log."""
    return Counter(json.loads(line)["to"] for line in journal.read_text().splitlines())


def is_finished(campaign: Campaign) -> bool:
    campaign.refresh_from_db()
    return campaign.state == Campaign.State.FINISHED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("messages", "window", "kills"),
    [(3_000, 50, 2), pytest.param(100_000, 200, 10, marks=pytest.mark.slow)],
)
def test_kills_double_nothing_and_lose_nothing_outside_unknown(
    smsc: Callable[..., Smsc],
    journal: Path,
    children: list[subprocess.Popen[bytes]],
    messages: int,
    window: int,
    kills: int,
) -> None:
    binds = 2
    peer = smsc(log=str(journal), delay_ms=3)
    carriers = [make_carrier(), make_carrier()]
    campaign = make_campaign(make_province()[2], messages, carriers=carriers)
    for kill in range(kills):
        children.append(start_sender(peer.port, window=window, binds=binds))
        aim = lines(journal) + messages // (kills + 2) + 37 * kill
        wait_until(lambda aim=aim: lines(journal) >= aim, 240, f"kill {kill}")
        children[-1].send_signal(signal.SIGKILL)
        assert children[-1].wait() == -signal.SIGKILL
    children.append(start_sender(peer.port, window=window, binds=binds))
    wait_until(lambda: is_finished(campaign), 400, "the end")
    children[-1].terminate()
    assert children[-1].wait(30) == 0

    totals = reads.totals(campaign.pk)
    states = dict(CampaignResult.objects.filter(campaign_id=campaign.pk).values_list("seq", "state"))
    numbers = dict(
        AudienceMember.objects.filter(audience_id=campaign.audience_id).values_list("seq", "phone")
    )
    taken = seen(journal)
    print(
        f"{Counter(states.values())}; the SMSC took {len(taken)}, of the unknown "
        f"{sum(states[seq] == 'unknown' and numbers[seq][1:] in taken for seq in states)}"
    )
    assert len(states) == messages
    assert Counter(states.values()) == Counter(totals.by_state())
    assert [to for to, times in taken.items() if times > 1] == []
    assert {numbers[seq][1:] for seq, state in states.items() if state == "accepted"} <= set(taken)
    assert set(states.values()) <= {"accepted", "unknown"}
    assert 0 < totals.unknown <= window * binds * kills


@pytest.mark.django_db(transaction=True)
def test_after_a_pause_at_most_a_window_for_each_bind_leaves(
    smsc: Callable[..., Smsc], journal: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    window, binds = 20, 2
    peer = smsc(log=str(journal), delay_ms=20)
    campaign = make_campaign(make_province()[2], 5_000)
    children.append(start_sender(peer.port, window=window, binds=binds))
    wait_until(lambda: lines(journal) > 500, 60)
    campaigns.pause_campaign(system_actor("test"), campaign=campaign)
    at_click = lines(journal)
    wait_until(lambda: reads.totals(campaign.pk).sending == 0, 30)
    after = lines(journal)
    assert after - at_click <= window * binds
    assert after == reads.totals(campaign.pk).accepted
    campaigns.resume_campaign(system_actor("test"), campaign=campaign)
    wait_until(lambda: lines(journal) > after + 500, 30)
    # Asked to end, it takes what is under way to its answers: nothing is unknown.
    children[-1].terminate()
    assert children[-1].wait(30) == 0
    totals = reads.totals(campaign.pk)
    assert (totals.accepted, totals.unknown, totals.sending) == (lines(journal), 0, 0)
    assert set(seen(journal).values()) == {1}


@pytest.mark.django_db(transaction=True)
def test_receipts_over_the_senders_binds_reach_the_campaign(
    smsc: Callable[..., Smsc], journal: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    peer = smsc(log=str(journal), receipts="shuffled", undelivered="7")
    campaign = make_campaign(make_province()[2], 1_000)
    children.append(start_sender(peer.port, window=100, binds=1))

    def all_known() -> bool:
        totals = reads.totals(campaign.pk)
        return totals.delivered + totals.undelivered == 1_000

    wait_until(all_known, 60)
    assert reads.totals(campaign.pk).undelivered == 100


ROWS = int(os.environ.get("KHIEN_CAMPAIGN_ROWS", "20000"))
"""Of the campaign beside which codes leave: 1,000,000 to see it as large as it may be."""


@pytest.mark.django_db(transaction=True)
def test_a_code_leaves_within_a_second_while_a_campaign_runs(
    smsc: Callable[..., Smsc], journal: Path, children: list[subprocess.Popen[bytes]]
) -> None:
    """The carrier takes 100 a second and sends back the rest: a campaign leaves it room for codes."""
    peer = smsc(log=str(journal), rate=100, delay_ms=5)
    make_campaign(make_province()[2], ROWS, carriers=[make_carrier(rate=100)])
    children.append(start_sender(peer.port, window=50, binds=2))
    wait_until(lambda: lines(journal) > 200, 60)
    before, began = lines(journal), time.monotonic()
    took: list[float] = []
    with override_settings(
        KHIEN_SMS_GATEWAY="smpp",
        KHIEN_SMPP_ADDRESS=f"127.0.0.1:{peer.port}",
        KHIEN_SMPP_SYSTEM_ID="khien",
        KHIEN_SMPP_PASSWORD="secret",
        KHIEN_SMPP_WINDOW=10,
        KHIEN_SMPP_BINDS=1,
    ):
        try:
            for place in range(40):
                asked = time.monotonic()
                outcome = send_now(f"09870000{place:02d}", "Ma 123456", "one_time_code")
                took.append(time.monotonic() - asked)
                assert outcome.answer is Answer.ACCEPTED
                time.sleep(max(0.0, began + 0.2 * (place + 1) - time.monotonic()))
        finally:
            chosen.close()
    rate = (lines(journal) - before) / (time.monotonic() - began)
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"{rate:.0f} a second beside codes; a code took {statistics.median(took):.3f} s, p99 {p99:.3f} s")
    assert rate > 60, "the campaign did not run beside it"
    assert p99 < 1.0
