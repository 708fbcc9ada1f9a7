"""Kill -9 of a sender in mid-window, again and again: nothing twice, nothing lost outside `unknown`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.gateways.sms.smpp.conftest import MakeSmsc
from tests.waiting import wait_until

MESSAGES, WINDOW, BINDS, KILLS = 20_000, 50, 2, 10


@pytest.mark.slow
def test_ten_kills_double_nothing(smsc: MakeSmsc, journal: Path, tmp_path: Path) -> None:
    peer = smsc(log=str(journal), delay_ms=3)
    ours = tmp_path / "sender.log"
    command = [sys.executable, "-m", "tests.gateways.sms.smpp.sender", str(ours), str(peer.port)]
    command += map(str, (MESSAGES, WINDOW, BINDS))

    def taken() -> int:
        return journal.read_bytes().count(b"\n") if journal.exists() else 0

    for kill in range(KILLS):
        aim = taken() + MESSAGES // (KILLS + 2) + 37 * kill
        child = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
        wait_until(lambda aim=aim: taken() >= aim, 60, f"kill {kill}")
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    subprocess.run(
        command, check=True, timeout=120, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )

    answers = {}
    for line in ours.read_text().splitlines():
        first, _space, second = line.partition(" ")
        if second and first != "claim":
            assert first not in answers
            answers[f"849{int(first):08d}"] = second
    counts = Counter(answers.values())
    seen = Counter(json.loads(line)["to"] for line in journal.read_text().splitlines())
    print(
        f"{counts}; the SMSC took {len(seen)}, of the unknown {sum(answers[to] == 'unknown' for to in seen)}"
    )
    assert len(answers) == MESSAGES
    assert [to for to, times in seen.items() if times > 1] == []
    assert {to for to, answer in answers.items() if answer == "accepted"} <= set(seen)
    assert counts.keys() == {"accepted", "unknown"}
    assert 0 < counts["unknown"] <= WINDOW * BINDS * KILLS
