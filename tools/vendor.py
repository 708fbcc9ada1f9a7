"""Copy what browsers load that others wrote into the project: `python tools/vendor.py [--check]`.

Reads vendor.toml. Needs npm (the copies are committed, so only somebody who changes a version does).
`--check` needs nothing: it compares the committed copies with MANIFEST.json.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
VENDOR = PROJECT / "src/khien/site/static/vendor"
MANIFEST = VENDOR / "MANIFEST.json"


def packages() -> list[dict[str, Any]]:
    """The entries of vendor.toml."""
    return tomllib.loads((PROJECT / "vendor.toml").read_text(encoding="utf-8"))["package"]


def fetch(package: dict[str, Any], folder: Path) -> Path:
    """The package's tarball, fetched by name through npm. Raises `SystemExit` when its hash differs."""
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed (on Debian: apt-get install npm)")
    wanted = f"{package['npm']}@{package['version']}"
    answer = subprocess.run(  # noqa: S603 - our own arguments
        [npm, "pack", "--json", "--pack-destination", str(folder), wanted],
        check=True,
        capture_output=True,
        text=True,
    )
    listing = json.loads(answer.stdout)
    entry = listing[0] if isinstance(listing, list) else next(iter(listing.values()))
    tarball = folder / entry["filename"]
    sort, _, expected = package["integrity"].partition("-")
    found = base64.b64encode(hashlib.new(sort, tarball.read_bytes()).digest()).decode()
    if found != expected:
        raise SystemExit(f"{wanted}: integrity is {sort}-{found}, vendor.toml expects {package['integrity']}")
    return tarball


def copy(package: dict[str, Any], tarball: Path) -> None:
    """Replace the package's folder by the files that vendor.toml names."""
    folder = VENDOR / package["name"]
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(tarball) as archive:
        for source, target in package["files"].items():
            member = archive.extractfile(f"package/{source}")
            if member is None:
                raise SystemExit(f"{package['npm']}: no file {source}")
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(member.read())
    if "notice" in package:
        (folder / "NOTICE").write_text(package["notice"] + "\n", encoding="utf-8")


def digests() -> dict[str, str]:
    """Each vendored file, by its path within the folder, with its SHA-256 in hex."""
    return {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(VENDOR.rglob("*"))
        if path.is_file() and path != MANIFEST
    }


def check() -> list[str]:
    """What differs between the committed copies, MANIFEST.json and vendor.toml; empty when nothing does."""
    expected: dict[str, str] = json.loads(MANIFEST.read_text(encoding="utf-8"))
    found = digests()
    faults = [f"{path}: missing" for path in expected if path not in found]
    faults += [f"{path}: not in MANIFEST.json" for path in found if path not in expected]
    faults += [f"{path}: changed" for path in found if path in expected and found[path] != expected[path]]
    named = {f"{package['name']}/{target}" for package in packages() for target in package["files"].values()}
    faults += [f"{path}: named in vendor.toml, not fetched" for path in sorted(named - set(found))]
    return faults


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        faults = check()
        print("\n".join(faults) or "vendored files are as vendor.toml and MANIFEST.json say")
        return 1 if faults else 0
    with tempfile.TemporaryDirectory() as folder:
        for package in packages():
            copy(package, fetch(package, Path(folder)))
            print(f"{package['npm']} {package['version']} ({package['licence']})")
    MANIFEST.write_text(json.dumps(digests(), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
