"""Loudspeakers: what each station gets, and that only what it can truly have played counts as played."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.errors import Conflict, Invalid, NotAllowed
from khien.kernel.limits import Limit
from khien.kernel.staff import Role
from khien.kernel.units.models import AdminUnit
from khien.rooms.broadcasts import channels
from khien.rooms.broadcasts.channels import loudspeakers, sound, tokens
from khien.rooms.broadcasts.models import BulletinVersion, Play, Station, StationReport
from khien.rooms.broadcasts.reads import stations as reads
from khien.rooms.broadcasts.verbs import stations as verbs
from tests.factories import NOON, make_account, make_actor, make_unit
from tests.rooms.broadcasts.conftest import House
from tests.rooms.broadcasts.outlets import make_version
from tests.rooms.broadcasts.peers import Peer, answer, drip, running

SPEAKS = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("lame")), reason="as root: apt-get install espeak-ng lame"
)
MP3 = b"\xff\xfb" + b"\x00" * 80_000  # ten seconds of 64 kbit/s


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> None:
    settings.KHIEN_FEEDS_FOLDER = str(tmp_path / "public")
    settings.KHIEN_URL = "http://testserver"


@pytest.fixture
def ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sound that the bulletin's room keeps, without waiting for an engine."""
    monkeypatch.setattr(sound, "audio_of", lambda *_: (MP3, hashlib.sha256(MP3).hexdigest()))


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running() as peer:
        yield peer


def make_station(
    house: House, unit: AdminUnit | None = None, name: str = "Đài phường", **more: Any
) -> Station:
    keeper = make_actor(Role.COMMUNICATION_OFFICER, house.province)
    given = {"kind": "ip", "way": "pull", **more}
    row = verbs.save_station(keeper, unit=unit or house.commune, name=name, **given)
    if given["way"] != "paper":
        verbs.new_token(keeper, station=row)
        row.refresh_from_db()
    return row


def start(version: BulletinVersion) -> None:
    channel = channels.get("loudspeaker")
    assert channel is not None
    channel.start(version)


def cancel(version: BulletinVersion) -> None:
    channel = channels.get("loudspeaker")
    assert channel is not None
    channel.cancel(version)


def ask(station: Station) -> Any:
    answer = Client().get(
        "/api/v1/broadcasts/stations/queue", HTTP_AUTHORIZATION=f"Bearer {tokens.token_of(station)}"
    )
    assert answer.status_code == 200
    return answer.json()


def report(station: Station, *rows: Any, status: int = 200) -> Any:
    answer = Client().post(
        "/api/v1/broadcasts/stations/reports",
        json.dumps({"reports": list(rows)}),
        content_type="application/json",
        HTTP_AUTHORIZATION=f"Bearer {tokens.token_of(station)}",
    )
    assert answer.status_code == status, answer.content
    return answer.json()


def at(minutes: float) -> Any:
    return clock.reads.frozen_at(NOON + timedelta(minutes=minutes))


def iso(minutes: float) -> str:
    return (NOON + timedelta(minutes=minutes)).isoformat()


def played(play: Play, minutes: float, **more: Any) -> dict[str, Any]:
    return {"id": play.pk, "state": "played", "at": iso(minutes), **more}


# When ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "slots", "due"),
    [
        ({"is_emergency": True}, ["17:00"], 0),
        ({}, ["05:30", "17:00"], 300),
        ({"urgency": "Immediate"}, ["05:30"], 17.5 * 60),
        ({}, [], 300),
        ({"hours": 2}, ["17:00"], 0),  # no slot before its end: by day at once
    ],
)
def test_a_bulletin_is_played_at_its_hour(house: House, version: Any, slots: list[str], due: float) -> None:
    row = make_version(house.commune, **version)
    when = verbs.due_at(row, slots, verbs.priority_of(row), NOON)
    assert when == NOON + timedelta(minutes=due)


