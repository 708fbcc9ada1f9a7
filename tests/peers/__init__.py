"""Independent programs that the tests talk to: npm packages under `tests/peers`, run by the node of a wheel.

`python3 dev.py peers` installs them from the lock; `make test` does so by itself.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
NODE = Path(sys.prefix) / "bin" / "node"


def missing(package: str) -> str:
    """What a skipped test says when that npm package is not there; empty when it is."""
    if NODE.exists() and (FOLDER / "node_modules" / package).is_dir():
        return ""
    return f"npm {package} is not installed: run `python3 dev.py peers`"


class Smsc:
    """An SMSC of npm `smpp` (`smsc.js`) as a child process; `manner` as that file says."""

    def __init__(self, **manner: Any) -> None:
        self._child = subprocess.Popen(
            [str(NODE), str(FOLDER / "smsc.js"), json.dumps(manner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=FOLDER,
            text=True,
        )
        self._said: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.port = int(self.hear("port")["port"])

    def tell(self, **order: Any) -> None:
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(order) + "\n")
        self._child.stdin.flush()

    def hear(self, name: str, seconds: float = 20.0) -> dict[str, Any]:
        """The next thing it says that has `name`; what it says besides is passed over."""
        while True:
            try:
                said = self._said.get(timeout=seconds)
            except queue.Empty:
                raise AssertionError(f"the SMSC did not say {name!r} within {seconds:g} s") from None
            if name in said:
                return said

    def ask(self) -> dict[str, int]:
        """Its counters: taken, nack, acknowledged, rejected_deliveries, throttled, sessions."""
        self.tell(ask=True)
        return self.hear("taken")

    def close(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _listen(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._said.put(json.loads(line))
