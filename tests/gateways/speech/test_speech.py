"""Audio for loudspeakers by the real espeak-ng and lame; recordings by people; the page to read from."""

from __future__ import annotations

import io
import itertools
import shutil
import stat
import time
import wave
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from pypdf import PdfReader

from khien.gateways.speech import programs, recordings, script, sound, speaking
from khien.gateways.speech.interface import NOTES, VOICES, EngineFailed, EngineMissing, Note, Voice
from khien.kernel.errors import Invalid
from khien.site import doctor
from tests.factories import NOON

ABSENT = [package for program, package in programs.DEBIAN.items() if shutil.which(program) is None]
real = pytest.mark.skipif(bool(ABSENT), reason=f"missing: apt-get install {' '.join(ABSENT)}")

BULLETIN = """Ủy ban nhân dân phường Lê Hồng Phong thông báo.
Từ 0h ngày 20/9, người dân ở nhà, chỉ ra đường khi cần thiết.
Ai có triệu chứng sốt, ho, khó thở thì gọi ngay 1900 9095. Xin trân trọng cảm ơn bà con đã lắng nghe."""


def heard(mp3: bytes, folder: Path) -> np.ndarray:
    """The samples of an MP3, decoded by lame; 22,050 a second, mono."""
    (folder / "in.mp3").write_bytes(mp3)
    sound.decode(folder / "in.mp3", folder / "out.wav")
    with wave.open(str(folder / "out.wav")) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, 22_050)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(float)