def test_nobody_is_woken_but_for_an_emergency(house: House) -> None:
    night = NOON + timedelta(hours=11)  # 23:00
    with clock.reads.frozen_at(night):
        calm = make_version(house.commune, hours=4)
        asked = make_version(house.commune, hours=4, at_night=True)
        urgent = make_version(house.commune, hours=4, is_emergency=True)
        assert verbs.due_at(calm, ["05:30"], verbs.priority_of(calm), night) is None
        assert verbs.due_at(asked, ["05:30"], verbs.priority_of(asked), night) == night
        assert verbs.due_at(urgent, ["05:30"], verbs.priority_of(urgent), night) == night
        make_station(house)
        start(calm)
    assert Play.objects.values_list("state", "code").get() == ("not_played", "no_slot")


@pytest.mark.parametrize("slot", ["25:00", "5:30", "03:00", "22:30", "17h", "17:00:00", "<b>"])
def test_hours_that_cannot_be_are_refused(house: House, slot: str) -> None:
    with pytest.raises(Invalid) as problem:
        make_station(house, slots=[slot])
    assert problem.value.field == "slots"


# Pull ---------------------------------------------------------------------------------------------


def test_a_station_asks_plays_and_says_so(house: House, ten_seconds: None) -> None:
    station, other = make_station(house), make_station(house, make_unit("Xã Khác", house.province))
    version = make_version(house.commune, is_emergency=True)
    start(version)
    start(version)
    play = Play.objects.get()
    assert ask(other)["bulletins"] == []
    (told,) = ask(station)["bulletins"]
    assert (told["id"], told["priority"], told["repeat"]) == (play.pk, "emergency", 3)
    assert "ngày hai mươi tháng chín" in told["text"]
    sound_file = Client().get(told["audio"]["url"].removeprefix("http://testserver"))
    assert hashlib.sha256(sound_file.content).hexdigest() == told["audio"]["sha256"]
    assert sound_file["Content-Type"] == "audio/mpeg"
    state = channels.get("loudspeaker").state(version)  # type: ignore[union-attr]
    assert state is not None
    assert [(str(count.label), count.number) for count in state.counts] == [("Đài đã nhận", 1)]
    with at(5):
        row = played(play, 2, times=3)
        assert report(station, row)["stored"] == 1
        assert report(station, row)["duplicate"] == 1
        assert ask(station)["bulletins"] == []
    play.refresh_from_db()
    assert (play.state, play.times, play.played_at) == ("played", 3, NOON + timedelta(minutes=2))


def test_emergencies_come_first_and_later_hours_later(house: House, ten_seconds: None) -> None:
    station = make_station(house, slots=["13:00", "18:00"])
    for more in ({"urgency": "Expected"}, {"urgency": "Immediate"}, {"is_emergency": True}):
        start(make_version(house.commune, **more))
    assert [one["priority"] for one in ask(station)["bulletins"]] == ["emergency", "priority", "normal"]
    late = make_station(house, name="Đài hai", slots=["18:00"])
    start(make_version(house.commune))
    assert [one["priority"] for one in ask(late)["bulletins"]] == []
    with at(4.5 * 60):
        assert len(ask(late)["bulletins"]) == 1


def test_what_is_cancelled_is_told_to_stations_that_have_it(house: House, ten_seconds: None) -> None:
    has, has_not = make_station(house), make_station(house, name="Đài hai")
    version = make_version(house.commune, is_emergency=True)
    start(version)
    ask(has)
    cancel(version)
    cancel(version)
    play = Play.objects.get(station=has)
    answer = ask(has)
    assert (answer["bulletins"], answer["cancelled"]) == ([], [play.pk])
    assert ask(has_not) | {"now": ""} == {"now": "", "bulletins": [], "cancelled": []}
    with at(10):
        told = report(has, played(play, 5))
    assert told["rows"][0]["code"] == "played_after_cancel"
    play.refresh_from_db()
    assert (play.state, play.code) == ("cancelled", "played_after_cancel")


