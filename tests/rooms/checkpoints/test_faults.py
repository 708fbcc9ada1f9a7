"""Whatever fails between a device and the ledger: nothing is lost, nothing counts twice, and the ledger says so.

Here the server dies by an exception and comes back as a rolled-back transaction or a lost reply, with some thousand
events; `test_faults_of_processes.py` kills real processes under a hundred thousand.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import transaction
from django.test import Client

from khien.kernel import clock
from khien.kernel.audit.models import AuditLine
from khien.kernel.events.models import Event
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.rules import verbs as rules
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.reads import actor_of_account
from khien.kernel.staff.verbs import enrol_device, make_enrolment_code, revoke_device
from khien.rooms.checkpoints import jobs, reads, sealing
from khien.rooms.checkpoints.models import DeviceTally, Due, HeldScan, Scan, ScanId
from tests.factories import NOON, make_account, make_actor, make_place, make_province, make_unit
from tests.rooms.checkpoints.cards import CCCD, NUMBER, event
from tests.rooms.checkpoints.device import Device, NoReply, malformed

pytestmark = pytest.mark.django_db
SCANS = "/api/v1/checkpoints/scans"
SYSTEM = system_actor("test")
CARDS = [f"0350901{number:05d}" for number in range(50)]


@pytest.fixture(autouse=True)
def noon():
    with clock.reads.frozen_at(NOON):
        yield


@pytest.fixture
def commune():
    return make_province()[2]


@pytest.fixture
def market(commune):
    return make_place(commune)


@pytest.fixture
def people(commune):
    return [
        register_person(SYSTEM, full_name="Lê Thị Hoa", unit=commune, documents=[NewDocument("cccd", card)])
        for card in CARDS
    ]


@pytest.fixture
def enrolled(commune):
    """Make a device; its id and its token. It was enrolled ten days ago."""

    def enrol(name: str = "Chốt 1") -> tuple[int, str]:
        with clock.reads.frozen_at(NOON - timedelta(days=10)):
            account = make_account(Role.ADMINISTRATOR, commune)
            _row, code = make_enrolment_code(actor_of_account(account), name=name, unit=commune)
            made = enrol_device(code)
        return made.device.pk, made.token

    return enrol


def post(token: str, batch: dict[str, Any]) -> dict[str, Any]:
    answer = Client().post(
        SCANS,
        json.dumps(batch),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert answer.status_code == 200, answer.content
    return answer.json()


class Line:
    """A network and a server that fail: before the commit, after it, or by sending an older batch once more."""

    def __init__(self, token: str, seed: int) -> None:
        self.token, self.random = token, random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.sent: list[dict[str, Any]] = []

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        self.sent.append(batch)
        fate = self.random.random()
        if fate < 0.2:
            self.faults["killed before the commit"] += 1
            with transaction.atomic():
                post(self.token, batch)
                transaction.set_rollback(True)
            raise NoReply
        reply = post(self.token, batch)
        if fate < 0.4:
            self.faults["reply dropped"] += 1
            raise NoReply
        if fate < 0.55:
            self.faults["replayed out of order"] += 1
            again = post(self.token, self.random.choice(self.sent))
            assert (
                again["stored"] == 0
                or again["received"] == again["stored"] + again["duplicate"] + again["held"]
            )
        return reply


def drain(device: Device, line: Line) -> None:
    for _try in range(1_000):
        if not device.waiting(1):
            return
        device.send(line, clock.now(), size=line.random.choice([1, 40, 90, 200]))
        if line.random.random() < 0.1:
            device.restarted()
    raise AssertionError("the queue does not drain")


def test_two_thousand_events_through_every_fault(enrolled, market, people, tmp_path: Path) -> None:
    sound, wrong = enrolled("Chốt đúng giờ"), enrolled("Chốt sai giờ")
    devices = {
        sound: Device(tmp_path / "sound", market.code),
        wrong: Device(tmp_path / "wrong", market.code, clock_off=timedelta(days=-365)),
    }
    bad: set[str] = set()
    true_time: dict[str, datetime] = {}
    for number in range(1_000):
        for device in devices.values():
            at = NOON - timedelta(seconds=1_000 - number)
            change = malformed(number) if number % 100 == 50 else {}
            made = device.scan(CARDS[number % 50], at, **change)
            true_time[made["id"]] = at
            if change:
                bad.add(made["id"])
    lines = {sender: Line(sender[1], seed) for seed, sender in enumerate(devices)}
    for sender, device in devices.items():
        drain(device, lines[sender])
    assert all(
        line.faults[name] for line in lines.values() for name in ("killed before the commit", "reply dropped")
    )

    for sender, device in devices.items():
        name = f"device:{sender[0]}"
        stored = {str(pk) for pk in Scan.objects.filter(sender=name).values_list("client_id", flat=True)}
        made = set(device.ledger())
        assert len(made) == 1_000
        assert stored == made - bad
        assert Scan.objects.filter(sender=name).count() == len(stored)
        held = HeldScan.objects.filter(sender=name)
        assert {row.client_id for row in held} == made & bad
        assert {device.ledger()[pk] for pk in stored} <= {"stored", "duplicate"}
        tally = DeviceTally.objects.get(device_id=sender[0])
        assert (tally.stored, tally.held) == (len(stored), len(made & bad))
        assert tally.duplicate > 0
        assert (tally.seqs_reused, tally.ids_reused) == (0, 0)
    assert not Event.objects.filter(name="scans_clashed").exists()
    told = Counter()
    for line in AuditLine.objects.filter(act="checkpoints.store_scans"):
        told.update({key: line.details.get(key, 0) for key in ("stored", "held")})
    assert (told["stored"], told["held"]) == (Scan.objects.count(), HeldScan.objects.count())
    # A year off, and every scan lies where it happened, apart from the time a restart makes uncertain.
    for scan in Scan.objects.filter(sender=f"device:{wrong[0]}"):
        assert abs(scan.at - true_time[str(scan.client_id)]) < timedelta(minutes=30)
        assert "clock" in scan.flags
        assert scan.time_quality in {"line", "sent"}


def test_gaps_are_the_numbers_that_never_came(enrolled, market, people, commune, tmp_path: Path) -> None:
    (pk, token), actor = enrolled(), make_actor(Role.ADMINISTRATOR, commune)
    device = Device(tmp_path / "one", market.code)
    events = [device.scan(CARDS[n % 50], NOON - timedelta(minutes=1)) for n in range(20)]
    post(token, device.batch([*events[:4], *events[6:10]], NOON))
    post(token, device.batch(events[12:], NOON))
    (line,) = reads.gaps(actor)
    assert (line.device.pk, line.last, line.missing) == (pk, 20, ((5, 6), (11, 12)))
    assert (line.missing_count, line.stored, line.clashes) == (4, 16, 0)
    post(token, device.batch(events, NOON))
    (line,) = reads.gaps(actor)
    assert (line.missing, line.stored, line.duplicate) == ((), 20, 16)
    assert reads.gaps(make_actor(Role.ADMINISTRATOR, make_unit("Xã Khác"))) == []


def test_a_restart_does_not_hide_a_gap(enrolled, market, people, commune, tmp_path: Path) -> None:
    _pk, token = enrolled()
    device = Device(tmp_path / "one", market.code)
    device.scan(CARDS[0], NOON)
    lost = device.scan(CARDS[1], NOON)
    device.restarted()
    device.scan(CARDS[2], NOON)
    post(token, device.batch([one for one in device.waiting() if one["id"] != lost["id"]], NOON))
    assert reads.gaps(make_actor(Role.ADMINISTRATOR, commune))[0].missing == ((2, 2),)


def test_a_copy_of_a_device_is_seen_by_its_numbers(enrolled, market, people, commune, tmp_path: Path) -> None:
    """Two devices with one key: what both have is one scan, what each has alone is two, and somebody is told."""
    pk, token = enrolled()
    first = Device(tmp_path / "first", market.code)
    for n in range(5):
        first.scan(CARDS[n], NOON - timedelta(minutes=5))
    shutil.copy(tmp_path / "first", tmp_path / "second")
    second = Device(tmp_path / "second", market.code)
    first.scan(CARDS[5], NOON - timedelta(minutes=1))
    second.scan(CARDS[6], NOON - timedelta(minutes=1))
    assert post(token, first.batch(first.waiting(), NOON))["stored"] == 6
    assert not Event.objects.filter(name="scans_clashed").exists()
    reply = post(token, second.batch(second.waiting(), NOON))
    assert (reply["stored"], reply["duplicate"], reply["held"]) == (1, 5, 0)
    assert "seq_reused" in reply["answers"][-1]["flags"]
    told = Event.objects.get(name="scans_clashed").payload
    assert (told["device"], told["seqs_reused"], told["ids_reused"], told["seq"]) == (pk, 1, 0, 6)
    post(token, second.batch(second.waiting(), NOON))
    assert Event.objects.filter(name="scans_clashed").count() == 1
    (line,) = reads.clashes(make_actor(Role.COMMUNE_OFFICER, commune))
    assert (line.device.pk, line.clashes, line.clashed_at) == (pk, 1, NOON)
    assert reads.gaps(make_actor(Role.ADMINISTRATOR, commune))[0].missing == ()


def test_an_id_with_other_words_raises_one_alarm(enrolled, market, people, commune) -> None:
    _pk, token = enrolled()
    one = event(market.code, CARDS[0])
    changed = {**one, "code": CARDS[1]}
    post(token, {"events": [one]})
    for _time in range(3):
        reply = post(token, {"events": [changed]})
        assert reply["answers"][0]["reason"] == "id_reused"
    told = Event.objects.get(name="scans_clashed").payload
    assert (told["ids_reused"], told["seqs_reused"], told["id"]) == (1, 0, one["id"])
    assert not {CARDS[0], CARDS[1]} & set(json.dumps(told).split('"'))
    assert HeldScan.objects.get().reason == "id_reused"
    assert len(reads.clashes(make_actor(Role.ADMINISTRATOR, commune))) == 1


def test_a_scan_that_was_forgotten_stays_forgotten(enrolled, market, people) -> None:
    rules.load_seed(SYSTEM)
    _pk, token = enrolled()
    with clock.reads.frozen_at(NOON - timedelta(days=5)):
        early = event(market.code, CARDS[0], at=NOON - timedelta(days=5))
        assert post(token, {"sent_at": clock.now().isoformat(), "events": [early]})["stored"] == 1
    with clock.reads.frozen_at(NOON + timedelta(days=100)):
        jobs.forget_scans(clock.today() - timedelta(days=21))
        jobs.forget_scan_ids(clock.today() - timedelta(days=90))
        assert not ScanId.objects.exists()
        assert not Scan.objects.exists()
        Due.objects.all().delete()
        never = event(market.code, CCCD, at=NOON)
        batch = {"sent_at": clock.now().isoformat(), "events": [early, never]}
        for _time in range(2):
            reply = post(token, batch)
            assert [one["reason"] for one in reply["answers"]] == ["forgotten", "forgotten"]
            assert reply["held"] == 2
        for model in (Scan, ScanId, HeldScan, Due):
            assert not model.objects.exists()
        assert NUMBER not in str(list(AuditLine.objects.values()))


@pytest.mark.parametrize("off", [timedelta(days=365), timedelta(days=-365), timedelta(minutes=1)])
def test_the_running_clock_says_when_it_was(enrolled, market, people, off: timedelta, tmp_path: Path) -> None:
    _pk, token = enrolled()
    device = Device(tmp_path / "one", market.code, clock_off=off)
    device.scan(CARDS[0], NOON)
    batch = device.batch(device.waiting(), NOON)
    post(token, {**batch, "sent_mono": batch["sent_mono"] + 3_600_000})
    scan = Scan.objects.get()
    assert scan.at == NOON - timedelta(hours=1, seconds=1)
    assert scan.time_quality == "line"
    assert scan.flags == ["clock"]


def test_without_a_running_clock_the_moment_of_sending_counts(
    enrolled, market, people, tmp_path: Path
) -> None:
    _pk, token = enrolled()
    device = Device(tmp_path / "one", market.code, clock_off=timedelta(days=365))
    device.scan(CARDS[0], NOON - timedelta(hours=2))
    device.restarted()
    post(token, device.batch(device.waiting(), NOON))
    scan = Scan.objects.get()
    assert (scan.at, scan.time_quality, scan.flags) == (NOON - timedelta(hours=2), "sent", ["clock"])


def test_a_moment_before_the_device_was_enrolled_is_no_moment(
    enrolled, market, people, tmp_path: Path
) -> None:
    """The clock was put right between the scan and the sending: nothing says when it was, and it is not lost."""
    rules.load_seed(SYSTEM)
    _pk, token = enrolled()
    device = Device(tmp_path / "one", market.code, clock_off=timedelta(days=-365))
    device.scan(CARDS[0], NOON - timedelta(hours=2))
    device.restarted()
    device.clock_off = timedelta(0)
    assert post(token, device.batch(device.waiting(), NOON))["stored"] == 1
    scan = Scan.objects.get()
    assert (scan.at, scan.time_quality, scan.flags) == (NOON, "received", ["clock"])


def test_a_sealed_code_is_opened_for_its_own_event_only(enrolled, market, people) -> None:
    _pk, token = enrolled()
    made = event(market.code)
    del made["code"]
    sound = {**made, "sealed": sealing.sealed(CARDS[0], made["id"])}
    moved = {**made, "id": str(uuid4()), "sealed": sound["sealed"]}
    reply = post(token, {"events": [sound, moved, {**made, "id": str(uuid4()), "sealed": "AAAA"}]})
    assert [one["reason"] or one["outcome"] for one in reply["answers"]] == [
        "stored",
        "seal_broken",
        "seal_broken",
    ]
    assert Scan.objects.get().person_id == people[0].pk


def test_what_a_device_showed_is_kept_and_nonsense_in_it_is_ignored(enrolled, market, people) -> None:
    _pk, token = enrolled()
    shown = {"colour": "red", "reason": 'Đang "cách ly" \\ {tại nhà}', "bundle": "20220110.3", "more": [1]}
    told = {"verdict": shown, "offline": True, "seq": 7, "boot": str(uuid4()), "mono": 12.7}
    wrong = {"verdict": {"colour": "pink"}, "offline": "yes", "seq": -1, "boot": 3, "mono": "x"}
    events = [event(market.code, CARDS[0], **told), event(market.code, CARDS[1], **wrong)]
    assert post(token, {"events": events})["stored"] == 2
    first, second = Scan.objects.order_by("id")
    assert first.shown == {key: shown[key] for key in ("colour", "reason", "bundle")}
    assert (first.offline, first.seq, str(first.boot), first.mono) == (True, 7, told["boot"], 12)
    assert (second.shown, second.offline, second.seq, second.boot, second.mono) == (
        None,
        None,
        None,
        None,
        None,
    )


def test_a_revoked_device_hears_what_it_may_forget(enrolled, market, people, commune) -> None:
    from khien.kernel.staff.models import Device as DeviceRow

    pk, token = enrolled()
    revoke_device(make_actor(Role.ADMINISTRATOR, commune), device=DeviceRow.objects.get(pk=pk))
    one = event(market.code, CARDS[0])
    answer = Client().post(
        SCANS,
        json.dumps({"events": [one]}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (answer.status_code, answer.json()["held"]) == (401, [one["id"]])
    assert HeldScan.objects.get().reason == "device_revoked"
