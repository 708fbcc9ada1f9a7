"""Pictures: small PNGs of pages and papers for the README, and whole pages for whoever wants to look at them."""

from __future__ import annotations

import io
import os
from pathlib import Path

import typst
from PIL import Image
from playwright.sync_api import Page


def keep_small(png: bytes) -> bytes:
    """The same picture in at most 256 colours."""
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(
            256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
    made = io.BytesIO()
    small.save(made, "PNG", optimize=True)
    return made.getvalue()


def first_page(pdf: bytes, folder: Path, ppi: int = 90) -> bytes:
    """The first page of a PDF as a PNG, drawn larger and made smaller so that the letters are even."""
    (folder / "paper.pdf").write_bytes(pdf)
    source = b'#set page(width: 210mm, height: 297mm, margin: 0pt)\n#image("paper.pdf", width: 100%)'
    made = typst.compile(source, root=folder, format="png", ppi=3 * ppi)
    assert isinstance(made, bytes)
    with Image.open(io.BytesIO(made)) as large:
        page = large.convert("RGB").resize((large.width // 3, large.height // 3), Image.Resampling.LANCZOS)
    smaller = io.BytesIO()
    page.save(smaller, "PNG")
    return smaller.getvalue()


def keep(page: Page, name: str) -> None:
    """Write the whole page as it stands to the folder that KHIEN_PICTURES names, if it names one."""
    if folder := os.environ.get("KHIEN_PICTURES"):
        page.screenshot(path=str(Path(folder, f"{name}.png")), full_page=True)
