"""`khien up` on a benchmark's database."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from khien.engine.compiled import cache_name


@contextmanager
def served(*only: str) -> Iterator[str]:
    """`khien up` on the bench's database (with `only` these of its parts); its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "KHIEN_PORT": str(port),
        "KHIEN_BIND": "127.0.0.1",
        "KHIEN_DEMO": "1",  # business time is that of the scans
        # As an installation is after its first minute: the kernels are compiled. One cache serves all benchmarks.
        "NUMBA_CACHE_DIR": str(Path(tempfile.gettempdir()) / "khien-bench-numba" / cache_name()),
    }
    if set(only) != {"ticker"}:
        subprocess.run([sys.executable, "-m", "khien.engine.warming"], env=environment, check=True)
    command = [
        sys.executable,
        "-m",
        "khien.site.cli",
        "up",
        *(word for part in only for word in ("--only", part)),
    ]
    with subprocess.Popen(command, env=environment, start_new_session=True) as house:
        try:
            address = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 120
            while (not only or "web" in only) and not _answers(address):
                if time.monotonic() > deadline or house.poll() is not None:
                    raise click.ClickException("khien up does not answer")
                time.sleep(0.2)
            yield address
        finally:
            house.terminate()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address + "/accounts/login/", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False
