"""A province at its peak on this machine: scans from the gates, and residents who look at their pages beside them.

`khien up` (web, ticker) on a server that syncs every commit. Devices send 360 scans a second in batches of 50, as 109
communes with 20 gates would; each of 20,000 signed-in residents opens one page, their pass or their own page, at a
moment of their own. Presence is derived meanwhile. An error is an answer other than 200, or none. Who asks shares the
machine with who answers.
"""

from __future__ import annotations

import http.client
import threading
import time
from datetime import timedelta

import click
import numpy as np

from benchmarks.database import fresh_database
from benchmarks.house import served
from benchmarks.ingest import Http, Maker, World, make_world
from benchmarks.report import Figure, show

BATCH = 50
READERS = 8
PAGES = ("/checkpoints/pass/", "/me/")


@click.command()
@click.option("--rate", default=360, show_default=True, help="Scans a second.")
@click.option("--residents", default=20_000, show_default=True, help="Each opens one page.")
@click.option("--seconds", default=120, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(rate: int, residents: int, seconds: int, seed: int, as_json: bool) -> None:
    """Scans at a province's peak with residents' look-ups beside them."""
    with fresh_database(durable=True):
        figures = measure(rate, residents, seconds, seed)
    show("load", figures, as_json=as_json)


def measure(rate: int, residents: int, seconds: int, seed: int) -> list[Figure]:
    from khien.rooms.checkpoints import reads
    from khien.rooms.checkpoints.models import Due, Scan

    world = make_world(max(residents, 1_000))
    cookies = sign_in(world, residents)
    maker = Maker(world, seed, BATCH)
    batches = rate * seconds // BATCH
    bodies = maker.bodies(batches * BATCH)
    with served("web", "ticker") as address:
        door = Http(address, "/api/v1/checkpoints/scans", world)
        readers = Readers(address.removeprefix("http://"), cookies, seconds)
        reading = threading.Thread(target=readers.run)
        reading.start()
        faults = 0
        try:
            waits, reached = door.paced(bodies, rate, BATCH)
        except (click.ClickException, OSError, http.client.HTTPException) as fault:
            click.echo(f"a batch failed: {fault}", err=True)
            faults, waits, reached = 1, [0.0], 0.0
        reading.join()
        deadline = time.monotonic() + 120
        while Due.objects.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        behind = reads.oldest_due_s()
    stored = Scan.objects.count()
    looks = np.array(readers.waits or [0.0]) * 1e3
    batch_ms = np.array(waits) * 1e3
    return [
        Figure("scans sent", batches * BATCH, "scans"),
        Figure("scans stored", stored, "scans", goal="all", met=stored == batches * BATCH),
        Figure("scans a second", reached, "1/s"),
        *_spread("batch of 50", batch_ms),
        Figure("look-ups", len(readers.waits), "pages"),
        *_spread("look-up", looks),
        Figure(
            "errors", faults + len(readers.faults), "answers", goal="0", met=not faults and not readers.faults
        ),
        Figure("presence is behind at the end", behind, "s"),
    ]


def _spread(what: str, milliseconds: np.ndarray) -> list[Figure]:  # type: ignore[type-arg]
    return [
        Figure(f"{what}, p{share}", float(np.quantile(milliseconds, share / 100)), "ms")
        for share in (50, 95, 99)
    ]


def sign_in(world: World, residents: int) -> list[str]:
    """A session for each of the residents, as a sign-in would have made it."""
    from django.contrib.sessions.models import Session

    from khien.kernel import clock
    from khien.kernel.staff.reads import RESIDENT_SESSION_KEY

    ends = clock.now() + timedelta(days=1)
    rows = [
        Session(
            session_key=f"load{number:028d}",
            session_data=Session.objects.encode({RESIDENT_SESSION_KEY: person}),
            expire_date=ends,
        )
        for number, person in enumerate(world.person[:residents])
    ]
    Session.objects.bulk_create(rows, batch_size=5_000)
    return [f"sessionid={row.session_key}" for row in rows]


class Readers:
    """Residents who open a page each, spread evenly over the time, over a handful of kept connections."""

    def __init__(self, address: str, cookies: list[str], seconds: int) -> None:
        self._address, self._cookies, self._seconds = address, cookies, seconds
        self.waits: list[float] = []
        self.faults: list[str] = []

    def run(self) -> None:
        began = time.perf_counter()
        threads = [threading.Thread(target=self._read, args=(number, began)) for number in range(READERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _read(self, which: int, began: float) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=60)
        for number in range(which, len(self._cookies), READERS):
            due = began + number * self._seconds / len(self._cookies)
            time.sleep(max(0.0, due - time.perf_counter()))
            started = time.perf_counter()
            try:
                connection.request(
                    "GET", PAGES[number // READERS % len(PAGES)], headers={"Cookie": self._cookies[number]}
                )
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as fault:
                self.faults.append(repr(fault))
                connection.close()
                continue
            self.waits.append(time.perf_counter() - started)
            if answer.status != 200:
                self.faults.append(f"{answer.status}")
        connection.close()


if __name__ == "__main__":
    main()
