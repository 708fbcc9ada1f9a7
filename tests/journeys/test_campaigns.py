"""A campaign's page in a real browser: whole at both widths, moving by itself, and stopped by a click."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from khien.gateways.sms.interface import Answer, Outcome
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.rooms.broadcasts.models import Campaign
from khien.rooms.broadcasts.verbs import chunks
from khien.rooms.broadcasts.verbs.chunks import Room, Settled
from tests.factories import make_account, make_province
from tests.journeys import pictures
from tests.journeys.conftest import WIDTHS, Visitor
from tests.rooms.broadcasts.factories import make_campaign, make_carrier

pytestmark = pytest.mark.django_db(transaction=True)


def send(campaign: Campaign, members: int) -> None:
    """As a sender would; each twentieth is refused, each thirtieth unknown."""
    system = system_actor("test")
    carriers = tuple(campaign.chunks.values_list("carrier", flat=True).distinct())
    rooms = [Room((carrier,), members // len(carriers), 10_000) for carrier in carriers]
    claimed = chunks.advance_chunks(system, sender=1, rooms=rooms, due=chunks.due_campaigns())

    def outcome(chunk: chunks.Claimed, seq: int) -> Outcome:
        if seq % 20 == 0:
            return Outcome(chunk.client_id(seq), Answer.REJECTED, code="0x0000000b")
        if seq % 30 == 1:
            return Outcome(chunk.client_id(seq), Answer.UNKNOWN, code="no_answer")
        return Outcome(chunk.client_id(seq), Answer.ACCEPTED, f"m{seq}")

    chunks.advance_chunks(
        system,
        sender=1,
        settled=[Settled(one, [outcome(one, seq) for seq in one.seqs]) for one in claimed],
    )


def test_a_leader_follows_a_campaign_and_stops_it(visitor: Visitor) -> None:
    province, _district, commune = make_province()
    rules.load_seed(system_actor("test"))
    make_account(Role.LEADER, province, username="leader")
    names = ("Viettel", "VinaPhone", "MobiFone", "Vietnamobile")
    carriers = [make_carrier(name=name, rate=100) for name in names]
    campaign = make_campaign(
        province,
        20_000,
        carriers=carriers,
        units=[commune, province],
        text="Khai báo y tế mỗi ngày trước 9 giờ tại khien.vn/kb.",
    )
    send(campaign, 6_000)
    visitor.sign_in("leader")
    for path in ("/broadcasts/campaigns/", f"/broadcasts/campaigns/{campaign.pk}/", "/broadcasts/switch/"):
        visitor.open(path)
        visitor.look()
    visitor.open(f"/broadcasts/campaigns/{campaign.pk}/")
    done = visitor.page.locator(".stat dd").first
    expect(done).to_have_text("30 %")
    send(campaign, 6_000)
    expect(done).to_have_text("60 %", timeout=15_000)  # by itself
    for width in WIDTHS:
        visitor.widen(width)
        pictures.keep(visitor.page, f"campaign-{width}")
    visitor.page.get_by_role("button", name="Tạm dừng").click()
    expect(visitor.page.get_by_role("button", name="Gửi tiếp")).to_be_visible()
    visitor.look()
    campaign.refresh_from_db()
    assert campaign.state == Campaign.State.PAUSED
