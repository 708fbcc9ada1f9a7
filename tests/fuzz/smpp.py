"""A fuzzer over everything that a carrier's octets reach: `python -m tests.fuzz.smpp --runs N`.

Needs `atheris` (dependency group `fuzz`). Any exception but a `PduFault`, a PDU that is not what its octets say, or a
reading that takes seconds ends the run and leaves the input. What was run is in `docs/fuzzing.md`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import atheris

from khien.gateways.sms.interface import Answer, Lane

with atheris.instrument_imports(include=["khien.gateways.sms.smpp.pdu"]):
    from khien.gateways.sms.smpp import pdu
with atheris.instrument_imports(
    include=["khien.gateways.sms.smpp.coding", "khien.gateways.sms.smpp.reports"]
):
    from khien.gateways.sms.smpp import coding, reports
with atheris.instrument_imports(include=["khien.gateways.sms.smpp.session", "khien.gateways.sms.smsc"]):
    from khien.gateways.sms import smsc
    from khien.gateways.sms.smpp import lanes, session

LONGEST = 600


def target_stream(data: bytes) -> None:
    """Any octets as they arrive, in two pieces: the same comes of them as in one."""
    whole = [told(unit) for unit in pdu.Stream().feed(data)]
    cut = data[0] % (len(data) + 1) if data else 0
    stream = pdu.Stream()
    assert [told(unit) for piece in (data[:cut], data[cut:]) for unit in stream.feed(piece)] == whole
    assert stream.unfinished <= len(data)


def target_body(data: bytes) -> None:
    """Octets behind a header whose length is right: every command's body."""
    command = sorted(COMMANDS)[data[0] % len(COMMANDS)] if data else pdu.SUBMIT_SM
    octets = struct.pack(">IIII", 16 + len(data[1:]), command, 0, 7) + data[1:]
    try:
        unit = pdu.decode(octets)
    except pdu.PduFault:
        return
    assert pdu.encode(unit) == octets, "read as something else"


def target_message(data: bytes) -> None:
    """A message with these octets as its text, its header and its receipt."""
    if len(data) < 3:
        return
    message = pdu.Message(
        short_message=data[3:257],
        esm_class=data[0],
        data_coding=data[1],
        tlvs=((pdu.TAG_RECEIPTED_MESSAGE_ID, data[3:]), (pdu.TAG_MESSAGE_STATE, data[:1]))
        if data[2] & 1
        else (),
    )
    for alphabet in coding.DEFAULT_ALPHABETS:
        text, where = coding.text_of(message, alphabet)
        assert where is None or 1 <= where.part <= where.parts
        assert len(text) <= 2 * 254
        report = reports.read(message, alphabet)
        if report is not None:
            for form in reports.RECEIPT_IDS:
                reports.canonical(report.message_id, form, in_receipt=True)


def target_client(data: bytes) -> None:
    """Any octets from a carrier while messages are under way: each has one outcome, at the latest with the cut."""
    octets, cut = data[1:], (data[0] if data else 0)

    async def scene() -> None:
        batch = lanes.Batch(8)
        waiting = lanes.Lanes()
        for place in range(8):
            waiting.put(lanes.Outgoing(BODY, Lane.CAMPAIGN, 1e12, batch, place))

        async def keep(messages: Sequence[pdu.Message]) -> None:
            pass

        settings = session.BindSettings("", 0, window=4)
        bind = session.Session(settings, waiting, keep)
        bind.connection_made(Silent())
        bind._state = session._State.BOUND
        bind.fill()
        place = cut % (len(octets) + 1)
        for piece in (octets[:place], octets[place:]):
            if not bind.closed.done():
                bind.data_received(piece)
        await asyncio.sleep(0)
        bind.connection_lost(None)
        for item in waiting.empty():
            item.settle(lanes.Result(Answer.THROTTLED))
        assert len(batch.done.result()) == 8

    LOOP.run_until_complete(scene())


def target_carrier(data: bytes) -> None:
    """Any octets from a client that is bound: the simulated carrier never fails."""
    octets, cut = data[1:], (data[0] if data else 0)

    async def scene() -> None:
        carrier = smsc.Carrier("fuzz", smsc.Manner(**dict.fromkeys(smsc.SHARES, 0.1)) if cut % 2 else None)
        served = smsc._Session(carrier)
        served.connection_made(Silent())
        place = cut % (len(octets) + 1)
        for piece in (
            pdu.encode(pdu.Pdu(pdu.BIND_TRANSCEIVER, 1, body=pdu.Bind("k"))),
            octets[:place],
            octets[place:],
        ):
            served.data_received(piece)
        served.connection_lost(None)
        await carrier.close()

    LOOP.run_until_complete(scene())


