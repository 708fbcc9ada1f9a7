"""Three Ray nodes on loopback, each with the resource of one shard.

Not 127.0.0.1, which Ray rewrites to the machine's outer address; the two together hang.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ADDRESSES = ("127.0.0.4", "127.0.0.2", "127.0.0.3")

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None, reason="Ray is not installed: pip install 'khien[cluster]'"
)


@contextlib.contextmanager
def ray_nodes(count: int = 3) -> Iterator[str]:
    """Start so many nodes; gives the address to connect to, and ends all that it started."""
    folder = Path(tempfile.mkdtemp(prefix="khien-ray-"))
    ray = str(Path(sys.executable).with_name("ray"))
    port = _free_port(ADDRESSES[0])
    address = f"{ADDRESSES[0]}:{port}"
    nodes = []
    try:
        for number, host in enumerate(ADDRESSES[:count]):
            where = ["--address", address]
            if number == 0:
                where = ["--head", "--port", str(port), "--include-dashboard=false", f"--temp-dir={folder}"]
            nodes.append(
                subprocess.Popen(
                    [
                        *[ray, "start", *where, "--node-ip-address", host, "--num-cpus=1", "--block"],
                        *["--object-store-memory=200000000", "--disable-usage-stats"],
                        f'--resources={{"khien-shard-{number}": 1}}',
                    ],
                    env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
        yield address
    finally:
        for node in reversed(nodes):
            node.terminate()
        for node in nodes:
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()
                node.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