# Stations that lie --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"state": "played", "at": iso(120)}, "future_time"),
        ({"state": "played", "at": iso(-60)}, "before_it_had_it"),
        ({"state": "played", "at": iso(9.9)}, "too_soon"),
        ({"state": "played", "at": iso(5), "times": 90}, "too_soon"),
        ({"state": "played", "at": iso(5), "times": 0}, "bad_times"),
        ({"state": "played", "at": iso(5), "times": "viel"}, "bad_times"),
        ({"state": "played", "at": "hôm qua"}, "bad_time"),
        ({"state": "played"}, "bad_time"),
        ({"state": "heard", "at": iso(5)}, "bad_state"),
        ({"state": ["played"], "at": iso(5)}, "bad_state"),
        ({"id": 999999, "state": "played", "at": iso(5)}, "unknown_play"),
        ({"id": "1 OR 1=1", "state": "played", "at": iso(5)}, "unknown_play"),
        ({"id": "٣", "state": "played", "at": iso(5)}, "unknown_play"),
        ({"id": None, "state": "played", "at": iso(5)}, "unknown_play"),
        (7, "unknown_play"),
        (None, "unknown_play"),
        ([], "unknown_play"),
    ],
)
def test_what_cannot_be_is_held_and_changes_nothing(
    house: House, ten_seconds: None, row: Any, code: str
) -> None:
    station = make_station(house)
    start(make_version(house.commune, is_emergency=True))
    play = Play.objects.get()
    ask(station)
    with at(10):
        told = report(station, {"id": play.pk, **row} if isinstance(row, dict) else row)
    assert [(one["state"], one["code"]) for one in told["rows"]] == [("held", code)]
    assert told["rows"][0]["message"]
    play.refresh_from_db()
    assert play.state == "sent"
    assert [one.code for one in reads.held_reports(house.system, station)] == [code]


def test_a_station_cannot_speak_for_another_or_of_what_it_never_had(house: House, ten_seconds: None) -> None:
    one, two = make_station(house), make_station(house, name="Đài hai")
    start(make_version(house.commune, is_emergency=True))
    theirs, mine = Play.objects.get(station=two), Play.objects.get(station=one)
    with at(10):
        told = report(one, played(theirs, 5), played(mine, 5))
    assert [row["code"] for row in told["rows"]] == ["unknown_play", "before_it_had_it"]
    assert set(Play.objects.values_list("state", flat=True)) == {"waiting"}


def test_a_station_cannot_take_its_word_back(house: House, ten_seconds: None) -> None:
    station = make_station(house)
    start(make_version(house.commune, is_emergency=True))
    play = Play.objects.get()
    ask(station)
    with at(10):
        refused = {"id": play.pk, "state": "not_played", "at": iso(3), "reason": "mất điện"}
        assert report(station, refused)["stored"] == 1
        play.refresh_from_db()
        assert (play.state, play.note) == ("not_played", "mất điện")
        assert report(station, played(play, 5))["stored"] == 1  # the power came back
        again = report(station, {**refused, "at": iso(6)})
    assert again["rows"][0]["code"] == "contradiction"
    play.refresh_from_db()
    assert play.state == "played"


def test_a_flood_of_reports_is_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "REPORTS", Limit("station_reports_test", 100, 3600))
    station = make_station(house)
    report(station, *(range(90)))
    assert report(station, *(range(100, 120)), status=429)["way_out"]
    assert StationReport.objects.count() == 90
    assert report(station, *range(101), status=422)


