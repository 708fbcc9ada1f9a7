"""Other programs, run with limits: no shell, no environment of ours, so many seconds and so many bytes."""

from __future__ import annotations

import logging
import os
import resource
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.utils.translation import gettext as _

from khien.gateways.speech.interface import EngineFailed, EngineMissing

logger = logging.getLogger(__name__)

DEBIAN = {"espeak-ng": "espeak-ng", "lame": "lame"}
"""Programs and the Debian packages that have them."""

MOST_BYTES = 400 * 1024 * 1024
"""What a program may write to one file: half an hour of uncompressed stereo."""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a program ended: `code` is 0 when it says that all went well, `late` when it was stopped."""

    code: int
    errors: str
    late: bool = False


def find(name: str) -> str:
    """The path of a program. Raises `EngineMissing` with the package that has it."""
    found = shutil.which(name)
    if found is None:
        raise missing_problem([DEBIAN.get(name, name)])
    return found


def missing_problem(packages: Sequence[str]) -> EngineMissing:
    """The problem to raise (or to show) when these Debian packages are not installed."""
    names = " ".join(packages)
    return EngineMissing(
        _("Máy chủ chưa có chương trình tạo âm thanh: %(names)s.") % {"names": names},
        way_out=_(
            "Quản trị viên cài bằng “apt-get install %(names)s”. Trong lúc đó vẫn in được kịch bản để đọc."
        )
        % {"names": names},
    )


def run(
    command: Sequence[str], folder: Path, *, timeout_s: float, feed: bytes = b"", out: Path | None = None
) -> Ran:
    """Run it in `folder` with `feed` as its input; its output goes to the file `out`, or nowhere."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "HOME": str(folder)}
    with (
        (out or Path(os.devnull)).open("wb") as written,
        subprocess.Popen(  # noqa: S603 - a list, no shell; texts never stand in it
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=written,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        with suppress(ProcessLookupError, PermissionError):  # it may have ended already
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MOST_BYTES, MOST_BYTES))
        try:
            _out, errors = process.communicate(feed, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Ran(-1, "", late=True)
        return Ran(process.returncode, errors[-2000:].decode("utf-8", "replace"))


def must_run(
    command: Sequence[str], folder: Path, *, timeout_s: float, feed: bytes = b"", out: Path | None = None
) -> None:
    """As `run`. Raises `EngineFailed` when it is late or says that it failed."""
    try:
        ran = run(command, folder, timeout_s=timeout_s, feed=feed, out=out)
    except OSError as fault:
        raise EngineFailed(
            _("Không chạy được %(name)s: %(why)s.") % {"name": Path(command[0]).name, "why": fault.strerror},
            way_out=_("Nhờ quản trị viên xem “khien doctor”, hoặc tải lên bản ghi âm."),
        ) from fault
    name = Path(command[0]).name
    if ran.late:
        raise EngineFailed(
            _("%(name)s chưa xong sau %(seconds)d giây.") % {"name": name, "seconds": timeout_s},
            way_out=_("Thử lại, chia văn bản ngắn hơn, hoặc tải lên bản ghi âm."),
        )
    if ran.code != 0:
        logger.warning("%s ended with %s", name, ran.code)
        raise EngineFailed(
            _("%(name)s báo lỗi (mã %(code)d).") % {"name": name, "code": ran.code},
            way_out=_("Thử lại; nếu vẫn lỗi, tải lên bản ghi âm."),
        )
