"""A camera for Chromium that shows a card: a video made here, as a hand would hold it."""

from __future__ import annotations

import io
from pathlib import Path

import segno
from PIL import Image, ImageDraw, ImageFilter

SIZE = (640, 480)
FRAMES = 30
TABLE = (92, 88, 80)


def film_card(text: str, path: Path) -> Path:
    """A motion JPEG of a card with the QR code of `text`, in slight motion; a few frames show nothing."""
    code = _qr(text)
    frames = []
    for number in range(FRAMES):
        frame = Image.new("RGB", SIZE, TABLE)
        if number % 10 != 9:
            card = Image.new("RGB", (520, 340), (226, 236, 232))
            pen = ImageDraw.Draw(card)
            pen.rectangle((24, 24, 180, 230), fill=(196, 204, 200))
            for line in range(4):
                pen.rectangle((24, 252 + 20 * line, 180 - 24 * line, 262 + 20 * line), fill=(150, 164, 160))
            card.paste(code, (520 - code.width - 20, (340 - code.height) // 2))
            turned = card.rotate(
                -3 + number % 7, expand=True, resample=Image.Resampling.BICUBIC, fillcolor=(92, 88, 80)
            )
            frame.paste(turned, (60 - number % 5, 60 + number % 4))
        # 4:2:0, the only sampling of colours that the browser's file camera shows.
        jpeg = io.BytesIO()
        frame.filter(ImageFilter.GaussianBlur(0.6)).save(jpeg, "JPEG", quality=88, subsampling="4:2:0")
        frames.append(jpeg.getvalue())
    path.write_bytes(b"".join(frames))
    return path


def camera_flags(video: Path) -> list[str]:
    """What Chromium is started with to see `video` (.mjpeg, absolute) through its camera, without asking."""
    return [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={video.resolve()}",
    ]


def _qr(text: str) -> Image.Image:
    made = io.BytesIO()
    segno.make(text, error="m", micro=False, boost_error=False).save(made, kind="png", scale=5, border=4)
    made.seek(0)
    return Image.open(made).convert("RGB")
