"""A hundred thousand events from eight devices and two copies, while processes are killed and the disk fills up.

`khien up` serves; the web server's processes are killed before and after a commit, PostgreSQL is killed, replies are
dropped, old batches come once more, clocks are a year off, one event in a hundred is malformed, and for a while no file
may grow, as on a full disk. In the end each event has its one answer, and the tables hold what the answers say.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.rooms.checkpoints.device import Device, NoReply, malformed
from tests.site.test_up import Installation, installation  # noqa: F401 - the fixture
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

EVENTS = int(os.environ.get("KHIEN_FAULT_EVENTS", "100000"))
LARGE = 80_000
"""With fewer, no table outgrows a segment of the write-ahead log, and a full disk cannot be had by a limit on files."""
DEVICES = 8
YEAR = timedelta(days=365)
SETUP = """
import json, sys
from datetime import timedelta
import django
django.setup()
from khien.kernel import clock
from khien.kernel.people.verbs import NewDocument, register_person
from khien.kernel.places import verbs as places
from khien.kernel.staff import Role, system_actor
from khien.kernel.staff.models import Account, Device
from khien.kernel.staff.reads import hash_token
from khien.kernel.units import verbs as units
from khien.kernel.units.models import AdminUnit, Tier
system = system_actor("test")
units.load_country(system)
places.load_kinds(system)
commune = AdminUnit.objects.filter(tier=Tier.COMMUNE, during__contains=clock.today()).order_by("pk")[0]
place = places.create_place(system, name="Chợ", kind="market", unit=commune)
account = Account.objects.create(username="test", full_name="Test", created_at=clock.now())
made = []
for number in range(int(sys.argv[1])):
    device = Device.objects.create(name=f"Chốt {number}", unit=commune, token_hash=hash_token(f"token-{number}"),
        enrolled_at=clock.now() - timedelta(days=30), enrolled_by=account)
    made.append(device.pk)
for number in range(100):
    card = NewDocument("cccd", f"0350901{number:05d}")
    register_person(system, full_name="Lê Thị Hoa", unit=commune, documents=[card])
