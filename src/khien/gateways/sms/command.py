"""`khien sms simulate`: carriers to try with, which misbehave as told."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from khien.gateways.sms.smsc import SHARES, Carrier, Manner

NAMES = ("viettel", "vinaphone", "mobifone", "vietnamobile")
"""The carriers' codes, in this order; further ones are carrier5, carrier6, …"""

_HELP = {
    "seed": "with number and text, decides what happens to a message",
    "password": "what a bind must give; empty: anything",
    "delay_ms": "before each answer",
    "rate": "submissions a second above which a carrier answers 0x58; 0: no limit",
    "refused": "refused with 0x0b",
    "throttled": "sent back with 0x58 or 0x14 at first",
    "throttled_times": "how often such a message is sent back",
    "request_lost": "not taken and not answered",
    "answer_lost": "taken and not answered",
    "cut": "the connection is cut; half of these were taken",
    "garbage": "taken, and answered with what cannot be read",
    "broken": "taken, and answered with a length that cannot be",
    "receipts": "whether receipts come at all",
    "undelivered": "the receipt says that the phone did not get it",
    "receipt_missing": "no receipt ever comes",
    "receipt_twice": "the receipt comes twice",
    "receipt_early": "the receipt comes before the answer",
    "receipt_late": "the receipt comes --receipt-late-ms after the others",
    "receipt_delay_ms": "until a receipt",
    "receipt_spread_ms": "up to so much more, so that receipts come out of order",
    "receipt_late_ms": "more for a late receipt",
    "receipt_window": "receipts that wait for their acknowledgement on each bind",
    "receipt_form": "how receipts are written",
    "replied": "the phone's owner answers with --reply-text",
    "reply_text": "what phones answer",
}


def _manner_options(command: Callable[..., None]) -> Callable[..., None]:
    """An option for each field of `Manner`."""
    for each in reversed(fields(Manner)):
        kind: Any = click.FloatRange(0, 1) if each.name in SHARES else type(each.default)
        if each.name == "receipt_form":
            kind = click.Choice(["text", "tlv"])
        name = each.name.replace("_", "-")
        text = f"share of messages: {_HELP[each.name]}" if each.name in SHARES else _HELP[each.name]
        option = click.option(
            f"--{name}/--no-{name}" if kind is bool else f"--{name}",
            each.name,
            default=each.default,
            type=kind,
            show_default=bool(each.default),
            help=text,
        )
        command = option(command)
    return command


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option(
    "--port",
    default=2775,
    show_default=True,
    help="of the first carrier, the others follow; 0: any that are free",
)
@click.option("--carriers", default=1, show_default=True, type=click.IntRange(1, 50), help="how many")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="file of what they take")
@click.option(
    "--settings",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write a file for KHIEN_SMS_CARRIERS that leads to them",
)
@click.option("--window", default=200, show_default=True, help="for that file: messages under way on a bind")
@click.option("--binds", default=1, show_default=True, help="for that file: connections to each carrier")
@_manner_options
def simulate(
    host: str,
    port: int,
    carriers: int,
    log: Path | None,
    settings: Path | None,
    window: int,
    binds: int,
    **manner: Any,
) -> None:
    """Run SMPP 3.4 carriers that take messages and misbehave as told, until SIGTERM or Ctrl-C.

    Once all listen, one line of JSON says where: {"listening": {"viettel": 2775, …}}. At the end another one counts
    what each has seen. What happens to a message depends on the seed, its number and its text alone.
    """
    codes = [NAMES[place] if place < len(NAMES) else f"carrier{place + 1}" for place in range(carriers)]
    made = [Carrier(code, Manner(**manner), log=log) for code in codes]
    ports = [port + place if port else 0 for place in range(carriers)]

    async def run() -> None:
        ended = asyncio.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, ended.set)
        for carrier, each in zip(made, ports, strict=True):
            await carrier.listen(each, host)
        if settings:
            _write_settings(settings, made, host, window, binds, manner["password"])
        click.echo(json.dumps({"listening": {carrier.name: carrier.port for carrier in made}}))
        await ended.wait()
        for carrier in made:
            await carrier.close()

    try:
        asyncio.run(run())
    except OSError as fault:
        raise click.ClickException(f"the carriers cannot listen or write: {fault}") from fault
    click.echo(json.dumps({"counts": {carrier.name: dict(carrier.counts) for carrier in made}}))


def _write_settings(
    path: Path, carriers: list[Carrier], host: str, window: int, binds: int, password: str
) -> None:
    text = "\n".join(
        f"[{carrier.name}]\n"
        'kind = "smpp"\n'
        f'address = "{host}:{carrier.port}"\n'
        'system_id = "khien"\n'
        f"password = {json.dumps(password)}\n"
        f"window = {window}\n"
        f"binds = {binds}\n"
        for carrier in carriers
    )
    path.touch(mode=0o600)
    path.chmod(0o600)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_TRUNC), "w") as file:
        file.write(text)
