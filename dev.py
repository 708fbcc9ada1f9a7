#!/usr/bin/env python3
"""Khiên from a clone: makes `.venv`, keeps it equal to the lock, and runs what the Makefile asks for.

Only the standard library: this runs before anything is installed. `python3 dev.py --help` lists the acts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "khien-lock"
PRODUCT, DEVELOPMENT = "requirements.lock", "requirements-dev.lock"

# Nothing is fetched but packages: no interpreter, and no settings of the caller's own virtual environment.
ENVIRONMENT = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "VIRTUAL_ENV": str(VENV)}


def main() -> None:
    acts = {
        "demo": demo,
        "test": test,
        "check": check,
        "fuzz": fuzz,
        "lock": lock,
        "messages": messages,
        "screenshots": screenshots,
        "peers": peers,
        "sync": sync_only,
        "khien": khien,
    }
    if len(sys.argv) < 2 or sys.argv[1] not in acts:
        sys.exit(f"usage: python3 dev.py {{{' | '.join(acts)}}} [arguments]")
    os.chdir(PROJECT)
    acts[sys.argv[1]](sys.argv[2:])


def demo(arguments: list[str]) -> None:
    """The living demonstration: everything up, with data that moves."""
    sync(PRODUCT)
    run_khien(["demo", *arguments])


def khien(arguments: list[str]) -> None:
    """Any other command of the product, such as `up` or `doctor`."""
    sync(PRODUCT)
    run_khien(arguments)


def test(arguments: list[str]) -> None:
    """The tests, in parallel over the cores; arguments go to pytest."""
    sync(DEVELOPMENT)
    have_test_programs()
    have_peers()
    cores = len(os.sched_getaffinity(0))
    workers = ["-n", str(min(cores, 8)), "--dist", "loadfile"] if cores > 1 else []
    # On a fresh machine the kernels are compiled once here, not by each of the workers beside its tests.
    run_step([str(PYTHON), "-m", "khien.engine.warming"])
    run([str(PYTHON), "-m", "pytest", *workers, *arguments])


def check(_arguments: list[str]) -> None:
    """Style, types, layers and links; every check runs, the status says whether one failed."""
    sync(DEVELOPMENT)
    checks = [
        ["-m", "ruff", "check", "."],
        ["-m", "ruff", "format", "--check", "."],
        ["-m", "mypy"],
        ["-c", "from importlinter.cli import lint_imports_command as main; main()"],
        ["tools/links.py"],
    ]
    failed = []
    for command in checks:
        name = " ".join(word for word in command if word != "-m") if command[0] != "-c" else "lint-imports"
        print(f"── {name}", flush=True)
        if subprocess.run([str(PYTHON), *command], env=ENVIRONMENT, check=False).returncode != 0:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def fuzz(arguments: list[str]) -> None:
    """The fuzzer of codes and certificates; its package has no wheel for every Python, so no lock names it."""
    sync(DEVELOPMENT)
    if subprocess.run([str(PYTHON), "-c", "import atheris"], env=ENVIRONMENT, check=False).returncode != 0:
        uv = str(VENV / "bin" / "uv")
        run_step([uv, "pip", "install", "-q", "--python", str(PYTHON), "--group", "fuzz"])
    run([str(PYTHON), "-m", "tests.fuzz.codes", *arguments])


def lock(arguments: list[str]) -> None:
    """Write both locks anew from pyproject.toml; `--upgrade` takes the newest versions."""
    make_environment()
    common = [
        "uv",
        "pip",
        "compile",
        "-q",
        "pyproject.toml",
        "--universal",
        "--generate-hashes",
        "--no-header",
        *arguments,
    ]
    common[0] = str(VENV / "bin" / "uv")
    common += ["--no-emit-index-url", "--python", str(PYTHON)]
    run_step([*common, "--group", "dev", "-o", DEVELOPMENT])
    run_step([*common, "--group", "build", "-c", DEVELOPMENT, "-o", PRODUCT])


def messages(arguments: list[str]) -> None:
    """The English of every text, brought up to date and compiled."""
    sync(DEVELOPMENT)
    run_step([str(PYTHON), "tools/messages.py", *arguments])


def screenshots(arguments: list[str]) -> None:
    """The pictures of the README, from the journey of the main job."""
    sync(DEVELOPMENT)
    have_test_programs()
    journey = "tests/journeys/test_main_job.py"
    run([str(PYTHON), "-m", "pytest", "-q", journey, "--screenshots", "docs/images", *arguments])


def peers(_arguments: list[str]) -> None:
    """The independent programs of npm that tests talk to (`tests/peers`)."""
    sync(DEVELOPMENT)
    have_peers()


def sync_only(arguments: list[str]) -> None:
    """Only make `.venv` equal to the lock (`dev.py sync product` leaves the tools for developers out)."""
    sync(PRODUCT if arguments == ["product"] else DEVELOPMENT)


def sync(lock_name: str) -> None:
    """Have `.venv` hold what the lock says; nothing is done while the lock is unchanged."""
    wanted = {name: fingerprint(name) for name in (PRODUCT, DEVELOPMENT)}
    # The development lock holds all of the product's, in the same versions.
    enough = {wanted[lock_name], wanted[DEVELOPMENT]}
    if PYTHON.exists() and STAMP.exists() and STAMP.read_text() in enough:
        return
    make_environment()
    print(f"Installing what {lock_name} lists into .venv …", flush=True)
    uv = str(VENV / "bin" / "uv")
    run_step([uv, "pip", "sync", "-q", "--python", str(PYTHON), lock_name])
    run_step(
        [
            *[uv, "pip", "install", "-q", "--python", str(PYTHON)],
            *["--no-deps", "--no-build-isolation", "-e", "."],
        ]
    )
    STAMP.write_text(wanted[lock_name])


def fingerprint(lock_name: str) -> str:
    digest = hashlib.sha256()
    for name in (lock_name, "pyproject.toml"):
        digest.update((PROJECT / name).read_bytes())
    return f"{lock_name} {digest.hexdigest()}"


def make_environment() -> None:
    """`.venv` with uv inside, made by this Python."""
    if sys.version_info < (3, 11):
        sys.exit(f"Khiên needs Python 3.11 or newer; this is {sys.version.split()[0]} ({sys.executable})")
    if not works():
        if find_spec("ensurepip") is None or find_spec("venv") is None:
            sys.exit("Python's venv is missing: as root, `apt-get install python3-venv`, then try again")
        print("Making .venv …", flush=True)
        run_step([sys.executable, "-m", "venv", "--clear", str(VENV)])
    if not (VENV / "bin" / "uv").exists():
        run_step([str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check", "uv>=0.8"])


def works() -> bool:
    """Is there a `.venv` whose Python runs (its interpreter may have gone, or the folder been moved)?"""
    if not PYTHON.exists():
        return False
    answer = subprocess.run(
        [str(PYTHON), "-m", "pip", "--version"], capture_output=True, text=True, check=False
    )
    return answer.returncode == 0 and str(VENV) in answer.stdout


def have_test_programs() -> None:
    """Tests need Debian's Chromium, pdftoppm, speech and Kannel: installed when we may, else said how."""
    programs = {
        "chromium": ("chromium", "chromium-browser", "google-chrome"),
        "poppler-utils": ("pdftoppm",),
        "espeak-ng": ("espeak-ng",),
        "lame": ("lame",),
        "kannel": ("bearerbox",),
    }
    places = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"
    missing = [
        package
        for package, names in programs.items()
        if not any(shutil.which(name, path=places) for name in names)
    ]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing Debian's {' and '.join(missing)} for the tests …", flush=True)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
        for command in (["apt-get", "update", "-qq"], install):
            if subprocess.run(command, env=quiet, stdout=subprocess.DEVNULL, check=False).returncode != 0:
                break
        else:
            return
    print(
        f"Missing, so some tests will be skipped: as root, `apt-get install {' '.join(missing)}`",
        flush=True,
    )


def have_peers() -> None:
    """What `tests/peers/package-lock.json` lists, installed once by the npm that the node wheel brings."""
    folder = PROJECT / "tests" / "peers"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    stamp = folder / "node_modules" / "khien-lock"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print("Installing the tests' peers from npm …", flush=True)
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    install = [
        str(VENV / "bin" / "npm"),
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]
    if subprocess.run(install, cwd=folder, env={**ENVIRONMENT, "PATH": path}, check=False).returncode == 0:
        stamp.write_text(wanted)
    else:
        print("Not installed, so the tests that need them will be skipped.", flush=True)


def run_khien(arguments: list[str]) -> None:
    run([str(PYTHON), "-m", "khien.site.cli", *arguments])


def run(command: list[str]) -> None:
    """Become the command, so that signals reach it and its status is ours."""
    sys.stdout.flush()
    os.execve(command[0], command, ENVIRONMENT)  # noqa: S606


def run_step(command: list[str]) -> None:
    if subprocess.run(command, env=ENVIRONMENT, check=False).returncode != 0:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
