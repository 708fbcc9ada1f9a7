"""Writing QR codes. `segno` writes; `zxing-wasm` in the browser and `zxing-cpp` in tests read.

Everything is made with a fixed error level (`boost_error=False`), so that the same text always gives the same
picture, and never as Micro QR, which few readers know.
"""

from __future__ import annotations

import io

import segno


def _make(text: str, error: str) -> segno.QRCode:
    return segno.make(text, error=error, boost_error=False, micro=False)


def svg(text: str, *, error: str = "q", dark: str = "#000") -> str:
    """A stand-alone SVG with a view box and no size of its own; the quiet zone of 4 modules is inside.

    `error` is the correction level: l, m, q or h. Raises `ValueError` for a text that fits no QR code.
    """
    buffer = io.BytesIO()
    _make(text, error).save(
        buffer, kind="svg", omitsize=True, dark=dark, light="#fff", xmldecl=False, nl=False
    )
    return buffer.getvalue().decode()


def png(text: str, *, error: str = "q", scale: int = 8) -> bytes:
    """A PNG with `scale` pixels a module and the quiet zone of 4 modules."""
    buffer = io.BytesIO()
    _make(text, error).save(buffer, kind="png", scale=scale)
    return buffer.getvalue()


def modules(text: str, *, error: str = "q") -> int:
    """Modules along one side, without the quiet zone: what decides how large it must be printed."""
    return int(_make(text, error).symbol_size(border=0)[0])
