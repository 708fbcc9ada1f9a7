"""Printed things: data print as themselves, in our typeface, and their QR codes can be read off the paper."""

from __future__ import annotations

import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from khien.kernel import clock
from khien.kernel.documents import pdf, qr
from tests.factories import NOON

TEMPLATE = """#import "/kernel/documents/khien.typ": *
#show: page-a4
#let d = data()
= #d.title
#d.lines.join(linebreak())
#if "qr" in d { qr(d.qr, 15cm) }
"""


def pixels(made: bytes, folder: Path, dpi: int = 100) -> Image.Image:
    """The first page as a scanner would see it."""
    if shutil.which("pdftoppm") is None:
        pytest.skip("pdftoppm is missing: apt-get install poppler-utils")
    source = folder / "page.pdf"
    source.write_bytes(made)
    subprocess.run(["pdftoppm", "-r", str(dpi), "-png", "-singlefile", source, folder / "page"], check=True)
    return Image.open(folder / "page.png")


def test_data_print_as_themselves_and_never_become_markup() -> None:
    hostile = [
        '#panic("x")',
        "$x$ *đậm* _nghiêng_ @nơi",
        "\\u{41} ] } //",
        "Đặng Thị Hường, phường Lê Hồng Phong",
    ]
    made = pdf.render(TEMPLATE, {"title": "Thử #upper[x]", "lines": hostile})
    text = PdfReader(BytesIO(made)).pages[0].extract_text()
    for line in ["Thử #upper[x]", *hostile]:
        assert line.replace(" ", "") in text.replace(" ", "").replace("\n", "")


def test_days_and_moments_print_as_vietnamese_readers_write_them() -> None:
    made = pdf.render(TEMPLATE, {"title": "x", "lines": [NOON, NOON.date()]})
    text = PdfReader(BytesIO(made)).pages[0].extract_text()
    assert "12:00 ngày 10/01/2022" in text
    assert "10/01/2022" in text


def test_the_same_data_give_the_same_bytes_and_only_our_fonts() -> None:
    with clock.reads.frozen_at(NOON):
        first, second = (pdf.render(TEMPLATE, {"title": "Ấn chỉ", "lines": ["a"]}) for _ in range(2))
    assert first == second
    fonts = PdfReader(BytesIO(first)).pages[0]["/Resources"]["/Font"]
    assert all("BeVietnamPro" in str(font.get_object()["/BaseFont"]) for font in fonts.values())


def test_a_qr_code_is_read_back_off_the_paper(tmp_path: Path) -> None:
    text = "https://khien.example.vn/p/ABCDEFGHJK?m=12345678"
    made = pdf.render(TEMPLATE, {"title": "Áp phích", "lines": [], "qr": qr.svg(text)})
    found = zxingcpp.read_barcodes(pixels(made, tmp_path))
    assert [code.text for code in found] == [text]


def test_png_and_svg_hold_the_same_text() -> None:
    text = "Xin chào, Hà Nam"
    assert zxingcpp.read_barcode(Image.open(BytesIO(qr.png(text)))).text == text
    assert qr.svg(text).startswith("<svg")
    assert "script" not in qr.svg("<script>")
    assert qr.modules("YT1:" + "A" * 100) >= 21
