"""The sound of a version: what the bulletin keeps of it, else the engine's reading of the script."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from khien.gateways.speech import speaking
from khien.gateways.speech.interface import EngineFailed, EngineMissing
from khien.kernel.alerts import publishing
from khien.kernel.language import spoken
from khien.rooms.broadcasts.channels.texts import told
from khien.rooms.broadcasts.models import BulletinVersion, Channel

_BYTES_A_SECOND = 64_000 / 8


@dataclass(frozen=True, slots=True)
class Sound:
    """An MP3 at its public address; `seconds` is its length."""

    url: str
    sha256: str
    size: int
    seconds: float


def audio_of(version: BulletinVersion, language: str = "vi") -> tuple[bytes, str]:
    """The MP3 and its SHA-256: the recording or the speech that was approved with the version, else the script as the
    engine reads it. Raises `EngineMissing`, `EngineFailed`, `Invalid`."""
    row = version.audios.filter(language=language).first()
    if row is not None:
        return bytes(row.mp3), row.mp3_hash
    text = script_of(version, language)
    name = hashlib.sha256(f"{version.pk}:{language}:{text}".encode()).hexdigest()
    path = Path(settings.KHIEN_DATA) / "speech" / f"{name}.mp3"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        publishing.replace(path, speaking.engine().speak(text).mp3)
    mp3 = path.read_bytes()
    return mp3, hashlib.sha256(mp3).hexdigest()


def script_of(version: BulletinVersion, language: str = "vi") -> str:
    """The loudspeaker's text as written."""
    said = told(version, Channel.LOUDSPEAKER)
    return next((one for one in said if one.language == language), said[0]).text


def words_of(version: BulletinVersion, language: str = "vi") -> str:
    """The text as it is said, for stations that speak by themselves."""
    return spoken.read_aloud(script_of(version, language)).text


def published(version: BulletinVersion, language: str = "vi") -> Sound | None:
    """The sound at its public address, written there when it is not yet; None where nothing can speak: the station gets
    the text alone."""
    from khien.rooms.broadcasts import public_files

    row = version.audios.filter(language=language).defer("mp3").first()
    folder = public_files.folder() / "alerts" / "audio"
    # Stations ask twice a minute: the sound itself is read once.
    if row is None or not (folder / f"{row.mp3_hash}.mp3").exists():
        try:
            mp3, digest = audio_of(version, language)
        except (EngineMissing, EngineFailed):
            return None
        folder.mkdir(parents=True, exist_ok=True)
        publishing.replace(folder / f"{digest}.mp3", mp3)
    else:
        digest = row.mp3_hash
    size = (folder / f"{digest}.mp3").stat().st_size
    return Sound(f"{settings.KHIEN_URL}/alerts/audio/{digest}.mp3", digest, size, size / _BYTES_A_SECOND)
