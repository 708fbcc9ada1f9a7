"""WAV and MP3: one to the other by lame, and what can be said of a sound."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from khien.gateways.speech import programs
from khien.gateways.speech.interface import Note, Recording

TIMEOUT_S = 60.0
_BLOCK_S = 0.1
SILENCE_DB = -50.0
"""A tenth of a second below this level (dB of full scale) is silence."""
_QUIET_DB = -32.0
_CLIPPED_SHARE = 0.005


@dataclass(frozen=True, slots=True)
class Measured:
    """`seconds`, the mean `loudness` of what is not silent (dB of full scale, -inf when all is), and shares."""

    seconds: float
    loudness: float
    silent_share: float
    clipped_share: float

    @property
    def notes(self) -> tuple[Note, ...]:
        found = []
        if self.loudness < _QUIET_DB:
            found.append(Note.QUIET)
        if self.clipped_share > _CLIPPED_SHARE:
            found.append(Note.CLIPPED)
        if self.silent_share > 0.7:
            found.append(Note.MOSTLY_SILENT)
        return tuple(found)


def encode(source: Path, target: Path) -> None:
    """`target` becomes a mono MP3 of 64 kbit/s from a WAV. Raises `EngineMissing`, `EngineFailed`."""
    options = ["--quiet", "-t", "-m", "m", "-b", "64", "--cbr", "--resample", "22.05"]
    command = [programs.find("lame"), *options, str(source), str(target)]
    programs.must_run(command, source.parent, timeout_s=TIMEOUT_S)


def decode(source: Path, target: Path) -> None:
    """`target` becomes the WAV of an MP3. Raises `EngineMissing`, `EngineFailed`."""
    command = [programs.find("lame"), "--quiet", "--decode", "--mp3input", str(source), str(target)]
    programs.must_run(command, source.parent, timeout_s=TIMEOUT_S)


def finish(source: Path, *, is_mp3: bool = False, words: str = "") -> tuple[Recording, Measured]:
    """A file as a recording of ours: encoded anew, decoded again and measured as it will be heard."""
    mp3, heard = source.with_name("made.mp3"), source.with_name("heard.wav")
    if is_mp3:
        # Not from MP3 to MP3 at once: lame would copy the tags.
        decode(source, heard)
        source = source.with_name("given.wav")
        heard.replace(source)
    encode(source, mp3)
    decode(mp3, heard)
    measured = measure(heard.read_bytes())
    recording = Recording(
        mp3=mp3.read_bytes(),
        seconds=round(measured.seconds, 2),
        loudness=round(measured.loudness, 1) if np.isfinite(measured.loudness) else -100.0,
        words=words,
        notes=measured.notes,
    )
    return recording, measured


def measure(content: bytes) -> Measured:
    """What can be said of a WAV of 16 bits. Raises `wave.Error` or `EOFError` for anything else."""
    with wave.open(io.BytesIO(content)) as file:
        if file.getsampwidth() != 2:
            raise wave.Error("16 bits expected")
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    samples = samples[: len(samples) // channels * channels].reshape(-1, channels)
    block = max(1, int(rate * _BLOCK_S))
    whole = samples[: len(samples) // block * block].astype(np.float64) / 32768
    powers = np.square(whole).mean(axis=1).reshape(-1, block).mean(axis=1) if len(whole) else np.zeros(1)
    heard = powers[powers > 10 ** (SILENCE_DB / 10)]
    loudness = 10 * float(np.log10(heard.mean())) if len(heard) else float("-inf")
    clipped = float((np.abs(samples.astype(np.int32)) >= 32_700).mean()) if len(samples) else 0.0
    return Measured(len(samples) / rate, loudness, 1 - len(heard) / len(powers), clipped)
