"""How fast the batch door stores scans, durably: beside COPY of the same rows, and beside a FastAPI door.

Batches of 200 events come from eight devices at once. An event holds the code of an identity card that the ledger
knows, with all that a device adds (number, running clock, the verdict that it showed); the first tenth of each batch
came together, on a bus. Each contestant stores events of its own in empty tables with all their indexes, on a server
that syncs every commit:

- COPY: two processes write the rows (ids, scans, marks of what is due) as binary COPY, prepared beforehand, and commit
  after each 200 scans. Nothing is read, checked or answered. Once more with 10,000 scans a commit.
- The verb alone: two processes read the JSON and call `store_scans`.
- The door: `khien up --only web` with its two workers, over HTTP.
- FastAPI: `ingest_fastapi.py`, two workers of uvicorn, over HTTP, with the same answers.

The contestants take turns for some rounds; a figure is the median of the rounds. Who sends shares the machine with who
stores. Then the door gets scans at a steady rate, and each batch is timed.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import numpy as np
import orjson

from benchmarks.database import fresh_database
from benchmarks.house import served
from benchmarks.report import Figure, show

BATCH = 200
DEVICES = 8
WORKERS = 2
COPY_SHARE, FASTAPI_RATIO, P99_MS = 0.7, 1.3, 250.0
CARD = "{number}|012345678|Nguyễn Văn An|15011990|Nam|Tổ 1, Phường Quang Trung, Phủ Lý, Hà Nam|15042021"


@dataclass(frozen=True)
class Sender:
    """A device with its token, and where it scans."""

    device_id: int
    token: str
    place_id: int
    place_code: str


@dataclass(frozen=True)
class World:
    """Who is scanned, by whom."""

    senders: list[Sender]
    person: list[int]
    number: list[str]
    subject: list[str]
    day: np.datetime64


@click.command()
@click.option("--scans", default=40_000, show_default=True, help="Scans of each contestant in a round.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--people", default=20_000, show_default=True)
@click.option("--rate", default=2_000, show_default=True, help="Scans a second when batches are timed.")
@click.option("--seconds", default=20, show_default=True, help="How long batches are timed.")
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(scans: int, rounds: int, people: int, rate: int, seconds: int, seed: int, as_json: bool) -> None:
    """The batch door beside COPY and FastAPI, durably."""
    with fresh_database(durable=True):
        figures = measure(scans, rounds, people, rate, seconds, seed)
    show("ingest", figures, as_json=as_json)


def measure(scans: int, rounds: int, people: int, rate: int, seconds: int, seed: int) -> list[Figure]:
    world = make_world(people)
    maker = Maker(world, seed)
    took: dict[str, list[float]] = {}
    with served("web") as address, fastapi_door() as peer_address:
        door = Http(address, "/api/v1/checkpoints/scans", world)
        peer = Http(peer_address, "/scans", world)
        compare_answers(door, peer, maker)
        contestants: dict[str, Callable[[int], float]] = {
            "copy": lambda n: copied(maker, n, BATCH),
            "copy 10,000": lambda n: copied(maker, n, 10_000),
            "verb": lambda n: called(maker, n),
            "door": lambda n: door.timed(maker.bodies(n)),
            "fastapi": lambda n: peer.timed(maker.bodies(n)),
        }
        for run in contestants.values():  # who was never asked before plans, connects, and is not timed
            empty_tables()
            run(BATCH * DEVICES * 2)
        for _round in range(rounds):
            for name, run in contestants.items():
                empty_tables()
                took.setdefault(name, []).append(scans / run(scans))
                check_stored(scans)
        empty_tables()
        waits, reached = door.paced(maker.bodies(rate * seconds), rate)
    speed = {name: float(np.median(values)) for name, values in took.items()}
    p99 = float(np.quantile(waits, 0.99)) * 1e3
    share = float(np.median(np.array(took["door"]) / np.array(took["copy"])))
    verb_share = float(np.median(np.array(took["verb"]) / np.array(took["copy"])))
    ratio = float(np.median(np.array(took["door"]) / np.array(took["fastapi"])))
    return [
        Figure("COPY, 200 scans a commit", speed["copy"], "scans/s"),
        Figure("COPY, 10,000 scans a commit", speed["copy 10,000"], "scans/s"),
        Figure("FastAPI door", speed["fastapi"], "scans/s"),
        Figure("verb alone", speed["verb"], "scans/s", "COPY", verb_share),
        Figure(
            "door beside COPY",
            speed["door"],
            "scans/s",
            "COPY",
            share,
            f">= {COPY_SHARE:g} x",
            share >= COPY_SHARE,
        ),
        Figure(
            "door beside FastAPI",
            speed["door"],
            "scans/s",
            "FastAPI",
            ratio,
            f">= {FASTAPI_RATIO:g} x",
            ratio >= FASTAPI_RATIO,
        ),
        Figure(
            "scans a second when timed", reached, "scans/s", goal=f">= {rate}", met=reached >= 0.95 * rate
        ),
        Figure("batch, median", float(np.median(waits)) * 1e3, "ms"),
        Figure("batch, p99", p99, "ms", goal=f"<= {P99_MS:g}", met=p99 <= P99_MS),
    ]


# The world, and the events of it


def make_world(people: int) -> World:
    """A commune with eight places and devices, and people whose cards the ledger knows."""
    from django.db import connection

    from khien.kernel import clock
    from khien.kernel.bulk import reserve_ids
    from khien.kernel.people import identity
    from khien.kernel.people.models import IdentityDocument, Person
    from khien.kernel.places import verbs as places
    from khien.kernel.presence.stays import local_days
    from khien.kernel.staff import system_actor
    from khien.kernel.staff.models import Account, Device
    from khien.kernel.staff.reads import hash_token
    from khien.kernel.units import verbs as units
    from khien.kernel.units.models import AdminUnit, Tier
    from khien.rooms.checkpoints import jobs

    system = system_actor("bench")
    now = clock.now()
    units.load_country(system)
    places.load_kinds(system)
    commune = AdminUnit.objects.filter(tier=Tier.COMMUNE, during__contains=clock.today()).order_by("pk")[0]
    account = Account.objects.create(username="bench", full_name="Bench", created_at=now)
    senders = []
    for number in range(DEVICES):
        place = places.create_place(system, name=f"Chợ {number}", kind="market", unit=commune)
        token = secrets.token_urlsafe(24)
        device = Device.objects.create(
            name=f"Chốt {number}",
            unit=commune,
            token_hash=hash_token(token),
            enrolled_at=now - timedelta(days=30),
            enrolled_by=account,
        )
        senders.append(Sender(device.pk, token, place.pk, place.code))
    sealer = identity.Sealer()
    ids = reserve_ids(Person, people)
    numbers = [f"0350901{number:05d}" for number in range(people)]
    Person.objects.bulk_create(
        [
            Person(
                id=pk, full_name="Nguyễn Văn An", name_folded="nguyen van an", name_sort="", created_at=now
            )
            for pk in ids
        ],
        batch_size=5_000,
    )
    sealed = [sealer.seal("cccd", number) for number in numbers]
    IdentityDocument.objects.bulk_create(
        [
            IdentityDocument(person_id=pk, created_at=now, **columns)
            for pk, columns in zip(ids, sealed, strict=True)
        ],
        batch_size=5_000,
    )
    jobs.prepare_days_ahead()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    day = local_days(np.array([int(now.timestamp() * 1e6)]))[0].astype("datetime64[D]")
    return World(senders, list(ids), numbers, [str(columns["number_hash"]) for columns in sealed], day)


class Maker:
    """Makes batches nobody has seen: ids are new, each device counts on."""

    def __init__(self, world: World, seed: int, batch: int = BATCH) -> None:
        self.world, self._batch = world, batch
        self._rng = np.random.default_rng(seed)
        self._boot = [str(UUID(bytes=self._rng.bytes(16), version=4)) for _sender in world.senders]
        self._seq = [0] * len(world.senders)

    def bodies(self, scans: int) -> list[tuple[int, bytes]]:
        """(which sender, JSON of a batch) for so many scans."""
        return [self._body(number % DEVICES) for number in range(scans // self._batch)]

    def _body(self, which: int) -> tuple[int, bytes]:
        world, now = self.world, datetime.now(UTC)
        at = (now - timedelta(minutes=1)).isoformat(timespec="milliseconds")
        place, boot = world.senders[which].place_code, self._boot[which]
        first = self._seq[which]
        self._seq[which] += self._batch
        bus = {"group": str(UUID(bytes=self._rng.bytes(16), version=4))}
        events = [
            {
                "id": str(UUID(bytes=self._rng.bytes(16), version=4)),
                "place": place,
                "at": at,
                "direction": "in",
                "method": "camera",
                "code": CARD.format(number=world.number[who]),
                "seq": first + k + 1,
                "boot": boot,
                "mono": (first + k) * 100,
                "verdict": {"colour": "green", "reason": "", "bundle": "20261130.1"},
                "offline": True,
                **(bus if k < self._batch // 10 else {}),
            }
            for k, who in enumerate(self._rng.integers(0, len(world.person), self._batch).tolist())
        ]
        batch = {
            "sent_at": now.isoformat(),
            "boot": boot,
            "sent_mono": (first + self._batch) * 100 + 60_000,
            "verdicts": False,
            "events": events,
        }
        return which, json.dumps(batch, ensure_ascii=False).encode()

    def copies(self, scans: int, commit: int) -> list[list[tuple[str, list[bytes]]]]:
        """For each commit: the tables with their blocks of binary COPY."""
        from khien.kernel import bulk

        made = []
        for number in range(max(1, scans // commit)):
            made.append(
                [
                    (
                        _copy_statement(table, columns),
                        [bulk._HEAD, *bulk._binary(list(columns.values())), bulk._TAIL],
                    )
                    for table, columns in self._rows(number % DEVICES, commit)
                ]
            )
        return made

    def _rows(self, which: int, n: int) -> list[tuple[str, dict[str, Any]]]:
        world, rng = self.world, self._rng
        sender = f"device:{world.senders[which].device_id}"
        who = rng.integers(0, len(world.person), n)
        person = np.array(world.person)[who]
        now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
        ids = np.frombuffer(rng.bytes(16 * n), "V16")
        hashes = np.array([secrets.token_hex(16) for _k in range(n)], "S")

        def every(value: Any) -> Any:
            return np.broadcast_to(value, n)

        boot = np.frombuffer(UUID(self._boot[which]).bytes, "V16")[0]
        seq = self._seq[which] + np.arange(n)
        buses = np.repeat(np.frombuffer(rng.bytes(16 * -(-n // BATCH)), "V16"), BATCH)[:n]
        bus = np.ma.MaskedArray(buses, np.arange(n) % BATCH >= BATCH // 10)
        return [
            (
                "checkpoints_scanid",
                {
                    "sender": every(np.bytes_(sender)),
                    "id": ids,
                    "day": every(world.day),
                    "payload_hash": hashes,
                },
            ),
            (
                "checkpoints_scan",
                {
                    "day": every(world.day),
                    "sender": every(np.bytes_(sender)),
                    "client_id": ids,
                    "place_id": every(np.int64(world.senders[which].place_id)),
                    "person_id": person,
                    "subject_kind": every(np.bytes_("cccd")),
                    "subject": np.array(world.subject, "S")[who],
                    "direction": every(np.bytes_("in")),
                    "method": every(np.bytes_("camera")),
                    "at": every(now),
                    "at_said": every(now),
                    "time_quality": every(np.bytes_("line")),
                    "received_at": every(now),
                    "seq": seq,
                    "boot": every(boot),
                    "mono": seq * 100,
                    "offline": every(np.bool_(True)),
                    "shown": every(np.bytes_(b'\x01{"colour":"green","reason":"","bundle":"20261130.1"}')),
                    "group_id": bus,
                },
            ),
            (
                "checkpoints_due",
                {"person_id": np.unique(person), "day": np.broadcast_to(world.day, len(np.unique(person)))},
            ),
        ]


def _copy_statement(table: str, columns: dict[str, Any]) -> str:
    return f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"


def empty_tables() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE checkpoints_scan, checkpoints_scanid, checkpoints_due, checkpoints_devicetally,"
            " checkpoints_heldscan"
        )
        cursor.execute("CHECKPOINT")


def check_stored(scans: int) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM checkpoints_scan), (SELECT count(*) FROM checkpoints_scanid)"
        )
        row = cursor.fetchone()
    if row != (scans, scans):
        raise click.ClickException(f"{row} rows instead of {scans}")


# Two processes that write


def copied(maker: Maker, scans: int, commit: int) -> float:
    """Seconds of two processes that COPY."""
    made = maker.copies(scans, min(commit, scans))
    return _by_two_processes(_copy, [made[k::WORKERS] for k in range(WORKERS)])


def called(maker: Maker, scans: int) -> float:
    """Seconds of two processes that call the verb, each for its own devices."""
    bodies = maker.bodies(scans)
    ids = [sender.device_id for sender in maker.world.senders]
    parts = [[(ids[which], body) for which, body in bodies[k::WORKERS]] for k in range(WORKERS)]
    return _by_two_processes(_call, parts)


def _by_two_processes(work: Callable[..., None], parts: list[Any]) -> float:
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _part in parts]
    workers = [
        context.Process(target=work, args=(theirs, part))
        for (_ours, theirs), part in zip(pipes, parts, strict=True)
    ]
    for worker in workers:
        worker.start()
    for ours, _theirs in pipes:
        ours.recv()
    began = time.perf_counter()
    for ours, _theirs in pipes:
        ours.send("go")
    for ours, _theirs in pipes:
        ours.recv()
    took = time.perf_counter() - began
    for worker in workers:
        worker.join()
    return took


def _copy(pipe: Connection, commits: list[list[tuple[str, list[bytes]]]]) -> None:
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        pipe.send("ready")
        pipe.recv()
        for tables in commits:
            for statement, blocks in tables:
                with cursor.copy(statement) as copy:
                    for block in blocks:
                        copy.write(block)
            connection.commit()
        pipe.send("done")


def _call(pipe: Connection, bodies: list[tuple[int, bytes]]) -> None:
    import django

    django.setup()
    from khien.kernel.staff.models import Device
    from khien.kernel.staff.reads import actor_of_device
    from khien.rooms.checkpoints.verbs import store_scans

    devices = {device.pk: device for device in Device.objects.all()}
    actors = {pk: actor_of_device(device) for pk, device in devices.items()}
    pipe.send("ready")
    pipe.recv()
    for device_id, body in bodies:
        batch = orjson.loads(body)
        answer = store_scans(
            actors[device_id],
            batch["events"],
            sent_at=datetime.fromisoformat(batch["sent_at"]),
            boot=UUID(batch["boot"]),
            sent_mono=batch["sent_mono"],
            since=devices[device_id].enrolled_at,
            verdicts=False,
        )
        if answer.stored != len(batch["events"]):
            raise AssertionError(answer)
    pipe.send("done")


# Over HTTP


class Http:
    """Sends batches to a door, one connection and one thread a device."""

    def __init__(self, address: str, path: str, world: World) -> None:
        self._address, self._path = address.removeprefix("http://"), path
        self._headers = [
            {"Authorization": f"Bearer {sender.token}", "Content-Type": "application/json"}
            for sender in world.senders
        ]

    def post(self, which: int, body: bytes, connection: http.client.HTTPConnection) -> dict[str, Any]:
        """The door's answer. Raises when it is not 200."""
        connection.request("POST", self._path, body, self._headers[which])
        answer = connection.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise click.ClickException(f"{self._address}: {answer.status} {told[:500]!r}")
        return {"raw": told}

    def timed(self, bodies: list[tuple[int, bytes]]) -> float:
        """Seconds until all are answered, as fast as they are."""
        began = time.perf_counter()
        self._by_threads(bodies, lambda _number: None)
        return time.perf_counter() - began

    def paced(
        self, bodies: list[tuple[int, bytes]], rate: int, batch: int = BATCH
    ) -> tuple[list[float], float]:
        """Seconds of each batch from when it was due, at so many scans a second; and the rate that was reached."""
        began = time.perf_counter()

        def wait(number: int) -> float:
            due = began + number * batch / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            return due

        waits = self._by_threads(bodies, wait)
        return waits, len(bodies) * batch / (time.perf_counter() - began)

    def _by_threads(
        self, bodies: list[tuple[int, bytes]], wait: Callable[[int], float | None]
    ) -> list[float]:
        waits: list[float] = []
        faults: list[BaseException] = []

        def send(mine: list[tuple[int, tuple[int, bytes]]]) -> None:
            connection = http.client.HTTPConnection(self._address, timeout=60)
            try:
                connection.connect()
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for number, (which, body) in mine:
                    began = wait(number)
                    started = time.perf_counter() if began is None else began
                    self.post(which, body, connection)
                    waits.append(time.perf_counter() - started)
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        numbered = list(enumerate(bodies))
        threads = [threading.Thread(target=send, args=(numbered[k::DEVICES],)) for k in range(DEVICES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if faults:
            raise faults[0]
        return waits


def compare_answers(door: Http, peer: Http, maker: Maker) -> None:
    """Both doors say the same of a batch with all that may be wrong; else the bench ends here."""
    which, body = maker.bodies(BATCH * DEVICES)[0]
    batch = json.loads(body)
    events = batch["events"]
    events[1] = {**events[0], "direction": "out"}
    events[2] = events[0]
    events[3]["place"] = "KHONGCO"
    events[4]["code"] = "hello"
    events[5]["at"] = "yesterday"
    events[6]["code"] = "035099999999"
    events[7]["boot"] = "x"
    events[8]["group"] = "x"
    body = json.dumps(batch).encode()
    told: list[list[Any]] = []
    for one in (door, peer):
        empty_tables()
        connection = http.client.HTTPConnection(one._address, timeout=60)
        for _time in range(2):
            answer = json.loads(one.post(which, body, connection)["raw"])
            told.append(
                [
                    {key: answer[key] for key in ("received", "stored", "duplicate", "held")},
                    *([a["id"], a["outcome"], a["reason"], a["flags"]] for a in answer["answers"]),
                ]
            )
        connection.close()
    for ours, theirs in ((told[0], told[2]), (told[1], told[3])):
        for one, other in zip(ours, theirs, strict=True):
            if one != other:
                raise click.ClickException(f"the doors differ: {one} | {other}")


@contextmanager
def fastapi_door() -> Iterator[str]:
    """The peer on a port of its own; its address."""
    from django.conf import settings
    from psycopg import conninfo

    from khien.kernel import keys
    from khien.rooms.checkpoints.verbs.scans import _STORE

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    statement, order = _numbered(_STORE)
    environment = os.environ | {
        "INGEST_HASH_SECRET": keys.current("identity-hash").secret.hex(),
        "INGEST_PAYLOAD_SECRET": settings.SECRET_KEY.encode()[:64].hex(),
        "INGEST_STORE": statement,
        "INGEST_STORE_ORDER": " ".join(order),
        "INGEST_HOST": str(conninfo.conninfo_to_dict(os.environ["DATABASE_URL"])["host"]),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "uvicorn", "benchmarks.ingest_fastapi:app", "--port", str(port)]
    command += ["--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    with subprocess.Popen([*command, "--log-level", "warning"], env=environment) as process:
        try:
            deadline = time.monotonic() + 60
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if time.monotonic() > deadline or process.poll() is not None:
                    raise click.ClickException("uvicorn does not answer")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _numbered(statement: str) -> tuple[str, list[str]]:
    """The statement with asyncpg's `$1` for each `%(name)s`, and the names in their order."""
    import re

    order: list[str] = []

    def number(found: re.Match[str]) -> str:
        if found.group(1) not in order:
            order.append(found.group(1))
        return f"${order.index(found.group(1)) + 1}"

    return re.sub(r"%\((\w+)\)s", number, statement), order


if __name__ == "__main__":
    main()
