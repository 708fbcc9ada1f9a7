"""Debian's Kannel (bearerbox and smsbox) as child processes, bound to an SMSC."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

_PLACES = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
USER, PASSWORD = "khien", "kannel-secret"


def missing() -> str:
    """What a skipped test says when Kannel is not there; empty when it is."""
    for name in ("bearerbox", "smsbox"):
        if not shutil.which(name, path=_PLACES):
            return f"{name} is not installed: as root, `apt-get install kannel` (Debian)"
    return ""


class Kannel:
    """Sends what its `url` is asked to the SMSC on `port`; its files lie in `folder`. Up when made."""

    def __init__(self, port: int, folder: Path) -> None:
        admin, boxes, door = free_ports(3)
        self.url = f"http://127.0.0.1:{door}/cgi-bin/sendsms"
        configuration = folder / "kannel.conf"
        configuration.write_text(
            f"""
group = core
admin-port = {admin}
admin-password = none
smsbox-port = {boxes}
log-file = {folder}/bearerbox.log
log-level = 0
dlr-storage = internal

group = smsc
smsc = smpp
smsc-id = peer
host = 127.0.0.1
port = {port}
transceiver-mode = true
smsc-username = khien
smsc-password = secret
system-type = ""
reconnect-delay = 1
max-pending-submits = 50
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {door}
log-file = {folder}/smsbox.log
log-level = 0

group = sendsms-user
username = {USER}
password = {PASSWORD}
concatenation = true
max-messages = 10

group = sms-service
keyword = default
omit-empty = true
max-messages = 0
text = ""
"""
        )
        self.folder = folder
        self._children: list[subprocess.Popen[bytes]] = []
        try:
            self._start("bearerbox", configuration, boxes)
            self._start("smsbox", configuration, door)
        except BaseException:
            self.close()
            raise

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*box.log")))

    def close(self) -> None:
        for child in reversed(self._children):
            child.terminate()
        for child in self._children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start(self, name: str, configuration: Path, port: int) -> None:
        """Returns when it listens."""
        program = shutil.which(name, path=_PLACES)
        assert program is not None
        child = subprocess.Popen(
            [program, "-v", "4", str(configuration)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._children.append(child)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                assert child.poll() is None, f"{name} ended: {self.log()[-2000:]}"
                assert time.monotonic() < deadline, f"{name} does not listen: {self.log()[-2000:]}"
                time.sleep(0.05)
            else:
                return


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for each in held:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
