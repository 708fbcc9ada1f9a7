"""What loudspeakers play: spoken by the engine, or recorded by a person."""

from __future__ import annotations

import hashlib

from django.utils.translation import gettext as _

from khien.gateways.speech import recordings, speaking
from khien.gateways.speech.interface import Recording
from khien.kernel import clock
from khien.kernel.acts import record, unchanged, verb
from khien.kernel.errors import Conflict, Invalid
from khien.kernel.staff import Actor
from khien.rooms.broadcasts import content
from khien.rooms.broadcasts.deriving import FIRST
from khien.rooms.broadcasts.models import WRITERS, BulletinAudio, BulletinVersion
from khien.rooms.broadcasts.reads import bulletins as reads
from khien.rooms.broadcasts.verbs.bulletins import locked_draft


@verb(*WRITERS)
def speak_script(actor: Actor, *, version: BulletinVersion) -> BulletinAudio:
    """Have the engine of the installation read the loudspeaker script of a draft. The same script is spoken once.

    Raises `EngineMissing` or `EngineFailed` where the machine cannot.
    """
    version = locked_draft(actor, version)
    text = _script(version)
    before = reads.audio(version)
    if before is not None and not before.is_recording and before.script_hash == content.digest(text):
        unchanged()
        return before
    kept = _keep(actor, version, speaking.engine().speak(text), text, is_recording=False)
    record(actor, version, seconds=round(kept.seconds), recording=False)
    return kept


@verb(*WRITERS)
def keep_recording(actor: Actor, *, version: BulletinVersion, sound: bytes) -> BulletinAudio:
    """Play a person's recording (MP3 or WAV) instead. It is decoded and encoded anew; raises `Invalid` for what is no
    sound, too long, or silent. It belongs to the content: whoever changes it voids the test."""
    version = locked_draft(actor, version)
    text = _script(version)
    kept = _keep(actor, version, recordings.check(sound), text, is_recording=True)
    record(actor, version, seconds=round(kept.seconds), recording=True)
    return kept


@verb(*WRITERS)
def drop_audio(actor: Actor, *, version: BulletinVersion) -> None:
    """Put the sound away."""
    version = locked_draft(actor, version)
    gone, _rows = version.audios.filter(language=FIRST).delete()
    if not gone:
        unchanged()
        return
    record(actor, version, dropped=True)


def _script(version: BulletinVersion) -> str:
    row = reads.script(version)
    if row is None or not row.text:
        raise Conflict(_("Bản tin chưa có lời cho loa."), way_out=_("Chọn kênh loa, lưu, rồi tạo âm thanh."))
    if "{" in row.text:
        raise Invalid(
            _("Lời cho loa còn chỗ chưa điền."), code="missing_value", way_out=_("Viết giá trị vào rồi lưu.")
        )
    return row.text


def _keep(
    actor: Actor, version: BulletinVersion, sound: Recording, script: str, *, is_recording: bool
) -> BulletinAudio:
    kept, _made = BulletinAudio.objects.update_or_create(
        version=version,
        language=FIRST,
        defaults={
            "script_hash": content.digest(script),
            "mp3": sound.mp3,
            "mp3_hash": hashlib.sha256(sound.mp3).hexdigest(),
            "seconds": sound.seconds,
            "words": sound.words,
            "notes": [note.value for note in sound.notes],
            "is_recording": is_recording,
            "made_at": clock.now(),
            "made_by": actor.id,
        },
    )
    return kept