def wav(samples: np.ndarray, *, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return written.getvalue()


def tone(seconds: float, *, level: float = 0.3, rate: int = 16_000) -> np.ndarray:
    return np.sin(np.arange(int(seconds * rate)) * 2 * np.pi * 220 / rate) * level * 32_767


# Engines


@real
@pytest.mark.parametrize("voice", Voice)
def test_a_bulletin_is_spoken_in_each_accent_for_as_long_as_its_words_need(
    voice: Voice, tmp_path: Path
) -> None:
    recording = speaking.engine().speak(BULLETIN, voice=voice)
    count = len(recording.words.split())
    assert 100 < count / recording.seconds * 60 < 320  # syllables a minute
    assert "hai mươi tháng chín" in recording.words
    assert recordings.looks_like_mp3(recording.mp3)
    samples = heard(recording.mp3, tmp_path)
    assert len(samples) / 22_050 == pytest.approx(recording.seconds, abs=0.1)
    assert len(recording.mp3) == pytest.approx(recording.seconds * 8_000, rel=0.05)  # 64 kbit/s
    assert -32 < recording.loudness < -8
    assert recording.notes == ()


@real
def test_the_accents_differ_and_the_south_counts_its_own_way() -> None:
    said = {voice: speaking.engine().speak("Có 1.005 người", voice=voice) for voice in Voice}
    assert len({recording.mp3 for recording in said.values()}) == 3
    assert said[Voice.SOUTH].words == "Có một ngàn không trăm lẻ năm người."
    assert said[Voice.NORTH].words == "Có một nghìn không trăm linh năm người."


@real
def test_the_six_tones_have_six_melodies(tmp_path: Path) -> None:
    contours = {
        word: contour(speaking.engine().speak(word).mp3, tmp_path) for word in "ma má mà mả mã mạ".split()
    }
    for (one, first), (other, second) in itertools.combinations(contours.items(), 2):
        assert np.abs(first - second).mean() > 2, f"{one} and {other} sound alike"
    assert contours["má"][-1] > contours["má"][0] + 10  # rises
    assert contours["mà"][-1] < contours["mà"].max() - 8  # falls


def contour(mp3: bytes, folder: Path) -> np.ndarray:
    """The pitch in hertz at eight places of the voiced part, by autocorrelation."""
    samples = heard(mp3, folder)
    frame, hop = 1_400, 220
    pitches = []
    for start in range(0, len(samples) - frame, hop):
        piece = samples[start : start + frame] - samples[start : start + frame].mean()
        if np.sqrt((piece**2).mean()) < 1_200:
            continue
        likeness = np.correlate(piece, piece, "full")[frame - 1 :]
        lags = likeness[110:300]  # 200 to 73 Hz
        if lags.max() > 0.5 * likeness[0]:
            pitches.append(22_050 / (110 + int(lags.argmax())))
    assert len(pitches) > 8, "nothing voiced"
    return np.interp(np.linspace(0, len(pitches) - 1, 8), range(len(pitches)), pitches)


HOSTILE = {
    "shell": "Xin chào; touch /tmp/khien-owned && rm -rf ~ | cat `id` $(id) ${HOME}",
    "options": "--stdin -f /etc/passwd -w /tmp/khien-owned",
    "ssml": '<speak><audio src="file:///etc/passwd"/><break time="600s"/>Xin chào</speak>',
    "phonemes": "[[h@'loU]] Xin chào",
    "nul": "Xin\x00 chào\x07\x1b[2J",
    "quotes": "Xin \"chào\" 'bà' \\ con %s {0} \r\n",
}


@real
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_only_words(text: str, tmp_path: Path) -> None:
    recording = speaking.engine().speak(text)
    assert not Path("/tmp/khien-owned").exists()
    assert set(recording.words) <= set(" ,.?!\n") | set(filter(str.isalpha, recording.words))
    assert recording.seconds < 60
    # The same words alone give the same sound: nothing else of the text reached the engine.
    assert speaking.engine().speak(recording.words).mp3 == recording.mp3


@pytest.mark.parametrize("text", ["", "   \n", "\x00", "😷"])
def test_a_text_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        speaking.Espeak().speak(text)
    assert caught.value.field == "text"


def test_a_hundred_kilobytes_are_refused_at_once_with_the_way_out() -> None:
    started = time.monotonic()
    with pytest.raises(Invalid, match="20000") as caught:
        speaking.Espeak().speak("xin chào " * 11_000)
    assert "chia" in str(caught.value.way_out)
    assert time.monotonic() - started < 2


def test_digits_that_grow_too_long_when_said_are_refused() -> None:
    with pytest.raises(Invalid):
        speaking.words_of("777777777777777777 " * 1_000, Voice.NORTH)


def test_without_the_programs_the_problem_names_them_and_how_to_get_them(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissing) as caught:
        speaking.engine()
    assert "espeak-ng lame" in str(caught.value.message)
    assert "apt-get install espeak-ng lame" in str(caught.value.way_out)
    assert caught.value.status == 503
    finding = next(doctor._speech())
    assert (finding.state, finding.way_out) == ("note", "as root: `apt-get install espeak-ng lame`")
    # The page to read from needs none of them.
    assert script.pdf_of(script.Script("Thông báo", BULLETIN, "UBND phường"))[:4] == b"%PDF"


def executable(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@real
def test_a_site_can_have_a_command_of_its_own(settings, tmp_path: Path) -> None:
    program = executable(
        tmp_path / "own", f'cat > {tmp_path}/given; echo "$1" > {tmp_path}/voice; cat {tmp_path}/a.wav'
    )
    (tmp_path / "a.wav").write_bytes(wav(tone(3)))
    settings.KHIEN_SPEECH_COMMAND = f"{program} {{voice}}"
    recording = speaking.engine().speak("Ngày 20/9", voice=Voice.CENTRAL)
    assert recording.seconds == pytest.approx(3, abs=0.2)
    assert (tmp_path / "given").read_text() == "Ngày hai mươi tháng chín.\n"
    assert (tmp_path / "voice").read_text() == "central\n"


@real
@pytest.mark.parametrize(
    "body",
    ["exit 3", "true", "echo nonsense", "head -c 200 /dev/zero", "cat $0.silent"],
    ids=["fails", "empty", "text", "zeros", "silent"],
)
def test_an_engine_that_fails_or_is_silent_is_a_clear_problem(body: str, tmp_path: Path) -> None:
    program = executable(tmp_path / "own", body)
    (tmp_path / "own.silent").write_bytes(wav(np.zeros(50_000)))
    with pytest.raises(EngineFailed) as caught:
        speaking.OwnCommand(str(program)).speak("Xin chào")
    assert caught.value.way_out


def test_an_engine_that_hangs_is_stopped(tmp_path: Path) -> None:
    program = executable(tmp_path / "own", "exec sleep 60")
    started = time.monotonic()
    with pytest.raises(EngineFailed, match="chưa xong"):
        speaking.OwnCommand(str(program), timeout_s=0.5).speak("Xin chào")
    assert time.monotonic() - started < 10


def test_a_program_cannot_fill_the_disk(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(programs, "MOST_BYTES", 100_000)
    program = executable(tmp_path / "own", "sleep 0.3; exec head -c 50000000 /dev/zero")
    out = tmp_path / "out"
    assert programs.run([str(program)], tmp_path, timeout_s=20, out=out).code != 0
    assert out.stat().st_size <= 100_000


# Recordings by people


@real
def test_a_wav_becomes_an_mp3_of_the_same_length() -> None:
    recording = recordings.check(wav(tone(4)))
    assert recording.seconds == pytest.approx(4, abs=0.2)
    assert recording.loudness == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=1)
    assert recordings.looks_like_mp3(recording.mp3)
    assert recording.words == ""


@real
def test_an_mp3_is_made_anew_without_what_hid_in_it() -> None:
    given = recordings.check(wav(tone(4), rate=16_000)).mp3
    secret = b"<script>alert(1)</script>so can cuoc"
    tag = b"ID3\x03\x00\x00\x00\x00\x00\x40" + b"\x00" * 14 + secret + b"\x00" * (64 - 14 - len(secret))
    recording = recordings.check(tag + given + secret)
    assert secret not in recording.mp3
    assert recording.seconds == pytest.approx(4, abs=0.3)


@real
@pytest.mark.parametrize(
    ("level", "note"), [(0.01, Note.QUIET), (40.0, Note.CLIPPED)], ids=["quiet", "clipped"]
)
def test_what_should_be_heard_again_is_noted(level: float, note: Note) -> None:
    samples = np.clip(tone(4, level=level), -32_768, 32_767)
    assert note in recordings.check(wav(samples)).notes


@real
def test_a_recording_that_is_mostly_silence_is_noted() -> None:
    assert Note.MOSTLY_SILENT in recordings.check(wav(np.concatenate([tone(2), np.zeros(160_000)]))).notes


REFUSED = {
    "nothing": (b"", "không phải"),
    "text": (b"xin chao", "không phải"),
    "page": (b"<html><script>alert(1)</script></html>", "không phải"),
    "program": (b"\x7fELF" + bytes(200), "không phải"),
    "ogg": (b"OggS" + bytes(200), "không phải"),
    "short": (wav(tone(1)), "ngắn"),
    "long": (wav(np.zeros(8_000 * 901), rate=8_000), "15 phút"),
    "silent": (wav(np.zeros(16_000 * 4)), "im lặng"),
    "rate": (wav(tone(4), rate=1_000), "kHz"),
    "cut": (wav(tone(4))[:30], "hỏng"),
    "frames that lie": (wav(tone(0.1))[:40] + b"\xff\xff\xff\x7f" + bytes(100), "ngắn"),
    "noise after a frame": (b"\xff\xfb" + bytes(range(256)) * 40, "hỏng|ngắn|im lặng"),
    "tag without sound": (b"ID3\x03\x00\x00\x00\x00\x00\x10" + bytes(100), "không phải"),
    "large": (bytes(recordings.LARGEST + 1), "20 MB"),
}


@real
@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_played_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(Invalid, match=reason) as caught:
        recordings.check(content)
    assert caught.value.field == "recording"
    assert caught.value.way_out


def test_every_voice_and_note_has_its_text() -> None:
    assert set(VOICES) == set(Voice)
    assert set(NOTES) == set(Note)


# The page


def test_the_script_has_the_words_as_they_are_said_and_who_when_and_how_often() -> None:
    made = script.pdf_of(
        script.Script(
            title="Phong tỏa #upper[tạm thời]",
            text=f"{BULLETIN}\n- UBND *phường* $x$ #panic()",
            authority="Ủy ban nhân dân phường Lê Hồng Phong",
            station="Đài truyền thanh phường",
            priority="KHẨN CẤP",
            times=[NOON, "17 giờ hằng ngày"],
            repeat=3,
            valid_until=NOON + timedelta(days=2),
            contact="1900 9095",
        )
    )
    text = " ".join(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(made)).pages).split())
    for piece in (
        *(
            "không giờ ngày hai mươi tháng chín",
            "một chín không không, chín không chín năm",
            "KHẨN CẤP",
            "3 lần liền",
        ),
        *("12:00 ngày 10/01/2022", "17 giờ hằng ngày", "12:00 ngày 12/01/2022", "Phong tỏa #upper[tạm thời]"),
    ):
        assert piece in text, text
    assert "20/9" not in text


def test_a_long_script_runs_over_pages() -> None:
    made = script.pdf_of(script.Script("Dài", "\n".join([BULLETIN] * 12), "UBND"))
    assert len(PdfReader(io.BytesIO(made)).pages) > 2
