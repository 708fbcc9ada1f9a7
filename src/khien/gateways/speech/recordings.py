"""A recording by a person instead of an engine: taken when it is sound, of a fitting length, and can be heard."""

from __future__ import annotations

import io
import tempfile
import wave
from pathlib import Path

from django.utils.translation import gettext as _

from khien.gateways.speech import sound
from khien.gateways.speech.interface import EngineFailed, Recording
from khien.kernel.errors import Invalid

LARGEST = 20 * 1024 * 1024
"""Bytes of an upload at most."""
SHORTEST_S, LONGEST_S = 2.0, 15 * 60.0
_LAYER_III = {0xFA, 0xFB, 0xF2, 0xF3, 0xE2, 0xE3}


def check(content: bytes) -> Recording:
    """The recording in `content` (MP3 or WAV, told by the bytes, not by a name), encoded anew.

    Raises `Invalid` for what is too large, no such sound, damaged, shorter than 2 seconds, longer than 15 minutes or
    silent; `EngineMissing` where lame is not installed. `notes` of the answer say what should be heard again.
    """
    if len(content) > LARGEST:
        raise _refused(
            _("Tệp lớn quá %(limit)d MB.") % {"limit": LARGEST // 2**20},
            _("Xuất tệp MP3 64 kbit/s rồi tải lên lại."),
        )
    is_mp3 = looks_like_mp3(content)
    if not is_mp3:
        _check_wav(content)
    with tempfile.TemporaryDirectory(prefix="khien-speech-") as name:
        source = Path(name) / ("given.mp3" if is_mp3 else "given.wav")
        source.write_bytes(content)
        try:
            recording, measured = sound.finish(source, is_mp3=is_mp3)
        except (EngineFailed, wave.Error, EOFError) as fault:
            raise _refused(
                _("Tệp hỏng hoặc quá dài, không giải mã được."), _("Ghi hoặc xuất lại tệp.")
            ) from fault
    _check_length(recording.seconds)
    if measured.loudness <= sound.SILENCE_DB + 5:
        raise _refused(_("Bản ghi gần như im lặng."), _("Kiểm tra micro rồi ghi lại."))
    return recording


def looks_like_mp3(content: bytes) -> bool:
    """Does it start as MPEG audio layer III, after an ID3 tag or at once?"""
    start = 0
    if content[:3] == b"ID3" and len(content) >= 10:
        size = 0
        for byte in content[6:10]:
            size = size << 7 | byte & 0x7F
        start = 10 + size
    return len(content) >= start + 4 and content[start] == 0xFF and content[start + 1] in _LAYER_III


def _check_wav(content: bytes) -> None:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise _refused(_("Tệp không phải MP3 hay WAV."), _("Tải lên tệp MP3 hoặc WAV."))
    try:
        with wave.open(io.BytesIO(content)) as file:
            rate, channels = file.getframerate(), file.getnchannels()
            frames = min(file.getnframes(), len(content) // max(1, file.getsampwidth() * channels))
    except (wave.Error, EOFError, ValueError, ZeroDivisionError) as fault:
        raise _refused(
            _("Tệp WAV hỏng hoặc không phải PCM."), _("Xuất lại dạng WAV PCM hoặc MP3.")
        ) from fault
    if not 8_000 <= rate <= 192_000 or channels not in {1, 2}:
        raise _refused(_("WAV phải có 1 hoặc 2 kênh, 8 đến 192 kHz."), _("Xuất lại dạng WAV PCM hoặc MP3."))
    _check_length(frames / rate)


def _check_length(seconds: float) -> None:
    if seconds < SHORTEST_S:
        raise _refused(_("Bản ghi ngắn hơn 2 giây."), _("Ghi lại cho đủ bản tin."))
    if seconds > LONGEST_S:
        raise _refused(_("Bản ghi dài hơn 15 phút."), _("Chia thành nhiều bản tin."))


def _refused(message: str, way_out: str) -> Invalid:
    return Invalid(message, field="recording", way_out=way_out, code="recording")