print(json.dumps({"place": place.code, "devices": made}))
"""


class World:
    """The installation, and what was done to it."""

    def __init__(self, here: Installation) -> None:
        self.here = here
        self.faults: Counter[str] = Counter()
        self.random = random.Random(1)
        self.stop = threading.Event()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.here.server.dsn(), autocommit=True) as connection:
            return connection.execute(query).fetchall()

    def workers(self) -> list[psutil.Process]:
        """The processes of the web server that answer (the children of granian's own)."""
        found = []
        for process in self.here.processes():
            try:
                parent = process.parent()
                if parent is not None and "granian" in " ".join(parent.cmdline()):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def kill_workers(self) -> None:
        for process in self.workers():
            try:
                process.kill()
            except psutil.Error:
                continue


class Line:
    """One device's way to the server. Each fault happens by chance; what the server did with the batch is unknown to
    the device."""

    def __init__(self, world: World, token: str, seed: int) -> None:
        self.world, self.token, self.random = world, token, random.Random(seed)
        self.sent: list[dict[str, Any]] = []

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        fate = self.random.random()
        if fate < 0.04 and self.sent:
            self.world.faults["replayed out of order"] += 1
            self._post(self.random.choice(self.sent))
        if len(self.sent) < 10:
            self.sent.append(batch)
        elif self.random.random() < 0.2:
            self.sent[self.random.randrange(10)] = batch
        if fate > 0.94:
            self.world.faults["reply dropped"] += 1
            self._post(batch, read=False)
            raise NoReply
        return self._post(batch)

    def _post(self, batch: dict[str, Any], *, read: bool = True, kill: bool = False) -> dict[str, Any]:
        with closing(HTTPConnection("127.0.0.1", self.world.here.port, timeout=30)) as connection:
            try:
                connection.request(
                    "POST",
                    "/api/v1/checkpoints/scans",
                    json.dumps(batch),
                    {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
                )
                if not read:
                    connection.sock.recv(1, socket.MSG_PEEK)  # the commit is over, nobody hears of it
                    if kill:
                        self.world.kill_workers()
                    return {}
                answer = connection.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as fault:
                self.world.faults["no reply"] += 1
                raise NoReply from fault
        if answer.status >= 500:
            self.world.faults[str(answer.status)] += 1
            raise NoReply
        assert answer.status == 200, (answer.status, body[:300])
        return json.loads(body)


def drain(world: World, device: Device, line: Line) -> None:
    deadline = time.monotonic() + 1_200
    while device.waiting(1):
        assert time.monotonic() < deadline, f"{len(device.waiting())} events are still unsent: {world.faults}"
        if not device.send(line, datetime.now(UTC)):
            time.sleep(0.05 + 0.1 * line.random.random())  # a device waits before it tries again
        if line.random.random() < 0.01:
            device.restarted()


@contextmanager
def held_before_commit(world: World, device_id: int) -> Iterator[None]:
    """Within the block no batch of the device can commit: the row that each of them takes first is taken."""
    with psycopg.connect(world.here.server.dsn()) as connection:
        connection.execute(
            "SELECT 1 FROM checkpoints_devicetally WHERE device_id = %s FOR UPDATE", [device_id]
        )
        yield
        connection.rollback()


def kill_before_commit(world: World, device: Device, device_id: int, token: str) -> None:
    before = world.rows("SELECT count(*) FROM checkpoints_scanid")
    device.scan("035090100001", datetime.now(UTC))
    with held_before_commit(world, device_id):
        sender = threading.Thread(target=lambda: device.send(Line(world, token, 0)._post, datetime.now(UTC)))
        sender.start()
        wait_until(
            lambda: world.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"),
            30,
            "the batch waits",
        )
        world.kill_workers()
        sender.join(30)
    assert device.waiting(1), "nobody answered"
    assert world.rows("SELECT count(*) FROM checkpoints_scanid") == before
    world.faults["killed before the commit"] += 1


def kill_after_commit(world: World, device: Device, token: str) -> None:
    made = device.scan("035090100002", datetime.now(UTC))
    batch = device.batch(device.waiting()[-100:], datetime.now(UTC))
    Line(world, token, 0)._post(batch, read=False, kill=True)
    assert world.rows(f"SELECT 1 FROM checkpoints_scan WHERE client_id = '{made['id']}'"), "it was committed"
    world.faults["killed after the commit"] += 1


def chaos(world: World) -> None:
    """By how much is stored: kill a process of the web server twenty times, PostgreSQL once, let the disk be full
    once. So a slow machine sees as many faults as a fast one, and always comes on between them."""
    kills = [EVENTS * number // 22 for number in range(1, 21)]
    killed_postgres = filled = False
    while not world.stop.wait(0.1):
        try:
            (taken,) = world.rows("SELECT coalesce(sum(stored), 0) FROM checkpoints_devicetally")[0]
        except psycopg.OperationalError:
            continue
        if not killed_postgres and taken > EVENTS // 4:
            killed_postgres = True
            pid = world.here.server._postmaster()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            world.faults["postgres killed"] += 1
        elif EVENTS >= LARGE and not filled and taken > EVENTS * 6 // 10:
            filled = True
            full_disk(world)
        elif kills and taken > kills[0]:
            kills.pop(0)
            workers = world.workers()
            if workers:
                try:
                    world.random.choice(workers).kill()
                    world.faults["worker killed"] += 1
                except psutil.Error:
                    continue


def make_the_ids_large(world: World) -> None:
    """Ids of an older time, so that their file outgrows a segment of the log: where it ends, the disk may end."""
    with psycopg.connect(world.here.server.dsn(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO checkpoints_scanid (sender, id, day, payload_hash) SELECT 'system:older', gen_random_uuid(),"
            " current_date, repeat('0', 32) FROM generate_series(1, 300000)"
        )


def full_disk(world: World) -> None:
    """Until somebody has felt it, no file may grow beyond what that of the ids is now; the log of the database may."""
    (size,) = world.rows("SELECT pg_relation_size('checkpoints_scanid')")[0]
    limit = max(int(size), 16 * 1024 * 1024)  # a segment of the write-ahead log is a file of 16 MB

    def allow(value: int) -> None:
        pid = world.here.server._postmaster()
        for process in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)] if pid else []:
            # By the owner of the process, who may do so without any privilege.
            with contextlib.suppress(psutil.Error):
                owner, group = process.uids().real, process.gids().real
                word = "unlimited" if value == resource.RLIM_INFINITY else str(value)
                command = ["prlimit", "--pid", str(process.pid), f"--fsize={word}:"]
                done = subprocess.run(command, user=owner, group=group, capture_output=True, check=False)
                assert not done.returncode or not process.is_running(), done.stderr

    wait_until(world.here.answers, 120, "somebody who can feel it")
    before = world.faults["500"]
    deadline = time.monotonic() + 120
    try:
        while world.faults["500"] == before and time.monotonic() < deadline:
            allow(limit)  # new backends too
            time.sleep(0.05)
        if world.faults["500"] > before:
            world.faults["disk full"] += 1
    finally:
        allow(resource.RLIM_INFINITY)


def test_a_hundred_thousand_events(installation: Installation, tmp_path: Path) -> None:  # noqa: F811
    installation.environment |= {"KHIEN_WORKER_JOBS": "1"}
    installation.khien("up", "--only", "web")
    wait_until(installation.answers, 180, "the first start")
    world = World(installation)
    setup = installation.environment | {
        "DATABASE_URL": installation.server.dsn(),
        "DJANGO_SETTINGS_MODULE": "khien.site.settings",
    }
    made = json.loads(_run(SETUP, setup, str(DEVICES)))
    place, ids = made["place"], made["devices"]

    devices = [
        Device(tmp_path / f"device-{number}", place, clock_off=(-YEAR, YEAR, timedelta(0))[number % 3])
        for number in range(DEVICES)
    ]
    own: list[set[str]] = [set() for _device in devices]
    bad: set[str] = set()
    moments: dict[str, datetime] = {}
    start = datetime.now(UTC) - timedelta(hours=2)
    each = EVENTS // (DEVICES + 2)

    def fill(device: Device, mine: set[str], count: int) -> None:
        device._store.executescript("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY")
        for number in range(count):
            at = start + timedelta(seconds=number * 7_000 / each)
            change = malformed(number) if number % 100 == 50 else {}
            event = device.scan(f"0350901{number % 100:05d}", at, **change)
            moments[event["id"]] = at
            mine.add(event["id"])
            if change:
                bad.add(event["id"])

    for number, device in enumerate(devices):
        fill(device, own[number], each // 2)
    # The files of two devices are copied; from here on the copies go their own way with the same key.
    for number in (0, 1):
        shutil.copy(devices[number].file, tmp_path / f"copy-{number}")
        devices.append(Device(tmp_path / f"copy-{number}", place, clock_off=devices[number].clock_off))
        own.append(set(own[number]))
    for number, device in enumerate(devices):
        fill(device, own[number], each - each // 2 if number < DEVICES else each)
    tokens = [f"token-{number % DEVICES}" for number in range(len(devices))]

    Line(world, tokens[2], 0)._post(devices[2].batch([], datetime.now(UTC)))
    devices[2].send(Line(world, tokens[2], 0)._post, datetime.now(UTC), size=1)  # the device has a tally
    kill_before_commit(world, devices[2], ids[2], tokens[2])
    wait_until(installation.answers, 60, "the web server again")
    kill_after_commit(world, devices[3], tokens[3])
    wait_until(installation.answers, 60, "the web server again")
    for number in (2, 3):
        own[number] |= {event["id"] for event in devices[number].waiting()}

    if EVENTS >= LARGE:
        make_the_ids_large(world)
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            drain(world, devices[number], Line(world, tokens[number], number))
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(devices))]
    killer = threading.Thread(target=chaos, args=(world,))
    for thread in [*threads, killer]:
        thread.start()
    for thread in threads:
        thread.join()
    world.stop.set()
    killer.join()
    assert not faults, faults
    print(dict(world.faults))
    for name in ("killed before the commit", "killed after the commit", "worker killed", "reply dropped"):
        assert world.faults[name], name
    for name in ("replayed out of order", "postgres killed"):
        assert world.faults[name], name
    if EVENTS >= LARGE:
        assert world.faults["disk full"]

    wait_until(installation.answers, 60, "the web server")
    every = set().union(*own)
    assert len(every) >= EVENTS * 0.9
    answers: dict[str, set[str]] = {}
    for device, mine in zip(devices, own, strict=True):
        assert not device.waiting()
        assert mine <= set(device.ledger())
        for pk, told in device.ledger().items():
            answers.setdefault(pk, set()).add(told)
    scans = world.rows("SELECT client_id::text, sender, at, flags FROM checkpoints_scan")
    assert len(scans) == len({row[0] for row in scans}), "nothing is doubled"
    assert {row[0] for row in scans} == set(answers) - bad, "nothing is lost, nothing is made up"
    held = {row[0] for row in world.rows("SELECT client_id FROM checkpoints_heldscan")}
    assert held == bad
    for pk, told in answers.items():
        assert told <= ({"malformed", "unknown_code", "duplicate"} if pk in bad else {"stored", "duplicate"})

    tallies = {
        row[0]: row[1:]
        for row in world.rows(
            "SELECT device_id, stored, duplicate, held, seqs_reused, ids_reused FROM checkpoints_devicetally"
        )
    }
    by_sender = Counter(row[1] for row in scans)
    lines = world.rows("SELECT actor_id, details FROM audit_auditline WHERE act = 'checkpoints.store_scans'")
    for number, pk in enumerate(ids):
        stored, duplicate, kept, seqs, reused = tallies[pk]
        assert stored == by_sender[f"device:{pk}"]
        assert stored == sum(details.get("stored", 0) for actor, details in lines if actor == pk)
        assert kept == sum(details.get("held", 0) for actor, details in lines if actor == pk)
        assert duplicate > 0 or number > 3
        assert reused == 0
        # A copy used the numbers of its own scans a second time, and nobody else did.
        assert (seqs > 0) == (number in (0, 1)), (number, seqs)
    clashed = {
        row[0]["device"]
        for row in world.rows("SELECT payload FROM events_event WHERE name = 'scans_clashed'")
    }
    assert clashed == {ids[0], ids[1]}
    for pk, _sender, at, _flags in scans:
        if pk in moments:
            assert abs(at - moments[pk]) < timedelta(hours=3), "a clock a year off is corrected"


def _run(program: str, environment: dict[str, str], *arguments: str) -> str:
    import subprocess
    import sys

    answer = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    return answer.stdout
