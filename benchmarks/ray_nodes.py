"""Ray nodes on loopback, each with the resource of one shard: for benchmarks and tests.

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
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ADDRESSES = ("127.0.0.4", "127.0.0.2", "127.0.0.3")
START_S = 240.0


@contextlib.contextmanager
def ray_nodes(count: int = 3) -> Iterator[str]:
    """Start so many nodes; gives the address to connect to, and ends all that it started."""
    folder = Path(tempfile.mkdtemp(prefix="khien-ray-"))
    port = _free_port(ADDRESSES[0])
    address = f"{ADDRESSES[0]}:{port}"
    nodes: list[subprocess.Popen[bytes]] = []
    try:
        # One after another: a node that is not up within 30 s, on a busy machine, gives up and is tried again.
        for number in range(count):
            deadline = time.monotonic() + START_S
            while not _started(nodes, folder, address, number):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"node {number} of Ray has not started within {START_S:g} s")
                time.sleep(0.1)
        yield address
    finally:
        ours = [child for node in nodes for child in _family(node.pid)]
        for node in reversed(nodes):
            node.terminate()
        _gone, alive = psutil.wait_procs(ours, 20)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for node in nodes:
            node.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _started(nodes: list[subprocess.Popen[bytes]], folder: Path, address: str, number: int) -> bool:
    """Whether a node runs; it is started when it does not."""
    log = folder / f"node-{number}.log"
    if len(nodes) <= number or nodes[number].poll() is not None:
        del nodes[number:]
        nodes.append(_node(folder, log, address, number))
    return b"Ray runtime started" in log.read_bytes()


def _node(folder: Path, log: Path, address: str, number: int) -> subprocess.Popen[bytes]:
    where = ["--address", address]
    if number == 0:
        port = address.rpartition(":")[2]
        where = ["--head", "--port", port, "--include-dashboard=false", f"--temp-dir={folder}"]
    command = [
        *[str(Path(sys.executable).with_name("ray")), "start", *where, "--block", "--disable-usage-stats"],
        *["--node-ip-address", ADDRESSES[number], "--num-cpus=1", "--object-store-memory=200000000"],
        f'--resources={{"khien-shard-{number}": 1}}',
    ]
    with log.open("w") as told:
        return subprocess.Popen(
            command,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
            stdout=told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _family(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    return []


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
