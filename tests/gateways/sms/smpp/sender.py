"""A small sender that may be killed at any moment: claim, write it down, send, write down what came of it.

`python -m tests.gateways.sms.smpp.sender JOURNAL PORT MESSAGES WINDOW BINDS`.

The journal has lines `claim N` and `N answer`; what a dead sender had claimed without an answer is written down
as unknown by the next, and never sent again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from khien.gateways.sms.interface import Answer
from khien.gateways.sms.smpp.pool import Pool
from khien.gateways.sms.smpp.session import BindSettings
from tests.gateways.sms.smpp.conftest import parcels


async def main(journal: Path, port: int, messages: int, window: int, binds: int) -> None:
    claimed, settled = read(journal)
    file = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(lines: list[str]) -> None:
        os.write(file, "".join(f"{line}\n" for line in lines).encode())

    write([f"{number} unknown" for number in sorted(claimed - settled)])
    pool = Pool(BindSettings("127.0.0.1", port, "khien", "secret", window=window), binds=binds)
    await pool.start()
    todo = [number for number in range(messages) if number not in claimed]
    while todo:
        # As many as can be under way: it bounds what becomes unknown when we die.
        lot, todo = todo[: window * binds], todo[window * binds :]
        write([f"claim {number}" for number in lot])
        results = await pool.submit([parcels(1, first=number)[0] for number in lot])
        answers = {number: parts[0].answer for number, parts in zip(lot, results, strict=True)}
        write([f"{n} {answer.value}" for n, answer in answers.items() if answer is not Answer.THROTTLED])
        todo = [n for n, answer in answers.items() if answer is Answer.THROTTLED] + todo
    await pool.stop()
    write(["done"])


def read(journal: Path) -> tuple[set[int], set[int]]:
    """What is claimed, and what of it has an answer."""
    claimed, settled = set(), set()
    for line in journal.read_text().splitlines() if journal.exists() else []:
        first, _space, second = line.partition(" ")
        if first == "claim":
            claimed.add(int(second))
        elif second:
            settled.add(int(first))
    return claimed, settled


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), *map(int, sys.argv[2:])))
