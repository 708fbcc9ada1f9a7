"""The engine of this installation: espeak-ng, or the site's own command."""

from __future__ import annotations

import shlex
import shutil
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from khien.gateways.speech import programs, sound
from khien.gateways.speech.interface import EngineFailed, Recording, SpeechEngine, Voice
from khien.kernel.errors import Invalid
from khien.kernel.language import spoken

LONGEST = 20_000
"""Characters of a text at most, as written and as said: some 20 minutes of speech."""

TIMEOUT_S = 60.0
_ESPEAK_VOICES = {Voice.NORTH: "vi", Voice.CENTRAL: "vi-vn-x-central", Voice.SOUTH: "vi-vn-x-south"}


def engine() -> SpeechEngine:
    """The engine that the settings choose (`KHIEN_SPEECH_COMMAND`, else espeak-ng).

    Raises `EngineMissing`, which names the packages to install, when it cannot run here.
    """
    if packages := missing():
        raise programs.missing_problem(packages)
    command = settings.KHIEN_SPEECH_COMMAND
    return OwnCommand(command) if command else Espeak()


def missing() -> list[str]:
    """Debian packages (or the site's own command) that this machine lacks."""
    command = settings.KHIEN_SPEECH_COMMAND
    wanted = [*shlex.split(command)[:1], "lame"] if command else ["espeak-ng", "lame"]
    return [programs.DEBIAN.get(name, name) for name in wanted if shutil.which(name) is None]


def words_of(text: str, voice: Voice) -> str:
    """What an engine is given for `text`: letters and pauses only. Raises `Invalid` when nothing is left to say."""
    if len(text) > LONGEST:
        raise Invalid(
            _("Văn bản dài quá %(limit)d ký tự.") % {"limit": LONGEST},
            field="text",
            way_out=_("Rút gọn, hoặc chia thành nhiều bản tin."),
        )
    numerals = spoken.SOUTH if voice is Voice.SOUTH else spoken.NORTH
    words = spoken.read_aloud(text, numerals=numerals).text
    if not words:
        raise Invalid(_("Văn bản không có gì để đọc."), field="text")
    if len(words) > 2 * LONGEST:
        raise Invalid(
            _("Văn bản đọc lên quá dài."), field="text", way_out=_("Rút gọn, hoặc chia thành nhiều bản tin.")
        )
    return words


@dataclass(frozen=True, slots=True)
class Espeak:
    """espeak-ng as a program of its own. `speed` is words a minute, as loudspeakers outdoors need them: slow."""

    speed: int = 140
    timeout_s: float = TIMEOUT_S
    name: str = "espeak-ng"

    def speak(self, text: str, *, voice: Voice = Voice.NORTH) -> Recording:
        # The text is its input, never an argument; without -m nothing in it is markup.
        options = ["-v", _ESPEAK_VOICES[voice], "-s", str(self.speed), "-b", "1", "--stdin", "-w", "said.wav"]
        return _speak([programs.find("espeak-ng"), *options], text, voice, self.timeout_s, to_output=False)


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A command of the site that reads UTF-8 text and writes WAV to its output; `{voice}` in it is the voice."""

    command: str
    timeout_s: float = TIMEOUT_S
    name: str = "command"

    def speak(self, text: str, *, voice: Voice = Voice.NORTH) -> Recording:
        parts = [part.replace("{voice}", voice) for part in shlex.split(self.command)]
        return _speak(parts, text, voice, self.timeout_s, to_output=True)


def _speak(
    command: Sequence[str], text: str, voice: Voice, timeout_s: float, *, to_output: bool
) -> Recording:
    words = words_of(text, voice)
    with tempfile.TemporaryDirectory(prefix="khien-speech-") as name:
        folder = Path(name)
        said = folder / "said.wav"
        out = said if to_output else None
        programs.must_run(command, folder, timeout_s=timeout_s, feed=words.encode() + b"\n", out=out)
        if not said.exists() or said.stat().st_size <= 44:
            raise _silent(command[0])
        try:
            recording, _measured = sound.finish(said, words=words)
        except (wave.Error, EOFError) as fault:
            raise _silent(command[0]) from fault
    if recording.loudness <= sound.SILENCE_DB:
        raise _silent(command[0])
    return recording


def _silent(program: str) -> EngineFailed:
    return EngineFailed(
        _("%(name)s không tạo ra âm thanh.") % {"name": Path(program).name},
        way_out=_("Nhờ quản trị viên xem “khien doctor”, hoặc tải lên bản ghi âm."),
    )
