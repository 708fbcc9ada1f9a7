"""What an engine is asked and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from django.utils.translation import gettext_lazy as _

from khien.kernel.errors import Problem, Text


class Voice(StrEnum):
    """The accent; an engine has a voice for each."""

    NORTH = "north"
    CENTRAL = "central"
    SOUTH = "south"


VOICES: dict[Voice, Text] = {
    Voice.NORTH: _("Giọng Bắc"),
    Voice.CENTRAL: _("Giọng Trung"),
    Voice.SOUTH: _("Giọng Nam"),
}


class Note(StrEnum):
    """What an author should hear for themselves before it goes out; nothing of it forbids."""

    QUIET = "quiet"
    CLIPPED = "clipped"
    MOSTLY_SILENT = "mostly_silent"


NOTES: dict[Note, Text] = {
    Note.QUIET: _("Tiếng nhỏ: loa có thể không đủ nghe."),
    Note.CLIPPED: _("Tiếng quá to, bị vỡ: ghi lại xa máy hơn."),
    Note.MOSTLY_SILENT: _("Phần lớn là khoảng lặng."),
}


@dataclass(frozen=True, slots=True)
class Recording:
    """An MP3 of our own encoder: mono, 64 kbit/s.

    `seconds` is its length; `loudness` the mean level of the parts that are not silent, in dB below full scale
    (0 is the loudest, speech lies near -20); `words` what an engine was given, "" for a recording by a person.
    """

    mp3: bytes
    seconds: float
    loudness: float
    words: str = ""
    notes: tuple[Note, ...] = ()


class SpeechEngine(Protocol):
    """Something that reads Vietnamese aloud."""

    @property
    def name(self) -> str:
        """What it is called in lists and logs."""
        ...

    def speak(self, text: str, *, voice: Voice = Voice.NORTH) -> Recording:
        """The text as sound. Raises `Invalid` for a text that says nothing or is too long, `EngineFailed`."""
        ...


class EngineMissing(Problem):
    """A program is not installed; the text names it and how to get it."""

    status = 503
    default_code = "speech_engine_missing"


class EngineFailed(Problem):
    """A program stopped, took too long or wrote nothing."""

    status = 503
    default_code = "speech_engine_failed"
