"""What people wrote, what stations said and browsers that never came back are forgotten by their rule; what was
published stays."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from khien.kernel import clock
from khien.kernel.rules import retention
from khien.kernel.rules import verbs as rules
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.channels import sound
from khien.rooms.broadcasts.models import (
    Article,
    CapMessage,
    InboundMessage,
    Play,
    PushRun,
    PushSubscription,
    StationReport,
)
from khien.rooms.broadcasts.verbs import replies, stations, subscribing
from tests.factories import NOON
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.outlets import make_version
from tests.rooms.broadcasts.peers import Browser, running

MP3 = b"\xff\xfb" + b"\x00" * 8000


def test_all_of_it_goes_by_its_rule_and_what_was_published_stays(
    house: House, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KHIEN_FEEDS_FOLDER = str(tmp_path)
    monkeypatch.setattr(sound, "audio_of", lambda *_: (MP3, hashlib.sha256(MP3).hexdigest()))
    rules.load_seed(house.system)
    station = stations.save_station(house.system, unit=house.commune, name="Đài", kind="ip", way="pull")
    with running() as peer:
        settings.KHIEN_PUSH_SERVICES = peer.url
        given = Browser(peer).subscription
        subscribing.subscribe(
            house.system, endpoint=given["endpoint"], **given["keys"], language="vi", unit=house.commune
        )
    replies.take_inbound(
        house.system, messages=[{"id": "1", "number": "0912340000", "text": "xin hỏi"}, {"id": "2"}]
    )
    version = make_version(house.commune, is_emergency=True)
    for code in channels.registered():
        channel = channels.get(code)
        assert channel is not None
        if code in version.channels:
            channel.start(version)
    PushRun.objects.update(state="finished")
    stations.hand_out(house.system, station=station)
    stations.take_reports(house.system, station=station, reports=[{"id": Play.objects.get().pk}, 7])
    mine = (InboundMessage, Play, StationReport, PushRun, PushSubscription)
    assert [model.objects.count() for model in mine] == [2, 1, 2, 1, 1]
    for days, left in ((170, [2, 1, 2, 1, 1]), (190, [0, 0, 0, 0, 0])):
        with clock.reads.frozen_at(NOON + timedelta(days=days)):
            retention.forget(house.system)
            assert [model.objects.count() for model in mine] == left
            assert [flaw for flaw in retention.prove() if flaw.where != "log"] == []  # days without a run
    assert Article.objects.exists()
    assert CapMessage.objects.exists()