def test_tokens_open_one_station_until_the_next_is_given_out(house: House) -> None:
    station = make_station(house)
    old = tokens.token_of(station)
    assert tokens.station_of(old) == station
    keeper = make_actor(Role.COMMUNICATION_OFFICER, house.province)
    new = verbs.new_token(keeper, station=station)
    assert new != old
    for token in (old, "", "st1.x", f"st{station.pk}." + "A" * 32, f"st{10**20}.{new.split('.')[1]}"):
        answer = Client().get("/api/v1/broadcasts/stations/queue", HTTP_AUTHORIZATION=f"Bearer {token}")
        assert answer.status_code == 401
    verbs.save_station(
        keeper, station=station, unit=house.commune, name="Đài phường", kind="ip", way="pull", is_active=False
    )
    assert tokens.station_of(new) is None


# Push ---------------------------------------------------------------------------------------------


def test_a_bulletin_is_pushed_with_the_stations_token(house: House, ten_seconds: None, peer: Peer) -> None:
    station = make_station(house, way="push", address=f"{peer.url}/loa")
    start(make_version(house.commune, is_emergency=True))
    assert loudspeakers.push_due() is None
    assert loudspeakers.push_due() is None
    ((path, headers, body),) = peer.requests
    assert (path, headers["Authorization"]) == ("/loa", f"Bearer {tokens.token_of(station)}")
    assert json.loads(body)["audio"]["sha256"] == hashlib.sha256(MP3).hexdigest()
    assert Play.objects.get().state == "sent"  # taken, which is not played
    cancel(BulletinVersion.objects.get())
    loudspeakers.push_due()
    loudspeakers.push_due()
    assert peer.bodies()[1:] == [{"id": Play.objects.get().pk, "cancel": True}]


def test_a_station_that_fails_is_tried_again_until_the_end(
    house: House, ten_seconds: None, peer: Peer
) -> None:
    make_station(house, way="push", address=f"{peer.url}/loa")
    start(make_version(house.commune, is_emergency=True, hours=1))
    peer.behave = lambda handler, _body: answer(handler, 500)
    wait_s = loudspeakers.push_due()
    assert wait_s is not None
    assert 8 < wait_s <= 10
    play = Play.objects.get()
    assert (play.state, play.code, play.attempts) == ("waiting", "http_500", 1)
    Play.objects.update(retry_at=None)
    peer.behave = lambda handler, _body: answer(handler, 302, Location="http://127.0.0.1:1/")
    loudspeakers.push_due()
    assert Play.objects.get().code == "http_302"  # not followed
    with at(61):
        assert loudspeakers.push_due() is None
    assert Play.objects.values_list("state", "code").get() == ("not_played", "not_reached")


def test_stations_that_hang_lie_dead_or_answer_endlessly_keep_no_other_waiting(
    house: House, ten_seconds: None, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loudspeakers, "TIMEOUT_S", 1.0)
    monkeypatch.setattr(loudspeakers, "PATIENCE_S", 2.0)
    behaviour = {
        "/drip": lambda handler, _body: drip(handler, 6),
        "/garbage": lambda handler, _body: handler.wfile.write(b"\xff\xfe nonsense\r\n\r\n"),
        "/close": lambda handler, _body: handler.connection.close(),
        "/long": lambda handler, _body: answer(handler, 200, b"x" * 5_000_000),
        "/good": lambda handler, _body: answer(handler, 200),
    }
    peer.behave = lambda handler, body: behaviour[handler.path](handler, body)
    for path in behaviour:
        make_station(house, name=path, way="push", address=peer.url + path)
    make_station(house, name="dead", way="push", address="http://127.0.0.1:1/")
    start(make_version(house.commune, is_emergency=True))
    loudspeakers.push_due()
    states = dict(Play.objects.values_list("station__name", "code"))
    assert states == {
        "/drip": "timeout",
        "/garbage": "unreachable",
        "/close": "unreachable",
        "/long": "",
        "/good": "",
        "dead": "unreachable",
    }


# Silence, paper, people ---------------------------------------------------------------------------


