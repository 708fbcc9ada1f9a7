"""The camera of a gate, filmed: what it reads, and what it leaves alone."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Playwright

from khien.kernel import clock
from khien.kernel.certificates import contents, hc1
from khien.kernel.places.models import Place
from khien.kernel.staff import Role
from khien.rooms.checkpoints import posters, verbs
from khien.rooms.checkpoints.models import Scan, TypedPerson
from khien.rooms.checkpoints.verbs.passes import text_of
from tests.factories import make_actor, make_person
from tests.journeys import gate
from tests.journeys.at_gate.people import under_order
from tests.journeys.gate import camera_of
from tests.rooms.checkpoints.cards import CCCD
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


WATCH = """() => {
  window.told = [];
  const panel = document.getElementById("verdict");
  const parts = ["word", "reason", "who", "note"].map((part) => document.getElementById(`verdict-${part}`));
  const tell = () => window.told.push([panel.dataset.colour, ...parts.map((part) => part.textContent)].join(" / "));
  new MutationObserver(tell).observe(panel, { attributes: true, subtree: true, childList: true });
}"""


def test_the_camera_reads_every_code_that_a_guard_meets(
    playwright: Playwright, line: gate.Line, market: Place, bridge: Place, tmp_path: Path
) -> None:
    """Printed, tilted, blurred, with a glare: a film shows one code after the other, again and again."""
    officer = make_actor(Role.COMMUNE_OFFICER, market.unit)
    person = make_person("Phạm Thị Hoa", market.unit)
    red = under_order(market)
    old = verbs.issue_pass(officer, person=person, kind="paper")
    card = verbs.issue_pass(officer, person=person, kind="paper")
    red_card = verbs.issue_pass(officer, person=red, kind="paper")
    forged = text_of(card)[:-8] + ("A" if text_of(card)[-8] != "A" else "B") + text_of(card)[-7:]
    insurance = (
        "HS4350123456789|"
        + "Trần Thị Bình".encode().hex()
        + "|01/02/1985|2|58c3a3|35 - 001|01/01/2022|31/12/2022|20/12/2021|350000000||4|01/01/2020|7ab3c-1$"
    )
    codes = {
        text_of(card): "green / Được qua / Không có hạn chế nào đang hiệu lực. / P. T. Hoa · 1990 / Thẻ giấy",
        text_of(red_card): "red / Dừng lại / Đang cách ly tại nhà.",
        text_of(old): "orange / Cần kiểm tra / Thẻ đã được thay.",
        forged: "red / Dừng lại / Thẻ này không do hệ thống ký.",
        CCCD: "green / Được qua / Không có hạn chế nào đang hiệu lực. / N. V. An · 1990",
        insurance: "/ T. T. Bình · 1985",
        "******123456|TRAN VAN BON|1985-**-**|0|VN01ABCDEF|<1<<0912345678<": "Mã đã che số giấy tờ.",
        posters.address(bridge.code): "grey / Cầu Hồng Phú / Đã chọn địa điểm.",
        BANK: "Đây là mã chuyển tiền",
        "https://example.com/thuc-don": "Đây là địa chỉ một trang web",
        "KB1:ABCDEFGH23": "yellow / Lưu ý / Mã khai báo",
        dose(clock.now() + timedelta(days=300)): "yellow / Lưu ý / Chứng nhận thật. Đã tiêm 2/2 mũi",
        dose(clock.now() - timedelta(days=3)): "orange / Cần kiểm tra / Chứng nhận đã hết hạn.",
        CERTIFICATE: "Không kiểm tra được chứng nhận: không biết nơi ký.",
    }
    film = gate.film_of_many(list(codes), tmp_path / "all.y4m")
    browser = camera_of(playwright, film)
    context = browser.new_context(
        locale="vi-VN", viewport={"width": 390, "height": 844}, permissions=["camera"]
    )
    page = context.new_page()
    page.goto(line.url + gate.APP)
    page.evaluate(WATCH)
    gate.enrol(page, line.url, gate.new_code(market, place_ids=[market.pk, bridge.pk]))
    page.evaluate(WATCH)
    gate.choose_place(page, market)

    def missing() -> list[str]:
        told = page.evaluate("window.told")
        return [want for want in codes.values() if not any(want in one for one in told)]

    try:
        wait_until(lambda: not missing(), 150)
    finally:
        left = missing()
        frames = page.evaluate("performance.getEntriesByName('khien-verdict').map((m) => m.duration)")
        context.close()
        browser.close()
    assert left == []
    assert len(frames) > 8
    assert {scan.subject_kind for scan in Scan.objects.all()} >= {"pass", "cccd", "insurance", "typed", "hc1"}
    assert TypedPerson.objects.filter(person=None).exists()


def dose(expires: datetime) -> str:
    """A certificate of ours."""
    entry = {
        "tg": "840539006",
        "dn": 2,
        "sd": 2,
        "dt": "2021-12-20",
        "mp": "EU/1/20/1528",
        "co": "VN",
        "ci": "VN:1",
    }
    content = contents.dcc(
        full_name="Phạm Thị Hoa", birth="1990-01-15", kind=contents.VACCINATION, entry=entry
    )
    return hc1.issue(content, expires_at=expires)


# The vector of NAPAS, 6.1.1.
BANK = "00020101021138570010A00000072701270006970403011200110123456780208QRIBFTTA53037045802VN6304F4E5"


# A genuine certificate of the European test network, whose signer is not on our list.
CERTIFICATE = next(
    vector["text"]
    for vector in json.loads((Path(__file__).parents[2] / "vectors/codes.json").read_text())
    if vector["kind"] == "hc1"
)
