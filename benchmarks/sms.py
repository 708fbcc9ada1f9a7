"""SMPP: our client beside smpplib, against an independent carrier (npm `smpp` under node), in the same run.

Each client keeps the same window of submissions under way on one bind, encodes each text itself and notes each answer;
with receipts, it also takes and acknowledges one for each message. smpplib has no window of its own: it is given one by
the simplest loop that sends while there is room and else reads. It is measured as shipped, and with TCP_NODELAY set on
its socket, which it does not do itself. All take turns, round after round, each time with a fresh carrier.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import statistics
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import click
import smpplib.client
import smpplib.consts
import smpplib.gsm
from tests.peers import Smsc, missing

from benchmarks.report import Figure, show
from khien.gateways.sms.interface import Answer
from khien.gateways.sms.smpp import coding, pdu
from khien.gateways.sms.smpp.pool import Parcel, Pool
from khien.gateways.sms.smpp.session import BindSettings

TEXT = "Khai bao y te moi ngay tai khien.vn/kb truoc 9h. Goi tram y te khi sot, ho."
LOT = 1_000
GOALS = {"smpplib": 3.0, "smpplib, TCP_NODELAY": 2.0}


@click.command()
@click.option("--messages", default=20_000, show_default=True)
@click.option("--window", default=200, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(messages: int, window: int, rounds: int, as_json: bool) -> None:
    """SMPP submissions a second: ours, smpplib, smpplib with TCP_NODELAY; with and without receipts."""
    if why := missing("smpp"):
        raise click.ClickException(why)
    logging.disable(logging.WARNING)
    show("sms", measure(messages, window, rounds), as_json=as_json)


def measure(messages: int, window: int, rounds: int) -> list[Figure]:
    """Medians over the rounds; a client's figure counts what it was told, and the carrier must have taken as much."""
    clients: dict[str, Callable[[int, int, int, bool], None]] = {
        "khien": ours,
        "smpplib": lambda *how: theirs(*how, nodelay=False),
        "smpplib, TCP_NODELAY": lambda *how: theirs(*how, nodelay=True),
    }
    figures = [Figure("messages", messages, "messages"), Figure("window", window, "messages")]
    for receipts in (False, True):
        rates: dict[str, list[float]] = {name: [] for name in clients}
        cores: dict[str, list[float]] = {name: [] for name in clients}
        costs: dict[str, list[float]] = defaultdict(list)
        for _round in range(rounds):
            for name, client in clients.items():
                wall_s, busy_s, carrier_s = timed(client, messages, window, receipts)
                rates[name].append(messages / wall_s)
                cores[name].append(busy_s / wall_s)
                costs[name].append(busy_s / messages)
                costs[f"the carrier beside {name}"].append(carrier_s / messages)
        kind = "with receipts" if receipts else "without receipts"
        own = statistics.median(rates["khien"])
        for name in clients:
            rate = statistics.median(rates[name])
            figures.append(
                Figure(f"{name}, {kind}", rate, "messages/s")
                if name == "khien"
                else Figure(
                    f"{name}, {kind}",
                    rate,
                    "messages/s",
                    peer=name,
                    ratio=own / rate,
                    goal=f"khien at least {GOALS[name]:g} times",
                    met=own / rate >= GOALS[name],
                )
            )
        figures += [
            Figure(f"{name}, {kind}, of a core", 100 * statistics.median(cores[name]), "%")
            for name in clients
        ]
        figures += [
            Figure(f"{name}, {kind}, processor time", 1e6 * statistics.median(seconds), "µs a message")
            for name, seconds in costs.items()
        ]
    return figures


def timed(
    client: Callable[[int, int, int, bool], None], messages: int, window: int, receipts: bool
) -> tuple[float, float, float]:
    """Seconds by the clock, of this process' processor time, and of the carrier's."""
    carrier = Smsc(receipts="once" if receipts else "")
    try:
        began, busy, carrier_s = time.perf_counter(), time.process_time(), carrier.busy_s()
        client(carrier.port, messages, window, receipts)
        took = time.perf_counter() - began, time.process_time() - busy, carrier.busy_s() - carrier_s
        counts = carrier.ask()
    finally:
        carrier.close()
    if counts["taken"] != messages or counts["acknowledged"] != (messages if receipts else 0):
        raise click.ClickException(f"the carrier counts otherwise: {counts}")
    return took


def number(place: int) -> str:
    return f"849{place:08d}"


def ours(port: int, messages: int, window: int, receipts: bool) -> None:
    """Our pool with one bind; two lots of texts in turn, so that one can be prepared while the other is under way."""

    async def run() -> None:
        received = 0
        all_here = asyncio.Event()

        async def receive(came: Sequence[pdu.Message]) -> None:
            nonlocal received
            received += len(came)
            if received >= messages:
                all_here.set()

        async def send(lots: Sequence[range]) -> None:
            for lot in lots:
                results = await pool.submit([parcel(place, receipts) for place in lot])
                assert all(part.answer is Answer.ACCEPTED for parts in results for part in parts)

        settings = BindSettings("127.0.0.1", port, "khien", "secret", window=window)
        pool = Pool(settings, receive=receive)
        await pool.start()
        lots = [range(begin, min(begin + LOT, messages)) for begin in range(0, messages, LOT)]
        await asyncio.gather(send(lots[::2]), send(lots[1::2]))
        if receipts:
            await all_here.wait()
        await pool.stop()

    asyncio.run(run())


def parcel(place: int, receipts: bool) -> Parcel:
    parts = coding.parts_of(TEXT, place & 0xFF)
    return Parcel(
        tuple(
            pdu.Message(
                source="KHIEN",
                source_ton=5,
                destination=number(place),
                destination_ton=1,
                destination_npi=1,
                short_message=part.octets,
                data_coding=part.data_coding,
                registered_delivery=receipts,
            )
            for part in parts
        )
    )


def theirs(port: int, messages: int, window: int, receipts: bool, *, nodelay: bool) -> None:
    """smpplib in a loop that keeps the window full."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client = smpplib.client.Client("127.0.0.1", port, timeout=30)
    answered = received = 0

    def on_sent(pdu: object) -> None:
        nonlocal answered
        answered += 1

    def on_received(pdu: object) -> None:
        nonlocal received
        received += 1

    client.set_message_sent_handler(on_sent)
    client.set_message_received_handler(on_received)
    client.connect()
    if nodelay:
        client._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.bind_transceiver(system_id="khien", password="secret")
    sent = 0
    while answered < messages or (receipts and received < messages):
        if sent < messages and sent - answered < window:
            parts, data_coding, esm_class = smpplib.gsm.make_parts(TEXT)
            for part in parts:
                client.send_message(
                    source_addr="KHIEN",
                    source_addr_ton=5,
                    destination_addr=number(sent),
                    dest_addr_ton=1,
                    dest_addr_npi=1,
                    short_message=part,
                    data_coding=data_coding,
                    esm_class=esm_class,
                    registered_delivery=receipts,
                )
            sent += 1
        else:
            client.read_once()
    client.unbind()
    client.disconnect()


if __name__ == "__main__":
    main()