class Silent(asyncio.Transport):
    """Takes what is written and says nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


LOOP = asyncio.new_event_loop()
BODY = pdu.encode_body(pdu.Message("KHIEN", "84901", b"xin chao", registered_delivery=1))


def told(unit: pdu.Pdu | pdu.PduFault) -> object:
    return (str(unit), unit.status, unit.sequence, unit.fatal) if isinstance(unit, pdu.PduFault) else unit


GENUINE = {
    pdu.SUBMIT_SM: pdu.Message("KHIEN", "84901", b"xin chao", registered_delivery=1),
    pdu.DELIVER_SM: pdu.Message(
        "84901",
        "KHIEN",
        b"id:0123456789 sub:001 dlvrd:001 submit date:2111300900 done date:2111300901 stat:DELIVRD err:000 text:",
        esm_class=4,
        tlvs=((pdu.TAG_RECEIPTED_MESSAGE_ID, b"0123456789\0"), (pdu.TAG_MESSAGE_STATE, b"\2")),
    ),
    pdu.SUBMIT_SM_RESP: pdu.Answered("m1"),
    pdu.DELIVER_SM_RESP: pdu.Answered(),
    pdu.BIND_TRANSCEIVER: pdu.Bind("khien", "secret"),
    pdu.BIND_RECEIVER_RESP: pdu.Bound("peer", ((0x0210, b"\x34"),)),
    pdu.OUTBIND: pdu.Outbind("smsc", "x"),
    pdu.ENQUIRE_LINK: None,
    pdu.UNBIND: None,
    pdu.GENERIC_NACK: None,
}
COMMANDS = {*GENUINE, pdu.BIND_TRANSMITTER, pdu.ALERT_NOTIFICATION}
TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("target_"): function
    for name, function in sorted(globals().items())
    if name.startswith("target_")
}


def seeds() -> dict[str, list[bytes]]:
    """Inputs to begin with: one of each PDU, several in a row, receipts and long texts."""
    units = [pdu.encode(pdu.Pdu(command, 7, body=body)) for command, body in GENUINE.items()]
    answers = [
        pdu.encode(pdu.Pdu(pdu.SUBMIT_SM_RESP, number, status, pdu.Answered(f"m{number}")))
        for number, status in ((1, 0), (2, 0x58), (3, 0x0B), (4, 0))
    ]
    order = sorted(COMMANDS)
    long = coding.parts_of("Khai báo y tế mỗi ngày. " * 10, 3)
    texts = [GENUINE[pdu.DELIVER_SM].short_message, long[0].octets]  # type: ignore[union-attr]
    return {
        "stream": [*units, b"".join(units)],
        "client": [b"\7" + unit for unit in (*units, b"".join(units), b"".join(answers))],
        "carrier": [b"\7" + unit for unit in (*units, b"".join(units))],
        "body": [bytes([order.index(int.from_bytes(unit[4:8], "big"))]) + unit[16:] for unit in units],
        "message": [
            bytes((esm, code, tlv)) + text
            for esm in (4, 0x40)
            for code in (0, 8)
            for tlv in (0, 1)
            for text in texts
        ],
    }


def main(arguments: list[str]) -> None:
    """`--target NAME` (default: each in turn, in a process of its own), `--runs N` for each."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    runs = int(options.get("--runs", "100000"))
    name = options.get("--target")
    if name is None:
        for one in TARGETS:
            began = time.monotonic()
            command = [sys.executable, "-m", "tests.fuzz.smpp", "--target", one, "--runs", str(runs)]
            status = os.spawnv(os.P_WAIT, sys.executable, command)
            print(f"{one}: {runs:,} inputs, {time.monotonic() - began:.0f} s, status {status}", flush=True)
            if status:
                sys.exit(f"{one} found something: see crash-* or timeout-* here")
        return
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory(prefix=f"khien-fuzz-{name}-") as corpus:
        for number, seed in enumerate(seeds()[name]):
            (Path(corpus) / f"seed-{number:03d}").write_bytes(seed)
        flags = [f"-runs={runs}", f"-max_len={LONGEST}", "-timeout=10", "-rss_limit_mb=2048"]
        atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", corpus], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
