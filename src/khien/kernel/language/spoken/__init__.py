"""Written Vietnamese as it is said: what a loudspeaker reads aloud.

A speech engine that is given "ngày 20/9" says twenty-nine. So a text goes through `read_aloud` first: days, hours,
money, phone numbers, units, abbreviations become words, lines and brackets become pauses. The answer has nothing but
Vietnamese letters, spaces, line ends and `, . ? !`, and reading it again changes nothing.

Where a place can be read in two ways ("3/4", "10.5", an abbreviation that nobody knows) the likelier reading is taken
and the place is listed in `doubts`: whoever wrote the text is shown them before it is approved.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from khien.kernel.errors import Text
from khien.kernel.language.spoken import lexicon as words
from khien.kernel.language.spoken.cleaning import clean
from khien.kernel.language.spoken.numbers import NORTH, SOUTH, Numerals
from khien.kernel.language.spoken.reader import Doubt, Reader, Why
from khien.kernel.language.spoken.syllables import ALPHABET

__all__ = ["NORTH", "REASONS", "SOUTH", "Doubt", "Spoken", "Why", "read_aloud", "words"]

REASONS: dict[Why, Text] = {
    Why.DATE_OR_FRACTION: _("Ngày hay phân số? Viết rõ, ví dụ “ngày 3/4” hoặc “ba phần tư”."),
    Why.DATE_OR_RANGE: _("Một ngày hay từ ngày đến ngày? Viết ngày/tháng bằng dấu gạch chéo."),
    Why.DECIMAL_OR_DATE: _("Số lẻ hay ngày? Số lẻ viết dấu phẩy, ngày viết dấu gạch chéo."),
    Why.DECIMAL_OR_THOUSANDS: _("Số lẻ hay hàng nghìn? Hàng nghìn viết dấu chấm, số lẻ viết dấu phẩy."),
    Why.NO_SUCH_DAY: _("Không có ngày này trong lịch."),
    Why.NO_SUCH_TIME: _("Không có giờ này."),
    Why.SHORT_YEAR: _("Năm viết hai chữ số: viết đủ bốn."),
    Why.MONTH_OR_FRACTION: _("Tháng hay số hiệu? Viết “tháng” ở trước nếu là tháng."),
    Why.PHONE_OR_NUMBER: _("Số điện thoại hay số lượng?"),
    Why.LONG_NUMBER: _("Số dài: đọc từng chữ số."),
    Why.RANGE_OR_SCORE: _("Khoảng hay hai số rời nhau? Viết “đến” nếu là khoảng."),
    Why.SEVERAL_MEANINGS: _("Có nhiều cách hiểu: viết đầy đủ."),
    Why.UNKNOWN_ABBREVIATION: _("Chữ viết tắt lạ: đọc từng chữ cái. Viết đầy đủ hoặc thêm vào bảng từ."),
    Why.FOREIGN_WORD: _("Từ nước ngoài: máy có thể đọc sai. Viết theo âm tiếng Việt hoặc thêm vào bảng từ."),
    Why.ROMAN_OR_LETTERS: _("Số La Mã hay chữ cái?"),
    Why.SLASH: _("Dấu gạch chéo: viết “hoặc”, “và” hay “mỗi”."),
    Why.NEGATIVE: _("Số âm hay gạch đầu dòng?"),
    Why.CODE: _("Mã hoặc số hiệu lạ: đọc từng chữ."),
    Why.ADDRESS_OF_A_PAGE: _("Người nghe khó ghi địa chỉ trang: nên nói tên trang."),
    Why.LEFT_OUT: _("Ký hiệu không đọc được: bỏ qua."),
}

_SAFE = re.compile(f"[^{''.join(sorted(ALPHABET))}{''.join(sorted(ALPHABET)).upper()} ,.?!\n]")
_MARKS = re.compile(r"[ ,.?!]*[,.?!][ ,.?!]*")
_STRENGTH = "?!.,"


@dataclass(frozen=True, slots=True)
class Spoken:
    """`text` is what is said. `doubts` are places [start, end) of `source`, the cleaned text that was read."""

    text: str
    source: str
    doubts: tuple[Doubt, ...]


def read_aloud(text: str, *, lexicon: words.Lexicon | None = None, numerals: Numerals = NORTH) -> Spoken:
    """What is said for `text`, and where that is in doubt.

    `lexicon` is by default the one that ships; `numerals` NORTH or SOUTH ("linh nghìn" or "lẻ ngàn").

    >>> read_aloud("Từ 0h ngày 20/9, gọi 1900 9095.").text
    'Từ không giờ ngày hai mươi tháng chín, gọi một chín không không, chín không chín năm.'
    """
    source = clean(text)
    reader = Reader(source, lexicon or words.standard(), numerals)
    reader.run()
    lines = [_line(line) for line in " ".join(reader.out).split("\n")]
    return Spoken("\n".join(filter(None, lines)), source, tuple(reader.doubts))


def _line(text: str) -> str:
    """One line with single spaces, one mark for each pause (the strongest of a row), and an end."""
    text = _MARKS.sub(lambda found: f"{_strongest(found[0])} ", _SAFE.sub(" ", text))
    text = " ".join(text.split()).lstrip(",.?! ")
    if text.endswith(","):
        text = text[:-1].rstrip()
    return text if not text or text[-1] in ".?!" else f"{text}."


def _strongest(marks: str) -> str:
    return min((mark for mark in marks if mark != " "), key=_STRENGTH.index)
