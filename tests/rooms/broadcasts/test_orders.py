"""Orders to carriers: signed, handed over, reported, late, taken back."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotFound
from khien.kernel.staff import Role
from khien.rooms.broadcasts import channels, ordering
from khien.rooms.broadcasts.models import (
    Bulletin,
    BulletinVersion,
    Carrier,
    CarrierOrder,
    Channel,
    ChannelText,
)
from khien.rooms.broadcasts.reads import orders as reads
from khien.rooms.broadcasts.verbs import orders as verbs
from tests.factories import NOON, make_actor, make_unit
from tests.rooms.broadcasts.conftest import House

TEXT = "Từ 20 giờ hôm nay, người dân #phường [Quang Trung] ở nhà."


def approved(house: House, **more: object) -> BulletinVersion:
    bulletin = Bulletin.objects.create(unit=house.commune, created_at=NOON, created_by=1)
    version = BulletinVersion.objects.create(
        bulletin=bulletin,
        state="approved",
        title="Giãn cách",
        body="Ở nhà.",
        expires_at=NOON + timedelta(days=2),
        content_hash="x" * 64,
        submitted_at=NOON,
        submitted_by=1,
        **more,
    )
    ChannelText.objects.create(version=version, channel=Channel.CARRIER_ORDER, text=TEXT)
    return version


def issued(house: House) -> list[CarrierOrder]:
    Carrier.objects.exclude(code__in=["viettel", "vinaphone"]).update(is_active=False)
    return verbs.issue_orders(house.system, version=approved(house))


def sent(house: House) -> CarrierOrder:
    return verbs.mark_order_sent(house.officer, order=issued(house)[0], how="thư điện tử cho đầu mối")


def test_each_carrier_in_use_gets_a_signed_order(house: House) -> None:
    orders = issued(house)
    assert [order.carrier.code for order in orders] == ["viettel", "vinaphone"]
    order = orders[0]
    assert order.reference == f"KH-2022-{order.version.bulletin_id:06d}-1-viettel"
    told = json.loads(bytes(order.file))
    assert told["text"] == TEXT
    assert told["not_before"] == "2022-01-10T12:00:00+07:00"
    assert told["areas"] == [
        {
            "code": "13285",
            "tier": 3,
            "name": "Phường Quang Trung",
            "inside": ["Tỉnh Hà Nam", "Thành phố Phủ Lý"],
        }
    ]
    letter = " ".join(PdfReader(io.BytesIO(bytes(order.document))).pages[0].extract_text().split())
    for part in (TEXT, order.reference, "13285", "Viettel", "tháng 01 năm 2022"):
        assert part in letter
    assert ordering.is_genuine(order)
    assert verbs.issue_orders(house.system, version=order.version) == orders
    assert CarrierOrder.objects.count() == 2


def test_who_has_only_the_public_key_can_check_an_order(house: House, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is missing: as root, `apt-get install openssl`")
    order = CarrierOrder.objects.get(pk=issued(house)[0].pk)
    with zipfile.ZipFile(io.BytesIO(ordering.packet(order))) as packet:
        packet.extractall(tmp_path)
    (tmp_path / "khien.pem").write_bytes(ordering.public_key(order.key_id))
    for kind in ("json", "pdf"):
        path = tmp_path / f"{order.reference}.{kind}"
        command = [
            openssl,
            "dgst",
            "-sha256",
            "-verify",
            str(tmp_path / "khien.pem"),
            "-signature",
            f"{path}.sig",
        ]
        assert subprocess.run([*command, str(path)], capture_output=True, check=False).returncode == 0
        path.write_bytes(path.read_bytes() + b" ")
        assert subprocess.run([*command, str(path)], capture_output=True, check=False).returncode != 0
    order.file = bytes(order.file).replace(b"20", b"21")
    assert not ordering.is_genuine(order)


def test_the_packet_has_the_areas_and_the_form_of_the_report(house: House) -> None:
    order = issued(house)[0]
    with zipfile.ZipFile(io.BytesIO(ordering.packet(order))) as packet:
        areas = list(
            csv.reader(io.StringIO(packet.read(f"{order.reference}-dia-ban.csv").decode("utf-8-sig")))
        )
        form = packet.read(f"{order.reference}-bao-cao.csv").decode("utf-8-sig")
    assert areas[1][1:5] == ["13285", "3", "Phường Quang Trung", "Thành phố Phủ Lý, Tỉnh Hà Nam"]
    assert form.splitlines()[1] == "13285,,,,"


def test_a_report_by_file_or_by_hand(house: House) -> None:
    order = sent(house)
    form = (
        ordering.report_form(order).decode("utf-8-sig").replace("13285,,,,", "13285,12.000,11500,11000,500")
    )
    row = verbs.report_order(house.officer, order=order, report=ordering.read_report(order, form.encode()))
    assert (row.state, row.subscribers, row.accepted, row.delivered, row.failed) == (
        "reported",
        12000,
        11500,
        11000,
        500,
    )
    assert row.by_area[0]["code"] == "13285"
    told = {"reference": order.reference, "subscribers": 3, "accepted": 3, "delivered": 2, "failed": 1}
    report = ordering.read_report(order, json.dumps(told).encode())
    assert verbs.report_order(house.officer, order=order, report=report).accepted == 3


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("13285,1,2,0,0", "bad_count"),
        ("13285,10,5,4,3", "bad_count"),
        ("13285,-1,0,0,0", "bad_count"),
        ("13285,mười,0,0,0", "bad_count"),
        ("13285,,,,", "bad_count"),
        ("99999,1,1,1,0", "bad_area"),
        ("13285,1,1,1,0\n13285,1,1,1,0", "bad_area"),
        ("", "empty_file"),
    ],
)
def test_a_report_that_cannot_be_true_is_refused(house: House, content: str, code: str) -> None:
    order = sent(house)
    text = ordering.report_form(order).decode("utf-8-sig").splitlines()[0] + "\n" + content
    with pytest.raises(Invalid) as wrong:
        ordering.read_report(order, text.encode())
    assert wrong.value.code == code
    assert wrong.value.way_out


@pytest.mark.parametrize(
    "content", [b"{", b'{"reference": "KH-1"}', b"a,b\n1,2\n", b"", b"\xff\xfe1", b'{"reference": null}']
)
def test_a_report_of_another_kind_is_refused(house: House, content: bytes) -> None:
    order = sent(house)
    with pytest.raises(Invalid):
        ordering.read_report(order, content)


def test_an_order_without_counts_in_time_is_overdue(house: House) -> None:
    order = sent(house)
    assert not reads.is_overdue(order)
    with clock.reads.frozen_at(NOON + timedelta(days=3, minutes=1)):
        assert reads.is_overdue(order)
        assert order in reads.orders(house.leader, state="overdue")
        state = channels.get(Channel.CARRIER_ORDER).state(order.version)
        assert next(count.number for count in state.counts if "Quá hạn" in str(count.label)) == 2


def test_the_states_follow_each_other(house: House) -> None:
    order = issued(house)[0]
    report = ordering.Report(3, 3, 2, 1)
    with pytest.raises(Conflict):
        verbs.report_order(house.officer, order=order, report=report)
    with pytest.raises(Invalid):
        verbs.mark_order_sent(house.officer, order=order, how=" ")
    verbs.mark_order_sent(house.officer, order=order, how="thư")
    verbs.report_order(house.officer, order=order, report=report)
    with pytest.raises(Conflict):
        verbs.cancel_order(house.officer, order=order, because="nhầm")
    stranger = make_actor(Role.COMMUNICATION_OFFICER, make_unit("Xa"))
    with pytest.raises(NotFound):
        verbs.mark_order_sent(stranger, order=order, how="thư")


def test_it_is_a_channel(house: House) -> None:
    Carrier.objects.exclude(code__in=["viettel", "vinaphone"]).update(is_active=False)
    version = approved(house)
    channel = channels.get(Channel.CARRIER_ORDER)
    assert channel is not None
    assert channel.state(version) is None
    channel.cancel(version)
    channel.start(version)
    channel.start(version)
    first, second = reads.orders_of(version)
    verbs.mark_order_sent(house.officer, order=first, how="thư")
    verbs.report_order(house.officer, order=first, report=ordering.Report(9, 9, 8, 1))
    state = channel.state(version)
    assert state is not None
    assert str(state.label) == "1 trên 2 nhà mạng đã báo cáo"
    assert str(version.pk) in state.url
    channel.cancel(version)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("reported", "cancelled")


def test_a_text_with_placeholders_or_a_draft_goes_to_no_carrier(house: House) -> None:
    version = approved(house)
    version.texts.update(text="Chào {name}")
    with pytest.raises(Invalid) as wrong:
        verbs.issue_orders(house.system, version=version)
    assert wrong.value.code == "placeholder"
    BulletinVersion.objects.filter(pk=version.pk).update(state="withdrawn")
    with pytest.raises(Conflict):
        verbs.issue_orders(house.system, version=version)
    assert not CarrierOrder.objects.exists()


def test_accents_go_only_with_the_authors_consent(house: House) -> None:
    order = verbs.issue_orders(house.system, version=approved(house, plain_sms=True))[0]
    assert order.text == "Tu 20 gio hom nay, nguoi dan #phuong [Quang Trung] o nha."
