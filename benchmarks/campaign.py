"""A campaign from end to end: chunks claimed in the database, sent over SMPP to four carriers without a limit, and
settled.

The sender is the product's own (`python -m khien.site.sender`), the carriers are `khien sms simulate`, the database
syncs to disk as that of an installation does. With receipts, each message has one, which comes over the binds; the
clock stops when the last has reached its result. The figures hold for the machine with all of it on board.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.database import fresh_database
from benchmarks.report import Figure, show

CARRIERS = ("viettel", "vinaphone", "mobifone", "vietnamobile")
TEXT = "Khai bao y te moi ngay tai khien.vn/kb truoc 9h. Goi tram y te khi sot, ho."


@click.command()
@click.option("--messages", default=1_000_000, show_default=True)
@click.option("--window", default=200, show_default=True)
@click.option("--binds", default=2, show_default=True, help="to each carrier")
@click.option("--receipts/--no-receipts", default=None, help="only so; default both")
@click.option("--json", "as_json", is_flag=True)
def main(messages: int, window: int, binds: int, receipts: bool | None, as_json: bool) -> None:
    """Messages a second with the database, memory of the sender, and how many leave after a pause."""
    kinds = [False, True] if receipts is None else [receipts]
    figures = [
        Figure("messages", messages, "messages"),
        Figure("carriers x binds x window", len(CARRIERS) * binds * window, "messages"),
    ]
    with fresh_database(durable=True):
        for kind in kinds:
            figures += measure(messages, window, binds, receipts=kind)
    show("campaign", figures, as_json=as_json)


def measure(messages: int, window: int, binds: int, *, receipts: bool) -> list[Figure]:
    """One campaign with its own carriers and its own sender."""
    from khien.kernel.staff import system_actor
    from khien.rooms.broadcasts.reads import campaigns as reads
    from khien.rooms.broadcasts.verbs import campaigns

    actor = system_actor("benchmark")
    kind = "with receipts" if receipts else "without receipts"
    with TemporaryDirectory(prefix="khien-bench-") as folder, carriers(Path(folder), window, binds, receipts):
        began = time.perf_counter()
        campaign = make(messages)
        made_s = time.perf_counter() - began
        with sender(Path(folder)) as child:
            log = Log(Path(folder) / "log")
            campaigns.start_campaign(actor, campaign=campaign)
            wait_for(lambda: reads.totals(campaign.pk).answered > 0)
            began, busy = time.perf_counter(), busy_s(child.pid)
            done_before = reads.totals(campaign.pk).answered
            wait_for(lambda: reads.totals(campaign.pk).answered > messages // 2)
            log.taken()
            campaigns.pause_campaign(actor, campaign=campaign)
            at_click = log.taken()
            paused_at = time.perf_counter()
            wait_for(lambda: reads.totals(campaign.pk).sending == 0)
            after = log.taken() - at_click
            paused_s = time.perf_counter() - paused_at
            campaigns.resume_campaign(actor, campaign=campaign)

            def is_done() -> bool:
                totals = reads.totals(campaign.pk)
                return (totals.delivered if receipts else totals.answered) == messages

            wait_for(is_done, 3600)
            wall_s = time.perf_counter() - began - paused_s
            core = (busy_s(child.pid) - busy) / wall_s
            most = peak_mb(child.pid)
        totals = reads.totals(campaign.pk)
        assert log.taken() == messages, "a message was lost or doubled"
    assert totals.unknown == totals.rejected == 0
    rate = (messages - done_before) / wall_s
    goal = 5_000 if receipts else 10_000
    leave = len(CARRIERS) * binds * window
    return [
        Figure(f"audience and chunks made, {kind}", made_s, "s"),
        Figure(
            f"sent and settled, {kind}",
            rate,
            "messages/s",
            goal=f"at least {goal:,} a second",
            met=rate >= goal,
        ),
        Figure(f"the sender, {kind}", 100 * core, "% of a core"),
        Figure(f"the sender's memory, {kind}", most, "MB", goal="at most 200 MB", met=most <= 200),
        Figure(
            f"left after a pause, {kind}",
            after,
            "messages",
            goal=f"at most a window for each bind: {leave}",
            met=after <= leave,
        ),
    ]


def make(messages: int) -> object:
    """An audience of four carriers in a hundred units, and its campaign, not begun."""
    from tests.factories import make_unit
    from tests.rooms.broadcasts import factories

    from khien.rooms.broadcasts.models import Carrier

    top = make_unit("Hà Nam")
    units = [make_unit(f"Xã {place}", top) for place in range(100)]
    unlimited = {"rate": 0, "price": 300, "daily_cap": None}
    known = [
        Carrier.objects.update_or_create(code=code, defaults={**unlimited, "name": code.title()})[0]
        for code in CARRIERS
    ]
    return factories.make_campaign(top, messages, carriers=known, units=units, text=TEXT, begin=False)


@contextlib.contextmanager
def carriers(folder: Path, window: int, binds: int, receipts: bool) -> Iterator[None]:
    """`khien sms simulate` in a process of its own; what it has taken is in its log."""
    command = [
        *[sys.executable, "-m", "khien.site.cli", "sms", "simulate", "--port", "0"],
        *["--carriers", str(len(CARRIERS)), "--settings", str(folder / "carriers.toml")],
        *["--window", str(window), "--binds", str(binds), "--log", str(folder / "log")],
        *([] if receipts else ["--receipt-missing", "1"]),
    ]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        json.loads(child.stdout.readline())
        yield
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def sender(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"KHIEN_SMS_CARRIERS": str(folder / "carriers.toml")}
    child = subprocess.Popen([sys.executable, "-m", "khien.site.sender"], env=environment)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


class Log:
    """What the carriers have taken; each look reads only what is new."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._count = 0

    def taken(self) -> int:
        while block := self._file.read(1 << 20):
            self._count += block.count(b"\n")
        return self._count


def busy_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mb(pid: int) -> float:
    lines: Sequence[str] = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000


def wait_for(done: object, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not done():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise click.ClickException("it takes too long")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
