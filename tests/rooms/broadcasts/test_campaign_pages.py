"""What people see of campaigns and may do to them."""

from __future__ import annotations

from khien.gateways.sms.interface import Answer
from khien.kernel.staff import Role
from khien.rooms.broadcasts.models import Campaign
from khien.rooms.broadcasts.reads import campaigns as reads
from tests.factories import make_unit
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.factories import make_campaign, make_carrier
from tests.rooms.broadcasts.test_campaigns import claim, settle
from tests.rooms.broadcasts.test_pages import signed_in, text


def test_a_leader_reads_how_a_campaign_stands(house: House) -> None:
    campaign = make_campaign(house.commune, 1_200, carriers=[make_carrier(name="Viettel"), make_carrier()])
    settle(
        house,
        claim(house, campaign, members=400),
        lambda _c, seq: {0: Answer.REJECTED, 1: Answer.UNKNOWN}.get(seq % 20, Answer.ACCEPTED),
    )
    leader = signed_in(Role.LEADER, house.province)
    page = text(leader.get(f"/broadcasts/campaigns/{campaign.pk}/"))
    totals = reads.totals(campaign.pk)
    assert (totals.accepted, totals.rejected, totals.unknown) == (360, 20, 20)
    for word in (
        "Viettel",
        "code_rejected",
        "Tổng đài đã nhận, chưa biết đến máy",
        "400 trong 1.200 máy",
        "Tạm dừng",
    ):
        assert word in page
    assert "<style" not in page
    assert " style=" not in page
    # A refresh brings the inside alone.
    part = text(leader.get(f"/broadcasts/campaigns/{campaign.pk}/", headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "Viettel" in part
    csv = leader.get(f"/broadcasts/campaigns/{campaign.pk}/units.csv").content.decode()
    assert f"Địa bàn,{house.commune.full_name},1200,0,360,0,800,20,0,20,0" in csv
    assert "Viettel" in text(leader.get("/broadcasts/campaigns/")) or campaign.text[:20] in text(
        leader.get("/broadcasts/campaigns/")
    )
    stranger = signed_in(Role.LEADER, make_unit("Châu Sơn"))
    assert stranger.get(f"/broadcasts/campaigns/{campaign.pk}/").status_code == 404


def test_those_who_may_pause_resume_and_cancel(house: House) -> None:
    campaign = make_campaign(house.commune, 100)
    address = f"/broadcasts/campaigns/{campaign.pk}/"
    auditor = signed_in(Role.AUDITOR, house.province)
    assert "Tạm dừng" not in text(auditor.get(address))
    assert auditor.post(f"{address}pause/").status_code == 403
    officer = signed_in(Role.COMMUNICATION_OFFICER, house.commune)
    for act, state, shown in (
        ("pause", Campaign.State.PAUSED, "Gửi tiếp"),
        ("resume", Campaign.State.RUNNING, "Tạm dừng"),
        ("cancel", Campaign.State.CANCELLED, "Đã hủy"),
    ):
        assert officer.get(f"{address}{act}/").status_code == 302  # an address alone changes nothing
        page = text(officer.post(f"{address}{act}/", follow=True))
        campaign.refresh_from_db()
        assert campaign.state == state
        assert shown in page
    assert "đã kết thúc" in text(officer.post(f"{address}resume/", follow=True))


def test_the_switch_says_what_it_stops_and_why(house: House) -> None:
    officer = signed_in(Role.COMMUNICATION_OFFICER, house.commune)
    page = text(officer.get("/broadcasts/switch/"))
    assert "mã đăng nhập" in page
    assert "Chỉ người phụ trách cả tỉnh" in page
    leader = signed_in(Role.LEADER, house.province)
    assert leader.post("/broadcasts/switch/", {"because": ""}).status_code == 422
    assert not reads.is_stopped()
    assert "Tin sai" in text(leader.post("/broadcasts/switch/", {"because": "Tin sai"}, follow=True))
    assert reads.is_stopped()
    assert "Tin sai" in text(officer.get("/broadcasts/campaigns/"))
    leader.post("/broadcasts/switch/", {"allow": "1"})
    assert not reads.is_stopped()