def test_silence_is_shown_and_never_called_played(house: House, ten_seconds: None) -> None:
    station = make_station(house)
    version = make_version(house.commune, is_emergency=True, hours=1)
    start(version)
    ask(station)
    with at(20):
        assert [row.late_plays for row in reads.stations(house.leader, sort="late")] == [1]
        assert reads.silent_ids(house.leader) == {station.pk}
    with at(120):
        verbs.expire_plays(house.system)
        assert Play.objects.get().state == "sent"
        state = channels.get("loudspeaker").state(version)  # type: ignore[union-attr]
        assert state is not None
        assert ("Quá giờ chưa báo", 1) in [(str(one.label), one.number) for one in state.counts]


@SPEAKS
def test_a_station_without_a_network_gets_paper_and_says_by_hand(house: House) -> None:
    station = make_station(house, kind="fm", way="push", address="")
    assert station.way == "paper"
    start(make_version(house.commune))
    play = Play.objects.get()
    officer = make_actor(Role.COMMUNE_OFFICER, house.commune)
    client = Client()
    account = make_account(Role.COMMUNE_OFFICER, house.commune)
    client.force_login(account, backend="allauth.account.auth_backends.AuthenticationBackend")
    script = client.get(f"/broadcasts/stations/plays/{play.pk}/script.pdf")
    text = " ".join(page.extract_text() for page in PdfReader(BytesIO(script.content)).pages)
    assert "hai mươi tháng chín" in " ".join(text.split())
    with pytest.raises(Invalid):
        verbs.settle_play(officer, play=play, played=False)
    with pytest.raises(NotAllowed):
        verbs.settle_play(house.leader, play=play, played=True)
    with at(49 * 60):
        assert verbs.expire_plays(house.system) == 0  # whether the paper got there nobody knows
    verbs.settle_play(officer, play=play, played=True)
    with pytest.raises(Conflict):
        verbs.settle_play(officer, play=play, played=True)
    play.refresh_from_db()
    assert (play.state, play.code) == ("played", "by_hand")


@SPEAKS
def test_the_engine_speaks_where_nothing_was_recorded(house: House) -> None:
    version = make_version(house.commune)
    mp3, digest = sound.audio_of(version)
    assert hashlib.sha256(mp3).hexdigest() == digest
    assert sound.audio_of(version) == (mp3, digest)


def test_without_an_engine_the_text_goes_alone(house: House, settings: Any) -> None:
    settings.KHIEN_SPEECH_COMMAND = "/nowhere/speak"
    station = make_station(house)
    start(make_version(house.commune, is_emergency=True))
    (told,) = ask(station)["bulletins"]
    assert told["audio"] is None
    assert told["text"]


def test_an_officer_moves_what_is_no_emergency(house: House) -> None:
    make_station(house)
    start(make_version(house.commune))
    play = Play.objects.get()
    officer = make_actor(Role.COMMUNE_OFFICER, house.commune)
    moved = verbs.move_play(officer, play=play, due_at=NOON + timedelta(hours=2), rank=-1)
    assert (moved.due_at, moved.rank) == (NOON + timedelta(hours=2), -1)
    for hours in (-3, 11, 72):
        with pytest.raises(Invalid):
            verbs.move_play(officer, play=play, due_at=NOON + timedelta(hours=hours))
    Play.objects.update(priority=Play.Priority.EMERGENCY)
    with pytest.raises(Conflict):
        verbs.move_play(officer, play=play, due_at=NOON + timedelta(hours=2))


def test_two_stations_of_one_name_in_one_unit_are_refused(house: House) -> None:
    make_station(house)
    with pytest.raises(Conflict):
        make_station(house)
    with pytest.raises(Invalid):
        make_station(house, name="Đài ba", way="push", address="ftp://x")
    with pytest.raises(NotAllowed):
        verbs.save_station(
            make_actor(Role.COMMUNICATION_OFFICER, make_unit("Khác", house.province)),
            unit=house.commune,
            name="x",
            kind="ip",
            way="pull",
        )
